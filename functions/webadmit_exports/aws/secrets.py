"""Secrets Manager, and the key that callback URLs are signed with."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from webadmit_exports.aws.clients import aws_errors, error_code
from webadmit_exports.errors import AwsUnavailable, SigningKeyUnusable

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


_LOOK_AGAIN_AFTER = timedelta(minutes=1)
_SHORTEST_SIGNING_KEY = 32  # characters; Secrets Manager generates 64. What is shorter might be guessed


class Secrets:
    """Reads secrets; raises AwsUnavailable if Secrets Manager does not do as asked."""

    def __init__(self, client: "SecretsManagerClient") -> None:
        self._client = client

    def has_value(self, arn: str) -> bool:
        """Whether somebody has stored a value, which this does not read."""
        with aws_errors("Secrets Manager"):
            return bool(self._client.describe_secret(SecretId=arn).get("VersionIdsToStages"))

    def read(self, arn: str, stage: str = "AWSCURRENT") -> str | None:
        """The text of a secret; None while it has no value at that stage."""
        with aws_errors("Secrets Manager"):
            try:
                answer = self._client.get_secret_value(SecretId=arn, VersionStage=stage)
            except ClientError as error:
                if error_code(error) == "ResourceNotFoundException":
                    return None
                raise
        if "SecretString" in answer:
            return answer["SecretString"]
        return answer["SecretBinary"].decode("utf-8", errors="replace")


class SigningKeys:
    """The keys for callback addresses: the current one signs, the current and the previous one verify.

    They are kept in memory. `refreshed` looks for a rotation, but at most once a minute, whether or not Secrets Manager
    answers, so that a stranger's guesses cost next to nothing. A key that might be guessed counts as missing.
    """

    def __init__(self, secrets: Secrets, arn: str) -> None:
        self._secrets = secrets
        self._arn = arn
        self._known: list[bytes] = []
        self._looked_at: datetime | None = None

    def current(self) -> bytes:
        """The key to sign with, read anew; raises SigningKeyUnusable if there is none, AwsUnavailable."""
        key = self._read("AWSCURRENT")
        if key is None:
            raise SigningKeyUnusable(f"the signing key for callbacks has fewer than {_SHORTEST_SIGNING_KEY} characters")
        return key

    def known(self) -> list[bytes]:
        """The keys to verify with, as far as they are in memory; if none is, the current one, as `current` reads it."""
        if not self._known:
            self._known = [self.current()]
        return self._known

    def refreshed(self, now: datetime) -> list[bytes]:
        """The keys to verify with after a look at both stages, or as `known` if that was less than a minute ago."""
        if self._looked_at is None or now - self._looked_at >= _LOOK_AGAIN_AFTER:
            self._looked_at = now
            with suppress(AwsUnavailable):
                stages = [self._read(stage) for stage in ("AWSCURRENT", "AWSPREVIOUS")]
                self._known = [key for key in stages if key] or self._known
        return self._known

    def _read(self, stage: str) -> bytes | None:
        text = self._secrets.read(self._arn, stage)
        return text.encode("utf-8") if text and len(text.strip()) >= _SHORTEST_SIGNING_KEY else None
