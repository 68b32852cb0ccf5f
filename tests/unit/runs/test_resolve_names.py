"""Starting by name, with fakes: what names stand for, and what becomes of those that cannot be looked up."""

import json
from typing import Any

import pytest

from tests.fakes import NIGHT, after, identity, run, stand_in
from tests.unit.world import World, delivery
from webadmit_exports.domain.identities import ListedExport
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.labels import Labels
from webadmit_exports.domain.start_request import parse_entries
from webadmit_exports.errors import (
    AccessRefused,
    ApiKeyRefused,
    ApiKeyUnusable,
    RateLimited,
    RequestRefused,
    Unavailable,
    WebAdmitError,
)
from webadmit_exports.runs.label_cache import LabelCache

DOWN = Unavailable("/", "HTTP 503")
REFUSED = AccessRefused("/", "HTTP 403")


def world(*cycles: str, names: tuple[str, ...] = ("Slate nightly", "Banner")) -> World:
    """Identities 1, 2 and so on of one program in these cycles, each with exports 100, 101 (or 200, 201) and so on."""
    made = World()
    for number, cycle in enumerate(cycles or ("2026 - 2027",), start=1):
        made.webadmit.add(identity(number, cycle), *names)
    return made


def many_schools(*, down: int, of: int = 60) -> World:
    """Identities of so many programs with an export Slate each; the lists of the first ones fail in one start."""
    made = World()
    for number in range(1, of + 1):
        made.webadmit.add(identity(number, organization=f"School {number}"), "Slate")
        made.webadmit.errors[f"exports {number}"] = [DOWN, DOWN] if number <= down else []
    return made


def pair(text: str) -> Export:
    (export,) = parse_entries(text)
    assert isinstance(export, Export)
    return export


def start(made: World, text: str, **more: Any) -> dict[str, list[str]]:
    found = made.start(*parse_entries(text), **more)
    return {outcome: sorted(map(str, entries)) for outcome, entries in found.items()}


def retry(made: World, text: str, **more: Any) -> list[str]:
    return made.retry(delivery(*parse_entries(text), **more))


def deferred(made: World) -> list[str]:
    assert all(scheduled_for == NIGHT for _, scheduled_for in made.start_queue.deferred)
    return [str(entry) for entry, _ in made.start_queue.deferred]


def alerts(made: World) -> list[tuple[object, object]]:
    return [(message.body["event_type"], message.body["exports"]) for message in made.topics.messages]


# ── What is started ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_name_starts_the_exports_of_that_name_in_the_followed_cycles() -> None:
    made = world("2024 - 2025", "2025 - 2026", "2026 - 2027")

    assert start(made, "slate*") == {"started": ["2:200", "3:300"]}
    assert sorted(made.webadmit.asked) == ["exports 2", "exports 3", "identities"]
    assert alerts(made) == []


def test_a_name_and_a_pair_of_the_same_export_start_it_once() -> None:
    made = world()

    assert start(made, "1:100,Slate*,slate nightly,Banner") == {"started": ["1:100", "1:101"]}
    assert [str(export) for export in made.webadmit.started].count("1:100") == 1


def shared(*identities: int) -> World:
    """Identities of one program and cycle that all list export 500, "Slate"."""
    made = World()
    for number in identities:
        made.webadmit.add(identity(number), "Banner")
        made.webadmit.listed[number] = [ListedExport(id=500, name="Slate", format="CSV")]
    return made


def test_an_export_that_several_identities_list_is_started_once_under_the_lowest() -> None:
    made = shared(7, 3, 5)

    assert start(made, "Slate") == {"started": ["3:500"]}
    assert start(made, "Slate") == {"already_started": ["3:500"]}
    assert [str(export) for export in made.webadmit.started] == ["3:500"]


