"""Prints how the service compares with the peer. Every figure is a median of runs that were shuffled together."""

import math
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from rich.console import Console
from rich.table import Table

from tests.bench.variants import (
    WEBADMIT_SECONDS,
    Packages,
    StandIn,
    callback_event,
    function,
    laid_out,
    start_event,
)
from tests.sandbox.lambda_runtime import Instance, LambdaFunction
from tests.sandbox.package import zipped

ROUNDS = 9
_PEER_STARTS = 7  # of a hundred exports each, 21 seconds long
_WARM = 12
_BETWEEN_WARM = 0.25  # Topics lets five messages a second through; that wait is not what is measured
_IN_FLIGHT = 16
_TIMEOUT = 300.0


@dataclass
class Figures:
    """What was measured, by variant and name; `median` is what is shown."""

    taken: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, variant: str, name: str, value: float) -> None:
        self.taken[variant, name].append(value)

    def median(self, variant: str, name: str) -> float:
        return statistics.median(self.taken[variant, name])


def main() -> int:
    figures = Figures()
    with laid_out() as (packages, stand_in):
        runs = [*_callback_runs(figures, packages, stand_in), *_start_runs(figures, packages, stand_in)]
        random.shuffle(runs)
        for number, run in enumerate(runs, 1):
            print(f"\r{number} of {len(runs)} runs, shuffled ", end="", flush=True, file=sys.stderr)
            run()
        print(file=sys.stderr)
        sizes = {name: zipped(getattr(packages, name).task) for name in ("ours", "plain", "peer")}
    _show(figures, sizes)
    return 0


# ── What is run ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _callback_runs(figures: Figures, packages: Packages, stand_in: StandIn) -> list[Callable[[], None]]:
    callbacks = {
        "ours": function(packages.ours, "receive_callback.app.handler", stand_in),
        "plain": function(packages.plain, "receive_callback.app.handler", stand_in),
        "peer": function(packages.peer, "peer.receive_callback.handler", stand_in),
    }
    return [
        partial(_take_callbacks, figures, variant, made, stand_in)
        for variant, made in callbacks.items()
        for _ in range(ROUNDS)
    ]


def _take_callbacks(figures: Figures, variant: str, made: LambdaFunction, stand_in: StandIn) -> None:
    """One process: its start, its first callback, and a dozen more."""
    stand_in.calls()
    began = time.perf_counter()
    instance = made.begin()
    try:
        instance.wait_until_idle()
        figures.add(variant, "import", time.perf_counter() - began)
        figures.add(variant, "calls at import", sum(stand_in.calls()[0].values()))
        cpu = instance.cpu_seconds()
        first = _invoke(instance, callback_event(1), made)
        figures.add(variant, "first call", first)
        figures.add(variant, "cold", figures.taken[variant, "import"][-1] + first)
        figures.add(variant, "first CPU", instance.cpu_seconds() - cpu)
        calls, connections = stand_in.calls()
        figures.add(variant, "calls of the first", sum(calls.values()))
        figures.add(variant, "connections of the first", connections)
        for number in range(2, 2 + _WARM):
            time.sleep(_BETWEEN_WARM)
            took = _invoke(instance, callback_event(number), made)
            figures.add(variant, "warm, per call", took / sum(stand_in.calls()[0].values()))
        figures.add(variant, "memory", instance.peak_memory())
    finally:
        instance.stop()


def _start_runs(figures: Figures, packages: Packages, stand_in: StandIn) -> list[Callable[[], None]]:
    ours = function(packages.ours, "start_runs.app.handler", stand_in)
    peer = function(packages.peer, "peer.start_runs.handler", stand_in)
    return [
        *[lambda: _start(figures, "ours", ours, 100) for _ in range(ROUNDS)],
        *[lambda: _start(figures, "ours", ours, 300) for _ in range(ROUNDS)],
        *[lambda: _start(figures, "peer", peer, 100) for _ in range(_PEER_STARTS)],
    ]


def _start(figures: Figures, variant: str, made: LambdaFunction, exports: int) -> None:
    """One night in a new process."""
    instance = made.begin()
    try:
        instance.wait_until_idle()
        cpu = instance.cpu_seconds()
        figures.add(variant, f"start {exports}", _invoke(instance, start_event(exports), made))
        if variant == "peer" or exports == 300:
            figures.add(variant, "CPU per export", (instance.cpu_seconds() - cpu) / exports)
    finally:
        instance.stop()


def _invoke(instance: Instance, event: object, made: LambdaFunction) -> float:
    """How long that took; the process is idle again afterwards."""
    began = time.perf_counter()
    result = instance.invoke(event, _TIMEOUT)
    took = time.perf_counter() - began
    if result.failed or (isinstance(result.payload, dict) and result.payload.get("statusCode", 200) != 200):
        raise RuntimeError("\n".join([f"{made.name} answered {result.payload}", *made.log[-20:]]))
    instance.wait_until_idle()
    return took


# ── What is shown ───────────────────────────────────────────────────────────────────────────────────────────────────


def _show(figures: Figures, sizes: Mapping[str, float]) -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    table = Table(title=f"Speed, {datetime.now(UTC).date()}, Python {version}", title_justify="left")
    table.add_column("figure")
    for column in ("peer", "ours", "ratio", "target", "without bytecode"):
        table.add_column(column, justify="right")

    def row(title: str, name: str, unit: str, target: float, factor: float = 1000) -> None:
        ours, peer = figures.median("ours", name) * factor, figures.median("peer", name) * factor
        plain = f"{figures.median('plain', name) * factor:.1f}" if ("plain", name) in figures.taken else ""
        table.add_row(
            title,
            f"{peer:.1f} {unit}",
            f"{ours:.1f} {unit}",
            f"{ours / peer:.2f}",
            f"≤ {target}" if target else "",
            plain,
        )

    row("callback, cold: import and first call", "cold", "ms", 1.3)
    row("  import", "import", "ms", 0)
    row("  first call", "first call", "ms", 0)
    row("callback, CPU of the first call", "first CPU", "ms", 1.5)
    row("callback, warm, per AWS call", "warm, per call", "ms", 1)
    row("callback, peak memory", "memory", "MiB", 1.1, factor=1)
    row("start of 300 (peer: 100), CPU per export", "CPU per export", "ms", 0.4)
    megabytes = {variant: f"{size / 1e6:.1f} MB" for variant, size in sizes.items()}
    table.add_row(
        "zip as uploaded",
        megabytes["peer"],
        megabytes["ours"],
        f"{sizes['ours'] / sizes['peer']:.2f}",
        "",
        megabytes["plain"],
    )
    for exports, target in ((100, 1.7), (300, 1.4)):
        floor = math.ceil(exports / _IN_FLIGHT) * WEBADMIT_SECONDS
        seconds = figures.median("ours", f"start {exports}")
        peer = f"{figures.median('peer', 'start 100'):.1f} s" if exports == 100 else ""
        title = f"start, {exports} exports (floor {floor:.1f} s)"
        table.add_row(title, peer, f"{seconds:.2f} s", f"{seconds / floor:.2f} × floor", f"≤ {target}", "")
    for name in ("calls at import", "calls of the first", "connections of the first"):
        table.add_row(f"callback, AWS {name}", *(f"{figures.median(one, name):.0f}" for one in ("peer", "ours")))
    Console(width=120).print(table)
    print(f"Medians of {ROUNDS} runs, of the peer's starts {_PEER_STARTS}.")


if __name__ == "__main__":
    sys.exit(main())
