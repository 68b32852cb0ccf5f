"""The check of a deployed stack, with fakes: each problem comes with its repair, and none hides another."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import (
    ALERTS_ARN,
    API_KEY,
    NIGHT,
    READY_ARN,
    SIGNING_KEY,
    WRITER,
    Clock,
    FakeKeys,
    FakeProbe,
    FakeSchedules,
    identity,
)
from tests.unit.world import World
from webadmit_exports.aws.schedules import Schedule
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

SECRET = WRITER.commands.api_key_secret
STORE_KEY = f"aws secretsmanager put-secret-value --region us-east-1 --secret-id {SECRET} --secret-string file://"
AWS_DOWN = AwsUnavailable("it answered ThrottlingException")
DEPLOY_AGAIN = '("Deploy again" in docs/runbook.md)'


def schedule(entries: str = "1:100", name: str = "Exports", *, is_on: bool = True) -> Schedule:
    return Schedule(
        name=name,
        entries=parse_entries(entries),
        expression="cron(30 3 * * ? *)",
        timezone="America/New_York",
        is_on=is_on,
        changed_at=NIGHT - timedelta(days=30),
    )


def world_of(*identities: Identity, schedules: Sequence[Schedule] | None = None, **more: Any) -> World:
    """A stack that is in order, until a test spoils something: an export "Nightly" for each identity."""
    wanted = [schedule()] if schedules is None else list(schedules)
    world = World(clock=Clock(), schedules=FakeSchedules(wanted), **more)
    world.subscriptions.confirmed = {READY_ARN: {"files@example.edu"}, ALERTS_ARN: {"alerts@example.edu"}}
    for one in identities or (program(1),):
        world.webadmit.add(one, "Nightly")
    return world


def unanswered(error: Exception) -> World:
    """Which identities there are cannot be learned."""
    world = world_of()
    world.webadmit.errors["identities"] = error
    return world


def program(number: int, cycle: str = "2026 - 2027", organization: str = "School of Nursing") -> Identity:
    """Names nothing but its organization."""
    return replace(identity(number, cycle, organization), association="", institution="")


def problem(world: World) -> tuple[str, str]:
    """The only problem, and its repair."""
    (found,) = world.check().problems
    return found.what, found.fix


# ── A stack that is in order ────────────────────────────────────────────────────────────────────────────────────────


def test_a_stack_without_problems_is_said_to_be_in_order() -> None:
    assert world_of().check().report() == [
        "Schedules:",
        "  Exports: on, cron(30 3 * * ? *) America/New_York, 1 export, 1 run in the next 24 hours",
        "    1:100  Nightly",
        "",
        "Identities and exports that the key reaches (identity:export):",
        "  1  School of Nursing, 2026 - 2027",
        "    1:100  Nightly (CSV)  scheduled",
        "",
        "Everything is in order: the key, the lists, the mails and the callback API.",
    ]


def test_the_pairs_can_be_pasted() -> None:
    world = world_of(program(1), program(2))
    world.webadmit.listed |= {2: [ListedExport(id=200, name="", format=""), ListedExport(id=201, name="", format="")]}

    assert [str(pair) for pair in world.check().pairs] == ["1:100", "2:200", "2:201"]


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (schedule("1:100"), "  Exports: on, cron(30 3 * * ? *) America/New_York, 1 export, 1 run in the next 24 hours"),
        (
            schedule("1:100,1:101,1:100"),
            "  Exports: on, cron(30 3 * * ? *) America/New_York, 2 exports, 2 runs in the next 24 hours",
        ),
        (
            replace(schedule("1:100", is_on=False), wanted_on=False),
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
    assert world_of(schedules=[one]).check().lines[:2] == ["Schedules:", line]


def test_a_second_list_that_is_empty_is_no_problem() -> None:
    world = world_of(schedules=[schedule(), schedule("", "FrequentExports")])

    assert world.check().problems == []


# ── What is scheduled ───────────────────────────────────────────────────────────────────────────────────────────────


def test_where_nothing_is_scheduled_the_exports_to_choose_from_come_with_the_problem() -> None:
    world = world_of(schedules=[schedule(""), schedule("", "FrequentExports")])

    findings = world.check()

    assert findings.report()[-3:] == [
        "1 problem:",
        "  - Exports is empty: nothing is ever started.",
        (
            "    Fix: Choose names of exports from the list above; deploy webadmit-exports with"
            f" \"Exports='…'\" {DEPLOY_AGAIN}"
        ),
    ]
    assert "    1:100  Nightly (CSV)" in findings.lines


def test_before_a_key_is_stored_no_list_of_exports_is_spoken_of() -> None:
    world = world_of(schedules=[schedule("")])
    without_aws(world, "api key")

    problem = world.check().problems[-1]

    assert problem.what == "Exports is empty: nothing is ever started."
    assert problem.fix == ("fix the other problems first; then this check lists the exports that Exports can name")


@pytest.mark.parametrize(
    ("pairs", "what"),
    [
        ("7:700", "The API key has no access to identity 7, which is scheduled (7:700)."),
        ("1:101", "Identity 1 has no such export: 1:101."),
    ],
)
def test_pairs_that_do_not_fit_are_problems(pairs: str, what: str) -> None:
    assert problem(world_of(schedules=[schedule(pairs)]))[0] == what


def test_pairs_of_both_lists_are_looked_at() -> None:
    world = world_of(schedules=[schedule("1:100"), schedule("7:700,1:100", "FrequentExports")])

    assert problem(world)[0].startswith("The API key has no access to identity 7")


def test_a_new_cycle_is_a_problem_with_the_pairs_that_repair_it() -> None:
    world = world_of(program(1), program(2, "2027 - 2028"))

    what, fix = problem(world)

    assert what.startswith("The cycle 2027 - 2028 has begun: identity 2 stands beside identity 1 of 2026 - 2027")
    assert "the exports of the same names there are 2:200" in fix


# ── What is scheduled by name ───────────────────────────────────────────────────────────────────────────────────────


def by_name(*cycles: str, entries: str = "Nightly*") -> World:
    """Identities 1, 2 and so on in these cycles, with an export Nightly each."""
    identities = [program(number, cycle) for number, cycle in enumerate(cycles, start=1)]
    return world_of(*identities, schedules=[schedule(entries)])


def test_each_entry_is_shown_with_what_it_matches_now_and_the_number_of_runs() -> None:
    world = by_name("2025 - 2026", "2026 - 2027", "2024 - 2025", entries="nightly*,1:100,2:201")
    world.webadmit.listed |= {
        2: [ListedExport(id=200, name="Nightly", format=""), ListedExport(id=201, name="X", format="")]
    }

    assert world.check().report() == [
        "Schedules:",
        "  Exports: on, cron(30 3 * * ? *) America/New_York, 3 exports, 3 runs in the next 24 hours",
        '    "nightly*": 2 exports',
        "      2:200  Nightly",
        "      1:100  Nightly",
        "    1:100  Nightly",
        "    2:201  X",
        "",
        "Identities and exports that the key reaches (identity:export):",
        "  2  School of Nursing, 2026 - 2027",
        "    2:200  Nightly  scheduled",
        "    2:201  X  scheduled",
        "  1  School of Nursing, 2025 - 2026",
        "    1:100  Nightly (CSV)  scheduled",
        "  3  School of Nursing, 2024 - 2025  (older than the cycles that names are looked up in)",
        "    3:300  Nightly (CSV)",
        "",
        "Everything is in order: the key, the lists, the mails and the callback API.",
    ]


def test_the_number_of_runs_is_that_of_the_schedule_s_times() -> None:
    hourly = replace(schedule("Nightly", "FrequentExports"), expression="cron(0 7-19 * * ? *)")
    world = world_of(schedules=[hourly])

    assert "1 export, 13 runs in the next 24 hours" in world.check().lines[1]


def test_a_time_that_is_now_counts_once() -> None:
    now = replace(schedule("Nightly"), expression="cron(30 22 * * ? *)")  # NIGHT in New York

    assert "1 export, 1 run in the next 24 hours" in world_of(schedules=[now]).check().lines[1]


def test_where_the_times_cannot_be_told_the_number_of_runs_is_left_out() -> None:
    world = world_of(schedules=[replace(schedule("Nightly"), expression="cron(0 7 L * ? *)")])

    assert world.check().lines[1] == "  Exports: on, cron(0 7 L * ? *) America/New_York, 1 export"


def test_a_name_that_matches_nothing_is_a_problem_with_the_nearest_names_and_the_repair() -> None:
    what, fix = problem(by_name("2026 - 2027", entries="Nightli"))

    assert what == (
        '"Nightli" matches nothing: no export has this name in the cycles that are followed. Nearest: "Nightly".'
    )
    assert fix.startswith("put the right name from the list above into Exports (the whole name; * stands for any text")
    assert "Transfer Settings" in fix


def test_a_name_that_matches_in_an_older_cycle_only_is_a_problem() -> None:
    world = by_name("2024 - 2025", "2025 - 2026", "2026 - 2027")
    world.webadmit.listed |= {2: [], 3: []}

    assert problem(world)[0].startswith('"Nightly*" matches nothing')


@pytest.mark.parametrize("entries", ["*", "N*"])
def test_a_name_of_too_much_is_a_problem_with_the_number(entries: str) -> None:
    world = by_name("2026 - 2027", entries=entries)
    many = [ListedExport(id=number, name="Nightly", format="") for number in range(10, 1500)]
    world.webadmit.listed |= {1: many}

    what, fix = problem(world)

    assert what.startswith(f'"{entries}" stands for 1490 exports of School of Nursing; none of these is started')
    lines = world.check().lines
    assert lines[1].endswith("0 exports, 0 runs in the next 24 hours")
    assert lines[2] == f'    "{entries}": 1490 exports, of which 1490 are refused: too many of one program'
    assert not any(line.endswith("scheduled") for line in lines)
    assert fix.startswith("write more of the name into Exports")


def test_a_followed_identity_that_cannot_be_listed_is_a_problem_and_no_claim_that_nothing_matches() -> None:
    world = by_name("2025 - 2026", "2026 - 2027")
    world.webadmit.listed |= {1: []}
    world.webadmit.errors = {"exports 2": AccessRefused("/user_identities/2/exports", "answered 403")}

    findings = world.check()

    (problem,) = findings.problems
    assert problem.what.startswith("The exports of identity 2, some of which are scheduled, could not be listed")
    assert '    "Nightly*": 0 exports, and more in identities that could not be listed' in findings.lines


def test_what_a_name_stands_for_is_not_said_while_the_key_is_refused() -> None:
    world = by_name("2026 - 2027")
    world.webadmit.errors["identities"] = ApiKeyRefused("/user_identities", "answered 401")

    assert world.check().lines == [
        "Schedules:",
        "  Exports: on, cron(30 3 * * ? *) America/New_York",
        '    "Nightly*"',
    ]


def test_a_new_cycle_that_a_name_runs_already_is_no_problem_for_a_pair_of_the_old_one() -> None:
    assert by_name("2025 - 2026", "2026 - 2027", entries="1:100,Nightly").check().problems == []


# ── Mails ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_address_that_was_never_confirmed_is_a_problem() -> None:
    world = world_of()
    world.subscriptions.confirmed[READY_ARN] = set()
    world.subscriptions.pending[READY_ARN] = {"files@example.edu"}

    what, fix = problem(world)

    assert what == "The address in NotificationEmail was never confirmed: it gets no mails."
    assert "look for AWS's mail, in the spam too, or: aws sns subscribe --region us-east-1" in fix
    assert f"--topic-arn {READY_ARN} --protocol email" in fix


def test_an_address_that_has_vanished_is_a_problem() -> None:
    world = world_of()
    world.subscriptions.confirmed[READY_ARN] = {"somebody.else@example.edu"}

    what, fix = problem(world)

    assert what.startswith("The address in NotificationEmail is no longer subscribed")
    assert fix.startswith(f"aws sns subscribe --region us-east-1 --topic-arn {READY_ARN} --protocol email")
    assert "the address in NotificationEmail" in fix


def test_an_address_is_looked_for_at_its_own_topic() -> None:
    world = world_of()
    world.subscriptions.confirmed = {READY_ARN: {"alerts@example.edu"}, ALERTS_ARN: {"files@example.edu"}}

    found = [problem.what for problem in world.check().problems]

    assert len(found) == 2
    assert "NotificationEmail" in found[0]
    assert "AlertEmail" in found[1]


def test_an_address_may_be_written_with_capitals() -> None:
    assert world_of(notification_email="Files@Example.EDU").check().problems == []


def test_an_address_that_was_not_asked_for_is_not_missed() -> None:
    world = world_of(notification_email="")
    world.subscriptions.confirmed[READY_ARN] = set()

    assert world.check().problems == []


def test_where_nobody_is_told_of_failures_there_is_a_problem() -> None:
    world = world_of(alert_email="")
    world.subscriptions.confirmed[ALERTS_ARN] = set()

    assert problem(world) == (
        "Nobody is told when something goes wrong: AlertsTopic has no subscriber.",
        f"deploy webadmit-exports with \"AlertEmail='…'\" {DEPLOY_AGAIN}",
    )


def test_a_program_may_be_the_one_that_is_told_of_failures() -> None:
    world = world_of(alert_email="")
    world.subscriptions.confirmed[ALERTS_ARN] = set()
    world.subscriptions.others = {ALERTS_ARN}

    assert world.check().problems == []


def test_an_alert_address_that_waits_for_its_confirmation_is_one_problem_and_not_two() -> None:
    world = world_of()
    world.subscriptions.confirmed[ALERTS_ARN] = set()
    world.subscriptions.pending[ALERTS_ARN] = {"alerts@example.edu"}

    assert problem(world)[0] == "The address in AlertEmail was never confirmed: it gets no mails."


# ── Callbacks ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_callback_api_is_tried_at_an_address_of_now_that_is_signed() -> None:
    world = world_of()

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
    what, fix = problem(world_of(probe=FakeProbe(status)))

    assert what.startswith(f"The callback API is not working ({answer}; expected 400).")
    assert fix.startswith(
        f"run this check again; if it stays, deploy webadmit-exports again {DEPLOY_AGAIN}, and see: sam logs"
    )
    assert "--stack-name webadmit-exports --region us-east-1 --name ReceiveCallbackFunction" in fix


# ── The key, WebAdMIT and AWS ───────────────────────────────────────────────────────────────────────────────────────


def test_a_key_that_is_missing_is_a_problem_with_the_command_that_stores_it() -> None:
    what, fix = problem(world_of(keys=FakeKeys(ApiKeyUnusable("the secret for the WebAdMIT API key has no value yet"))))

    assert what == "No usable WebAdMIT API key is stored."
    assert STORE_KEY in fix


def test_a_key_that_is_refused_is_a_problem_with_the_command_that_stores_another() -> None:
    what, fix = problem(unanswered(ApiKeyRefused("/user_identities", "answered 401")))

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
    what, fix = problem(unanswered(error))

    assert what == told
    assert fix


def test_an_identity_that_nothing_is_scheduled_for_may_be_closed() -> None:
    world = world_of(program(1), program(2), program(3))
    world.webadmit.errors = {"exports 2": AccessRefused("/user_identities/2/exports", "answered 403")}

    findings = world.check()

    assert findings.problems == []
    assert "    (not listed: /user_identities/2/exports: answered 403)" in findings.lines


def test_what_could_not_be_looked_at_is_not_said_to_be_in_order() -> None:
    assert problem(world_of(timeout=1))[0].endswith("could not be listed: there was no time left.")


def test_a_scheduled_identity_whose_exports_cannot_be_listed_is_a_problem_and_the_others_are_listed() -> None:
    world = world_of(program(1), program(2), program(3))
    world.schedules.schedules = [schedule("2:200,1:100")]
    world.webadmit.errors = {"exports 2": AccessRefused("/user_identities/2/exports", "answered 403")}

    findings = world.check()

    (problem,) = findings.problems
    assert problem.what == (
        "The exports of identity 2, some of which are scheduled, could not be listed: /user_identities/2/exports:"
        " answered 403."
    )
    assert problem.fix.startswith("Ask your WebAdMIT administrator to give the owner of the API key access")
    assert [str(pair) for pair in findings.pairs] == ["1:100", "3:300"]
    assert "    3:300  Nightly (CSV)" in findings.lines


AWS_SENTENCE = "An AWS service did not answer: it answered ThrottlingException."


def without_aws(world: World, part: str) -> None:
    if part == "subscriptions":
        world.subscriptions.errors = {READY_ARN: AWS_DOWN}
    elif part == "alerts":
        world.subscriptions.errors = {ALERTS_ARN: AWS_DOWN}
    elif part == "signing key":
        world.keys.signing_error = AWS_DOWN
    elif part == "schedules":
        world.schedules.error = AWS_DOWN
    elif part == "api key":
        world.keys.error = AWS_DOWN


@pytest.mark.parametrize("part", ["subscriptions", "alerts", "signing key", "schedules", "api key"])
def test_an_aws_service_that_does_not_answer_is_a_problem(part: str) -> None:
    world = world_of()
    without_aws(world, part)

    what, fix = problem(world)

    assert what == AWS_SENTENCE
    assert "sam logs --stack-name webadmit-exports --region us-east-1 --name CheckSetupFunction" in fix


def test_without_aws_each_part_is_tried_all_the_same() -> None:
    world = world_of(probe=FakeProbe(None))
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
    world = world_of(keys=FakeKeys(ApiKeyUnusable("no key")), probe=FakeProbe(500))
    world.subscriptions.confirmed[READY_ARN] = set()
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
    world = world_of()
    without_aws(world, part)

    assert [str(pair) for pair in world.check().pairs] == ["1:100"]


def test_a_mail_that_is_missing_is_told_though_the_other_topic_cannot_be_read() -> None:
    world = world_of()
    world.subscriptions.confirmed[READY_ARN] = set()
    without_aws(world, "alerts")

    found = [problem.what for problem in world.check().problems]

    assert found[0].startswith("The address in NotificationEmail is no longer subscribed")
    assert found[1:] == [AWS_SENTENCE]


def test_where_schedules_cannot_be_read_they_are_not_said_to_be_empty() -> None:
    world = world_of()
    without_aws(world, "schedules")

    report = world.check().report()

    assert not any("Exports is empty" in line for line in report)


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("seconds", "asked"), [(21.9, []), (22.0, ["exports 1"]), (60.0, ["exports 1"])])
def test_an_identity_is_asked_about_while_there_is_time_for_the_longest_answer(
    seconds: float, asked: list[str]
) -> None:
    world = world_of()

    world.timeout = seconds
    world.check()

    assert world.webadmit.asked == ["identities", *asked]


def test_without_time_identities_are_shown_but_not_listed_and_not_said_to_lack_exports() -> None:
    world = world_of(program(1), program(2), schedules=[schedule("2:200")], timeout=1)
    findings = world.check()

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
    world = world_of(*(program(number, cycle, f"School {number}") for number, cycle in cycles.items()))
    world.schedules.schedules = [schedule("3:300")]

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
    spoilt = world_of(probe=FakeProbe(404))
    spoilt.subscriptions.confirmed = {}
    spoilt.subscriptions.pending = {ALERTS_ARN: {"alerts@example.edu"}}
    spoilt.webadmit.errors = {"exports 1": AccessRefused("/", "answered 403")}
    refused = unanswered(ApiKeyRefused("/", "answered 401"))
    missing = world_of(keys=FakeKeys(ApiKeyUnusable("no key"), AWS_DOWN))

    reports = [world.check() for world in (world_of(), spoilt, refused, missing)]

    text = "\n".join(line for one in reports for line in [*one.report(), *map(str, one.problems)])
    assert [len(one.problems) for one in reports] == [0, 4, 1, 2]
    assert API_KEY.value not in text
    assert "@" not in text
    assert spoilt.probe.urls[0].rsplit("/", 1)[1] not in text
    assert SIGNING_KEY.decode() not in text


def test_several_problems_are_counted_and_each_is_followed_by_its_repair() -> None:
    world = world_of(probe=FakeProbe(404), schedules=[schedule("")])

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
def test_a_schedule_that_was_switched_by_hand_is_a_problem_with_what_repairs_it(
    is_on: bool, what: str, states: list[str]
) -> None:
    world = world_of(schedules=[replace(schedule(is_on=is_on), wanted_on=not is_on)])

    found, fix = problem(world)

    assert found.startswith(what)
    assert 'webadmit-exports with "ScheduleState={}", then with "ScheduleState={}" ('.format(*states) in fix
    assert "switched by hand" in "\n".join(world.check().lines)


def test_an_archive_that_gets_no_announcements_is_a_problem() -> None:
    world = world_of(archive_queue="arn:aws:sqs:us-east-1:123456789012:Archive")

    what, fix = problem(world)
    world.subscriptions.queues.add(world.archive_queue)

    assert what.startswith("ArchiveQueue is no longer subscribed to ReadyTopic")
    assert fix.endswith(
        f"--protocol sqs --notification-endpoint {world.archive_queue} --attributes RawMessageDelivery=true"
    )
    assert world.check().problems == []
