"""OutgoingBucket: copies of files while they are sent, and lists of the server's folder. It empties itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from webadmit_exports.aws.clients import aws_errors, error_code
from webadmit_exports.errors import AwsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_NOT_THERE = {"NoSuchKey", "NoSuchVersion", "404"}


class NoLongerArchived(Exception):
    """The archive has not got that version of that object any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """What lies in a folder of the server: sizes by names, None where the server does not tell a size.

    `is_cut_off`: there is more than AWS lists.
    """

    files: Mapping[str, int | None]
    is_cut_off: bool


class OutgoingBucket:
    """Every method raises AwsUnavailable if S3 does not do as asked."""

    def __init__(self, client: "S3Client", name: str) -> None:
        self._client = client
        self.name = name

    def copy(self, archived: tuple[str, str, str], key: str) -> None:
        """Copies a version of an archived object, without its facts; raises NoLongerArchived."""
        bucket, archived_key, version_id = archived
        with aws_errors("S3"):
            try:
                self._client.copy_object(
                    CopySource={"Bucket": bucket, "Key": archived_key, "VersionId": version_id},
                    Bucket=self.name,
                    Key=key,
                    MetadataDirective="REPLACE",
                    TaggingDirective="REPLACE",
                )
            except ClientError as error:
                if error_code(error) not in _NOT_THERE:
                    raise
                raise NoLongerArchived from None

    def head(self, archived: tuple[str, str, str], length: int) -> bytes:
        """The first bytes of a version of an archived object; raises NoLongerArchived."""
        bucket, key, version_id = archived
        with aws_errors("S3"):
            try:
                answer = self._client.get_object(
                    Bucket=bucket, Key=key, VersionId=version_id, Range=f"bytes=0-{length - 1}"
                )
                return answer["Body"].read()
            except ClientError as error:
                if error_code(error) == "InvalidRange":  # it is empty
                    return b""
                if error_code(error) not in _NOT_THERE:
                    raise
                raise NoLongerArchived from None

    def folder(self, key: str) -> Folder | None:
        """A list of a folder, once it is there (user guide, "List contents of a remote directory"); else None."""
        with aws_errors("S3"):
            try:
                text = self._client.get_object(Bucket=self.name, Key=key)["Body"].read()
            except ClientError as error:
                if error_code(error) not in _NOT_THERE:
                    raise
                return None
        try:
            listing = json.loads(text)
            files = {found["filePath"].rpartition("/")[2]: found.get("size") for found in listing.get("files", [])}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise AwsUnavailable("AWS Transfer Family wrote a list that cannot be read") from None
        return Folder(files=files, is_cut_off=listing.get("truncated") in (True, "true"))
