"""Deliveries of one archived file: steps of the product over one connector, one server and one table.

What the connector is asked for it does later, in any order, but for one thing: what is to be removed under the final
name is gone before anything else is renamed or listed. A file that is sent is half there for a while. Of a rename it
tells nothing. A machine calls a step again until it has an answer.
"""

import json
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tests.explore.engine import Call, Effect, Event, Process, Raised, Replay, RunAlone
from tests.explore.ports import MIDNIGHT, no_answer_from_sns, quiet
from tests.fakes import WRITER, stand_in
from tests.unit.delivery.world import receipt_of
from webadmit_exports.aws.connector import Sending
from webadmit_exports.aws.outgoing_bucket import Folder
from webadmit_exports.delivery.deliver_file import DeliverFile
from webadmit_exports.delivery.hold import HoldRules
from webadmit_exports.delivery.messages import DeliveryMessages
from webadmit_exports.delivery.names import partial_name
from webadmit_exports.delivery.progress import Delivery, Phase
from webadmit_exports.delivery.telling import Telling
from webadmit_exports.domain.delivered import Before, Outcome
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.delivery_problems import DeliveryProblem
from webadmit_exports.messages.message import Message

RECEIPT = receipt_of()
FINAL = Delivery(receipt=RECEIPT, execution="", began_at=MIDNIGHT, since=MIDNIGHT).name
OLD, HALF, WHOLE = "old", "half", "whole"
_ENDS = (Phase.DELIVERED, Phase.HELD, Phase.GIVEN_UP)


@dataclass(frozen=True, slots=True, order=True)
class Task:
    """What the connector was asked for. `name` and `target`: of files; `number`: of the transfer or the list."""

    what: str
    name: str = ""
    target: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Where:
    """What a step begins with: the number of its machine, and the document."""

    number: int
    document: str

    def __str__(self) -> str:
        return f"machine {self.number + 1}, {json.loads(self.document).get('phase', Phase.TO_DECIDE)}"


@dataclass(frozen=True, slots=True)
class Machine:
    """An execution: its document as JSON. `told`: how often it has told of the file; `is_stepping`: a step is called.

    `before`: the document before the last step, whose answer may still be lost. `was_delivered`: another delivery had
    brought the file when the step was called.
    """

    document: str
    before: str = ""
    is_stepping: bool = False
    told: int = 0
    failures_told: int = 0
    was_delivered: bool = False

    @property
    def phase(self) -> str:
        return str(json.loads(self.document).get("phase", Phase.TO_DECIDE))

    @property
    def is_refused(self) -> bool:
        """Whether the server has not renamed the file, which waits for another look."""
        reason = json.loads(self.document).get("reason")
        is_waiting = self.phase == Phase.ARRIVED and not self.is_stepping
        return is_waiting and reason == DeliveryProblem.NOT_RENAMED.reason("")


@dataclass(frozen=True, slots=True)
class World:
    """What the steps share.

    `files`: on the server, by name; `results`: of transfers; `listings`: by number; `taken`: how often what reads the
    folder has taken the file; `excused`: why a message may come twice, or the file be sent once more; `wrong`: what
    must never have been done.
    """

    machines: tuple[Machine, ...]
    files: tuple[tuple[str, str], ...] = ()
    tasks: tuple[Task, ...] = ()
    results: tuple[str, ...] = ()
    listings: tuple[tuple[tuple[str, str], ...] | None, ...] = ()
    sendings: int = 0
    taken: int = 0
    outcome: Outcome | None = None
    claims: tuple[tuple[str, str], ...] = ()
    told: int = 0
    is_excused: bool = False
    wrong: str = ""


# ── The ports of the product ────────────────────────────────────────────────────────────────────────────────────────


