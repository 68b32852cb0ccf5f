"""What is said of a problem, whether it helps to try again, and what else has the same problem. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

from webadmit_exports.messages.commands import Commands
from webadmit_exports.messages.text import sentence


class Retry(Enum):
    """Whether it helps to try again."""

    HELPS = auto()
    HELPS_ONCE_REPAIRED = auto()  # by a person
    IS_USELESS = auto()


class Scope(Enum):
    """What else has the same problem, so that it need not be tried."""

    ONE_EXPORT = auto()
    IDENTITY = auto()
    EVERYTHING = auto()


@dataclass(frozen=True)
class ProblemText:
    """`headline`: for a subject. `sentence`: follows "because"."""

    headline: str
    sentence: str
    advice_template: str
    retry: Retry = Retry.HELPS
    scope: Scope = Scope.ONE_EXPORT

    @property
    def is_final(self) -> bool:
        """Whether trying again does not help."""
        return self.retry is Retry.IS_USELESS

    def reason(self, detail: str) -> str:
        """What is wrong, as a sentence; `detail`: what is known beyond the problem, may be empty."""
        return sentence(f"{self.sentence}: {detail}" if detail else self.sentence)

    def advice(self, commands: Commands, function: str = "StartRunsFunction", **texts: str) -> str:
        """What a person should do, with the commands for their stack; `texts` are those that only the archive has."""
        return commands.fill_in(self.advice_template, function, **texts)
