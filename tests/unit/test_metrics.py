"""The metrics that the runbook lists, each counted where it should be."""

import json

import pytest

from tests.fakes import NIGHT, Clock, FakeTable, FakeTopics, after, tracker, update
from tests.unit.world import World, exports
from webadmit_exports import telemetry
from webadmit_exports.domain.export_file import UpdateSource
from webadmit_exports.errors import RequestRefused
from webadmit_exports.runs.receive import NotFound


def counted(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """The metrics since the last look, as they would be written at the end of an invocation."""
    capsys.readouterr()
    telemetry.flush_metrics()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    return {
        one["Name"]: sum(line[one["Name"]]) for line in lines for one in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]
    }


@pytest.fixture(autouse=True)
def nothing_counted_before(capsys: pytest.CaptureFixture[str]) -> None:
    counted(capsys)


def test_an_announcement_is_measured_from_its_scheduled_time(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock(after(minutes=2))

    tracker(FakeTable(), FakeTopics(), clock).apply(update(UpdateSource.START, "Available", NIGHT), None)

    assert counted(capsys) == {"TimeToAnnouncement": 120}


def test_a_start_counts_refusals_and_the_lowest_rest_of_the_rate_limit(capsys: pytest.CaptureFixture[str]) -> None:
    world, (first, second) = World(), exports(2)
    world.webadmit.answers = {first: [RequestRefused("/", "answered 422", status=422)]}

    world.start(first, second)

    assert counted(capsys) == {"RunsRefused": 1, "RateLimitRemaining": 4000}


def test_a_sweep_counts_what_it_finds_and_what_is_late(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()
    world.open_run(1, status="Failed")
    world.open_run(2)
    world.clock.set(hours=5)
    counted(capsys)

    world.sweep()

    assert counted(capsys) == {"RunsFoundByReconciler": 1, "RunsOverdue": 1, "RateLimitRemaining": 4000}


def test_a_callback_that_is_refused_is_counted(capsys: pytest.CaptureFixture[str]) -> None:
    world = World()

    with pytest.raises(NotFound):
        world.receive(signature="0" * 64)

    assert counted(capsys) == {"CallbacksRefused": 1}