class ServerPort:
    """The connector and OutgoingBucket."""

    name = "outgoing"

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def new_name(self) -> str:
        return str(self._replay.ask("names a sending"))

    def copy(self, *_: object) -> None:
        pass

    def head(self, *_: object) -> bytes:
        return b"id,name,gpa\r\n"

    def send(self, bucket: str, key: str, folder: str) -> str:
        return str(self._replay.ask("sends", key.rpartition("/")[2]))

    def sending(self, transfer_id: str) -> Sending:
        result = self._replay.ask("asks how a sending stands", int(transfer_id))
        return Sending(is_over=result in ("COMPLETED", "FAILED"), has_arrived=result == "COMPLETED")

    def rename(self, path: str, new_path: str) -> None:
        self._replay.ask("asks for a rename", path.rpartition("/")[2], new_path.rpartition("/")[2])

    def remove(self, path: str) -> None:
        self._replay.ask("asks for a removal", path.rpartition("/")[2])

    def list_folder(self, *_: object) -> str:
        return str(self._replay.ask("asks for a list"))

    def folder(self, key: str) -> Folder | None:
        listed = self._replay.ask("reads the list", int(key))
        if listed is None:
            return None
        return Folder(files={name: len(content) for name, content in listed}, is_cut_off=False)


class TablePort:
    """DeliveriesTable; what is compared is the same each time."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def before(self, *_: object) -> Before:
        return Before()

    def remember(self, *_: object) -> None:
        pass

    def note_arrival(self, *_: object) -> None:
        pass

    def outcome(self, *_: object) -> Outcome | None:
        found: Outcome | None = self._replay.ask("reads the outcome")
        return found

    def note_outcome(self, export_id: int, export_file_id: int, finished_at: datetime, outcome: Outcome) -> None:
        self._replay.ask("notes the outcome", replace(outcome, at=MIDNIGHT))

    def may_tell(self, cause: str, teller: str, now: datetime) -> bool:
        return bool(self._replay.ask("claims to tell", cause, teller))


class TopicsPort:
    """SNS."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def publish(self, message: Message) -> None:
        self._replay.ask("publishes", str(message.event_type), str(message.body["event_id"]))


def _no_answer() -> BaseException:
    return AwsUnavailable("AWS Transfer Family gave no answer")


