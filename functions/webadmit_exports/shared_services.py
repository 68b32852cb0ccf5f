"""The settings of a function, and the services that several functions use. Each `app.py` makes the rest itself."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from webadmit_exports.aws import clients
from webadmit_exports.aws.secrets import Secrets, SigningKeys
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain.transition import LifecycleSettings
from webadmit_exports.errors import InvalidInput
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.runs.tracker import RunTracker
from webadmit_exports.webadmit.api_key import WebAdmitApiKey

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Settings:
    """The environment variables of a function, as template.yaml sets them."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

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


class SharedServices(Settings):
    """Each service is made once, when it is first asked for."""

    def __init__(self, environment: Mapping[str, str], now: Callable[[], datetime]) -> None:
        super().__init__(environment)
        self.now = now

    @cached_property
    def dynamodb(self) -> "DynamoDBClient":
        return clients.dynamodb()

    @cached_property
    def table(self) -> ExportFilesTable:
        return ExportFilesTable(self.dynamodb, self.setting("EXPORT_FILES_TABLE"))

    @cached_property
    def topics(self) -> Topics:
        return Topics(
            clients.sns(), ready_arn=self.setting("READY_TOPIC_ARN"), alerts_arn=self.setting("ALERTS_TOPIC_ARN")
        )

    @cached_property
    def writer(self) -> MessageWriter:
        return MessageWriter(
            stack_name=self.setting("STACK_NAME"),
            region=self.setting("AWS_REGION"),
            timezone=self.setting("SCHEDULE_TIMEZONE"),
            overdue_minutes=self.number("OVERDUE_AFTER_MINUTES"),
            api_key_secret=self.optional("WEBADMIT_API_KEY_ARN"),
        )

    @cached_property
    def tracker(self) -> RunTracker:
        settings = LifecycleSettings(
            overdue_after=timedelta(minutes=self.number("OVERDUE_AFTER_MINUTES")),
            keep_records=timedelta(days=self.number("KEEP_RECORDS_DAYS")),
            alert_on_empty_list=self.setting("ALERT_ON_EMPTY_LIST") == "true",
            start_failed_again=self.setting("START_FAILED_AGAIN") == "true",
        )
        return RunTracker(self.table, self.topics, self.writer, settings, self.now)

    @cached_property
    def secrets(self) -> Secrets:
        return Secrets(clients.secrets_manager())

    @cached_property
    def api_key(self) -> WebAdmitApiKey:
        return WebAdmitApiKey(self.secrets, self.setting("WEBADMIT_API_KEY_ARN"))

    @cached_property
    def signing_keys(self) -> SigningKeys:
        return SigningKeys(self.secrets, self.setting("CALLBACK_SIGNING_KEY_ARN"))
