"""What is wrong with a setup, and how a person repairs it. Pure."""

from dataclasses import dataclass

from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.errors import WebAdmitExportsError
from webadmit_exports.messages.commands import Commands
from webadmit_exports.messages.problems import problem_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupProblem:
    """Something that a person has to fix, and how."""

    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.what} What to do: {self.fix}"


def known_problem(error: WebAdmitExportsError, commands: Commands) -> SetupProblem:
    """The problem behind an error, as the catalogue describes it."""
    problem = problem_of(error)
    return SetupProblem(what=problem.reason(error.detail), fix=problem.advice(commands, "CheckSetupFunction"))


def switched_schedule(schedule: Schedule, commands: Commands) -> SetupProblem:
    """A schedule that somebody has switched by hand, and how to bring it back."""
    wanted, now = ("ENABLED", "off") if schedule.wanted_on else ("DISABLED", "on")
    effect = "nothing of it is started" if schedule.wanted_on else "it goes on starting runs"
    return SetupProblem(
        what=f"The schedule of {schedule.name} is {now}, switched by hand: {effect}. ScheduleState is {wanted}.",
        fix=f"{commands.renew_schedules(wanted)}. Or deploy with the ScheduleState that is meant.",
    )