# ── The model ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Delivering:
    """`budget`: how often each may happen.

    `step`; `again`: a person sends the file again; `break`: the server does not do what the connector wants; `take`:
    what reads the folder takes the file; `clean`: somebody removes a file that is not finished and that nobody has
    seen, or that the server has not renamed (one that was seen, and is gone after its rename, counts as taken); `lost`:
    the answer of a step does not reach its machine; `fault`, `crash`, `tick`. `is_replaced`: another file has the final
    name.
    """

    budget: dict[str, int]
    is_replaced: bool = False
    kinds = ("step", "again", "break", "take", "clean", "lost", "fault")

    @contextmanager
    def as_explored(self) -> Iterator[None]:
        with quiet():
            yield

    def begin(self) -> World:
        return World(machines=(Machine(_first("execution 1")),), files=((FINAL, OLD),) if self.is_replaced else ())

    def time(self, clock: int, shared: World) -> int:
        return clock

    def to_time(self, number: int) -> datetime:
        return MIDNIGHT + timedelta(minutes=number)

    def run(self, process: Process, replay: Replay) -> Hashable:
        where = _where(process)
        server, topics = ServerPort(replay), stand_in(TopicsPort(replay))
        table = stand_in(TablePort(replay))
        use_case = DeliverFile(
            connector=stand_in(server),
            outgoing=stand_in(server),
            deliveries=table,
            telling=Telling(deliveries=table, topics=topics, messages=DeliveryMessages(writer=WRITER), now=replay.now),
            rules=HoldRules(are_on=True),
            folder="/incoming",
            now=replay.now,
            new_name=server.new_name,
        )
        try:
            after = use_case.step(Delivery.parse(json.loads(where.document)))
        except AwsUnavailable:
            return None
        return json.dumps({**after.document, "wait_seconds": 0}, sort_keys=True)

    # ── What happens ────────────────────────────────────────────────────────────────────────────────────────────────

    def events(self, shared: World, clock: int) -> Iterator[Event]:
        for number, machine in enumerate(shared.machines):
            if machine.before:
                unheard = replace(machine, document=machine.before, before="")
                yield Event(f"machine {number + 1} gets no answer", _with(shared, number, unheard), "lost")
            if machine.is_stepping or machine.phase in _ENDS:
                continue
            is_delivered = shared.outcome is not None and shared.outcome.what == Phase.DELIVERED
            called = replace(machine, is_stepping=True, before="", was_delivered=is_delivered)
            stepping = _with(shared, number, called)
            where = Where(number, machine.document)
            yield Event(f"machine {number + 1} calls", stepping, "step", ("step", where))
        if len(shared.machines) == 1:
            again = Machine(_first("execution 2", released=True))
            yield Event("a person sends it again", replace(shared, machines=(*shared.machines, again)), "again")
        for task in _possible(shared):
            for label, after, costs in _done(shared, task):
                yield Event(f"the connector {label}", after, costs)
        files = dict(shared.files)
        if files.get(FINAL) in (HALF, WHOLE):
            taken = replace(shared, files=_sorted({**files, FINAL: None}), taken=shared.taken + 1)
            yield Event("what reads the folder takes the file", taken, "take")
        seen = {name for listing in shared.listings for name, _ in listing or ()}
        for name in files:
            is_left = all(machine.is_refused for machine in shared.machines) and not shared.tasks
            if name != FINAL and (name not in seen or (is_left and not self.budget.get("lost"))):
                cleaned = replace(shared, files=_sorted({**files, name: None}))
                yield Event(f"somebody removes {_short(name)}", cleaned, "clean")

    def effects(self, call: Call, process: Process, shared: World, clock: int) -> Iterator[Effect]:
        ways: dict[str, Callable[..., Iterator[Effect]]] = {
            "names a sending": self._name,
            "sends": self._send,
            "asks how a sending stands": self._sending,
            "asks for a rename": self._rename,
            "asks for a removal": self._remove,
            "asks for a list": self._list,
            "reads the list": self._read,
            "reads the outcome": self._outcome,
            "notes the outcome": self._note,
            "claims to tell": self._claim,
            "publishes": self._publish,
        }
        number = _where(process).number
        for effect in ways[call.name](number, shared, *call.arguments):
            yield replace(effect, label=f"{call.name}{effect.label}")

    def _name(self, number: int, shared: World) -> Iterator[Effect]:
        yield Effect("", shared.sendings + 1, replace(shared, sendings=shared.sendings + 1))

    def _send(self, number: int, shared: World, name: str) -> Iterator[Effect]:
        transfer, machine = len(shared.results), shared.machines[number]
        asked = _asked(replace(shared, results=(*shared.results, "QUEUED")), Task("send", name, number=transfer))
        is_wanted = json.loads(machine.document)["released"]
        again = "" if is_wanted or not machine.was_delivered else "what another delivery has brought is sent again"
        yield Effect("", transfer, asked, violation=again)
        yield from _failing(shared, asked)

    def _sending(self, number: int, shared: World, transfer: int) -> Iterator[Effect]:
        yield Effect("", shared.results[transfer], shared)
        yield Effect(", unanswered", Raised(_no_answer), shared, costs="fault")

    def _rename(self, number: int, shared: World, name: str, target: str) -> Iterator[Effect]:
        asked = _asked(shared, Task("rename", name, target))
        yield Effect("", "asked", asked)
        yield from _failing(shared, asked)

    def _remove(self, number: int, shared: World, name: str) -> Iterator[Effect]:
        asked = _asked(shared, Task("remove", name))
        yield Effect("", "asked", asked)
        yield from _failing(shared, asked)

    def _list(self, number: int, shared: World) -> Iterator[Effect]:
        listing = len(shared.listings)
        asked = _asked(replace(shared, listings=(*shared.listings, None)), Task("list", number=listing))
        yield Effect("", listing, asked)
        yield from _failing(shared, asked)

    def _read(self, number: int, shared: World, listing: int) -> Iterator[Effect]:
        yield Effect("", shared.listings[listing], shared)
        yield Effect(", unanswered", Raised(_no_answer), shared, costs="fault")

    def _outcome(self, number: int, shared: World) -> Iterator[Effect]:
        yield Effect("", shared.outcome, shared)
        yield Effect(", unanswered", Raised(_no_answer), _left(shared, number), costs="fault")

    def _note(self, number: int, shared: World, outcome: Outcome) -> Iterator[Effect]:
        wrong = "a delivery is noted as done, and nobody was told" if _is_untold(shared, outcome) else ""
        noted = replace(shared, outcome=outcome)
        yield Effect("", "noted", noted, violation=wrong)
        yield Effect(", unanswered", Raised(_no_answer), _left(shared, number), costs="fault")
        lost = _left(noted, number)
        yield Effect(", but the answer is lost", Raised(_no_answer), lost, costs="fault", violation=wrong)

    def _claim(self, number: int, shared: World, cause: str, teller: str) -> Iterator[Effect]:
        claims = dict(shared.claims)
        mine = claims.setdefault(cause, teller) == teller
        claimed = replace(shared, claims=tuple(sorted(claims.items())))
        yield Effect("", mine, claimed)
        yield Effect(", but the answer is lost", Raised(_no_answer), _left(claimed, number), costs="fault")

    def _publish(self, number: int, shared: World, event_type: str, event_id: str) -> Iterator[Effect]:
        refused, machine = Raised(no_answer_from_sns), shared.machines[number]
        if event_type != "export_file.delivered":
            told = _with(shared, number, replace(machine, failures_told=machine.failures_told + 1))
            yield Effect(f" {event_type}", "told", told)
            yield Effect(f" {event_type}, not taken", refused, _left(shared, number), costs="fault")
            return
        is_there = dict(shared.files).get(FINAL) == WHOLE or shared.taken
        wrong = "" if is_there else "a file is told of that is not there"
        is_wanted = len(shared.machines) > 1  # a person may hear of it twice
        if shared.told and not shared.is_excused and not is_wanted:
            wrong = "a file is told of twice, and nothing explains it"
        told = _with(replace(shared, told=shared.told + 1), number, replace(machine, told=machine.told + 1))
        yield Effect(" that it is there", "told", told, violation=wrong)
        yield Effect(" that it is there, not taken", refused, _left(shared, number), costs="fault")
        lost = replace(_left(told, number), is_excused=True)
        yield Effect(" that it is there, but the answer is lost", refused, lost, costs="fault", violation=wrong)

    # ── What is kept, and what must be ──────────────────────────────────────────────────────────────────────────────

    def remembers(self, process: Process) -> Hashable:
        return ()

    def outdated(self, answer: Hashable, what: Hashable) -> Hashable:
        return answer

    def ended(self, process: Process, outcome: Hashable, shared: World) -> World:
        number = _where(process).number
        machine = replace(shared.machines[number], is_stepping=False)
        if outcome is not None:
            machine = replace(machine, document=str(outcome), before=machine.document)
        return _with(shared, number, machine)

    def died(self, process: Process, shared: World) -> World:
        """The machine calls again. What this process has told, it may tell again."""
        number = _where(process).number
        machine = shared.machines[number]
        after = _with(shared, number, replace(machine, is_stepping=False))
        return replace(after, is_excused=after.is_excused or machine.told > 0)

    def when_idle(self, shared: World, clock: int) -> str:
        return _wrong(shared)

    def after_recovery(self, shared: World, clock: int, run_alone: RunAlone) -> str:
        """Both machines go on, the connector and the server work: the file is there, and was told."""
        if wrong := _wrong(shared):
            return wrong
        if any(machine.is_stepping and machine.told for machine in shared.machines):
            shared = replace(shared, is_excused=True)
        for turn in range(60):
            alive = [n for n, machine in enumerate(shared.machines) if machine.phase not in _ENDS]
            if not alive:
                break
            number = alive[turn % len(alive)]
            machine = replace(shared.machines[number], is_stepping=False)
            shared, wrong = run_alone("step", Where(number, machine.document), _with(shared, number, machine), clock)
            while shared.tasks and not wrong:
                _, shared, _ = next(_done(shared, _possible(shared)[0]))
                wrong = _wrong(shared)
            if wrong:
                return f"{wrong}, after faults have stopped"
            clock += 31
        phases = {machine.phase for machine in shared.machines}
        if not phases <= set(_ENDS):
            return "a delivery never ends"
        if Phase.DELIVERED not in phases:
            return "" if any(machine.failures_told for machine in shared.machines) else "a failure is told nobody"
        if dict(shared.files).get(FINAL) != WHOLE and not shared.taken:
            return "a file is delivered that is not there"
        return "" if shared.told else "a file is delivered, and nobody is told"


