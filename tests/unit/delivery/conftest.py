"""DeliveriesTable of the template, in moto, and what works on it."""

import pytest

from tests.unit.aws.conftest import dynamodb, moto_deliveries  # noqa: F401 - fixtures
from tests.unit.delivery.world import DeliveryWorld
from webadmit_exports.aws.deliveries import DeliveriesTable


@pytest.fixture
def world(moto_deliveries: DeliveriesTable) -> DeliveryWorld:  # noqa: F811
    return DeliveryWorld(moto_deliveries)
