"""make reliability: tries what can go wrong, prints what came of it, and fails if anything was lost, stray or wrong."""

import argparse
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table

from .figures import Figures
from .trials import FORMS, attempt, trials


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("form", choices=FORMS, nargs="?", default="long")
    form = parser.parse_args().form
    console = Console()
    results: dict[str, Figures] = {}
    chosen = trials(form)
    console.print(f"{len(chosen)} trials, two at a time; each line comes when its trial is through.")
    with ProcessPoolExecutor(max_workers=2, mp_context=multiprocessing.get_context("spawn")) as processes:
        running = {processes.submit(attempt, trial): trial for trial in chosen}
        for done in as_completed(running):
            name = running[done].name
            results[name] = figures = done.result()
            console.print(f"  {'good ' if figures.are_good else 'WRONG'}  {name}", highlight=False)
    console.print(_table({trial.name: results[trial.name] for trial in chosen}))
    total = sum(results.values(), Figures())
    console.print(_verdict(total), highlight=False)
    return 0 if all(figures.are_good for figures in results.values()) else 1


def _table(results: dict[str, Figures]) -> Table:
    table = Table(title=f"Reliability, {datetime.now(UTC):%Y-%m-%d}", title_justify="left", show_footer=True)
    total = sum(results.values(), Figures())
    table.add_column("what was tried", footer="all")
    for column in ("cases", "lost", "repeated", "stray", "wrong"):
        table.add_column(column, footer=f"{getattr(total, column):,}", justify="right")
    for name, figures in results.items():
        numbers = [getattr(figures, column) for column in ("cases", "lost", "repeated", "stray", "wrong")]
        table.add_row(name, *(f"{number:,}" for number in numbers), style="" if figures.are_good else "bold red")
    return table


def _verdict(total: Figures) -> str:
    meaning = "Repeated announcements carry the event id of the first one, so that a subscriber can tell."
    if total.are_good:
        return f"Nothing was lost, nothing was made up. {meaning}"
    return "Something was lost, stray or wrong: the lines above say in which case."


if __name__ == "__main__":
    sys.exit(main())