def test_where_its_lowest_identity_is_refused_it_is_started_under_the_next_and_nobody_is_woken() -> None:
    made = shared(3, 5, 7)
    made.webadmit.answers = {pair("3:500"): [REFUSED], pair("5:500"): [REFUSED]}

    assert start(made, "Slate") == {"started": ["7:500"]}
    assert alerts(made) == []
    assert start(made, "Slate") == {"already_started": ["3:500"]}  # by name any record of the export counts


def test_where_all_its_identities_are_refused_it_is_deferred_and_told_once() -> None:
    made = shared(3, 5)
    made.webadmit.answers = {pair("3:500"): [REFUSED], pair("5:500"): [REFUSED]}

    assert start(made, "Slate") == {"deferred": ["3:500"]}
    assert alerts(made) == [("start.delayed", "3:500")]
    assert deferred(made) == ["3:500"]


@pytest.mark.parametrize("entries", ["5:500,Slate", "Slate,5:500", "Slate,sl*,5:500"])
def test_a_pair_says_under_which_identity_an_export_is_started(entries: str) -> None:
    made = shared(3, 5)

    assert start(made, entries) == {"started": ["5:500"]}


def test_two_names_of_the_same_export_start_it_once() -> None:
    made = shared(3, 5)

    assert start(made, "Slate,sl*,*late") == {"started": ["3:500"]}


def test_two_pairs_that_webadmit_joins_are_one_run_and_a_repeat_starts_nothing() -> None:
    made = shared(3, 5)
    made.webadmit.answers = {pair("3:500"): [run(9)], pair("5:500"): [run(9)]}

    assert start(made, "3:500,5:500") == {"started": ["3:500", "5:500"]}
    assert start(made, "3:500,5:500") == {"already_started": ["3:500", "5:500"]}
    assert all(made.table.only.serves(pair(text), NIGHT) for text in ("3:500", "5:500"))


def test_the_same_name_twice_in_one_identity_starts_both() -> None:
    assert start(world(names=("Slate", "Slate")), "Slate") == {"started": ["1:100", "1:101"]}


def test_a_schedule_that_fires_twice_starts_by_name_once() -> None:
    made = world()

    start(made, "Slate*")

    assert start(made, "Slate*") == {"already_started": ["1:100"]}
    assert len(made.webadmit.started) == 1


def test_each_start_looks_names_up_anew() -> None:
    made = world()
    start(made, "Slate*")
    made.webadmit.listed[1].append(ListedExport(id=199, name="Slate weekly", format="CSV"))

    assert start(made, "Slate*", scheduled_for=after(seconds=1)) == {"started": ["1:100", "1:199"]}


def test_without_names_nothing_is_listed() -> None:
    made = world()

    start(made, "1:100")

    assert made.webadmit.asked == []


def test_what_a_name_stood_for_is_recorded_before_it_is_started() -> None:
    made = world("2025 - 2026", "2026 - 2027")

    start(made, "Slate*")

    ((name, scheduled_for),) = made.matches.kept
    kept = made.matches.kept[name, scheduled_for]
    assert (name, scheduled_for) == ("Slate*", NIGHT)
    assert {str(export): text for export, text in kept.exports.items()} == {
        "1:100": "Slate nightly",
        "2:200": "Slate nightly",
    }
    assert list(kept.identities) == [1, 2]


def test_a_table_that_does_not_take_the_matches_keeps_nothing_from_starting() -> None:
    made = world()
    made.matches.failing = True

    assert start(made, "Slate*") == {"started": ["1:100"]}
    assert alerts(made) == []


def test_an_export_that_disappears_between_list_and_start_fails_alone() -> None:
    made = world()
    gone, _ = made.webadmit.listed[1]
    made.webadmit.answers = {pair(f"1:{gone.id}"): [RequestRefused("/", "HTTP 404", status=404)]}

    assert start(made, "Slate*,Banner") == {"failed": ["1:100"], "started": ["1:101"]}
    assert alerts(made) == [("start.failed", "1:100")]


# ── What matches nothing, or too much ───────────────────────────────────────────────────────────────────────────────


