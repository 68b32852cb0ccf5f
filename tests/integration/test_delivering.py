"""From "archived" to the folder: a real SFTP server, the template's machine by its own definition, its roles."""

import hashlib
import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.conftest import World
from tests.sandbox.lambda_runtime import Answer, AwsCall, Kill
from tests.sandbox.stack import Sandbox
from tests.sandbox.state_machine import Execution
from tests.sandbox.webadmit_server import File

CONTENT = b"id,name,gpa\r\n1,Ann,4\r\n2,Bob,3\r\n"
CHANGED = b"id,name\r\n1,Ann\r\n2,Bob\r\n"


def announced(world: World, content: bytes = CONTENT, pair: str = "", night: int = 0) -> str:
    """An export whose run has ended and was announced; `night` tells its runs apart."""
    pair = pair or world.add_export()
    world.export(pair).file = File.of(content, "nursing.csv")
    world.start(pair, scheduled_for=world.now - timedelta(hours=9 - night))
    world.finish(pair)
    return pair


def partials(sandbox: Sandbox) -> list[str]:
    return [name for name in sandbox.sftp.files() if name.endswith(".partial")]


def whole(sandbox: Sandbox) -> dict[str, bytes]:
    return {name: content for name, content in sandbox.sftp.files().items() if not name.endswith(".partial")}


class Watch:
    """Looks at the folder after each change: what stands there under its final name is whole, and appears once."""

    def __init__(self, sandbox: Sandbox, content: bytes = CONTENT) -> None:
        self.wrong: list[str] = []
        self.seen = 0
        self._content = content
        sandbox.sftp.after_each = self._look

    def _look(self, files: dict[str, bytes]) -> None:
        self.seen += 1
        finals = {name: content for name, content in files.items() if not name.endswith(".partial")}
        if len(finals) > 1 or any(content != self._content for content in finals.values()):
            self.wrong.append(f"{finals}")


def test_an_archived_file_lies_on_the_server_whole_and_is_told_of(world: World) -> None:
    watch = Watch(world.sandbox)
    pair = announced(world)

    (execution,) = world.deliver()

    assert execution.status == "SUCCEEDED"
    run, (receipt,), (delivered,) = world.run(pair), world.receipts(), world.delivered()
    finished = datetime.fromisoformat(receipt["finished_at"])
    name = f"Export_{run.export.id}__{run.export.id}_{finished:%Y%m%d_%H%M%S}_{run.id}.csv"
    assert world.sandbox.sftp.files() == {name: CONTENT}
    assert (watch.wrong, watch.seen > 1) == ([], True)
    assert delivered["remote_path"] == f"/incoming/webadmit/{name}"
    same = set(receipt) - {"event_id", "event_type"}
    assert {field: delivered[field] for field in same} == {field: receipt[field] for field in same}
    assert delivered["event_id"] != receipt["event_id"]
    assert hashlib.sha256(CONTENT).hexdigest() == delivered["sha256"]


def test_each_delivery_is_one_execution_named_after_its_receipt(world: World) -> None:
    announced(world)
    world.archive()

    (one,) = world.sandbox.running()
    (receipt,) = world.receipts()

    assert one["name"] == receipt["event_id"]
    history = json.dumps(world.sandbox.execution(one["executionArn"]).document)
    assert "Ann" not in history


def test_an_announcement_that_comes_again_delivers_nothing_again(world: World) -> None:
    pair = announced(world)
    world.deliver()
    record = world.record(pair)
    request = {"export_id": record["export_id"], "export_file_id": record["export_file_id"]}

    world.sandbox.functions["ReconcileRunsFunction"].invoke({"announce_again": request})
    executions = world.deliver()

    assert (executions, len(world.delivered())) == ([], 1)


# ── Nothing half, nothing twice, nothing lost ───────────────────────────────────────────────────────────────────────

_CALLS = range(1, 26)  # of a delivery that goes well


