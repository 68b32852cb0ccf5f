"""Runs a state machine by its own definition: the states and expressions of Amazon States Language that we use.

JSONata is that of jsonata-python. Anything else in a definition is an error: then this has to learn it. Nothing waits:
the time of a Wait state is given away, for the caller to let it pass.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonata import Jsonata

# Fields that change nothing here.
_IGNORED = {"Comment", "TimeoutSeconds"}
_KNOWN = {
    "Pass": {"Output", "Next"},
    "Task": {"Resource", "Arguments", "Output", "Retry", "Next"},
    "Choice": {"Choices", "Default"},
    "Wait": {"Seconds", "Next"},
    "Succeed": set(),
    "Fail": {"Error", "Cause"},
}


class NotModelled(Exception):
    """The definition has something that is not known here."""


class TaskFailed(Exception):
    """A task has failed, after all of its retries."""


@dataclass(frozen=True, slots=True)
class Entered:
    """A state that was entered, with its input. `seconds`: how long it waits, in a Wait state or before a retry."""

    name: str
    document: Any
    seconds: float = 0


@dataclass(slots=True)
class Execution:
    """One execution. `invoke` gets the arguments of a task, and returns its result or raises TaskFailed.

    `document` is the input of the next state, and may be changed between two states. `status` as AWS has it.
    """

    definition: Mapping[str, Any]
    document: Any
    context: Mapping[str, Any]
    invoke: Callable[[str, Mapping[str, Any]], Any]
    status: str = "RUNNING"
    error: str = ""
    cause: str = ""

    def states(self) -> Iterator[Entered]:
        """Goes through the states; each is yielded before it is left."""
        if self.definition.get("QueryLanguage") != "JSONata":
            raise NotModelled("only JSONata is known")
        name = self.definition["StartAt"]
        while name:
            state = self.definition["States"][name]
            if unknown := set(state) - _KNOWN[state["Type"]] - _IGNORED - {"Type"}:
                raise NotModelled(f"{name} has {unknown}")
            if state["Type"] == "Wait":
                seconds = self._value(state["Seconds"])
                yield Entered(name, self.document, float(seconds))
            else:
                yield Entered(name, self.document)
            if state["Type"] == "Task":
                yield from self._task(name, state)
                if self.status != "RUNNING":
                    return
            name = self._leave(state)

    def _leave(self, state: Mapping[str, Any]) -> str:
        """What comes next; empty at the end."""
        if state["Type"] == "Choice":
            chosen = (choice["Next"] for choice in state["Choices"] if self._value(choice["Condition"]) is True)
            return str(next(chosen, state["Default"]))
        if state["Type"] == "Pass":
            self.document = self._value(state["Output"])
        if state["Type"] == "Succeed":
            self.status = "SUCCEEDED"
            return ""
        if state["Type"] == "Fail":
            self.status, self.error, self.cause = "FAILED", self._value(state["Error"]), self._value(state["Cause"])
            return ""
        return str(state["Next"])

    def _task(self, name: str, state: Mapping[str, Any]) -> Iterator[Entered]:
        (policy,) = state["Retry"]
        seconds = float(policy["IntervalSeconds"])
        for attempt in range(int(policy["MaxAttempts"]) + 1):
            try:
                result = self.invoke(state["Resource"], self._value(state["Arguments"]))
            except TaskFailed as error:
                if attempt == int(policy["MaxAttempts"]):
                    self.status, self.error = "FAILED", str(error)
                    return
                yield Entered(name, self.document, seconds)
                seconds = min(seconds * float(policy["BackoffRate"]), float(policy["MaxDelaySeconds"]))
            else:
                self.document = self._value(state["Output"], result)
                return

    def _value(self, template: Any, result: Any = None) -> Any:
        """A template with its expressions evaluated."""
        if isinstance(template, dict):
            return {key: self._value(part, result) for key, part in template.items()}
        if not (isinstance(template, str) and template.startswith("{%") and template.endswith("%}")):
            return template
        expression = Jsonata(template[2:-2].strip())
        states = {"input": self.document, "context": self.context, "result": result}
        expression.assign("states", json.loads(json.dumps(states)))
        return json.loads(json.dumps(expression.evaluate(None)))