def test_a_name_that_matches_nothing_is_told_with_the_nearest_names() -> None:
    made = world()

    assert start(made, "Slate nightli,Banner") == {"failed": ["Slate nightli"], "started": ["1:101"]}

    (message,) = made.topics.messages
    assert message.subject == 'webadmit-exports: "Slate nightli" not started: no export has this name'
    assert 'Slate nightli: Nearest: "Slate nightly".' in str(message.body["reason"])
    assert message.body["exports"] == "Slate nightli"


def test_a_name_that_matches_nothing_is_known_to_have_matched_nothing() -> None:
    made = world()

    start(made, "Zebra")

    assert made.matches.kept["Zebra", NIGHT].exports == {}


def test_names_without_a_match_are_told_in_one_message() -> None:
    made = world()

    start(made, "Zebra,Yak*")

    assert alerts(made) == [("start.failed", "Zebra,Yak*")]
    assert made.topics.messages[0].subject == "webadmit-exports: 2 names not started: no export has this name"


def test_a_key_that_reaches_nothing_is_told() -> None:
    assert start(World(), "Slate*") == {"failed": ["Slate*"]}


@pytest.mark.parametrize(("text", "count"), [("*", 2), ("**", 2), ("S*", 1001)])
def test_a_name_of_everything_and_more_than_a_thousand_exports_are_refused_with_the_number(
    text: str, count: int
) -> None:
    made = world(names=("Slate",) * count)

    assert start(made, text) == {"failed": [text]}
    assert f"{text}: {count:,} exports of NursingCAS, School" in str(made.topics.messages[0].body["reason"])
    assert made.webadmit.started == []


def test_a_thousand_exports_in_another_program_do_not_stop_those_that_were_meant() -> None:
    made = world("2026 - 2027", names=("Slate",))
    for number in (501, 502):
        made.webadmit.add(identity(number, organization=f"Copy {number}"), *["Slate"] * 1001)

    assert start(made, "Slate") == {"started": ["1:100"], "failed": ["Slate"]}

    (message,) = made.topics.messages
    assert message.event_type == "start.failed"
    assert "1,001 exports of NursingCAS, Copy 501, University of Examples, 1,001 exports of" in str(
        message.body["reason"]
    )
    (recorded,) = made.matches.kept.values()
    assert list(map(str, recorded.exports)) == ["1:100"]


def test_a_thousand_exports_of_one_name_start() -> None:
    assert len(start(world(names=("Slate",) * 1000), "Slate")["started"]) == 1000


# ── Names that cannot be looked up ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "error", [REFUSED, DOWN, RequestRefused("/", "HTTP 404", status=404), RateLimited("/", "HTTP 429", retry_after=9)]
)
def test_an_identity_that_cannot_be_listed_is_deferred_as_the_name_in_it(error: WebAdmitError) -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors["exports 2"] = [error, error]

    assert start(made, "Slate*") == {"started": ["1:100"], "deferred": ["Slate*@2"]}
    assert deferred(made) == ["Slate*@2"]
    assert alerts(made) == [("start.delayed", "Slate*@2")]
    assert '"Slate*" in identity 2' in made.topics.messages[0].mail


def test_what_was_deferred_in_an_identity_starts_later_under_its_first_time_once() -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors["exports 2"] = [REFUSED]
    start(made, "Slate*")
    made.webadmit.asked.clear()
    made.clock.go_on(hours=1)

    assert retry(made, "Slate*@2") == []
    assert retry(made, "Slate*@2") == []

    assert [str(export) for export in made.webadmit.started] == ["1:100", "2:200"]
    assert {record.scheduled_for for record in made.table.records.values()} == {NIGHT}
    assert made.webadmit.asked == ["identities", "exports 2"] * 2
    assert len(made.matches.kept["Slate*", NIGHT].exports) == 2
    assert made.matches.kept["Slate*", NIGHT].unlisted == frozenset()
    assert len(made.topics.messages) == 1


