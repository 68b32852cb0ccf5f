"""DeliveriesTable of the template, in moto."""

from tests.unit.aws.conftest import dynamodb, moto_deliveries  # noqa: F401 - fixtures
