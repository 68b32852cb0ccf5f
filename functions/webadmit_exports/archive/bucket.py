"""ArchiveBucket: the objects of fetched files, in S3.

An object is there whole or not at all: it is uploaded in parts, and the last call makes it visible. What is only known
at the end stands in its tags; an object without them is not done yet.
"""

import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from botocore.exceptions import ClientError

from webadmit_exports.archive.stored_file import FileFacts, StoredFile, parse_tags
from webadmit_exports.aws.clients import asking, error_code
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.telemetry import logger

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef


# S3 takes 10,000 parts: 78 GiB.
PART_BYTES = 8 * 1024 * 1024
_PARTS_ON_THEIR_WAY = 2
_UPLOAD = "upload"  # a mark in an object's metadata, by which an upload whose answer was lost recognises itself
_LOOKED_AT = 20  # earlier files, of which some may be no CSV
_NOT_THERE = {"404", "NoSuchKey", "NotFound"}
_OTHERS_WERE_FASTER = {"PreconditionFailed", "ConditionalRequestConflict"}


class AlreadyThere(Exception):
    """Somebody else has stored the same file meanwhile."""


class ArchiveBucket:
    """Finds and stores objects; every method raises AwsUnavailable if S3 does not do as asked."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self.name = name

    def find(self, prefix: str) -> StoredFile | None:
        """The object whose key begins so, with what its tags say; None where there is none."""
        with asking("S3"):
            found = self._client.list_objects_v2(Bucket=self.name, Prefix=prefix, MaxKeys=1).get("Contents", [])
        stored = self._look_at(found[0]["Key"])[0] if found else None
        if stored is None:
            return None
        facts, has_receipt = self._tags(stored.key)
        return replace(stored, facts=facts, has_receipt=has_receipt)

    def before(self, key: str) -> FileFacts | None:
        """The facts of the newest CSV of the same export that had finished before; None where there is none."""
        for number, earlier in enumerate(self._keys_before(key.partition("/")[0] + "/", key)):
            if number == _LOOKED_AT:
                break
            facts, _ = self._tags(earlier)
            if facts and facts.header_sha256:
                return facts
        return None

    def upload(
        self,
        key: str,
        *,
        metadata: Mapping[str, str],
        content_type: str,
        content_encoding: str = "",
        replacing: StoredFile | None = None,
    ) -> "Upload":
        """Begins an upload; it replaces that very object, or there must be none."""
        mark = uuid.uuid4().hex
        encoding: dict[str, str] = {"ContentEncoding": content_encoding} if content_encoding else {}
        with asking("S3"):
            upload_id = self._client.create_multipart_upload(
                Bucket=self.name,
                Key=key,
                ContentType=content_type,
                Metadata={**metadata, _UPLOAD: mark},
                ChecksumAlgorithm="CRC32",
                **encoding,  # type: ignore[arg-type]
            )["UploadId"]
        names = {"Bucket": self.name, "Key": key, "UploadId": upload_id}
        condition = {"IfMatch": replacing.etag} if replacing else {"IfNoneMatch": "*"}
        return Upload(self._client, names, condition, lambda: self._ours(key, mark))

    def tag(self, stored: StoredFile, *, has_receipt: bool) -> None:
        """Writes the facts of an object to its tags."""
        assert stored.facts, "an object without facts is not done"
        tags = stored.facts.tags(has_receipt=has_receipt)
        with asking("S3"):
            self._client.put_object_tagging(
                Bucket=self.name,
                Key=stored.key,
                Tagging={"TagSet": [{"Key": name, "Value": value} for name, value in tags.items()]},
            )

    def _ours(self, key: str, mark: str) -> StoredFile | None:
        """The object, if this very upload has made it."""
        stored, found = self._look_at(key)
        return stored if found == mark else None

    def _look_at(self, key: str) -> tuple[StoredFile | None, str]:
        """An object without its tags, and the mark of its upload."""
        with asking("S3"):
            try:
                head = self._client.head_object(Bucket=self.name, Key=key)
            except ClientError as error:
                if error_code(error) in _NOT_THERE:
                    return None, ""
                raise
        stored = StoredFile(
            key=key,
            version_id=head.get("VersionId", ""),
            etag=head["ETag"],
            size=head["ContentLength"],
            content_type=head["ContentType"],
            stored_at=head["LastModified"],
        )
        return stored, head["Metadata"].get(_UPLOAD, "")

    def _tags(self, key: str) -> tuple[FileFacts | None, bool]:
        with asking("S3"):
            tags = self._client.get_object_tagging(Bucket=self.name, Key=key)["TagSet"]
        return parse_tags({tag["Key"]: tag["Value"] for tag in tags})

    def _keys_before(self, prefix: str, key: str) -> Iterator[str]:
        """The keys below a prefix that come before a key, last first. S3 lists forwards, so this goes by folders."""
        folders, keys = [], []
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
        with asking("S3"):
            for page in pages:
                folders += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
                keys += [one["Key"] for one in page.get("Contents", [])]
        yield from (one for one in sorted(keys, reverse=True) if one < key)
        for folder in sorted(folders, reverse=True):
            if folder <= key:
                yield from self._keys_before(folder, key)


class Upload:
    """One object on its way; at most four of its parts are held in memory.

    As a context manager it leaves nothing behind where it was not completed.
    """

    def __init__(
        self,
        client: "S3Client",
        names: Mapping[str, str],
        condition: Mapping[str, str],
        ours: Callable[[], StoredFile | None],
    ) -> None:
        self._client = client
        self._names: dict[str, Any] = dict(names)
        self._condition: dict[str, Any] = dict(condition)
        self._ours = ours
        self._buffer = bytearray()
        self._parts: list[CompletedPartTypeDef] = []
        self._sent = 0
        self._on_their_way: deque[Future[CompletedPartTypeDef]] = deque()
        self._workers = ThreadPoolExecutor(max_workers=_PARTS_ON_THEIR_WAY)
        self._is_complete = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.shutdown(cancel_futures=True)
        if not self._is_complete:
            self._abort()

    def write(self, chunk: bytes) -> None:
        """Takes the next bytes; sends a part whenever there are enough."""
        self._buffer += chunk
        while len(self._buffer) >= PART_BYTES:
            self._send(bytes(self._buffer[:PART_BYTES]))
            del self._buffer[:PART_BYTES]

    def complete(self) -> StoredFile:
        """Makes the object visible; raises AlreadyThere if somebody else was faster."""
        if self._buffer or not self._sent:
            self._send(bytes(self._buffer))
        while self._on_their_way:
            self._parts.append(self._on_their_way.popleft().result())
        try:
            with asking("S3"):
                self._client.complete_multipart_upload(
                    **self._names, **self._condition, MultipartUpload={"Parts": self._parts}
                )
        except AwsUnavailable as error:
            return self._settled(error)  # perhaps it was done, and only its answer was lost
        return self._settled(AwsUnavailable("S3 does not have what it has just stored"))

    def _settled(self, error: AwsUnavailable) -> StoredFile:
        """The object, if it is ours; else raises why it is not."""
        stored = self._ours()
        if stored:
            self._is_complete = True
            return stored
        problem = error.__cause__
        if isinstance(problem, ClientError) and error_code(problem) in _OTHERS_WERE_FASTER:
            raise AlreadyThere from None
        raise error

    def _send(self, part: bytes) -> None:
        if len(self._on_their_way) == _PARTS_ON_THEIR_WAY:
            self._parts.append(self._on_their_way.popleft().result())
        self._sent += 1
        self._on_their_way.append(self._workers.submit(self._upload_part, self._sent, part))

    def _upload_part(self, number: int, part: bytes) -> "CompletedPartTypeDef":
        with asking("S3"):
            answer = self._client.upload_part(**self._names, PartNumber=number, Body=part, ChecksumAlgorithm="CRC32")
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumCRC32": answer["ChecksumCRC32"]}

    def _abort(self) -> None:
        try:
            with asking("S3"):
                self._client.abort_multipart_upload(**self._names)
        except AwsUnavailable as error:  # the bucket's lifecycle ends it after a day
            logger.warning("an upload could not be ended", reason=str(error))
