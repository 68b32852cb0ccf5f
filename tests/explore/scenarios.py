"""What is explored: a short form for each change, and a long one by `make explore`."""

from dataclasses import dataclass

from tests.explore.archive import Archiving
from tests.explore.delivery import Delivering
from tests.explore.engine import Explorer, Model, Result
from tests.explore.runs import Runs

_NIGHT = {"start 0": 1, "callback": 1, "sweep": 1, "end": 1}
_TWO_STARTS = {"start 0": 1, "start 1": 1, "sweep": 1, "tick": 1}


@dataclass(frozen=True)
class Scenario:
    """`ticks`: the minutes that may pass at once. A lease ends after 2, the first check is after 5, late after 240."""

    name: str
    model: Model
    ticks: tuple[int, ...] = (3,)
    most_seconds: float = 420

    def explore(self) -> Result:
        """Two at a time stay below 4 GiB."""
        return Explorer(self.model, self.ticks).explore(most_states=8_000_000, most_seconds=self.most_seconds)


SHORT = [
    Scenario(
        "a start, a callback, a sweep; a fault, a crash",
        Runs({**_NIGHT, "fault": 1, "crash": 1, "tick": 1}),
        (1, 3, 300),
    ),
    Scenario(
        "two callbacks, two sweeps; a crash",
        Runs({**_NIGHT, "callback": 2, "sweep": 2, "crash": 1, "tick": 1}),
        (1, 3),
    ),
    Scenario(
        "an id that is used again",
        Runs({"start 0": 1, "start 1": 1, "callback": 1, "end": 1, "reuse": 1, "tick": 1}),
        (6,),
    ),
    Scenario("a start and its repetition", Runs({**_NIGHT, "start 0": 2, "crash": 1})),
    Scenario(
        "a run that is forgotten, announced again, late",
        Runs({**_NIGHT, "forgotten": 1, "reannouncement": 1, "tick": 1}),
        (300,),
    ),
    Scenario("runs that fail, or are empty", Runs({**_NIGHT, "crash": 1, "tick": 1}, ends=("Failed", "Empty List"))),
    Scenario("the retry queue; three faults", Runs({**_NIGHT, "retry": 1, "fault": 3, "sweep": 0})),
    Scenario(
        "a second chance; a fault, a crash",
        Runs({**_NIGHT, "end": 2, "second": 1, "fault": 1, "crash": 1, "tick": 1}, ends=("Failed", "Available")),
        (16,),
    ),
    Scenario(
        "a second chance: a newer run, the failed one itself, the last try",
        Runs({**_TWO_STARTS, "end": 1, "second": 1, "last": 1, "itself": 1}, ends=("Failed",)),
        (16,),
    ),
    Scenario(
        "the archive: two deliveries; a fault, a crash",
        Archiving({"delivery": 2, "fault": 1, "crash": 1, "tick": 1}),
        (1, 3, 16),
    ),
    Scenario(
        "a delivery; a fault, a crash",
        Delivering({"step": 7, "fault": 1, "crash": 1}),
        (31,),
    ),
    Scenario(
        "a delivery; a lost answer, a server that does not do it",
        Delivering({"step": 8, "lost": 1, "break": 1}),
        (31,),
    ),
    Scenario(
        "a delivery that is taken, cleaned away, given up",
        Delivering({"step": 8, "take": 1, "clean": 1, "break": 1, "tick": 1}),
        (800,),
    ),
    Scenario(
        "a delivery in the place of another file; a lost answer",
        Delivering({"step": 8, "lost": 1}, is_replaced=True),
        (31,),
    ),
]

