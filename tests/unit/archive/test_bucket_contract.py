"""What every bucket of the archive promises: the one in S3, and the fake of the unit tests."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from moto import mock_aws

from tests.fakes import Clock, FakeBucket
from webadmit_exports.archive.bucket import AlreadyThere, ArchiveBucket
from webadmit_exports.archive.stored_file import FileFacts, StoredFile

Bucket = ArchiveBucket | FakeBucket
PREFIX = "86446/2026/11/23/033410-74780-"
KEY = f"{PREFIX}Nursing.csv"
CONTENT = b"id,name\r\n1,a\r\n"
FACTS = FileFacts(
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    charset="utf-8",
    rows=1,
    header_sha256="0" * 64,
    previous_rows=2,
    header_changed=True,
)


@pytest.fixture
def s3() -> Iterator[ArchiveBucket]:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket="archive")
        client.put_bucket_versioning(Bucket="archive", VersioningConfiguration={"Status": "Enabled"})
        yield ArchiveBucket(client, "archive")


@pytest.fixture(params=["S3", "fake"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    if request.param == "S3":
        of_s3: ArchiveBucket = request.getfixturevalue("s3")
        return of_s3
    return FakeBucket(Clock(datetime.now(UTC)))


def put(bucket: Bucket, key: str = KEY, facts: FileFacts = FACTS) -> StoredFile:
    content, metadata = io.BytesIO(CONTENT), {"export-id": "86446"}
    return bucket.put(key, content, facts, metadata=metadata, content_type="text/csv")


def test_nothing_is_found_in_an_empty_bucket(bucket: Bucket) -> None:
    assert bucket.find(PREFIX) is None
    assert bucket.before(KEY) is None


def test_what_is_stored_is_found_with_its_facts(bucket: Bucket) -> None:
    stored = put(bucket)

    assert bucket.find(PREFIX) == stored
    assert bucket.find("86446/2026/11/24/") is None
    assert (stored.key, stored.size, stored.content_type) == (KEY, len(CONTENT), "text/csv")
    assert stored.facts == FACTS
    assert stored.version_id
    assert not stored.has_receipt
    assert abs(stored.stored_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_file_that_is_there_is_not_stored_again(bucket: Bucket) -> None:
    stored = put(bucket)

    with pytest.raises(AlreadyThere):
        put(bucket)

    assert bucket.find(PREFIX) == stored


def test_a_receipt_is_noted_beside_the_tags_that_are_there(bucket: Bucket) -> None:
    stored = replace(put(bucket), tags={"owner": "admissions"})

    bucket.mark(stored, "receipt")

    found = bucket.find(PREFIX)
    assert found
    assert found.has_receipt
    assert found.tags == {"owner": "admissions", "receipt": "sent"}


def test_the_file_before_is_the_newest_csv_of_the_same_export_that_had_finished_before(s3: ArchiveBucket) -> None:
    rows = {
        "86446/2026/11/21/033410-74778-a.csv": 1,
        "86446/2026/11/22/033410-74779-a.csv": 2,
        "86446/2026/11/24/033410-74781-a.csv": 3,
        "86447/2026/11/22/233410-74779-a.csv": 4,
    }
    for key, count in rows.items():
        put(s3, key, replace(FACTS, rows=count))
    put(s3, "86446/2026/11/23/003410-74779-a.pdf", FileFacts(sha256=FACTS.sha256))

    before = s3.before(KEY)

    assert before
    assert before.rows == 2


def test_an_object_that_somebody_else_has_put_there_is_none_of_ours(s3: ArchiveBucket) -> None:
    s3._client.put_object(Bucket="archive", Key=KEY, Body=CONTENT)

    assert s3.find(PREFIX) is None
    with pytest.raises(AlreadyThere):
        put(s3)
