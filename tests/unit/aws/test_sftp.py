"""What AWS says of an SFTP server."""

from collections.abc import Iterator
from typing import Any, NoReturn

import boto3
import pytest
from botocore.exceptions import ReadTimeoutError
from moto import mock_aws

from tests.fakes import stand_in
from webadmit_exports.aws.connector import Connector
from webadmit_exports.aws.outgoing_bucket import Folder, OutgoingBucket
from webadmit_exports.errors import AwsUnavailable


@pytest.fixture
def s3() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1")
        client.create_bucket(Bucket="outgoing")
        yield client


def test_a_list_of_a_folder_is_read_once_it_is_there(s3: Any) -> None:
    bucket = OutgoingBucket(s3, "outgoing")
    before = bucket.folder("listings/1.json")
    s3.put_object(
        Bucket="outgoing",
        Key="listings/1.json",
        Body=b'{"files": [{"filePath": "/incoming/a.csv", "size": 5}, {"filePath": "/in/b.csv"}], "truncated": "true"}',
    )

    assert before is None
    assert bucket.folder("listings/1.json") == Folder(files={"a.csv": 5, "b.csv": None}, is_cut_off=True)


@pytest.mark.parametrize("text", [b"", b"<html>", b"[]", b'{"files": [{}]}', b'{"files": 1}', b"\xff"])
def test_a_list_that_cannot_be_read_is_an_error_of_aws(s3: Any, text: bytes) -> None:
    s3.put_object(Bucket="outgoing", Key="listings/1.json", Body=text)

    with pytest.raises(AwsUnavailable, match="a list that cannot be read"):
        OutgoingBucket(s3, "outgoing").folder("listings/1.json")


def test_a_server_that_does_not_answer_a_login_is_named_as_that() -> None:
    class Silent:
        def test_connection(self, **_: str) -> NoReturn:
            raise ReadTimeoutError(endpoint_url="the connector")

    connector = Connector(stand_in(Silent()), stand_in(Silent()), "c-1")

    assert connector.test() == "it did not answer within half a minute"