def test_an_identity_that_stays_closed_comes_again_in_silence_and_the_last_try_says_so() -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors["exports 2"] = [REFUSED] * 9

    assert retry(made, "Slate*@2") == ["Slate*@2"]
    assert alerts(made) == []
    assert retry(made, "Slate*@2", last=True) == ["Slate*@2"]
    assert alerts(made) == [("start.failed", "Slate*@2")]
    assert deferred(made) == []


def test_an_identity_that_the_key_has_lost_is_not_given_up_at_once() -> None:
    made = world()
    made.webadmit.errors["exports 9"] = [RequestRefused("/", "HTTP 404", status=404)]

    assert retry(made, "Slate*@9") == ["Slate*@9"]


@pytest.mark.parametrize("error", [ApiKeyRefused("/", "HTTP 401"), DOWN, RateLimited("/", "HTTP 429", retry_after=999)])
def test_where_webadmit_is_down_or_refuses_the_key_the_name_is_deferred_as_a_whole(error: WebAdmitError) -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors["identities"] = [error, error]

    found = start(made, "Slate*,1:101")

    assert found["deferred"][-1] == "Slate*"
    assert "Slate*" in deferred(made)
    assert (found.get("started") == ["1:101"]) == (error is DOWN)


def test_a_rate_limit_is_waited_for_before_the_identities_are_listed() -> None:
    made = world()
    made.webadmit.errors["identities"] = [RateLimited("/", "HTTP 429", retry_after=9)]

    assert start(made, "Slate*") == {"started": ["1:100"]}
    assert made.slept == [9]


def test_an_identity_that_webadmit_does_not_list_is_told_in_its_own_words() -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors["exports 2"] = [RequestRefused("/", "HTTP 404", "“Not here.”", status=404)]

    start(made, "Slate*")

    (message,) = made.topics.messages
    assert message.subject.endswith('"Slate*" in identity 2 not started yet: exports of an identity not listed')
    assert "Slate*@2: “Not here.”" in str(message.body["reason"])


def test_a_refused_key_is_told_once_for_names_and_pairs_and_nothing_is_asked() -> None:
    made = world()
    made.webadmit.errors["identities"] = [ApiKeyRefused("/", "HTTP 401")]

    start(made, "1:101,Slate*,Banner")

    assert [event_type for event_type, _ in alerts(made)] == ["start.delayed"]
    assert sorted(str(made.topics.messages[0].body["exports"]).split(",")) == ["1:101", "Banner", "Slate*"]
    assert made.topics.messages[0].subject.startswith("webadmit-exports: 1 export and 2 names not started yet")
    assert made.webadmit.started == []


def test_without_a_key_names_are_deferred_and_nothing_is_asked() -> None:
    made = world()
    made.keys.error = ApiKeyUnusable("no key")

    assert start(made, "Slate*") == {"deferred": ["Slate*"]}
    assert made.webadmit.asked == []


def test_a_key_that_is_refused_between_the_lists_defers_the_name_as_a_whole() -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors |= {
        "exports 1": [ApiKeyRefused("/", "HTTP 401")],
        "exports 2": [ApiKeyRefused("/", "HTTP 401")],
    }

    assert start(made, "Slate*") == {"deferred": ["Slate*"]}


def test_where_many_identities_cannot_be_listed_the_name_comes_back_as_a_whole() -> None:
    made = many_schools(down=51)

    found = start(made, "Slate,S*")

    assert (len(found["started"]), found["deferred"]) == (9, ["S*", "Slate"])
    assert retry(made, "Slate") == []
    assert len({record.export for record in made.table.records.values()}) == 60


def test_a_hundred_names_in_identities_are_deferred_one_by_one() -> None:
    made = many_schools(down=50)

    assert len(start(made, "Slate,S*")["deferred"]) == 100


