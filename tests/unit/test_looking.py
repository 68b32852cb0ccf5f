"""What the check and the morning mail look at, through the adapters: schedules, subscriptions, queues, ourselves, and
the lists of WebAdMIT."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import boto3
import pytest
import requests
import responses
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from tests.fakes import EXPORT, NIGHT, after
from webadmit_exports.aws.alarms import Alarms, RingingAlarm
from webadmit_exports.aws.queue_lengths import QueueLengths, WatchedQueues
from webadmit_exports.aws.schedules import Schedule, Schedules
from webadmit_exports.aws.subscriptions import Subscribers, Subscriptions
from webadmit_exports.domain.identities import Identity, ListedExport
from webadmit_exports.domain.ids import Export
from webadmit_exports.errors import AccessRefused, ApiKeyRefused, AwsUnavailable, RateLimited, Unavailable
from webadmit_exports.operations.callback_probe import Probe
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.client import WebAdmit

KEY = ApiKey("0123456789abcdef0123456789abcdef")
NAMES = {"Exports": "stack-Nightly-X1", "FrequentExports": "stack-Frequent-X2"}
OTHER = Export(user_identity_id=37442, export_id=86447)
Stub = Callable[[str], tuple[Any, Stubber]]


def aws(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")  # type: ignore[call-overload]


@pytest.fixture
def stub() -> Iterator[Stub]:
    """Makes clients that answer as they were told to, and nothing else; all answers must have been asked for."""
    stubs: list[Stubber] = []

    def make(service: str) -> tuple[Any, Stubber]:
        client = aws(service)
        stubs.append(Stubber(client))
        stubs[-1].activate()
        return client, stubs[-1]

    yield make
    for one in stubs:
        one.assert_no_pending_responses()
        one.client.close()


def unreachable(service: str) -> Any:
    """A client whose network has gone."""

    def fail(**_: object) -> None:
        raise EndpointConnectionError(endpoint_url="https://aws.example")

    client = aws(service)
    client.meta.events.register("before-call", fail)
    return client


# ── Schedules ───────────────────────────────────────────────────────────────────────────────────────────────────────


def schedule(changed_at: datetime = NIGHT, **more: Any) -> dict[str, Any]:
    """As EventBridge Scheduler describes one."""
    target = {
        "Arn": "arn:aws:lambda:us-east-1:123456789012:function:start",
        "RoleArn": "arn:aws:iam::123456789012:role/x",
    }
    return {
        "ScheduleExpression": "cron(30 3 * * ? *)",
        "ScheduleExpressionTimezone": "America/New_York",
        "State": "ENABLED",
        "LastModificationDate": changed_at,
        "Target": {**target, "Input": '{"exports": "37442:86446,37442:86447", "scheduled_for": "<time>"}'},
        **more,
    }


def with_input(text: str | None) -> dict[str, Any]:
    document = schedule()
    document["Target"] = (
        {**document["Target"], "Input": text}
        if text is not None
        else {name: value for name, value in document["Target"].items() if name != "Input"}
    )
    return document


def read(stub: Stub, *documents: dict[str, Any], state: str = "ENABLED") -> list[Schedule]:
    client, stubber = stub("scheduler")
    for name, document in zip(NAMES.values(), documents, strict=False):
        stubber.add_response("get_schedule", document, {"GroupName": "stack-group", "Name": name})
    if len(documents) == 1:
        stubber.add_response("get_schedule", documents[0])
    return schedules(client, state).read()[: len(documents)]


def schedules(client: Any, state: str = "ENABLED") -> Schedules:
    exports, frequent_exports = NAMES.values()
    return Schedules(client, "stack-group", exports=exports, frequent_exports=frequent_exports, state=state)


def test_schedules_are_read_by_the_parameters_that_fill_them(stub: Stub) -> None:
    frequent = schedule(ScheduleExpression="cron(0 7-19 * * ? *)", State="DISABLED")
    frequent["Target"]["Input"] = '{"exports": ""}'

    assert read(stub, schedule(), frequent) == [
        Schedule(
            name="Exports",
            entries=(EXPORT, OTHER),
            expression="cron(30 3 * * ? *)",
            timezone="America/New_York",
            is_on=True,
            changed_at=NIGHT,
        ),
        Schedule(
            name="FrequentExports",
            entries=(),
            expression="cron(0 7-19 * * ? *)",
            timezone="America/New_York",
            is_on=False,
            changed_at=NIGHT,
        ),
    ]


@pytest.mark.parametrize(
    ("state", "parameter", "should_be_on", "was_switched"),
    [
        ("ENABLED", "ENABLED", True, False),
        ("DISABLED", "ENABLED", True, True),
        ("ENABLED", "DISABLED", False, True),
        ("DISABLED", "DISABLED", False, False),
    ],
)
def test_a_schedule_is_held_against_the_parameter_that_deployed_it(
    stub: Stub, state: str, parameter: str, *, should_be_on: bool, was_switched: bool
) -> None:
    (found,) = read(stub, schedule(State=state), state=parameter)

    assert (found.should_be_on, found.was_switched) == (should_be_on, was_switched)


def test_a_schedule_without_exports_is_off_as_it_should_be(stub: Stub) -> None:
    empty = schedule(State="DISABLED")
    empty["Target"]["Input"] = '{"exports": ""}'

    (found,) = read(stub, empty)

    assert (found.should_be_on, found.was_switched) == (False, False)


# ── Alarms ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def alarm(name: str, **more: Any) -> dict[str, Any]:
    return {"AlarmName": name, "StateValue": "ALARM", "StateUpdatedTimestamp": after(hours=3), **more}


def test_the_alarms_that_ring_are_those_of_this_stack_the_longest_first(stub: Stub) -> None:
    client, stubber = stub("cloudwatch")
    asked = {"AlarmNamePrefix": "webadmit-exports-", "AlarmTypes": ["MetricAlarm"]}
    first = [alarm("webadmit-exports-SetupProblemsAlarm-1ABC", StateTransitionedTimestamp=after(hours=2))]
    second = [alarm("webadmit-exports-test-SetupProblemsAlarm-2ABC"), alarm("webadmit-exports-CallbacksFailAlarm-3ABC")]
    first.append(alarm("webadmit-exports-StartRunsFailAlarm-4ABC", StateValue="OK"))
    stubber.add_response("describe_alarms", {"MetricAlarms": second, "NextToken": "more"}, asked)
    stubber.add_response("describe_alarms", {"MetricAlarms": first}, {**asked, "NextToken": "more"})

    assert Alarms(client, "webadmit-exports").ringing() == [
        RingingAlarm(name="SetupProblemsAlarm", since=after(hours=2)),
        RingingAlarm(name="CallbacksFailAlarm", since=after(hours=3)),
    ]


def test_alarms_that_cannot_be_read_are_a_failure() -> None:
    with pytest.raises(AwsUnavailable, match="CloudWatch"):
        Alarms(unreachable("cloudwatch"), "webadmit-exports").ringing()


def test_a_schedule_without_a_time_zone_is_in_utc(stub: Stub) -> None:
    document = schedule()
    del document["ScheduleExpressionTimezone"]

    assert read(stub, document)[0].timezone == "UTC"


@pytest.mark.parametrize(
    "text",
    [
        None,
        " ",
        "not json",
        "[]",
        "null",
        "5",
        '"37442:86446"',
        "{}",
        '{"exports": null}',
        '{"exports": ["37442:86446"]}',
        '{"exports": "37442:"}',
        '{"exports": "37442:86446, 37442:86447"}',
        '{"exports": "37442:86446,"}',
    ],
)
def test_a_schedule_whose_input_a_person_has_spoilt_has_no_exports(stub: Stub, text: str | None) -> None:
    (one,) = read(stub, with_input(text))

    assert one.entries == ()
    assert one.is_on


@pytest.mark.parametrize("first", [True, False])
def test_a_schedule_that_cannot_be_read_is_a_failure(stub: Stub, first: bool) -> None:
    client, stubber = stub("scheduler")
    if not first:
        stubber.add_response("get_schedule", schedule(), {"GroupName": "stack-group", "Name": "stack-Nightly-X1"})
    stubber.add_client_error("get_schedule", "ResourceNotFoundException", http_status_code=404)

    with pytest.raises(AwsUnavailable, match=r"^EventBridge Scheduler answered ResourceNotFoundException$"):
        schedules(client).read()


def test_a_scheduler_that_is_out_of_reach_is_a_failure() -> None:
    client = unreachable("scheduler")

    with pytest.raises(AwsUnavailable, match=r"^EventBridge Scheduler gave no answer \(EndpointConnectionError\)$"):
        schedules(client).read()


# ── Subscriptions ───────────────────────────────────────────────────────────────────────────────────────────────────

TOPIC = "arn:aws:sns:us-east-1:123456789012:Alerts"


def subscription(endpoint: str, protocol: str = "email", *, is_pending: bool = False) -> dict[str, str]:
    return {
        "SubscriptionArn": "PendingConfirmation" if is_pending else f"{TOPIC}:{'0' * 8}",
        "Owner": "123456789012",
        "Protocol": protocol,
        "Endpoint": endpoint,
        "TopicArn": TOPIC,
    }


def subscribers(stub: Stub, *pages: list[dict[str, str]]) -> Subscribers:
    client, stubber = stub("sns")
    for number, page in enumerate(pages):
        asked = {"TopicArn": TOPIC, **({"NextToken": f"page {number}"} if number else {})}
        following = {"NextToken": f"page {number + 1}"} if number + 1 < len(pages) else {}
        stubber.add_response("list_subscriptions_by_topic", {"Subscriptions": page, **following}, asked)
    return Subscriptions(client).of(TOPIC)


def test_subscribers_are_read_from_all_pages(stub: Stub) -> None:
    pages = [
        [subscription("one@example.edu"), subscription("two@example.edu", is_pending=True)],
        [],
        [subscription("three@example.edu", "email-json")],
    ]

    assert subscribers(stub, *pages) == Subscribers(
        confirmed_mails=frozenset({"one@example.edu", "three@example.edu"}),
        pending_mails=frozenset({"two@example.edu"}),
        has_any=True,
    )


def test_addresses_are_read_in_lower_case(stub: Stub) -> None:
    found = subscribers(stub, [subscription("One@Example.EDU"), subscription("TWO@example.edu", is_pending=True)])

    assert found.confirmed_mails == frozenset({"one@example.edu"})
    assert found.pending_mails == frozenset({"two@example.edu"})


@pytest.mark.parametrize(
    ("page", "has_any"),
    [
        ([], False),
        ([subscription("one@example.edu", is_pending=True)], False),
        ([subscription("https://example.edu/hook", "https", is_pending=True)], False),
        ([subscription("https://example.edu/hook", "https")], True),
        ([subscription("one@example.edu")], True),
        ([subscription("one@example.edu"), subscription("two@example.edu", is_pending=True)], True),
    ],
)
def test_only_what_is_confirmed_counts_as_a_subscriber(stub: Stub, page: list[dict[str, str]], has_any: bool) -> None:
    assert subscribers(stub, page).has_any is has_any


def test_a_subscriber_on_an_early_page_is_not_forgotten_on_a_late_one(stub: Stub) -> None:
    later = [subscription("one@example.edu", is_pending=True)]

    assert subscribers(stub, [subscription("arn:aws:sqs:us-east-1:123456789012:queue", "sqs")], later).has_any


def test_who_has_unsubscribed_is_no_subscriber_though_sns_lists_the_address_for_a_while(stub: Stub) -> None:
    gone = {**subscription("one@example.edu"), "SubscriptionArn": "Deleted"}

    assert subscribers(stub, [gone]) == Subscribers(
        confirmed_mails=frozenset(), pending_mails=frozenset(), has_any=False
    )


@pytest.mark.parametrize("protocol", ["sqs", "lambda", "https", "sms"])
def test_the_address_of_a_program_is_not_taken_for_a_mail_address(stub: Stub, protocol: str) -> None:
    found = subscribers(stub, [subscription("one@example.edu", protocol), subscription("x", protocol, is_pending=True)])

    assert (found.confirmed_mails, found.pending_mails) == (frozenset(), frozenset())


@pytest.mark.parametrize("first", [True, False])
def test_subscriptions_that_cannot_be_read_in_full_are_a_failure(stub: Stub, first: bool) -> None:
    client, stubber = stub("sns")
    if not first:
        page = {"Subscriptions": [subscription("one@example.edu")], "NextToken": "more"}
        stubber.add_response("list_subscriptions_by_topic", page)
    stubber.add_client_error("list_subscriptions_by_topic", "AuthorizationError", http_status_code=403)

    with pytest.raises(AwsUnavailable, match=r"^SNS answered AuthorizationError$"):
        Subscriptions(client).of(TOPIC)


def test_a_topic_that_is_out_of_reach_is_a_failure() -> None:
    with pytest.raises(AwsUnavailable, match=r"^SNS gave no answer \(EndpointConnectionError\)$"):
        Subscriptions(unreachable("sns")).of(TOPIC)


# ── Queues ──────────────────────────────────────────────────────────────────────────────────────────────────────────

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/failed-starts"


def watched(client: Any) -> WatchedQueues:
    """Where files are not archived."""
    return WatchedQueues(client, retries=QUEUE, given_up=QUEUE, not_archived="", archive_given_up="")


@pytest.mark.parametrize(
    ("visible", "delayed", "in_flight", "total"),
    [(0, 0, 0, 0), (3, 0, 0, 3), (0, 4, 0, 4), (0, 0, 5, 5), (1, 20, 300, 321)],
)
def test_messages_count_whether_or_not_they_can_be_seen_now(
    stub: Stub, visible: int, delayed: int, in_flight: int, total: int
) -> None:
    client, stubber = stub("sqs")
    counts = {
        "ApproximateNumberOfMessages": str(visible),
        "ApproximateNumberOfMessagesDelayed": str(delayed),
        "ApproximateNumberOfMessagesNotVisible": str(in_flight),
    }
    for _ in range(2):
        stubber.add_response(
            "get_queue_attributes", {"Attributes": counts}, {"QueueUrl": QUEUE, "AttributeNames": list(counts)}
        )

    assert watched(client).count() == QueueLengths(retries=total, given_up=total)


def test_a_queue_that_cannot_be_read_is_a_failure(stub: Stub) -> None:
    client, stubber = stub("sqs")
    stubber.add_client_error("get_queue_attributes", "AWS.SimpleQueueService.NonExistentQueue", http_status_code=400)

    with pytest.raises(AwsUnavailable, match=r"^SQS answered AWS\.SimpleQueueService\.NonExistentQueue$"):
        watched(client).count()


def test_a_queue_that_is_out_of_reach_is_a_failure() -> None:
    with pytest.raises(AwsUnavailable, match=r"^SQS gave no answer \(EndpointConnectionError\)$"):
        watched(unreachable("sqs")).count()


# ── Ourselves ───────────────────────────────────────────────────────────────────────────────────────────────────────

CALLBACK = "https://abc.execute-api.us-east-1.amazonaws.com/callbacks/1/1/20261123T033000Z/" + "5e" * 32


@pytest.fixture
def http() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.mark.parametrize("status", [200, 301, 302, 307, 400, 403, 404, 429, 500, 503])
def test_the_status_of_an_answer_is_told_and_redirects_are_not_followed(
    http: responses.RequestsMock, status: int
) -> None:
    http.post(CALLBACK, body="what", status=status, headers={"Location": "https://elsewhere.example/"})

    assert Probe().post_empty_form(CALLBACK) == status
    assert len(http.calls) == 1


def test_an_empty_form_is_sent_as_one_and_is_not_waited_for_long(http: responses.RequestsMock) -> None:
    http.post(CALLBACK, status=400)

    Probe().post_empty_form(CALLBACK)

    request = http.calls[0].request
    assert not request.body
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.req_kwargs["timeout"] == (3.0, 10.0)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectTimeout(CALLBACK),
        requests.ReadTimeout(CALLBACK),
        requests.ConnectionError(CALLBACK),
        requests.exceptions.SSLError(CALLBACK),
    ],
)
def test_an_answer_that_does_not_come_is_none(http: responses.RequestsMock, error: Exception) -> None:
    http.post(CALLBACK, body=error)

    assert Probe().post_empty_form(CALLBACK) is None


# ── WebAdMIT's lists ────────────────────────────────────────────────────────────────────────────────────────────────

BASE = "https://api.webadmit.org"
IDENTITIES = f"{BASE}/api/v1/user_identities"
EXPORTS = f"{BASE}/api/v1/user_identities/37442/exports"
IDENTITY = {
    "id": 37442,
    "href": "/api/v1/user_identities/37442",
    "association": "NursingCAS",
    "organization": "School of Nursing",
    "institution": "University of Examples",
    "cycle": "2026 - 2027",
}
LISTED = {"id": 86446, "href": "/api/v1/exports/86446", "name": "Nightly", "format": "CSV", "list_type": "list"}


def identities(http: responses.RequestsMock, *entries: Any) -> list[Identity]:
    http.get(IDENTITIES, json={"href": "/api/v1/user_identities", "user_identities": list(entries)})
    return WebAdmit(BASE).identities(KEY)


def exports(http: responses.RequestsMock, *entries: Any) -> list[ListedExport]:
    http.get(EXPORTS, json={"href": "/api/v1/user_identities/37442/exports", "exports": list(entries)})
    return WebAdmit(BASE).exports(KEY, 37442)


def test_identities_are_read_as_documented(http: responses.RequestsMock) -> None:
    assert identities(http, IDENTITY) == [
        Identity(
            id=37442,
            association="NursingCAS",
            organization="School of Nursing",
            institution="University of Examples",
            cycle="2026 - 2027",
        )
    ]
    assert http.calls[0].request.headers["x-api-key"] == KEY.value


def test_exports_are_read_as_documented(http: responses.RequestsMock) -> None:
    assert exports(http, LISTED) == [ListedExport(id=86446, name="Nightly", format="CSV")]
    assert http.calls[0].request.headers["x-api-key"] == KEY.value


def test_lists_may_be_empty(http: responses.RequestsMock) -> None:
    assert (identities(http), exports(http)) == ([], [])


@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"id": None},
        {"id": 0},
        {"id": -5},
        {"id": True},
        {"id": 1.5},
        {"id": ""},
        {"id": "x"},
        {"id": [1]},
        {"id": 10**18},
        None,
        "what",
        7,
        [],
    ],
)
def test_entries_without_an_id_are_left_out(http: responses.RequestsMock, entry: Any) -> None:
    if isinstance(entry, dict):
        entry = {"name": "Nightly", "cycle": "2026 - 2027", **entry}

    assert [one.id for one in identities(http, entry, IDENTITY, entry)] == [37442]
    assert [one.id for one in exports(http, entry, LISTED, entry)] == [86446]


def test_an_id_may_be_text(http: responses.RequestsMock) -> None:
    assert [one.id for one in identities(http, {"id": "37442"})] == [37442]
    assert [one.id for one in exports(http, {"id": "86446"})] == [86446]


@pytest.mark.parametrize("value", [None, "", "  ", True, 1.5, [], {"name": "x"}])
def test_what_webadmit_has_no_words_for_is_empty(http: responses.RequestsMock, value: Any) -> None:
    (identity,) = identities(http, {"id": 1, "association": value, "organization": value, "cycle": value})
    (export,) = exports(http, {"id": 2, "name": value, "format": value})

    assert identity == Identity(id=1, association="", organization="", institution="", cycle="")
    assert export == ListedExport(id=2, name="", format="")


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("Nightly\n", "Nightly"),
        ("  two\r\nlines\tand  more ", "two lines and more"),
        ("bell\x07 null\x00 escape\x1b[31m", "bell null escape [31m"),
        ("right\u202eto left\u200b", "right to left"),
        ("Größe – naïve 名前", "Größe – naïve 名前"),
        (2026, "2026"),
        ("x" * 120, "x" * 120),
        ("x" * 121, "x" * 119 + "…"),
        ("x" * 5000, "x" * 119 + "…"),
        ("\n" * 5000 + "x", "x"),
        (f"key {KEY.value}!", "key …!"),
    ],
)
def test_names_are_read_as_one_short_line_without_control_characters_or_the_key(
    http: responses.RequestsMock, said: Any, read: str
) -> None:
    names = ("association", "organization", "institution", "cycle")
    (identity,) = identities(http, {"id": 1, **dict.fromkeys(names, said)})
    (export,) = exports(http, {"id": 2, "name": said, "format": said})

    assert [getattr(identity, name) for name in names] == [read] * 4
    assert (export.name, export.format) == (read, read)


@pytest.mark.parametrize("document", [{}, [], "x", 7, {"user_identities": {}, "exports": {}}, {"export_files": []}])
def test_an_answer_without_the_list_may_pass(http: responses.RequestsMock, document: Any) -> None:
    http.get(IDENTITIES, json=document)
    http.get(EXPORTS, json=document)

    with pytest.raises(Unavailable, match="no list of user_identities"):
        WebAdmit(BASE).identities(KEY)
    with pytest.raises(Unavailable, match="no list of exports"):
        WebAdmit(BASE).exports(KEY, 37442)


@pytest.mark.parametrize(
    ("status", "error"), [(401, ApiKeyRefused), (403, AccessRefused), (429, RateLimited), (503, Unavailable)]
)
def test_a_refusal_is_told_as_everywhere(http: responses.RequestsMock, status: int, error: type[Exception]) -> None:
    http.get(IDENTITIES, status=status)
    http.get(EXPORTS, status=status)

    with pytest.raises(error):
        WebAdmit(BASE).identities(KEY)
    with pytest.raises(error):
        WebAdmit(BASE).exports(KEY, 37442)
