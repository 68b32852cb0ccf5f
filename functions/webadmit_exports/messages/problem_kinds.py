"""What kinds of problems there are: whether it helps to try again, and what else has the same problem."""

from enum import Enum, auto


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