LONG = [
    Scenario(
        "everything at once",
        Runs(
            {
                "start 0": 2,
                "start 1": 1,
                "callback": 2,
                "sweep": 2,
                "end": 2,
                "reuse": 1,
                "fault": 1,
                "crash": 2,
                "tick": 2,
            }
        ),
        (3, 300),
        most_seconds=90,  # it would take hours, and tens of gigabytes
    ),
    Scenario(
        "one of each; a fault, two crashes, two clock steps",
        Runs({**_NIGHT, "fault": 1, "crash": 2, "tick": 2}),
        (1, 3, 300),
    ),
    Scenario(
        "two callbacks, two sweeps; a fault, two crashes",
        Runs({**_NIGHT, "callback": 2, "sweep": 2, "fault": 1, "crash": 2, "tick": 1}),
        (1, 3, 300),
    ),
    Scenario(
        "a start and its repetition; a fault, two crashes",
        Runs({**_NIGHT, "start 0": 2, "fault": 1, "crash": 2, "tick": 1}),
    ),
    Scenario(
        "an id that is used again; two callbacks, two crashes",
        Runs({**_NIGHT, "start 1": 1, "callback": 2, "end": 2, "reuse": 1, "crash": 2, "tick": 1}),
        (300,),
    ),
    Scenario(
        "an id that is used again; a fault",
        Runs({**_NIGHT, "start 1": 1, "end": 2, "reuse": 1, "fault": 1, "tick": 1}),
        (6,),
    ),
    Scenario(
        "two scheduled times, joined; a fault, a crash",
        Runs({**_NIGHT, "start 1": 1, "fault": 1, "crash": 1, "tick": 1}),
        (6,),
    ),
    Scenario(
        "forgotten, announced again, late; two sweeps, a fault, a crash",
        Runs({**_NIGHT, "sweep": 2, "forgotten": 1, "reannouncement": 1, "fault": 1, "crash": 1, "tick": 1}),
        (300,),
    ),
    Scenario(
        "runs that fail, or are empty; a fault, a crash",
        Runs({**_NIGHT, "fault": 1, "crash": 1, "tick": 1}, ends=("Failed", "Empty List", "Success With Errors")),
        (3, 300),
    ),
    Scenario(
        "a second chance; two sweeps, two tries, a crash, two clock steps",
        Runs(
            {"start 0": 1, "end": 2, "sweep": 2, "second": 2, "crash": 1, "tick": 2},
            ends=("Failed", "Available"),
        ),
        (16, 800),
    ),
    Scenario(
        "a second chance: an id that is used again; two sweeps",
        Runs({**_TWO_STARTS, "end": 2, "sweep": 2, "second": 1, "reuse": 1}, ends=("Failed",)),
        (16,),
    ),
    Scenario(
        "a second chance: a newer run, the failed one itself, the last try; a fault",
        Runs({**_TWO_STARTS, "end": 1, "second": 1, "last": 1, "itself": 1, "fault": 1}, ends=("Failed",)),
        (16,),
    ),
    Scenario(
        "a second chance: forgotten, the last try; a fault, a crash, two clock steps",
        Runs({**_NIGHT, "callback": 0, "last": 1, "forgotten": 1, "fault": 1, "crash": 1, "tick": 2}, ends=("Failed",)),
        (16, 800),
    ),
    Scenario("the retry queue; four faults, a crash", Runs({**_NIGHT, "retry": 2, "fault": 4, "crash": 1})),
    Scenario(
        "the archive: three deliveries; two faults, two crashes",
        Archiving({"delivery": 3, "fault": 2, "crash": 2, "tick": 2}),
        (1, 3, 16),
    ),
    Scenario(
        "a delivery; a fault, a crash, a lost answer, a server that does not do it",
        Delivering({"step": 7, "fault": 1, "crash": 1, "lost": 1, "break": 1}),
        (31,),
        most_seconds=300,
    ),
    Scenario(
        "a delivery; two faults, a crash, two lost answers",
        Delivering({"step": 8, "fault": 2, "crash": 1, "lost": 2, "tick": 1}),
        (31, 800),
        most_seconds=150,
    ),
    Scenario(
        "a delivery that is taken, cleaned away, not done, struck",
        Delivering({"step": 9, "take": 1, "clean": 1, "break": 2, "fault": 1, "lost": 1}),
        (31,),
        most_seconds=150,
    ),
    Scenario(
        "a delivery in the place of another file; a fault, a crash, a lost answer, not done",
        Delivering({"step": 9, "fault": 1, "crash": 1, "lost": 1, "break": 1}, is_replaced=True),
        (31,),
        most_seconds=150,
    ),
    Scenario(
        "two deliveries of one file; a crash",
        Delivering({"step": 8, "again": 1, "crash": 1}),
        (31,),
        most_seconds=150,
    ),
    Scenario(
        "two deliveries of one file; a server that does not do it",
        Delivering({"step": 8, "again": 1, "break": 1}),
        (31,),
        most_seconds=150,
    ),
]
