"""One sandbox for all integration tests of a process; a World of its own for each test."""

import base64
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.integration.secrecy import Secrecy
from tests.sandbox.lambda_runtime import AwsCall, Interceptor, Invocation, LambdaFunction
from tests.sandbox.stack import Sandbox, wait_until
from tests.sandbox.state_machine import Execution
from tests.sandbox.webadmit_server import Callback, Export, Fault, Run
from tests.schemas import check_message

NOTIFICATION_EMAIL = "registrar@university.example"
ALERT_EMAIL = "integration-team@university.example"
PARAMETERS = {
    "Exports": "37442:86446,37442:86447",
    "FrequentExports": "37442:86448",
    "NotificationEmail": NOTIFICATION_EMAIL,
    "AlertEmail": ALERT_EMAIL,
    "Dashboard": "true",
}
_numbers = itertools.count(1)


def cron_at(moment: datetime) -> str:
    return f"cron({moment.minute} {moment.hour} * * ? *)"


@pytest.fixture(scope="module")
def ran_at() -> datetime:
    """When a nightly schedule has fired: half an hour ago."""
    return (datetime.now(UTC) - timedelta(minutes=30)).replace(second=0, microsecond=0)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(PARAMETERS, delivers=True) as running:
        yield running


@pytest.fixture(scope="session")
def queues(sandbox: Sandbox) -> dict[str, str]:
    topics = [topic for topic in ("Ready", "Alerts", "Archived", "Delivered") if f"{topic}TopicArn" in sandbox.outputs]
    return {topic: sandbox.subscribe(f"{topic}TopicArn") for topic in topics}


@pytest.fixture
def world(sandbox: Sandbox, queues: dict[str, str]) -> Iterator["World"]:
    number = next(_numbers)
    world = World(sandbox, queues, identity=1000 + number, next_export=itertools.count(number * 1000 + 1))
    yield world
    world.clean_up()