@pytest.mark.parametrize("number", _CALLS)
def test_a_death_after_any_call_leaves_the_file_there_once_and_whole(world: World, number: int) -> None:
    """`make reliability` does the same before each call, with each answer lost, and with each call refused."""
    watch = Watch(world.sandbox)
    announced(world)
    counted = itertools.count(1)

    def die_after(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        if next(counted) == number:
            raise Kill
        return answer

    world.intercept("DeliverFileFunction", die_after)

    (execution,) = world.deliver()

    assert (execution.status, watch.wrong) == ("SUCCEEDED", [])
    assert list(whole(world.sandbox).values()) == [CONTENT]
    assert len({message["event_id"] for message in world.delivered()}) == 1


def test_every_call_of_a_delivery_is_among_those(world: World) -> None:
    announced(world)
    before = len(world.calls("DeliverFileFunction"))

    world.deliver()

    assert len(world.calls("DeliverFileFunction")) - before == len(_CALLS)


def test_a_server_that_is_down_for_six_hours_gets_the_file_then(world: World) -> None:
    announced(world)
    world.archive()
    (one,) = world.sandbox.running()
    execution = world.sandbox.execution(one["executionArn"])
    world.sandbox.sftp.go_down()
    world.sandbox.run_delivery(execution, hours=6)
    alerts = [alert["event_type"] for alert in world.alerts()]
    world.sandbox.sftp.go_up()
    # the machine goes on from where it stands
    execution = Execution(
        {**execution.definition, "StartAt": "Step"}, execution.document, execution.context, execution.invoke
    )
    world.sandbox.run_delivery(execution)

    assert alerts == ["delivery.failed"]
    assert execution.status == "SUCCEEDED"
    assert list(whole(world.sandbox).values()) == [CONTENT]
    assert partials(world.sandbox) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda sftp: setattr(sftp, "refuses", True), "Permission denied"),
        (lambda sftp: sftp.change_host_keys(), "Host key is not trusted"),
        (lambda sftp: sftp.folder.rmdir(), "No such file"),
        (lambda sftp: setattr(sftp, "is_full", True), "No space left"),
        (lambda sftp: setattr(sftp, "never_renames", True), "final name"),
        (lambda sftp: sftp.go_down(), "Connect call failed"),
    ],
)
def test_what_cannot_be_delivered_for_twelve_hours_is_told_twice_and_fails_the_execution(
    world: World, spoil: Callable[[Any], None], words: str
) -> None:
    announced(world)
    spoil(world.sandbox.sftp)

    (execution,) = world.deliver()

    assert (execution.status, execution.error) == ("FAILED", "NotDelivered")
    assert words in execution.cause
    later, never = world.alerts()
    assert [later["event_type"], never["event_type"]] == ["delivery.failed"] * 2
    assert words in later["reason"]
    assert "retry_until" in later
    assert "retry_until" not in never
    assert world.delivered() == []
    assert whole(world.sandbox) == {}


def test_a_file_of_that_name_that_is_there_is_replaced_by_a_whole_one_only(world: World) -> None:
    pair = announced(world)
    world.archive()
    (one,) = world.sandbox.running()
    execution = world.sandbox.execution(one["executionArn"])
    run = world.run(pair)
    finished = datetime.fromisoformat(world.receipts()[0]["finished_at"])
    name = f"Export_{run.export.id}__{run.export.id}_{finished:%Y%m%d_%H%M%S}_{run.id}.csv"
    (world.sandbox.sftp.folder / name).write_bytes(b"half")

    world.sandbox.run_delivery(execution)

    assert world.sandbox.sftp.files() == {name: CONTENT}


def test_a_folder_of_five_thousand_files_is_no_obstacle(world: World) -> None:
    for number in range(5000):
        (world.sandbox.sftp.folder / f"old_{number}.csv").touch()
    announced(world)

    (execution,) = world.deliver()

    assert execution.status == "SUCCEEDED"
    assert CONTENT in world.sandbox.sftp.files().values()