def test_a_name_that_came_as_a_whole_and_now_starts_in_part_defers_the_rest_and_says_so() -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors["exports 2"] = [REFUSED]

    assert retry(made, "Slate*") == []

    assert deferred(made) == ["Slate*@2"]
    assert alerts(made) == [("start.delayed", "Slate*@2")]
    assert [str(export) for export in made.webadmit.started] == ["1:100"]


def test_while_a_name_comes_again_as_a_whole_nothing_of_it_is_put_on_the_queue_twice() -> None:
    made = many_schools(down=101, of=102)
    made.webadmit.answers = {pair("102:10200"): [AccessRefused("/", "HTTP 403")] * 9}

    assert retry(made, "Slate") == ["Slate"]

    assert (deferred(made), alerts(made)) == ([], [])


def test_the_last_try_of_a_name_leaves_what_it_does_stand_for_on_the_queue() -> None:
    made = many_schools(down=101, of=102)
    made.webadmit.answers = {pair("102:10200"): [AccessRefused("/", "HTTP 403")]}

    assert retry(made, "Slate", last=True) == ["Slate"]

    assert deferred(made) == ["102:10200"]
    assert sorted(alerts(made)) == [("start.delayed", "102:10200"), ("start.failed", "Slate")]


def test_names_that_stand_for_the_same_are_put_on_the_queue_once() -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors["exports 2"] = [DOWN, DOWN]
    made.webadmit.answers = {pair("1:100"): [AccessRefused("/", "HTTP 403")]}
    deliveries = [delivery(*parse_entries(text)) for text in ("Slate*", "Slate nightly", "1:100", "Slate*")]

    assert made.retry(*deliveries) == ["1:100"]

    assert sorted(deferred(made)) == ["Slate nightly@2", "Slate*@2"]


def test_while_sns_is_down_a_retry_puts_nothing_on_the_queue_twice() -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.errors["exports 2"] = [REFUSED]
    made.topics.failing = 1

    assert retry(made, "Slate*") == []
    assert deferred(made) == ["Slate*@2"]


def test_no_match_is_not_claimed_while_another_identity_may_have_one() -> None:
    made = world("2025 - 2026", "2026 - 2027", "2027 - 2028", names=("Banner",))
    made.followed_cycles = 3
    made.webadmit.errors |= {"exports 1": [REFUSED], "exports 2": [REFUSED]}
    start(made, "Slate*")
    told = len(alerts(made))

    assert retry(made, "Slate*@1") == []
    assert len(alerts(made)) == told
    made.matches.failing = True
    assert retry(made, "Slate*@1") == []
    assert len(alerts(made)) == told
    made.matches.failing = False
    assert retry(made, "Slate*@2") == []
    assert alerts(made)[told:] == [("start.failed", "Slate*@2")]


def test_a_start_by_hand_in_one_identity_leaves_no_record_of_its_own() -> None:
    made = world("2025 - 2026", "2026 - 2027")

    assert start(made, "Slate*@2") == {"started": ["2:200"]}
    assert start(made, "Zebra@2") == {"failed": ["Zebra@2"]}
    assert made.matches.kept == {}


def test_no_match_is_not_claimed_before_every_identity_was_listed() -> None:
    made = world("2025 - 2026", "2026 - 2027", names=("Banner",))
    made.webadmit.errors["exports 2"] = [REFUSED]

    start(made, "Slate*")
    assert alerts(made) == [("start.delayed", "Slate*@2")]

    assert retry(made, "Slate*@2") == []
    assert alerts(made)[1:] == [("start.failed", "Slate*@2")]


def test_an_identity_without_a_match_is_nothing_to_tell_where_another_had_one() -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.webadmit.listed[2] = []
    made.webadmit.errors["exports 2"] = [REFUSED]
    start(made, "Slate*")

    assert retry(made, "Slate*@2") == []
    assert len(alerts(made)) == 1


def test_an_error_in_the_code_defers_names_and_keeps_no_pair_from_starting() -> None:
    made = world()
    made.webadmit.errors["exports 1"] = [KeyError("an error in the code")]

    assert start(made, "Slate*,1:101") == {"deferred": ["Slate*"], "started": ["1:101"]}


