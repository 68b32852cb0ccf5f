"""The table of the template, in moto."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.sandbox import template
from webadmit_exports.aws.table import ExportFilesTable


@pytest.fixture
def moto_table() -> Iterator[ExportFilesTable]:
    """A table with the template's own schema."""
    with mock_aws():
        client = boto3.client(
            "dynamodb", region_name="us-east-1", aws_access_key_id="nobody", aws_secret_access_key="nothing"
        )
        schema = template.source()["Resources"]["ExportFilesTable"]["Properties"]
        kept = ("AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes", "BillingMode")
        client.create_table(TableName="files", **{name: schema[name] for name in kept})
        yield ExportFilesTable(client, "files")