def _first(execution: str, *, released: bool = False) -> str:
    began = MIDNIGHT.strftime("%Y-%m-%dT%H:%M:%SZ")
    document = {"receipt": dict(RECEIPT.body), "released": released, "execution": execution, "began_at": began}
    return json.dumps(document, sort_keys=True)


def _where(process: Process) -> Where:
    assert isinstance(process.about, Where)
    return process.about


def _with(shared: World, number: int, machine: Machine) -> World:
    machines = list(shared.machines)
    machines[number] = machine
    return replace(shared, machines=tuple(machines))


def _asked(shared: World, task: Task) -> World:
    return replace(shared, tasks=tuple(sorted((*shared.tasks, task))))


def _failing(shared: World, asked: World) -> Iterator[Effect]:
    yield Effect(", unanswered", Raised(_no_answer), shared, costs="fault")
    yield Effect(", but the answer is lost", Raised(_no_answer), asked, costs="fault")


def _left(shared: World, number: int) -> World:
    """After the call of a step has failed that may have told before."""
    return replace(shared, is_excused=shared.is_excused or shared.machines[number].told > 0)


def _is_untold(shared: World, outcome: Outcome) -> bool:
    return outcome.what == Phase.DELIVERED and not shared.told


def _sorted(files: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, content) for name, content in files.items() if content is not None))


