"""make explore: explores every interleaving, prints what was exhausted, and plants mistakes that must be found."""

import argparse
import multiprocessing
import resource
import sys
import time
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from tests.explore.bugs import BUGS
from tests.explore.engine import Result
from tests.explore.scenarios import LONG, SHORT, Scenario

_FORMS = {"short": SHORT, "long": LONG}


def _explore(scenario: Scenario) -> tuple[Result, int]:
    """The result of a scenario, and the MiB of memory that it took at most."""
    result = scenario.explore()
    return result, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _look(number: int) -> Result:
    return BUGS[number].look()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.explore", description=__doc__)
    parser.add_argument("form", choices=_FORMS, nargs="?", default="long")
    chosen = parser.parse_args()
    console, began, scenarios = Console(), time.monotonic(), _FORMS[chosen.form]
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=1) as processes:
        explored = processes.map_async(_explore, scenarios, chunksize=1)
        found = processes.map(_look, range(len(BUGS)), chunksize=1)
        results = explored.get()
    console.print(_table([scenario.name for scenario in scenarios], results))
    for scenario, (result, _) in zip(scenarios, results, strict=True):
        if result.violation:
            console.print(f"{scenario.name}: {result.violation}", *result.trace, sep="\n    ", markup=False)
    console.print(_bugs(found))
    if chosen.form == "long":
        for bug, result in zip(BUGS, found, strict=True):
            console.print(f"{bug.what}: {result.violation}", *result.trace, sep="\n    ", markup=False)
    states, steps = (sum(getattr(result, name) for result, _ in results) for name in ("states", "steps"))
    is_good = not any(result.violation for result, _ in results) and all(result.violation for result in found)
    if chosen.form == "short":  # its scenarios are small enough
        is_good = is_good and all(result.is_exhausted for result, _ in results)
    console.print(
        f"{states:,} states and {steps:,} steps in {time.monotonic() - began:,.0f} s; of {len(BUGS)} planted mistakes"
        f" {sum(bool(result.violation) for result in found)} were found: {'good' if is_good else 'WRONG'}."
    )
    return 0 if is_good else 1


def _table(names: list[str], results: list[tuple[Result, int]]) -> Table:
    table = Table(title=f"Every interleaving, {datetime.now(UTC):%Y-%m-%d}", title_justify="left")
    table.add_column("scenario")
    for column in ("states", "steps", "seconds", "MiB"):
        table.add_column(column, justify="right")
    table.add_column("exhausted")
    table.add_column("violations", justify="right")
    for name, (result, memory) in zip(names, results, strict=True):
        figures = (f"{result.states:,}", f"{result.steps:,}", f"{result.seconds:.1f}", f"{memory:,}")
        exhausted = "yes" if result.is_exhausted else "cut off"
        table.add_row(name, *figures, exhausted, str(int(bool(result.violation))))
    return table


def _bugs(found: list[Result]) -> Table:
    table = Table(title="Mistakes planted in the product's code", title_justify="left")
    for column in ("mistake", "what was found", "after steps"):
        table.add_column(column)
    for bug, result in zip(BUGS, found, strict=True):
        table.add_row(bug.what, result.violation or "NOTHING", str(len(result.trace)))
    return table


if __name__ == "__main__":
    sys.exit(main())