def test_a_function_that_fails_for_hours_is_called_again_until_it_does_not(world: World) -> None:
    announced(world)
    refused = itertools.count()

    def refuse_for_long(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        if call.service != "dynamodb" or next(refused) >= 60:
            return forward()
        return Answer(400, {"Content-Type": "application/x-amz-json-1.0"}, b'{"__type": "AccessDeniedException"}')

    world.intercept("DeliverFileFunction", refuse_for_long)

    (execution,) = world.deliver()

    assert execution.status == "SUCCEEDED"
    assert len(world.delivered()) == 1


# ── Held back, released, sent again ─────────────────────────────────────────────────────────────────────────────────


def release(world: World, pair: str) -> dict[str, Any]:
    record = world.records(pair)[-1]
    request = {"export_id": record["export_id"], "export_file_id": record["export_file_id"]}
    invocation = world.sandbox.functions["DeliverFileFunction"].invoke({"deliver": request})
    assert not invocation.failed, invocation.payload
    return dict(invocation.payload)


def test_a_changed_file_is_held_released_with_one_command_and_then_the_measure(world: World) -> None:
    pair = announced(world)
    world.deliver()
    announced(world, CHANGED, pair, night=1)
    (held,) = world.deliver()
    files_then = len(world.sandbox.sftp.files())
    release(world, pair)
    world.deliver()
    announced(world, CHANGED, pair, night=2)
    world.deliver()

    assert (held.status, held.document["phase"], files_then) == ("SUCCEEDED", "held back", 1)
    (alert,) = world.alerts()
    assert (alert["event_type"], alert["columns_gone"]) == ("delivery.held", ["gpa"])
    assert list(whole(world.sandbox).values()) == [CONTENT, CHANGED, CHANGED]
    assert len(world.delivered()) == 3
    (mail,) = (mail for mail in world.mails() if "held back" in mail["subject"])
    assert "sam remote invoke DeliverFileFunction" in mail["text"]


def test_two_deliveries_of_a_file_bring_it_once_and_whole(world: World) -> None:
    watch = Watch(world.sandbox)
    pair = announced(world)
    world.archive()
    release(world, pair)

    first, second = (world.sandbox.execution(one["executionArn"]) for one in world.sandbox.running())
    for _ in itertools.zip_longest(first.states(), second.states()):  # in turn, to both of their ends
        world.sandbox.connectors_work()

    assert (first.status, second.status) == ("SUCCEEDED", "SUCCEEDED")
    assert watch.wrong == []
    assert list(whole(world.sandbox).values()) == [CONTENT]
    assert len({message["event_id"] for message in world.delivered()}) == 1


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"export_id": 1, "export_file_id": 2}, "no file 2 of export 1 is recorded"),
        ({"export_id": 1}, "the request must be"),
        ({"export_id": "x", "export_file_id": 2}, "export_id must be a whole number"),
        ("86446", "the request must be"),
    ],
)
def test_a_wrong_request_is_refused_in_words(world: World, request_: Any, words: str) -> None:
    invocation = world.sandbox.functions["DeliverFileFunction"].invoke({"deliver": request_})

    assert invocation.failed
    assert words in invocation.payload["errorMessage"]


def test_a_file_that_is_not_archived_yet_cannot_be_sent(world: World) -> None:
    pair = announced(world)
    record = world.record(pair)
    request = {"export_id": record["export_id"], "export_file_id": record["export_file_id"]}

    invocation = world.sandbox.functions["DeliverFileFunction"].invoke({"deliver": request})

    assert "is not in the archive" in invocation.payload["errorMessage"]


# ── People see it ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_check_names_the_addresses_and_finds_nothing_wrong(world: World) -> None:
    report = world.sandbox.functions["CheckSetupFunction"].invoke({}).payload

    assert "  files go to /incoming/webadmit; the connector comes from 203.0.113.10, 203.0.113.11" in report["report"]
    assert not [problem for problem in report["problems"] if "SFTP" in problem or "Sftp" in problem]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda s: s.store_sftp_secret("webadmit:password"), "The secret has to be JSON with Username"),
        (lambda s: s.store_sftp_user("webadmit", "wrong"), "Permission denied"),
        (lambda s: s.sftp.change_host_keys(), "Host key is not trusted"),
        (lambda s: s.sftp.go_down(), "Connect call failed"),
    ],
)
def test_the_check_says_what_is_wrong_and_what_to_do(
    world: World, spoil: Callable[[Sandbox], None], words: str
) -> None:
    spoil(world.sandbox)

    problems = world.sandbox.functions["CheckSetupFunction"].invoke({}).payload["problems"]

    (problem,) = (one for one in problems if "SFTP server" in one)
    assert words in problem
    assert "203.0.113.10 and 203.0.113.11" in problem
    assert "ssh-keyscan -t rsa,ecdsa" in problem
    assert "sftp-user.json" in problem


def test_deliveries_of_before_a_deployment_go_on_with_the_new_code(world: World) -> None:
    announced(world)
    world.archive()
    (one,) = world.sandbox.running()
    execution = world.sandbox.execution(one["executionArn"])
    states = execution.states()
    while execution.document.get("phase") != "being looked for":
        next(states)
        world.sandbox.connectors_work()
    for name in ("told", "rename_at", "must_be_seen", "failures"):
        del execution.document[name]  # as if the version of before had not known them
    execution.document["of_before"] = 1
    world.sandbox.functions["DeliverFileFunction"].stop()

    execution.definition = {**execution.definition, "StartAt": "Step"}
    world.sandbox.run_delivery(execution)

    assert execution.status == "SUCCEEDED"
    assert list(whole(world.sandbox).values()) == [CONTENT]