def _possible(shared: World) -> list[Task]:
    """What the connector may do next."""
    tasks = list(dict.fromkeys(shared.tasks))
    if Task("remove", FINAL) in tasks:
        tasks = [task for task in tasks if task.what not in ("rename", "list")]
    return tasks


def _done(shared: World, task: Task) -> Iterator[tuple[str, World, str]]:
    """How the connector does something: in words, what is shared then, and what it costs; first as it should."""
    left = list(shared.tasks)
    left.remove(task)
    rest, files = replace(shared, tasks=tuple(left)), dict(shared.files)
    if task.what == "send":
        half = replace(
            rest, files=_sorted({**files, task.name: HALF}), tasks=(*rest.tasks, replace(task, what="writing"))
        )
        yield f"begins to send {_short(task.name)}", replace(half, tasks=tuple(sorted(half.tasks))), ""
        yield "cannot send", replace(rest, results=_set(rest.results, task.number, "FAILED")), "break"
    elif task.what == "writing":
        whole = replace(rest, files=_sorted({**files, task.name: WHOLE}))
        yield f"has sent {_short(task.name)}", replace(whole, results=_set(rest.results, task.number, "COMPLETED")), ""
        yield "is cut off", replace(rest, results=_set(rest.results, task.number, "FAILED")), "break"
    elif task.what == "rename":
        moved = rest
        if task.name in files and task.target not in files:
            moved = replace(rest, files=_sorted({**files, task.name: None, task.target: files[task.name]}))
        yield f"renames {_short(task.name)}", moved, ""
        if moved != rest:
            yield "does not rename", rest, "break"
    elif task.what == "remove":
        wrong = "a whole file is removed" if task.name == FINAL and files.get(FINAL) == WHOLE else ""
        removed = replace(rest, files=_sorted({**files, task.name: None}), wrong=wrong)
        yield f"removes {_short(task.name)}", removed, ""
    else:
        yield "lists the folder", replace(rest, listings=_set(rest.listings, task.number, shared.files)), ""


def _set(values: tuple[Any, ...], number: int, value: Any) -> tuple[Any, ...]:
    return (*values[:number], value, *values[number + 1 :])


def _short(name: str) -> str:
    return "the file" if name == FINAL else name[: len(partial_name("", "1")) - len(".partial")]


def _wrong(shared: World) -> str:
    """What must never be."""
    files = dict(shared.files)
    if shared.wrong:
        return shared.wrong
    if files.get(FINAL) == HALF:
        return "half of a file stands under its final name"
    comes_again = shared.taken > 0 and FINAL in files
    if comes_again and len(shared.machines) == 1:
        return "what was taken comes again"
    return ""
