"""The tables of the template, in moto."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.sandbox import template
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.aws.table import ExportFilesTable


@pytest.fixture
def dynamodb() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing"
        )


def create(client: Any, name: str, logical_id: str) -> None:
    """A table with the template's own schema."""
    schema = template.source()["Resources"][logical_id]["Properties"]
    kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
    client.create_table(TableName=name, **{name: schema[name] for name in kept if name in schema})


@pytest.fixture
def moto_table(dynamodb: Any) -> ExportFilesTable:
    create(dynamodb, "files", "ExportFilesTable")
    return ExportFilesTable(dynamodb, "files")


@pytest.fixture
def moto_matches(dynamodb: Any) -> NameMatches:
    create(dynamodb, "matches", "NameMatchesTable")
    return NameMatches(dynamodb, "matches")


@pytest.fixture
def moto_deliveries(dynamodb: Any) -> DeliveriesTable:
    create(dynamodb, "deliveries", "DeliveriesTable")
    return DeliveriesTable(dynamodb, "deliveries")