# ── Time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_lists_that_answer_slowly_leave_time_for_the_starts() -> None:
    made = World()
    for number in range(1, 101):
        made.webadmit.add(identity(number, organization=f"School {number}"), "Slate")
    made.webadmit.before = lambda what: made.clock.go_on(seconds=4 * what.startswith("exports"))

    found = start(made, "Slate")

    seconds = (made.clock.now() - after(seconds=1)).total_seconds()
    assert 40 <= seconds <= 60 + made.webadmit.longest_call_seconds
    assert len(found["started"]) >= 10
    assert len(found["started"]) + len(found["deferred"]) == 100
    assert made.topics.messages[0].body["event_type"] == "start.delayed"
    assert "the list took longer than one start may" in str(made.topics.messages[0].mail)


def test_lists_that_are_always_slow_are_read_in_the_end() -> None:
    made = World(timeout=300)
    for number in range(1, 301):
        made.webadmit.add(identity(number, organization=f"School {number}"), "Slate")
    made.webadmit.before = lambda what: made.clock.go_on(seconds=0.25 * what.startswith("exports"))

    start(made, "Slate")
    assert len(deferred(made)) > 100
    waiting = [entry for entry, _ in made.start_queue.deferred]
    for first in range(0, len(waiting), 10):
        assert made.retry(*(delivery(entry) for entry in waiting[first : first + 10])) == []

    assert len(made.table.records) == 300


@pytest.mark.parametrize("text", ["Slate*", "Slate*@1"])
@pytest.mark.parametrize("seconds", [61, 75])  # a minute is kept back, and a list may take 20 seconds
def test_a_name_for_which_there_is_no_time_comes_again_as_it_is(text: str, seconds: float) -> None:
    made = world("2025 - 2026", "2026 - 2027")
    made.timeout = seconds

    assert retry(made, text) == [text]
    assert (deferred(made), alerts(made)) == ([], [])


def test_without_any_time_nothing_is_asked_for() -> None:
    made = world()
    made.timeout = 60

    assert retry(made, "Slate*") == ["Slate*"]
    assert made.webadmit.asked == []


def test_an_alert_about_long_names_of_any_language_is_one_that_sns_takes() -> None:
    made = World()
    for number in range(1, 101):
        made.webadmit.add(identity(number, organization=f"School {number}"), "Slate")
        made.webadmit.errors[f"exports {number}"] = [DOWN, DOWN]

    start(made, "é" * 200)

    (message,) = made.topics.messages
    body = json.dumps(message.body, ensure_ascii=False)
    sent = json.dumps({"default": body, "email": message.mail}, ensure_ascii=False)
    assert str(message.body["exports"]).count("@") == 100
    assert len(sent.encode()) < 256 * 1024


def test_five_hundred_exports_of_one_identity_start() -> None:
    made = world(names=tuple(f"Slate {number}" for number in range(500)))

    assert len(start(made, "Slate *")["started"]) == 500


# ── Whole starts from the queue ─────────────────────────────────────────────────────────────────────────────────────


def test_a_start_by_name_that_failed_as_a_whole_is_made_up_for() -> None:
    made = world()

    assert made.retry(delivery(*parse_entries("Slate*,Zebra"), whole=True)) == []

    assert [str(export) for export in made.webadmit.started] == ["1:100"]
    assert alerts(made) == [("start.failed", "Zebra")]


# ── Labels in records ────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_listed_for_a_name_is_not_asked_for_again_to_name_its_runs() -> None:
    made = world()
    made.labels = LabelCache(stand_in(made.webadmit), made.clock.now)

    start(made, "Slate*")

    assert made.webadmit.asked == ["identities", "exports 1"]
    assert made.table.only.labels == Labels(
        export_name="Slate nightly", cycle="2026 - 2027", organization="School of Nursing"
    )
