"""Reads the environment and makes the parts that the functions share. The only place that does either.

`webadmit`, which imports requests, is left to the functions that use it: loading it would slow the callback's start.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from .errors import InvalidInput
from .export_files import ExportFiles
from .keys import Secrets, SigningKeys, WebAdmitApiKey
from .messages import Wording
from .progress import Rules
from .schedules import Schedules
from .table import ExportFilesTable
from .topics import Topics

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

# A call that hangs is given up soon enough that its function can still say so, and repeated.
_AWS = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,  # as many starts as run side by side
    user_agent_extra="webadmit-exports",  # so that CloudTrail shows who called
)
# Read while a process starts, for which Lambda allows ten seconds.
_AWS_SECRETS = _AWS.merge(Config(read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}))
# S3 may take minutes to put the parts of a large object together.
_AWS_S3 = _AWS.merge(Config(connect_timeout=5, read_timeout=120))
# Repeating a publish that was only slow would announce twice.
_AWS_SNS = _AWS.merge(Config(read_timeout=10, retries={"mode": "standard", "total_max_attempts": 2}))


class Parts:
    """The parts of one function, each made once, when it is first asked for; `app.py` asks while it is imported."""

    def __init__(self, environment: Mapping[str, str], now: Callable[[], datetime]) -> None:
        self._environment = environment
        self.now = now

    def setting(self, name: str) -> str:
        """A setting that must be there; raises InvalidInput where it is not."""
        value = self._environment.get(name, "")
        if not value:
            raise InvalidInput(f"the environment variable {name} is not set; template.yaml sets it")
        return value

    def optional(self, name: str) -> str:
        """A setting that may be empty."""
        return self._environment.get(name, "")

    def number(self, name: str) -> float:
        """A setting that is a number above zero; CloudFormation lets people give one a fraction."""
        text = self.setting(name)
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) <= 0:
            raise InvalidInput(f"the environment variable {name} is {text!r}; it must be a number above zero")
        return float(text)

    @property
    def is_in_lambda(self) -> bool:
        """Whether this process is to take events, and is not only a test or a tool that imports the module."""
        return bool(self.optional("AWS_LAMBDA_RUNTIME_API"))

    @cached_property
    def table(self) -> ExportFilesTable:
        """The records."""
        return ExportFilesTable(boto3.client("dynamodb", config=_AWS), self.setting("EXPORT_FILES_TABLE"))

    @cached_property
    def sns(self) -> "SNSClient":
        """SNS."""
        return boto3.client("sns", config=_AWS_SNS)

    @cached_property
    def schedules(self) -> Schedules:
        """The schedules of both lists."""
        return Schedules(
            boto3.client("scheduler", config=_AWS),
            self.setting("SCHEDULE_GROUP"),
            {"Exports": self.setting("EXPORTS_SCHEDULE"), "FrequentExports": self.setting("FREQUENT_EXPORTS_SCHEDULE")},
        )

    @cached_property
    def topics(self) -> Topics:
        """ReadyTopic and AlertsTopic."""
        return Topics(
            self.sns,
            ready_arn=self.setting("READY_TOPIC_ARN"),
            alerts_arn=self.setting("ALERTS_TOPIC_ARN"),
            archived_arn=self.optional("ARCHIVED_TOPIC_ARN"),
        )

    @cached_property
    def wording(self) -> Wording:
        """Who writes the messages."""
        return Wording(
            stack_name=self.setting("STACK_NAME"),
            region=self.setting("AWS_REGION"),
            timezone=self.setting("SCHEDULE_TIMEZONE"),
            webadmit_base_url=self.setting("WEBADMIT_BASE_URL"),
            api_key_secret=self.optional("WEBADMIT_API_KEY_ARN"),
        )

    @cached_property
    def rules(self) -> Rules:
        """What the operator chose."""
        return Rules(
            overdue_after=timedelta(minutes=self.number("OVERDUE_AFTER_MINUTES")),
            keep_records=timedelta(days=self.number("KEEP_RECORDS_DAYS")),
            alert_on_empty_list=self.setting("ALERT_ON_EMPTY_LIST") == "true",
        )

    @cached_property
    def export_files(self) -> ExportFiles:
        """The one way in for news."""
        return ExportFiles(self.table, self.topics, self.wording, self.rules, self.now)

    @cached_property
    def secrets(self) -> Secrets:
        """Secrets Manager."""
        return Secrets(boto3.client("secretsmanager", config=_AWS_SECRETS))

    @cached_property
    def api_key(self) -> WebAdmitApiKey:
        """The WebAdMIT API key."""
        return WebAdmitApiKey(self.secrets, self.setting("WEBADMIT_API_KEY_ARN"))

    @cached_property
    def signing_keys(self) -> SigningKeys:
        """The keys of the callback addresses."""
        return SigningKeys(self.secrets, self.setting("CALLBACK_SIGNING_KEY_ARN"))

    @cached_property
    def s3(self) -> "S3Client":
        """S3."""
        return boto3.client("s3", config=_AWS_S3)

    @cached_property
    def sqs(self) -> "SQSClient":
        """SQS."""
        return boto3.client("sqs", config=_AWS)