@dataclass
class World:
    """What a test sees: an identity of its own, its exports, and the messages since it began."""

    sandbox: Sandbox
    queues: dict[str, str]
    identity: int
    next_export: "itertools.count[int]"
    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    _received: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {"Ready": [], "Alerts": [], "Archived": [], "Delivered": []}
    )

    def __post_init__(self) -> None:
        self.secrecy = Secrecy(self.sandbox)

    def clean_up(self) -> None:
        sandbox = self.sandbox
        for function in sandbox.functions.values():
            function.interceptor = None
        sandbox.webadmit.before = sandbox.webadmit.after = lambda request: None
        sandbox.webadmit.api_key = sandbox.api_key
        sandbox.webadmit.storage_url = sandbox.webadmit.url
        sandbox.store_api_key(sandbox.api_key)
        sandbox.end_deliveries()
        self.secrecy.check()
        sandbox.empty_tables()
        own = [
            url
            for name, url in sandbox.resources.items()
            if name.endswith("Queue") and url  # the queues of the stack
        ]
        for url in (*self.queues.values(), *own):
            sandbox.client("sqs").purge_queue(QueueUrl=url)
        sandbox.webadmit.forget_everything()

    # ── WebAdMIT ────────────────────────────────────────────────────────────────────────────────────────────────────

    def add_export(self, *, identity: int | None = None, **behaviour: Any) -> str:
        """A new export; returns the pair."""
        identity = identity or self.identity
        export = self.sandbox.webadmit.add_export(identity, next(self.next_export), **behaviour)
        return f"{identity}:{export.id}"

    def export(self, pair: str) -> Export:
        return self.sandbox.webadmit.exports[int(pair.partition(":")[2])]

    def run(self, pair: str) -> Run:
        return self.sandbox.webadmit.run_of(self.export(pair).id)

    def fault(self, **fault: Any) -> None:
        self.sandbox.webadmit.faults.append(Fault(**fault))

    def asked(self, method: str = "POST") -> list[str]:
        """The paths of the requests about runs of this identity; names are looked up besides."""
        identity = f"/user_identities/{self.identity}/"
        paths = [one.path for one in self.sandbox.webadmit.requests if one.method == method and identity in one.path]
        return [path for path in paths if not path.endswith("/exports")]

    def finish(self, pair: str, status: str | None = None) -> Callback:
        """The run of an export ends, and its callback is sent and answered."""
        run = self.run(pair)
        run.status = status or self.export(pair).behaviour.status
        callback = self.sandbox.webadmit.send_callback(run)
        assert callback
        return callback

    # ── The service ─────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, *pairs: str, scheduled_for: datetime | None = None) -> dict[str, list[str]]:
        """Starts the pairs by hand, and returns those of each outcome that is not empty."""
        invocation = self.sandbox.start(*pairs, scheduled_for=scheduled_for or self.now)
        assert not invocation.failed, invocation.payload
        return {outcome: started for outcome, started in invocation.payload.items() if started}

    def sweep(self) -> dict[str, int]:
        """Reconciles once; what was due, and figures that are zero, are left out."""
        invocation = self.sandbox.sweep()
        assert not invocation.failed, invocation.payload
        return {name: figure for name, figure in invocation.payload.items() if figure and name != "due"}

    def retry(self, **options: float) -> list[Invocation]:
        return self.sandbox.deliver_retries(**options)

    def archive(self) -> list[Invocation]:
        """Delivers the announcements that are due to ArchiveFileFunction."""
        return self.sandbox.deliver("ArchiveQueue")

    def deliver(self, **options: float) -> list[Execution]:
        """Archives what was announced, and runs the deliveries that this starts to their ends."""
        self.archive()
        return self.sandbox.deliver_files(**options)

    def intercept(self, function: str, interceptor: Interceptor) -> LambdaFunction:
        found = self.sandbox.functions[function]
        found.interceptor = interceptor
        return found

    def calls(self, function: str) -> list[AwsCall]:
        return self.sandbox.functions[function].calls

    def post(self, url: str, form: Any, **options: Any) -> requests.Response:
        return requests.post(url, data=form, timeout=35, **options)

    def callback_url(self, pair: str) -> str:
        url = self.run(pair).callback_url
        assert url
        return url

    def form(self, pair: str, status: str = "Available", **fields: object) -> dict[str, object]:
        run = self.run(pair)
        values = {"id": run.id, "export_id": run.export.id, "status": status, **fields}
        return {f"export_file[{name}]": value for name, value in values.items()}

    # ── What comes of it ────────────────────────────────────────────────────────────────────────────────────────────

    def records(self, pair: str | None = None) -> list[dict[str, Any]]:
        return self.sandbox.records(self.export(pair).id if pair else None)

    def record(self, pair: str) -> dict[str, Any]:
        (record,) = self.records(pair)
        return record

    def age(self, pair: str, **duration: float) -> None:
        """Lets that much time pass for a record, as if everything had happened earlier."""
        earlier = timedelta(**duration)
        record = self.record(pair)
        moments = [name for name in record if name.endswith("_at") and name != "expires_at"]
        aged = {name: datetime.fromisoformat(record[name]) - earlier for name in moments}
        self.sandbox.change_record(
            record, **{name: moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for name, moment in aged.items()}
        )

    def _notifications(self, topic: str) -> list[dict[str, Any]]:
        new = self.sandbox.received(self.queues[topic])
        for notification in new:
            if isinstance(notification["Message"], dict) and "event_type" in notification["Message"]:
                check_message(notification["Message"])
        self._received[topic] += new
        return self._received[topic]

    def ready(self) -> list[dict[str, Any]]:
        """The bodies of the messages on ReadyTopic."""
        return [notification["Message"] for notification in self._notifications("Ready")]

    def alerts(self) -> list[dict[str, Any]]:
        """The bodies of the messages on AlertsTopic."""
        return [notification["Message"] for notification in self._notifications("Alerts")]

    def receipts(self) -> list[dict[str, Any]]:
        """The bodies of the messages on ArchivedTopic."""
        return [notification["Message"] for notification in self._notifications("Archived")]

    def delivered(self) -> list[dict[str, Any]]:
        """The bodies of the messages on DeliveredTopic."""
        return [notification["Message"] for notification in self._notifications("Delivered")]

    def objects(self, pair: str) -> dict[str, dict[str, Any]]:
        """The archived files of an export."""
        prefix = f"{self.export(pair).id}/"
        return {key: one for key, one in self.sandbox.objects().items() if key.startswith(prefix)}

    def notifications(self, topic: str) -> list[dict[str, Any]]:
        """The whole notifications."""
        return self._notifications(topic)

    def mails(self) -> list[dict[str, str]]:
        return self.secrecy.mails()

    def wait_for_ready(self, count: int = 1) -> list[dict[str, Any]]:
        wait_until(lambda: len(self.ready()) >= count)
        return self.ready()


def urlencoded(form: dict[str, object]) -> str:
    return urlencode(form)


def base64_of(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
