from dataclasses import dataclass, field

from webadmit_exports.topics import Pace


@dataclass
class Seconds:
    now: float = 50.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds


def test_the_first_message_does_not_wait_and_the_others_come_five_a_second() -> None:
    seconds = Seconds()
    pace = Pace(clock=seconds.clock, sleep=seconds.sleep)

    for _ in range(11):
        pace.wait()

    assert seconds.slept == [0.2] * 10


def test_messages_that_are_slow_by_themselves_do_not_wait() -> None:
    seconds = Seconds()
    pace = Pace(clock=seconds.clock, sleep=seconds.sleep)

    for _ in range(3):
        pace.wait()
        seconds.now += 0.25

    assert seconds.slept == []


def test_callers_that_come_together_get_turns_one_after_another() -> None:
    turns: list[float] = []
    pace = Pace(clock=lambda: 50.0, sleep=lambda seconds: turns.append(round(seconds, 6)))

    for _ in range(4):  # as threads would, before the first of them has slept
        pace.wait()

    assert turns == [0.2, 0.4, 0.6]
