"""The README and the list of cases say what is so."""

import collections
import dataclasses
import itertools
import json
import re
import shlex
from typing import Any

import botocore.session
import pytest

from tests.fakes import ANNOUNCED, EXPORT, LABELS, NIGHT, READY_FILE, WRITER
from tests.sandbox import template
from tests.sandbox.package import ROOT
from tests.schemas import SCHEMAS
from webadmit_exports.archive.csv_facts import CsvFacts
from webadmit_exports.archive.messages import ArchiveMessages
from webadmit_exports.archive.stored_file import FileFacts, StoredFile
from webadmit_exports.aws.table import to_item
from webadmit_exports.domain.announcement import Announcement, EventType
from webadmit_exports.domain.export_file import AnsweredStart, ExportFile
from webadmit_exports.messages.file_messages import file_message
from webadmit_exports.messages.problems import Problem
from webadmit_exports.messages.start_messages import StartAlert, start_message

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
CASES = (ROOT / "tests" / "cases.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The blocks of that language on the page for those who take the files themselves."""
    return re.findall(rf"```{language}\n(.*?)```", DOCS["consuming.md"], re.DOTALL)


def table_under(heading: str, page: str) -> list[list[str]]:
    """The rows of the first table after a heading, without its head."""
    after = page.split(f"## {heading}\n", 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert rows
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in rows[0].splitlines()[2:]]


def test_every_case_has_tests_and_all_of_them_exist() -> None:
    numbered = re.split(r"^\d+\. ", CASES, flags=re.MULTILINE)[1:]
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    for case in numbered:
        named = re.findall(r"`(test_\w+)`", case)
        assert named, f"no test is named for: {case[:60]}"
        assert not set(named) - defined, f"there is no test {set(named) - defined}"
    assert len(numbered) >= 38


def test_the_runbook_has_an_entry_for_each_alarm_and_each_kind_of_mail() -> None:
    declared = {name for name, one in template.source()["Resources"].items() if one["Type"] == "AWS::CloudWatch::Alarm"}
    written = set(re.findall(r"^### (\w+Alarm)$", DOCS["runbook.md"], re.MULTILINE))

    assert written == declared
    files = [EventType.READY, EventType.ARCHIVED, EventType.DELIVERED]
    assert [one for one in EventType if f"`{one}`" not in DOCS["runbook.md"]] == files


def test_the_metrics_of_the_runbook_are_those_of_the_code_and_at_most_six_in_daily_use() -> None:
    modules = (ROOT / "functions" / "webadmit_exports").rglob("*.py")
    source = "".join(path.read_text(encoding="utf-8") for path in modules)
    counted = set(re.findall(r'(?:count|measure_seconds)\("(\w+)"', source))

    assert len(counted - {"AnnouncementsMadeUp"}) <= 6  # that one is written only where somebody forges
    assert [metric for metric in counted if f"| `{metric}` |" not in DOCS["runbook.md"]] == []
    body, _ = template.source()["Resources"]["RunsDashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]
    body = re.sub(r"\$\{(NoMail|NotArchived|ArchiveLogs)\}", "", body)
    assert [metric for metric in counted - {"AnnouncementsMadeUp"} if f'"{metric}"' not in body] == []
    assert json.loads(body)["widgets"][0]["properties"]["title"].startswith("Did last night work?")


def test_the_table_of_parameters_is_the_templates() -> None:
    written = {row[0].strip("`"): row[1].strip("`") for row in table_under("Parameters", README)}
    declared = {name: str(one["Default"]) or "empty" for name, one in template.source()["Parameters"].items()}

    assert written == declared


def test_outputs_that_are_named_exist() -> None:
    named = set(re.findall(r"output `(\w+)`", README))

    assert named
    assert named <= set(template.source()["Outputs"])


FILE = ExportFile(
    labels=LABELS,
    export=EXPORT,
    export_file_id=74780,
    status="Available",
    first_scheduled_for=NIGHT,
    scheduled_for=NIGHT,
    started_at=NIGHT,
    updated_at=NIGHT,
    finished_at=NIGHT,
)


def test_the_message_shown_has_the_fields_of_a_real_one() -> None:
    (shown,) = blocks("json")
    real = file_message(Announcement(event_type=EventType.READY, export_file=FILE), WRITER).body

    assert list(json.loads(shown)) == list(real)
    assert {type(value) for value in json.loads(shown).values()} == {str, int}


def test_the_receipt_shown_has_the_fields_of_a_real_one() -> None:
    (shown,) = re.findall(r"```json\n(.*?)```", DOCS["handing-over.md"], re.DOTALL)
    csv = CsvFacts(charset="utf-8", rows=1, header_sha256="x")
    stored = StoredFile(
        key=ANNOUNCED.key("a.csv"),
        version_id="v",
        size=1,
        content_type="text/csv",
        stored_at=NIGHT,
        facts=FileFacts.of("x", csv, FileFacts.of("y", csv, None)),
    )
    real = ArchiveMessages(writer=WRITER, bucket="b", download_hosts="h").receipt(ANNOUNCED, stored).body

    assert list(json.loads(shown)) == list(real)


def test_the_table_of_events_is_complete_and_names_fields_that_are_there() -> None:
    rows = {row[0].strip("`"): row for row in table_under("The messages", DOCS["consuming.md"])}
    alert = StartAlert(problem=Problem.NOT_FOUND, scheduled_for=NIGHT, details={EXPORT: ""}, retry_until=NIGHT)

    assert set(rows) == set(SCHEMAS) == {str(event_type) for event_type in EventType}
    fields = set(re.findall(r"`(\w+)`", rows["start.delayed"][3]))
    assert fields == set(start_message(alert, WRITER).body) - {"version", "event_id", "event_type"}


def test_the_table_of_attributes_is_that_of_the_items() -> None:
    every: dict[str, Any] = {
        field.name: NIGHT for field in dataclasses.fields(ExportFile) if field.name.endswith("_at")
    }
    full = dataclasses.replace(
        READY_FILE,
        answered=frozenset({AnsweredStart(1, NIGHT)}),
        href="/",
        reason="x",
        reused=True,
        start_failed_again=True,
        no_second_run="x",
        after_failure=1,
        labels=LABELS,
        version="1",
        **every,
    )
    documented = {
        name for row in table_under("The records", DOCS["reference.md"]) for name in re.findall(r"`(\w+)`", row[0])
    }

    assert documented == set(to_item(full))


def test_files_that_are_linked_exist_and_every_event_is_linked() -> None:
    links = set(re.findall(r"\]\(([^)#:]+)\)", README))

    assert [link for link in links if not (ROOT / link).exists()] == []
    for name, text in DOCS.items():
        for link, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
            target = (ROOT / "docs" / link) if link else (ROOT / "docs" / name)
            assert target.exists(), f"{name}: {link}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in {slug(heading) for heading in headings}, f"{name}: #{anchor}"
    events = {f"events/{path.name}" for path in (ROOT / "events").iterdir()}
    assert events <= links


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_make_targets_that_are_named_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    for target in set(re.findall(r"`make ([\w-]+)", README)):
        assert re.search(rf"^([\w-]+ )*{target}( [\w-]+)*:", makefile, re.MULTILINE), target


def commands() -> list[list[str]]:
    """Those in blocks, and those within a sentence or a table."""
    text = "\n".join([README, *DOCS.values()])
    lines = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines() if line]
    lines += re.findall(r"`((?:aws|sam) [^`]+)`", text)
    return [shlex.split(line) for line in dict.fromkeys(lines)]


@pytest.mark.parametrize("command", [one for one in commands() if one[0] == "aws"], ids=" ".join)
def test_aws_commands_are_such_as_aws_knows(command: list[str]) -> None:
    _, service, operation, *options = command
    if service in ("s3", "configure"):  # of the command line alone
        return
    session = botocore.session.get_session()
    model = session.get_service_model(service)
    if operation == "wait":
        waiters = session.get_waiter_model(service)
        waiter = next(name for name in waiters.waiter_names if botocore.xform_name(name, "-") == options[0])
        operation = botocore.xform_name(waiters.get_waiter(waiter).operation, "-")
    name = next(name for name in model.operation_names if botocore.xform_name(name, "-") == operation)
    shape: Any = model.operation_model(name).input_shape

    known = {f"--{botocore.xform_name(member, '-')}" for member in shape.members} | {"--query", "--output", "--region"}
    if "--endpoint" in known:  # the command line's own name for it, beside --endpoint-url
        known.add("--notification-endpoint")
    assert {option for option in options if option.startswith("--")} <= known


@pytest.mark.parametrize("command", [one for one in commands() if one[0] == "sam"], ids=" ".join)
def test_sam_commands_name_what_is_there(command: list[str]) -> None:
    samconfig = (ROOT / "samconfig.toml").read_text(encoding="utf-8")
    options = dict(itertools.pairwise(command))

    if command[1] == "remote":
        assert command[3] in template.source()["Resources"]
        if options.get("--event-file", "").startswith("events/"):
            assert isinstance(json.loads((ROOT / options["--event-file"]).read_text(encoding="utf-8")), dict)
        elif "--event-file" in options:  # a copy, of which git knows nothing
            assert f"/{options['--event-file']}" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    if "--stack-name" in options:
        assert f'stack_name = "{options["--stack-name"]}"' in samconfig
    if "--config-env" in options:
        assert f"[{options['--config-env']}.deploy.parameters]" in samconfig
    if "--name" in options:
        assert options["--name"] in template.source()["Resources"]


def test_no_inner_words_stand_in_the_readme() -> None:
    assert re.findall(r"\b(lease|claim|occurrence)\w*", README) == []


def test_what_is_to_be_touched_to_add_something_exists() -> None:
    rows = table_under("To add something, touch", DOCS["architecture.md"])
    package = ROOT / "functions" / "webadmit_exports"

    named = {path for _, touch in rows for path in re.findall(r"`([\w/]+\.(?:py|yaml|md))`", touch)}

    assert "domain/status.py" in named
    assert [path for path in named - {"app.py"} if not (package / path).exists() and not (ROOT / path).exists()] == []


def test_no_test_has_the_name_of_another() -> None:
    sources = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "tests").rglob("test_*.py"))]
    names = [name for source in sources for name in re.findall(r"^def (test_\w+)", source, re.MULTILINE)]

    assert len(names) > 700
    assert [name for name, count in collections.Counter(names).items() if count > 1] == []
