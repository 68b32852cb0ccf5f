"""What only the real WebAdMIT can tell is logged, and the saved queries of the template find it."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.conftest import World
from tests.sandbox import template
from tests.sandbox.stack import Sandbox

SOURCE = template.source()["Resources"]
QUERIES = {name: one["Properties"] for name, one in SOURCE.items() if one["Type"] == "AWS::Logs::QueryDefinition"}


def fields(name: str) -> list[str]:
    """What a query shows, but for what CloudWatch itself adds."""
    (line,) = re.findall(r"^fields (.+)$", QUERIES[name]["QueryString"], re.MULTILINE)
    return [field for field in line.split(", ") if not field.startswith("@")]


def kinds(name: str) -> set[str]:
    """The values of `first_contact` that its filter lets through."""
    return set(re.findall(r'"(\w+)"', " ".join(conditions(name))))


def conditions(name: str) -> list[str]:
    """What its filter asks of a line, all of it."""
    (line,) = re.findall(r"^\| filter (.+)$", QUERIES[name]["QueryString"], re.MULTILINE)
    return str(line).split(" and ")


def is_met(condition: str, line: dict[str, Any]) -> bool:
    """Whether a log line meets it, in the few words of Logs Insights that the filters need."""
    if present := re.fullmatch(r"ispresent\((\w+)\)", condition):
        return present[1] in line
    field, operator, value = re.fullmatch(r"(\w+) (=|!=|in) (.+)", condition).groups()  # type: ignore[union-attr]
    if operator == "in":
        return line.get(field) in json.loads(value)
    return (line.get(field) == json.loads(value)) is (operator == "=")


def found(sandbox: Sandbox, name: str, since: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The log lines that the query finds in its groups."""
    groups = {group["Ref"] for group in QUERIES[name]["LogGroupNames"]}
    for function, one in SOURCE.items():
        settings = one.get("Properties", {}).get("LoggingConfig")
        if settings and settings["LogGroup"]["Ref"] in groups:
            for line in sandbox.functions[function].log[since[function] :]:
                logged = json.loads(line) if line.startswith("{") else {}
                if all(is_met(condition, logged) for condition in conditions(name)):
                    yield logged


@pytest.fixture
def since(sandbox: Sandbox) -> dict[str, int]:
    """How many lines each function had logged before."""
    return {name: len(function.log) for name, function in sandbox.functions.items()}


@pytest.fixture
def hour(sandbox: Sandbox, world: World, since: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
    """The first hour of docs/first-contact.md: what each query finds then."""
    pair, other = world.add_export(), world.add_export()
    world.start(pair, scheduled_for=world.now - timedelta(minutes=1))
    world.start(pair)  # joins the run
    world.fault(method="POST", answer=(429, ""), headers={"Retry-After": "1"})
    world.start(world.export(other).name)
    world.fault(method="GET", path="/export_files$", answer=(429, ""))
    short_list = {"href": "", "export_files": [world.run(pair).json()]}
    world.fault(method="GET", path="/export_files$", answer=(200, short_list))
    world.age(pair, minutes=30)
    world.age(other, minutes=30)
    world.sweep()
    world.sweep()
    world.finish(pair)
    world.post(world.callback_url(pair), world.form(pair))  # once more
    world.post(world.callback_url(pair), "export_file%5Bid%5D=1", headers={"content-type": "text/plain"})
    world.post(world.callback_url(pair), world.form(pair, id=1))
    world.post(world.callback_url(pair)[:-64] + "0" * 64, world.form(pair))  # a stranger
    world.fault(method="GET", path=r"/export_files/\d+$", answer=(429, ""))
    world.archive()
    sandbox.pass_time(minutes=15)
    world.archive()
    sandbox.functions["CheckSetupFunction"].invoke({})
    return {name: list(found(sandbox, name, since)) for name in QUERIES}


def test_every_query_finds_what_it_asks_for(hour: dict[str, list[dict[str, Any]]]) -> None:
    for name, lines in hour.items():
        assert {line["first_contact"] for line in lines} == kinds(name), name
        missing = [field for field in fields(name) if not any(field in line for line in lines)]
        assert not missing, f"{name}: no line has {missing}"


def test_callbacks_are_described_and_nothing_of_ours_is(hour: dict[str, list[dict[str, Any]]], world: World) -> None:
    first, again, bad, strange = hour["CallbacksQuery"]  # without the stranger, and the setup check's own

    assert (first["message"], again["message"]) == ("callback taken", "callback changed nothing")
    assert (first["status_before"], again["status_before"]) == ("Initializing", "Available")
    assert first["source_address"] == "127.0.0.1"
    assert first["key_writing"] in ("[", "%5B")
    assert first["content_type"] == "application/x-www-form-urlencoded"
    assert first["user_agent"]
    assert first["seconds_since_start"] >= 30 * 60
    assert (bad["content_type"], bad["key_writing"]) == ("text/plain", "%5B")
    assert strange["message"].startswith("callback refused: no start")
    assert "reason" in bad
    assert world.sandbox.callback_url not in json.dumps(hour)


def test_starts_say_whether_their_number_was_new(hour: dict[str, list[dict[str, Any]]]) -> None:
    started = [line for line in hour["StartsQuery"] if line["message"] == "started"]
    answered = [line for line in hour["StartsQuery"] if line["message"] == "WebAdMIT answered a start"]
    (refused,) = (line for line in hour["StartsQuery"] if line["first_contact"] == "limit")

    assert [line["is_joined"] for line in started] == [False, True, False]
    assert {line["http_status"] for line in answered} == {201}
    assert "x-ratelimit-remaining" in answered[0]["header_names"]
    assert (refused["http_status"], "retry-after" in refused["header_names"]) == (429, True)


def test_lists_and_downloads_are_described(hour: dict[str, list[dict[str, Any]]]) -> None:
    (listed,) = (line for line in hour["ListsQuery"] if line["first_contact"] == "list")
    (exports,) = (line for line in hour["StartsQuery"] if line["first_contact"] == "exports")
    (download,) = (line for line in hour["DownloadsQuery"] if line["first_contact"] == "download")

    assert (listed["listed"], listed["open_runs"], listed["open_runs_listed"]) == (1, 2, 1)
    assert (listed["oldest_listed_hours"], listed["oldest_not_listed_hours"]) == (0.5, 0.5)
    assert (exports["identities"], exports["exports"], exports["exports_in_several_identities"]) == (1, 2, 0)
    assert (download["host"], download["declared_charset"], download["charset"]) == (
        "127.0.0.1",
        "iso-8859-1",
        "windows-1252",
    )
