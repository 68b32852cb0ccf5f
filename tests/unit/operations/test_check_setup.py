"""The check of a deployed stack, with fakes: each problem comes with its repair, and none hides another."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from tests.fakes import API_KEY, NIGHT, SIGNING_KEY, Clock, FakeKeys, stand_in
from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.aws.subscriptions import Subscribers
from webadmit_exports.domain.callback_url import is_signed, parse_path
from webadmit_exports.domain.identities import Identity, ListedExport
from webadmit_exports.domain.start_request import parse_entries
from webadmit_exports.errors import (
    AccessRefused,
    ApiKeyRefused,
    ApiKeyUnusable,
    AwsUnavailable,
    RateLimited,
    Unavailable,
)
from webadmit_exports.messages.commands import Commands
from webadmit_exports.operations.check_setup import CheckSetup, Findings, Mailbox
from webadmit_exports.webadmit.api_key import ApiKey
from webadmit_exports.webadmit.listing import Lister

READY, ALERTS = "arn:aws:sns:us-east-1:123456789012:Ready", "arn:aws:sns:us-east-1:123456789012:Alerts"
SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:WebAdmitApiKey"
STORE_KEY = f"aws secretsmanager put-secret-value --region us-east-1 --secret-id {SECRET} --secret-string file://"
AWS_DOWN = AwsUnavailable("it answered ThrottlingException")
AGAIN = "run `sam build` and `sam deploy` in the folder that you deploy webadmit-exports from"


@dataclass
class FakeWebAdmit:
    """Reaches identities with an export each, or fails with what `error` or `errors` hold."""

    identities_: list[Identity] = field(default_factory=lambda: [identity(1)])
    exports_: dict[int, list[ListedExport]] = field(default_factory=dict)
    error: Exception | None = None
    errors: dict[int, Exception] = field(default_factory=dict)
    asked: list[int] = field(default_factory=list)
    longest_call_seconds: float = 10.0

    def identities(self, key: ApiKey) -> list[Identity]:
        assert key == API_KEY
        if self.error:
            raise self.error
        return self.identities_

    def exports(self, key: ApiKey, user_identity_id: int) -> list[ListedExport]:
        assert key == API_KEY
        self.asked.append(user_identity_id)
        if user_identity_id in self.errors:
            raise self.errors[user_identity_id]
        default = [ListedExport(id=user_identity_id * 10, name="Nightly", format="CSV")]
        return self.exports_.get(user_identity_id, default)


@dataclass
class FakeSchedules:
    schedules: list[Schedule] = field(default_factory=list)
    error: Exception | None = None

    def read(self) -> list[Schedule]:
        if self.error:
            raise self.error
        return self.schedules


@dataclass
class FakeSubscriptions:
    """Who is subscribed, by topic."""

    confirmed: dict[str, set[str]] = field(default_factory=dict)
    pending: dict[str, set[str]] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)
    queues: set[str] = field(default_factory=set)
    errors: dict[str, Exception] = field(default_factory=dict)

    def of(self, topic_arn: str) -> Subscribers:
        if topic_arn in self.errors:
            raise self.errors[topic_arn]
        confirmed = frozenset(self.confirmed.get(topic_arn, ()))
        return Subscribers(
            confirmed_mails=confirmed,
            pending_mails=frozenset(self.pending.get(topic_arn, ())),
            has_any=bool(confirmed) or topic_arn in self.others,
            queues=frozenset(self.queues) if topic_arn == READY else frozenset(),
        )


@dataclass
class FakeProbe:
    """Answers with `status`, and remembers where it was sent."""

    status: int | None = 400
    urls: list[str] = field(default_factory=list)

    def post_empty_form(self, url: str) -> int | None:
        self.urls.append(url)
        return self.status


def identity(number: int, cycle: str = "2026 - 2027", organization: str = "School of Nursing") -> Identity:
    return Identity(id=number, association="", organization=organization, institution="", cycle=cycle)


def schedule(entries: str = "1:10", name: str = "Exports", *, is_on: bool = True) -> Schedule:
    return Schedule(
        name=name,
        entries=parse_entries(entries),
        expression="cron(30 3 * * ? *)",
        timezone="America/New_York",
        is_on=is_on,
        changed_at=NIGHT - timedelta(days=30),
    )


@dataclass
class World:
    """A stack that is in order, until a test spoils something."""

    webadmit: FakeWebAdmit = field(default_factory=FakeWebAdmit)
    keys: FakeKeys = field(default_factory=FakeKeys)
    schedules: FakeSchedules = field(default_factory=lambda: FakeSchedules([schedule()]))
    subscriptions: FakeSubscriptions = field(
        default_factory=lambda: FakeSubscriptions({READY: {"files@example.edu"}, ALERTS: {"alerts@example.edu"}})
    )
    probe: FakeProbe = field(default_factory=FakeProbe)
    notification_email: str = "files@example.edu"
    alert_email: str = "alerts@example.edu"
    archive_queue: str = ""
    clock: Clock = field(default_factory=Clock)

    def check(self, time_left: Callable[[], float] = lambda: 60.0) -> Findings:
        return CheckSetup(
            lister=Lister(webadmit=stand_in(self.webadmit), followed_cycles=2),
            api_key=stand_in(self.keys),
            signing_keys=stand_in(self.keys),
            schedules=stand_in(self.schedules),
            subscriptions=stand_in(self.subscriptions),
            probe=stand_in(self.probe),
            ready_arn=READY,
            archive_queue_arn=self.archive_queue,
            callback_url="https://callbacks.example",
            mailboxes=[
                Mailbox(parameter="NotificationEmail", address=self.notification_email, topic_arn=READY),
                Mailbox(parameter="AlertEmail", address=self.alert_email, topic_arn=ALERTS),
            ],
            alerts_arn=ALERTS,
            commands=Commands(stack_name="webadmit-exports", region="us-east-1", api_key_secret=SECRET),
            now=self.clock.now,
        ).run(time_left)

    def problem(self) -> tuple[str, str]:
        """The only problem, and its repair."""
        (problem,) = self.check().problems
        return problem.what, problem.fix


# ── A stack that is in order ────────────────────────────────────────────────────────────────────────────────────────


def test_a_stack_without_problems_is_said_to_be_in_order() -> None:
    assert World().check().report() == [
        "Schedules:",
        "  Exports: on, cron(30 3 * * ? *) America/New_York, 1 export, 1 run in the next 24 hours",
        "    1:10  Nightly",
        "",
        "Identities and exports that the key reaches (identity:export):",
        "  1  School of Nursing, 2026 - 2027",
        "    1:10  Nightly (CSV)  scheduled",
        "",
        "Everything is in order: the key, the lists, the mails and the callback API.",
    ]


def test_the_pairs_can_be_pasted() -> None:
    world = World(FakeWebAdmit([identity(1), identity(2)]))
    world.webadmit.exports_ = {2: [ListedExport(id=20, name="", format=""), ListedExport(id=21, name="", format="")]}

    assert [str(pair) for pair in world.check().pairs] == ["1:10", "2:20", "2:21"]


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (schedule("1:10"), "  Exports: on, cron(30 3 * * ? *) America/New_York, 1 export, 1 run in the next 24 hours"),
        (
            schedule("1:10,1:11,1:10"),
            "  Exports: on, cron(30 3 * * ? *) America/New_York, 2 exports, 2 runs in the next 24 hours",
        ),
        (
            replace(schedule("1:10", is_on=False), wanted_on=False),
            (
                "  Exports: off (ScheduleState is DISABLED), cron(30 3 * * ? *) America/New_York, 1 export,"
                " 0 runs in the next 24 hours"
            ),
        ),
        (schedule(""), "  Exports: empty"),
        (schedule("", "FrequentExports"), "  FrequentExports: empty"),
    ],
)
def test_a_schedule_is_told_in_one_line(one: Schedule, line: str) -> None:
    assert World(schedules=FakeSchedules([one])).check().lines[:2] == ["Schedules:", line]


def test_a_second_list_that_is_empty_is_no_problem() -> None:
    world = World(schedules=FakeSchedules([schedule(), schedule("", "FrequentExports")]))

    assert world.check().problems == []


# ── What is scheduled ───────────────────────────────────────────────────────────────────────────────────────────────


def test_where_nothing_is_scheduled_the_exports_to_choose_from_come_with_the_problem() -> None:
    world = World(schedules=FakeSchedules([schedule(""), schedule("", "FrequentExports")]))

    findings = world.check()

    assert findings.report()[-3:] == [
        "1 problem:",
        "  - Exports is empty: nothing is ever started.",
        (
            '    Fix: Choose names of exports from the list above; put "Exports=…" into parameter_overrides in your'
            f" samconfig file, then {AGAIN}"
        ),
    ]
    assert "    1:10  Nightly (CSV)" in findings.lines


def test_before_a_key_is_stored_no_list_of_exports_is_spoken_of() -> None:
    world = World(schedules=FakeSchedules([schedule("")]))
    without_aws(world, "api key")

    problem = world.check().problems[-1]

    assert problem.what == "Exports is empty: nothing is ever started."
    assert problem.fix == ("fix the other problems first; then this check lists the exports that Exports can name")


@pytest.mark.parametrize(
    ("pairs", "what"),
    [
        ("7:70", "The API key has no access to identity 7, which is scheduled (7:70)."),
        ("1:11", "Identity 1 has no such export: 1:11."),
    ],
)
def test_pairs_that_do_not_fit_are_problems(pairs: str, what: str) -> None:
    assert World(schedules=FakeSchedules([schedule(pairs)])).problem()[0] == what


def test_pairs_of_both_lists_are_looked_at() -> None:
    world = World(schedules=FakeSchedules([schedule("1:10"), schedule("7:70,1:10", "FrequentExports")]))

    assert world.problem()[0].startswith("The API key has no access to identity 7")


def test_a_new_cycle_is_a_problem_with_the_pairs_that_repair_it() -> None:
    world = World(FakeWebAdmit([identity(1), identity(2, "2027 - 2028")]))

    what, fix = world.problem()

    assert what.startswith("The cycle 2027 - 2028 has begun: identity 2 stands beside identity 1 of 2026 - 2027")
    assert "the exports of the same names there are 2:20" in fix


# ── What is scheduled by name ───────────────────────────────────────────────────────────────────────────────────────


def by_name(*cycles: str, entries: str = "Nightly*") -> World:
    """Identities 1, 2 and so on in these cycles, with an export Nightly each."""
    identities = [identity(number, cycle) for number, cycle in enumerate(cycles, start=1)]
    return World(FakeWebAdmit(identities), schedules=FakeSchedules([schedule(entries)]))


def test_each_entry_is_shown_with_what_it_matches_now_and_the_number_of_runs() -> None:
    world = by_name("2025 - 2026", "2026 - 2027", "2024 - 2025", entries="nightly*,1:10,2:21")
    world.webadmit.exports_ = {
        2: [ListedExport(id=20, name="Nightly", format=""), ListedExport(id=21, name="X", format="")]
    }

    assert world.check().report() == [
        "Schedules:",
        "  Exports: on, cron(30 3 * * ? *) America/New_York, 3 exports, 3 runs in the next 24 hours",
        '    "nightly*": 2 exports',
        "      2:20  Nightly",
        "      1:10  Nightly",
        "    1:10  Nightly",
        "    2:21  X",
        "",
        "Identities and exports that the key reaches (identity:export):",
        "  2  School of Nursing, 2026 - 2027",
        "    2:20  Nightly  scheduled",
        "    2:21  X  scheduled",
        "  1  School of Nursing, 2025 - 2026",
        "    1:10  Nightly (CSV)  scheduled",
        "  3  School of Nursing, 2024 - 2025  (older than the cycles that names are looked up in)",
        "    3:30  Nightly (CSV)",
        "",
        "Everything is in order: the key, the lists, the mails and the callback API.",
    ]


def test_the_number_of_runs_is_that_of_the_schedule_s_times() -> None:
    hourly = replace(schedule("Nightly", "FrequentExports"), expression="cron(0 7-19 * * ? *)")
    world = World(schedules=FakeSchedules([hourly]))

    assert "1 export, 13 runs in the next 24 hours" in world.check().lines[1]


def test_a_time_that_is_now_counts_once() -> None:
    now = replace(schedule("Nightly"), expression="cron(30 22 * * ? *)")  # NIGHT in New York

    assert "1 export, 1 run in the next 24 hours" in World(schedules=FakeSchedules([now])).check().lines[1]


def test_where_the_times_cannot_be_told_the_number_of_runs_is_left_out() -> None:
    world = World(schedules=FakeSchedules([replace(schedule("Nightly"), expression="cron(0 7 L * ? *)")]))

    assert world.check().lines[1] == "  Exports: on, cron(0 7 L * ? *) America/New_York, 1 export"


def test_a_name_that_matches_nothing_is_a_problem_with_the_nearest_names_and_the_repair() -> None:
    what, fix = by_name("2026 - 2027", entries="Nightli").problem()

    assert what == (
        '"Nightli" matches nothing: no export has this name in the cycles that are followed. Nearest: "Nightly".'
    )
    assert fix.startswith("put the right name from the list above into Exports (the whole name; * stands for any text")
    assert "Transfer Settings" in fix


def test_a_name_that_matches_in_an_older_cycle_only_is_a_problem() -> None:
    world = by_name("2024 - 2025", "2025 - 2026", "2026 - 2027")
    world.webadmit.exports_ = {2: [], 3: []}

    assert world.problem()[0].startswith('"Nightly*" matches nothing')


@pytest.mark.parametrize("entries", ["*", "N*"])
def test_a_name_of_too_much_is_a_problem_with_the_number(entries: str) -> None:
    world = by_name("2026 - 2027", entries=entries)
    many = [ListedExport(id=number, name="Nightly", format="") for number in range(10, 1500)]
    world.webadmit.exports_ = {1: many}

    what, fix = world.problem()

    assert what.startswith(f'"{entries}" stands for 1490 exports of School of Nursing; none of these is started')
    lines = world.check().lines
    assert lines[1].endswith("0 exports, 0 runs in the next 24 hours")
    assert lines[2] == f'    "{entries}": 1490 exports, of which 1490 are refused: too many of one program'
    assert not any(line.endswith("scheduled") for line in lines)
    assert fix.startswith("write more of the name into Exports")


def test_a_followed_identity_that_cannot_be_listed_is_a_problem_and_no_claim_that_nothing_matches() -> None:
    world = by_name("2025 - 2026", "2026 - 2027")
    world.webadmit.exports_ = {1: []}
    world.webadmit.errors = {2: AccessRefused("/user_identities/2/exports", "answered 403")}

    findings = world.check()

    (problem,) = findings.problems
    assert problem.what.startswith("The exports of identity 2, some of which are scheduled, could not be listed")
    assert '    "Nightly*": 0 exports, and more in identities that could not be listed' in findings.lines


def test_what_a_name_stands_for_is_not_said_while_the_key_is_refused() -> None:
    world = by_name("2026 - 2027")
    world.webadmit.error = ApiKeyRefused("/user_identities", "answered 401")

    assert world.check().lines == [
        "Schedules:",
        "  Exports: on, cron(30 3 * * ? *) America/New_York",
        '    "Nightly*"',
    ]


def test_a_new_cycle_that_a_name_runs_already_is_no_problem_for_a_pair_of_the_old_one() -> None:
    assert by_name("2025 - 2026", "2026 - 2027", entries="1:10,Nightly").check().problems == []


# ── Mails ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_that_was_never_confirmed_is_a_problem() -> None:
    world = World()
    world.subscriptions.confirmed[READY] = set()
    world.subscriptions.pending[READY] = {"files@example.edu"}

    what, fix = world.problem()

    assert what == "The address in NotificationEmail was never confirmed: it gets no mails."
    assert "look for AWS's mail, in the spam too, or: aws sns subscribe --region us-east-1" in fix
    assert f"--topic-arn {READY} --protocol email" in fix


def test_an_address_that_has_vanished_is_a_problem() -> None:
    world = World()
    world.subscriptions.confirmed[READY] = {"somebody.else@example.edu"}

    what, fix = world.problem()

    assert what.startswith("The address in NotificationEmail is no longer subscribed")
    assert fix.startswith(f"aws sns subscribe --region us-east-1 --topic-arn {READY} --protocol email")
    assert "the address in NotificationEmail" in fix


def test_an_address_is_looked_for_at_its_own_topic() -> None:
    world = World()
    world.subscriptions.confirmed = {READY: {"alerts@example.edu"}, ALERTS: {"files@example.edu"}}

    found = [problem.what for problem in world.check().problems]

    assert len(found) == 2
    assert "NotificationEmail" in found[0]
    assert "AlertEmail" in found[1]


def test_an_address_may_be_written_with_capitals() -> None:
    assert World(notification_email="Files@Example.EDU").check().problems == []


def test_an_address_that_was_not_asked_for_is_not_missed() -> None:
    world = World(notification_email="")
    world.subscriptions.confirmed[READY] = set()

    assert world.check().problems == []


def test_where_nobody_is_told_of_failures_there_is_a_problem() -> None:
    world = World(alert_email="")
    world.subscriptions.confirmed[ALERTS] = set()

    assert world.problem() == (
        "Nobody is told when something goes wrong: AlertsTopic has no subscriber.",
        f'put "AlertEmail=…" into parameter_overrides in your samconfig file, then {AGAIN}',
    )


def test_a_program_may_be_the_one_that_is_told_of_failures() -> None:
    world = World(alert_email="")
    world.subscriptions.confirmed[ALERTS] = set()
    world.subscriptions.others = {ALERTS}

    assert world.check().problems == []


def test_an_alert_address_that_waits_for_its_confirmation_is_one_problem_and_not_two() -> None:
    world = World()
    world.subscriptions.confirmed[ALERTS] = set()
    world.subscriptions.pending[ALERTS] = {"alerts@example.edu"}

    assert world.problem()[0] == "The address in AlertEmail was never confirmed: it gets no mails."


# ── Callbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_callback_api_is_tried_at_an_address_of_now_that_is_signed() -> None:
    world = World()

    world.check()

    (url,) = world.probe.urls
    base, path = url.split("/callbacks/")
    parsed = parse_path(
        dict(zip(("user_identity_id", "export_id", "occurrence", "signature"), path.split("/"), strict=True))
    )
    assert base == "https://callbacks.example"
    assert parsed
    assert is_signed(*parsed, [SIGNING_KEY])
    assert parsed[0].scheduled_for == NIGHT


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (None, "no answer"),
        (200, "200"),
        (403, "403"),
        (404, "404"),
        (429, "429"),
        (500, "500"),
    ],
)
def test_a_callback_api_that_does_not_refuse_an_empty_form_is_a_problem(status: int | None, answer: str) -> None:
    what, fix = World(probe=FakeProbe(status)).problem()

    assert what.startswith(f"The callback API is not working ({answer}; expected 400).")
    assert fix.startswith(f"run this check again; if it stays, {AGAIN}, and see: sam logs")
    assert "--stack-name webadmit-exports --region us-east-1 --name ReceiveCallbackFunction" in fix


# ── The key, WebAdMIT and AWS ───────────────────────────────────────────────────────────────────────────────────────


def test_a_key_that_is_missing_is_a_problem_with_the_command_that_stores_it() -> None:
    what, fix = World(keys=FakeKeys(ApiKeyUnusable("the secret for the WebAdMIT API key has no value yet"))).problem()

    assert what == "No usable WebAdMIT API key is stored."
    assert STORE_KEY in fix


def test_a_key_that_is_refused_is_a_problem_with_the_command_that_stores_another() -> None:
    what, fix = World(FakeWebAdmit(error=ApiKeyRefused("/user_identities", "answered 401"))).problem()

    assert what.startswith("WebAdMIT refused the API key (401)")
    assert STORE_KEY in fix


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Unavailable("/user_identities", "answered 503"), "WebAdMIT gave no usable answer: answered 503."),
        (Unavailable("/user_identities", "no answer (X)"), "WebAdMIT gave no usable answer: no answer (X)."),
        (RateLimited("/user_identities", "answered 429", retry_after=60), "WebAdMIT's rate limit is used up (429)."),
        (AccessRefused("/user_identities", "answered 403"), "WebAdMIT refused access to the identity (403)."),
    ],
)
def test_a_webadmit_that_cannot_be_asked_is_a_problem(error: Exception, told: str) -> None:
    what, fix = World(FakeWebAdmit(error=error)).problem()

    assert what == told
    assert fix


def test_an_identity_that_nothing_is_scheduled_for_may_be_closed() -> None:
    world = World(FakeWebAdmit([identity(1), identity(2), identity(3)]))
    world.webadmit.errors = {2: AccessRefused("/user_identities/2/exports", "answered 403")}

    findings = world.check()

    assert findings.problems == []
    assert "    (not listed: /user_identities/2/exports: answered 403)" in findings.lines


def test_what_could_not_be_looked_at_is_not_said_to_be_in_order() -> None:
    world = World(FakeWebAdmit([identity(1)]))
    world.schedules.schedules = [schedule("1:10")]

    (problem,) = world.check(lambda: 1.0).problems

    assert problem.what.endswith("could not be listed: there was no time left.")


def test_a_scheduled_identity_whose_exports_cannot_be_listed_is_a_problem_and_the_others_are_listed() -> None:
    world = World(FakeWebAdmit([identity(1), identity(2), identity(3)]))
    world.schedules.schedules = [schedule("2:20,1:10")]
    world.webadmit.errors = {2: AccessRefused("/user_identities/2/exports", "answered 403")}

    findings = world.check()

    (problem,) = findings.problems
    assert problem.what == (
        "The exports of identity 2, some of which are scheduled, could not be listed: /user_identities/2/exports:"
        " answered 403."
    )
    assert problem.fix.startswith("Ask your WebAdMIT administrator to give the owner of the API key access")
    assert [str(pair) for pair in findings.pairs] == ["1:10", "3:30"]
    assert "    3:30  Nightly (CSV)" in findings.lines


AWS_SENTENCE = "An AWS service did not answer: it answered ThrottlingException."


def without_aws(world: World, part: str) -> None:
    if part == "subscriptions":
        world.subscriptions.errors = {READY: AWS_DOWN}
    elif part == "alerts":
        world.subscriptions.errors = {ALERTS: AWS_DOWN}
    elif part == "signing key":
        world.keys.signing_error = AWS_DOWN
    elif part == "schedules":
        world.schedules.error = AWS_DOWN
    elif part == "api key":
        world.keys.error = AWS_DOWN


@pytest.mark.parametrize("part", ["subscriptions", "alerts", "signing key", "schedules", "api key"])
def test_an_aws_service_that_does_not_answer_is_a_problem(part: str) -> None:
    world = World()
    without_aws(world, part)

    what, fix = world.problem()

    assert what == AWS_SENTENCE
    assert "sam logs --stack-name webadmit-exports --region us-east-1 --name CheckSetupFunction" in fix


def test_without_aws_each_part_is_tried_all_the_same() -> None:
    world = World(probe=FakeProbe(None))
    for part in ("subscriptions", "schedules", "api key"):
        without_aws(world, part)

    found = [problem.what.partition(" where")[0] for problem in world.check().problems]

    aws = AWS_SENTENCE
    assert found == [
        aws,
        "The callback API is not working (no answer; expected 400). Files are still found by polling, minutes later.",
        aws,
        aws,
    ]


def test_without_a_key_everything_else_is_looked_at() -> None:
    world = World(keys=FakeKeys(ApiKeyUnusable("no key")), probe=FakeProbe(500))
    world.subscriptions.confirmed[READY] = set()
    world.schedules.schedules = [schedule("")]

    found = [problem.what[:24] for problem in world.check().problems]

    assert found == [
        "The address in Notificat",
        "The callback API is not ",
        "No usable WebAdMIT API k",
        "Exports is empty: nothin",
    ]


@pytest.mark.parametrize("part", ["subscriptions", "alerts", "signing key"])
def test_where_other_things_cannot_be_looked_at_the_pairs_are_listed(part: str) -> None:
    world = World()
    without_aws(world, part)

    assert [str(pair) for pair in world.check().pairs] == ["1:10"]


def test_a_mail_that_is_missing_is_told_though_the_other_topic_cannot_be_read() -> None:
    world = World()
    world.subscriptions.confirmed[READY] = set()
    without_aws(world, "alerts")

    found = [problem.what for problem in world.check().problems]

    assert found[0].startswith("The address in NotificationEmail is no longer subscribed")
    assert found[1:] == [AWS_SENTENCE]


def test_where_schedules_cannot_be_read_they_are_not_said_to_be_empty() -> None:
    world = World()
    without_aws(world, "schedules")

    report = world.check().report()

    assert not any("Exports is empty" in line for line in report)


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "asked"), [(11.9, []), (12.0, [1]), (60.0, [1])])
def test_an_identity_is_asked_about_while_there_is_time_for_the_longest_answer(
    seconds: float, asked: list[int]
) -> None:
    world = World()

    world.check(lambda: seconds)

    assert world.webadmit.asked == asked


def test_without_time_identities_are_shown_but_not_listed_and_not_said_to_lack_exports() -> None:
    world = World(FakeWebAdmit([identity(1), identity(2)]))
    world.schedules.schedules = [schedule("2:20")]
    findings = world.check(lambda: 1.0)

    assert len(findings.problems) == 1
    assert findings.pairs == []
    assert findings.lines[-4:] == [
        "  2  School of Nursing, 2026 - 2027",
        "    (not listed: there was no time left)",
        "  1  School of Nursing, 2026 - 2027",
        "    (not listed: there was no time left)",
    ]


def test_what_is_scheduled_comes_first_and_then_the_newest_cycles() -> None:
    cycles = {1: "2024", 2: "2026", 3: "2025", 4: "2026", 5: ""}
    world = World(FakeWebAdmit([identity(number, cycle, f"School {number}") for number, cycle in cycles.items()]))
    world.schedules.schedules = [schedule("3:30")]

    lines = world.check().lines

    assert [line.split()[0] for line in lines if line.startswith("  ") and "School" in line] == [
        "3",
        "2",
        "4",
        "1",
        "5",
    ]


# ── What is never told ──────────────────────────────────────────────────────────────────────────────────────────────


def test_no_report_holds_the_key_a_signature_or_a_mail_address() -> None:
    spoilt = World(probe=FakeProbe(404))
    spoilt.subscriptions.confirmed = {}
    spoilt.subscriptions.pending = {ALERTS: {"alerts@example.edu"}}
    spoilt.webadmit.errors = {1: AccessRefused("/", "answered 403")}
    refused = World(FakeWebAdmit(error=ApiKeyRefused("/", "answered 401")))
    missing = World(keys=FakeKeys(ApiKeyUnusable("no key"), AWS_DOWN))

    reports = [world.check() for world in (World(), spoilt, refused, missing)]

    text = "\n".join(line for one in reports for line in [*one.report(), *map(str, one.problems)])
    assert [len(one.problems) for one in reports] == [0, 4, 1, 2]
    assert API_KEY.value not in text
    assert "@" not in text
    assert spoilt.probe.urls[0].rsplit("/", 1)[1] not in text
    assert SIGNING_KEY.decode() not in text


def test_several_problems_are_counted_and_each_is_followed_by_its_repair() -> None:
    world = World(probe=FakeProbe(404), schedules=FakeSchedules([schedule("")]))

    report = world.check().report()

    start = report.index("2 problems:")
    assert report[start - 1] == ""
    assert [line[:4] for line in report[start + 1 :]] == ["  - ", "    ", "  - ", "    "]
    assert "Everything is in order" not in report


# ── What somebody has changed by hand ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("is_on", "what", "states"),
    [
        (False, "The schedule of Exports is off, switched by hand: nothing of it is started.", ["DISABLED", "ENABLED"]),
        (True, "The schedule of Exports is on, switched by hand: it goes on", ["ENABLED", "DISABLED"]),
    ],
)
def test_a_schedule_that_was_switched_by_hand_is_a_problem_with_the_command_that_repairs_it(
    is_on: bool, what: str, states: list[str]
) -> None:
    world = World(schedules=FakeSchedules([replace(schedule(is_on=is_on), wanted_on=not is_on)]))

    found, fix = world.problem()

    assert found.startswith(what)
    assert [fix.index(f"`sam deploy --parameter-overrides ScheduleState={state}`") for state in states] == sorted(
        fix.index(f"ScheduleState={state}`") - len("`sam deploy --parameter-overrides ") for state in states
    )
    assert "switched by hand" in "\n".join(world.check().lines)


def test_an_archive_that_gets_no_announcements_is_a_problem() -> None:
    world = World(archive_queue="arn:aws:sqs:us-east-1:123456789012:Archive")

    what, fix = world.problem()
    world.subscriptions.queues.add(world.archive_queue)

    assert what.startswith("ArchiveQueue is no longer subscribed to ReadyTopic")
    assert fix.endswith(
        f"--protocol sqs --notification-endpoint {world.archive_queue} --attributes RawMessageDelivery=true"
    )
    assert world.check().problems == []
