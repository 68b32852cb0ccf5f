"""Every file in events/ does what its name says, once its times and signatures are those of today."""

import base64
import copy
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from tests.integration.conftest import World
from tests.sandbox.package import ROOT
from tests.sandbox.stack import Sandbox

EVENTS = ROOT / "events"
OLD = "2026-11-23T08:30:00Z"


def load(name: str) -> Any:
    return json.loads((EVENTS / name).read_text(encoding="utf-8"))


def renewed(world: World, name: str) -> Any:
    """The event with the time of now; a callback with the signature of this stack."""
    text = (EVENTS / name).read_text(encoding="utf-8")
    event = json.loads(
        text.replace(OLD, world.now.strftime("%Y-%m-%dT%H:%M:%SZ")).replace(
            "20261123T083000Z", world.now.strftime("%Y%m%dT%H%M%SZ")
        )
    )
    if "pathParameters" in event:
        parts = event["pathParameters"]
        part = "/".join((parts["user_identity_id"], parts["export_id"], parts["occurrence"]))
        key = world.sandbox.signing_key().encode()
        parts["signature"] = hmac.new(key, part.encode(), hashlib.sha256).hexdigest()
    return event


def add_exports(world: World) -> None:
    """The exports that the events are about."""
    for export_id, name in ((86446, "Slate nightly"), (86447, "Banner load"), (86448, "Slate hourly")):
        world.sandbox.webadmit.add_export(37442, export_id, name)


def test_schedule_json_starts_an_export_by_name_and_one_by_its_pair(sandbox: Sandbox, world: World) -> None:
    add_exports(world)

    invocation = sandbox.functions["StartRunsFunction"].invoke(renewed(world, "schedule.json"))

    assert invocation.payload["started"] == ["37442:86446", "37442:86447"]


def test_start_by_hand_json_starts_by_name_now(sandbox: Sandbox, world: World) -> None:
    add_exports(world)

    invocation = sandbox.functions["StartRunsFunction"].invoke(renewed(world, "start_by_hand.json"))

    assert invocation.payload["started"] == ["37442:86446"]


def test_retry_json_starts_what_was_deferred_and_what_failed_as_a_whole(sandbox: Sandbox, world: World) -> None:
    add_exports(world)

    invocation = sandbox.functions["StartRunsFunction"].invoke(renewed(world, "retry.json"))

    assert invocation.payload == {"batchItemFailures": []}
    assert [record["export_id"] for record in world.records()] == [86446, 86447, 86448]
    assert {record["scheduled_for"] for record in world.records()} == {world.now.strftime("%Y-%m-%dT%H:%M:%SZ")}


def receive(world: World, name: str) -> dict[str, Any]:
    """The answer to a callback; the run that it is about has been started."""
    add_exports(world)
    world.start("37442:86446")
    file_id = str(world.run("37442:86446").id)
    event = renewed(world, name)
    form = base64.b64decode(event["body"]).decode().replace("74780", file_id)
    event["body"] = base64.b64encode(form.encode()).decode()
    invocation = world.sandbox.functions["ReceiveCallbackFunction"].invoke(event)
    assert not invocation.failed
    return dict(invocation.payload)


def test_callback_ready_json_is_announced(world: World) -> None:
    answer = receive(world, "callback_ready.json")

    assert answer == {"statusCode": 200, "body": ""}
    assert [message["event_type"] for message in world.ready()] == ["export_file.ready"]


def test_callback_failed_json_has_the_export_started_once_more(world: World) -> None:
    answer = receive(world, "callback_failed.json")

    assert answer == {"statusCode": 200, "body": ""}
    assert world.sweep() == {"started_again": 1}
    assert world.alerts() == []


def test_callback_malformed_json_is_refused(world: World) -> None:
    answer = receive(world, "callback_malformed.json")

    assert answer["statusCode"] == 400
    assert [record["status"] for record in world.records()] == ["Initializing"]


def test_a_callback_event_as_it_stands_in_the_repository_proves_nothing(world: World) -> None:
    invocation = world.sandbox.functions["ReceiveCallbackFunction"].invoke(load("callback_ready.json"))

    assert invocation.payload == {
        "statusCode": 404,
        "headers": {"content-type": "application/json"},
        "body": '{"message":"Not Found"}',
    }


def test_announce_again_json_announces_one_file_again(sandbox: Sandbox, world: World) -> None:
    add_exports(world)
    world.start("37442:86446")
    world.finish("37442:86446")
    event = load("announce_again.json")
    event["announce_again"]["export_file_id"] = world.run("37442:86446").id

    invocation = sandbox.functions["ReconcileRunsFunction"].invoke(event)

    assert invocation.payload == {"announced_again": [world.run("37442:86446").id], "not_announced": []}
    first, second = world.ready()
    assert second == {**first, "repeated": True}
    assert world.mails()[-1]["subject"].startswith("webadmit-exports: again: export 86446")


def test_deliver_json_sends_one_file_again(sandbox: Sandbox, world: World) -> None:
    add_exports(world)
    world.start("37442:86446")
    world.finish("37442:86446")
    world.deliver()
    event = load("deliver.json")
    event["deliver"]["export_file_id"] = world.run("37442:86446").id

    invocation = sandbox.functions["DeliverFileFunction"].invoke(event)
    (again,) = sandbox.deliver_files()

    assert invocation.payload["started"].startswith(world.receipts()[0]["event_id"])
    assert again.status == "SUCCEEDED"
    first, second = world.delivered()
    assert second == {**first, "repeated": True}


def test_announcement_json_is_archived(sandbox: Sandbox, world: World) -> None:
    add_exports(world)
    world.start("37442:86446")
    world.finish("37442:86446")
    text = json.dumps(load("announcement.json")).replace("74780", str(world.run("37442:86446").id))
    text = text.replace("2026-11-23T08:34:10Z", world.ready()[0]["finished_at"])

    invocation = sandbox.functions["ArchiveFileFunction"].invoke(json.loads(text))

    assert invocation.payload == {"batchItemFailures": []}
    assert [receipt["export_id"] for receipt in world.receipts()] == [86446]


def test_check_setup_json_is_what_the_daily_schedule_sends(sandbox: Sandbox, world: World) -> None:
    schedule = sandbox.client("scheduler").get_schedule(
        GroupName=sandbox.resources["ScheduleGroup"], Name=sandbox.resources["CheckSetupFunctionDaily"]
    )

    assert json.loads(schedule["Target"]["Input"]) == load("check_setup.json")


def test_sweep_json_sweeps(sandbox: Sandbox, world: World) -> None:
    invocation = sandbox.functions["ReconcileRunsFunction"].invoke(load("sweep.json"))

    assert not invocation.failed


def shape(event: Any) -> Any:
    """The names of an event at every depth."""
    if isinstance(event, dict):
        return {name: shape(value) for name, value in event.items()}
    return [shape(one) for one in event] if isinstance(event, list) else type(event).__name__


def test_the_events_have_the_shape_of_those_that_the_sandbox_makes(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    made, stored = shape(copy.deepcopy(sandbox.http_api.events[-1])), shape(load("callback_ready.json"))

    made.pop("headers")  # those hang on who asks
    stored.pop("headers")
    assert made == stored


def test_every_event_file_is_used_here() -> None:
    source = Path(__file__).read_text(encoding="utf-8")

    assert [path.name for path in EVENTS.iterdir() if f'"{path.name}"' not in source] == []
