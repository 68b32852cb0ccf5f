"""ArchiveBucket: the objects of fetched files, in S3.

An object is there whole, with its facts as metadata, or not at all. Tags tell that its receipt was sent, and that its
delivery was started.
"""

import base64
import uuid
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from webadmit_exports.archive.stored_file import FileFacts, StoredFile, parse_facts
from webadmit_exports.aws.clients import aws_errors, error_code
from webadmit_exports.errors import AwsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_UPLOAD = "upload"  # a mark in an object's metadata, by which a put whose answer was lost recognises itself
_LOOKED_AT = 20  # earlier files, of which some may be no CSV
_NOT_THERE = {"404", "NoSuchKey", "NotFound"}
_OTHERS_WERE_FASTER = {"PreconditionFailed", "ConditionalRequestConflict"}


class AlreadyThere(Exception):
    """Another process has stored the same file just now."""


class ArchiveBucket:
    """Finds and stores objects; every method raises AwsUnavailable if S3 does not do as asked."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self.name = name

    def find(self, prefix: str) -> StoredFile | None:
        """The object whose key begins so; None where there is none."""
        with aws_errors("S3"):
            found = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=1).get("Contents", [])
        return self._look_at(found[0]["Key"])[0] if found else None

    def before(self, key: str) -> FileFacts | None:
        """The facts of the newest CSV of the same export that had finished before; None where there is none."""
        for number, earlier in enumerate(self._keys_before(key.partition("/")[0] + "/", key)):
            if number == _LOOKED_AT:
                break
            stored, _ = self._look_at(earlier)
            if stored and stored.facts.header_sha256:
                return stored.facts
        return None

    def put(
        self,
        key: str,
        content: IO[bytes],
        facts: FileFacts,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str = "",
    ) -> StoredFile:
        """Stores an object; raises AlreadyThere if there is one.

        S3 takes 5 GiB at once, and stores nothing whose SHA-256 is not that of the facts.
        """
        mark = uuid.uuid4().hex
        encoding: dict[str, Any] = {"ContentEncoding": content_encoding} if content_encoding else {}
        problem = AwsUnavailable("S3 does not have what it has just stored")
        try:
            with aws_errors("S3"):
                self._client.put_object(
                    Bucket=self.name,
                    Key=key,
                    Body=content,
                    ChecksumSHA256=base64.b64encode(bytes.fromhex(facts.sha256)).decode(),
                    ContentType=content_type,
                    Metadata={**metadata, **facts.metadata, _UPLOAD: mark},
                    IfNoneMatch="*",
                    **encoding,
                )
        except AwsUnavailable as error:  # perhaps it was done, and only its answer was lost
            problem = error
        stored, found = self._look_at(key)
        if stored and found == mark:
            return stored
        if isinstance(problem.__cause__, ClientError) and error_code(problem.__cause__) in _OTHERS_WERE_FASTER:
            raise AlreadyThere
        raise problem

    def mark(self, stored: StoredFile, tag: str) -> StoredFile:
        """Notes that the receipt of an object was sent, or that its delivery was started; returns it with the tag."""
        marked = stored.marked(tag)
        with aws_errors("S3"):
            self._client.put_object_tagging(
                Bucket=self.name,
                Key=stored.key,
                Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in marked.tags.items()]},
            )
        return marked

    def _look_at(self, key: str) -> tuple[StoredFile | None, str]:
        """An object, and the mark of its upload."""
        with aws_errors("S3"):
            try:
                head = self._client.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if error_code(error) in _NOT_THERE:
                    return None, ""
                raise
        facts = parse_facts(head["Metadata"])
        if facts is None:
            return None, ""  # not put by us
        stored = StoredFile(
            key=key,
            version_id=head.get("VersionId", ""),
            size=head["ContentLength"],
            content_type=head["ContentType"],
            stored_at=head["LastModified"],
            facts=facts,
            metadata=head["Metadata"],
            tags=self._tags(key) if head.get("TagCount") else {},
        )
        return stored, head["Metadata"].get(_UPLOAD, "")

    def _tags(self, key: str) -> dict[str, str]:
        with aws_errors("S3"):
            tags = self._client.get_object_tagging(Bucket=self.name, Key=key)["TagSet"]
        return {tag["Key"]: tag["Value"] for tag in tags}

    def _keys_before(self, prefix: str, key: str) -> Iterator[str]:
        """The keys below a prefix that come before a key, last first. S3 lists forwards, so this goes by folders."""
        folders, keys = [], []
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
        with aws_errors("S3"):
            for page in pages:
                folders += [folder["Prefix"] for folder in page.get("CommonPrefixes", [])]
                keys += [found["Key"] for found in page.get("Contents", [])]
        yield from (earlier for earlier in sorted(keys, reverse=True) if earlier < key)
        for folder in sorted(folders, reverse=True):
            if folder <= key:
                yield from self._keys_before(folder, key)
