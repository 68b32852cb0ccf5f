"""The schedules as the setup check shows them: what each entry stands for now, and how many runs that makes. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from webadmit_exports.aws.schedules import Schedule
from webadmit_exports.domain.name_pattern import Entry, NamePattern
from webadmit_exports.messages.text import counted
from webadmit_exports.operations.cron import occurrences
from webadmit_exports.operations.key_access import KeyAccess

_DAY = timedelta(days=1)


def schedule_lines(schedules: Sequence[Schedule], access: KeyAccess | None, now: datetime) -> Iterator[str]:
    """Without `access` it is not known what names stand for."""
    for schedule in schedules:
        if not schedule.entries:
            yield f"  {schedule.name}: empty"
            continue
        parts = [_state(schedule), f"{schedule.expression} {schedule.timezone}"]
        if access:
            parts += _counts(schedule, access, now)
        yield f"  {schedule.name}: {', '.join(parts)}"
        for entry in schedule.entries:
            yield from _entry_lines(entry, access)


def _state(schedule: Schedule) -> str:
    state = "on" if schedule.is_on else "off"
    if schedule.was_switched:
        return f"{state} (switched by hand)"
    return state if schedule.is_on else f"{state} (ScheduleState is DISABLED)"


def _counts(schedule: Schedule, access: KeyAccess, now: datetime) -> Iterator[str]:
    exports = access.runs_of(schedule.entries)
    yield counted(len(exports), "export")
    until = now + _DAY - timedelta.resolution  # or a time that is now would count tomorrow too
    times = occurrences(schedule.expression, schedule.timezone, now, until) if schedule.is_on else []
    if times is not None:
        yield f"{counted(len(exports) * len(times), 'run')} in the next 24 hours"


def _entry_lines(entry: Entry, access: KeyAccess | None) -> Iterator[str]:
    exports = access.exports_of(entry) if access else {}
    if not isinstance(entry, NamePattern):
        yield f"    {entry}  {exports.get(entry, '')}".rstrip()
        return
    if access is None:
        yield f'    "{entry}"'
        return
    found = access.matches[entry]
    too_many = len(found.exports) - len(exports)
    refused = f", of which {too_many} are refused: too many of one program" if too_many else ""
    unlisted = ", and more in identities that could not be listed" if found.unlisted else ""
    yield f'    "{entry}": {counted(len(found.exports), "export")}{refused}{unlisted}'
    for export, name in exports.items():
        yield f"      {export}  {name}"
