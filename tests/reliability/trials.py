"""The trials of `make reliability`, and how large each is."""

import os
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from webadmit_exports.telemetry import flush_metrics, logger

from . import chaos, deliveries, fuzz, strikes
from .figures import Figures

FORMS = ["long", "short", "chaos", "fuzz"]


@dataclass(frozen=True, slots=True)
class Trial:
    """One row of the table."""

    name: str
    run: Callable[[], Figures]


def trials(form: str) -> list[Trial]:
    """The trials of a form, those that take longest first."""
    long = form == "long"
    deeds = (strikes.throttle, strikes.fail, strikes.lose_answer, *([strikes.hang] if long else []))
    faults = deliveries.FAULTS[: None if long else 1]
    if form == "chaos":
        return [_bad_night(10_000)]
    if form == "fuzz":
        return _fuzzing(1_000_000)
    return [
        Trial("Processes that die, at each call", strikes.kills),
        Trial("AWS that fails, at each call", partial(strikes.aws_faults, deeds=deeds)),
        Trial("Deliveries: processes that die, at each call", partial(deliveries.deliveries, *deliveries.KILLS)),
        Trial("Deliveries: AWS that fails, at each call", partial(deliveries.deliveries, *faults)),
        _bad_night(1_000 if long else 100),
        *_fuzzing(100_000 if long else 20_000),
    ]


def _bad_night(exports: int) -> Trial:
    return Trial("Bad nights: exports, faults by chance", partial(chaos.bad_night, exports=exports))


def _fuzzing(count: int) -> list[Trial]:
    return [
        Trial("Callback forms, made up", partial(fuzz.bodies, count)),
        Trial("Callback addresses, made up", partial(fuzz.addresses, count)),
    ]


def attempt(trial: Trial) -> Figures:
    """The trial's figures; one that fails to the end counts as wrong."""
    logger.setLevel("CRITICAL")  # what the use cases log in memory does not belong in the table
    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):  # metrics
            figures = trial.run()
            flush_metrics()
            return figures
    except Exception:  # noqa: BLE001 - whatever it is, it belongs in the table
        traceback.print_exc()
        return Figures(cases=1, wrong=1)
