"""The morning mail: did last night work?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.aws.schedules import Schedules
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain.callback_url import LIFETIME
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.export_name import ExportName
from webadmit_exports.domain.ids import Export
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.operations.expected_runs import (
    GRACE,
    DailyReport,
    Queues,
    expected_exports,
    match_runs,
    same_time_yesterday,
)
from webadmit_exports.operations.name_history import LookUp, read_history
from webadmit_exports.operations.report_message import report_message


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMorningMail:
    """The use case. `count_queues` tells how much waits."""

    schedules: Schedules
    table: ExportFilesTable
    name_matches: NameMatches
    look_up: LookUp
    count_queues: Callable[[], Queues]
    topics: Topics
    writer: MessageWriter

    def send(self, now: datetime, time_left: Callable[[], float]) -> DailyReport:
        """Looks back at the last day and says what it saw; raises AwsUnavailable if it cannot.

        `time_left`: the seconds that the invocation still has.
        """
        schedules = self.schedules.read()
        until = now.replace(second=0, microsecond=0) - GRACE
        since = same_time_yesterday(until, self.writer.timezone)
        entries = list(dict.fromkeys(entry for one in schedules for entry in one.entries))
        names = [entry for entry in entries if isinstance(entry, ExportName)]
        history = read_history(
            self.name_matches, names, since, until, lambda names: self.look_up.match(names, time_left)
        )
        expected = expected_exports(schedules, history, since, until)
        pairs = [entry for entry in entries if isinstance(entry, Export)]
        exports = list(dict.fromkeys([*pairs, *(export for _, export in expected.exports), *history.exports()]))
        unfinished = [file for file in self.table.unfinished(now + LIFETIME) if not file.finished_at]
        files = self._files(exports, unfinished, since)
        report = DailyReport(
            since=since,
            until=until,
            schedules=schedules,
            runs=match_runs(expected, files, since, until),
            older=[file for file in unfinished if file.scheduled_for < since],
            queues=self.count_queues(),
            without_exports=expected.without_exports,
            not_known=expected.not_known,
            why_not_known=history.why_not_known,
            changes=history.changes(),
        )
        self.topics.publish(report_message(report, self.writer))
        return report

    def _files(
        self, exports: Sequence[Export], unfinished: Iterable[ExportFile], since: datetime
    ) -> Mapping[Export, list[ExportFile]]:
        """The runs since then: of all exports that are scheduled, and of others that are still open."""
        files: dict[Export, list[ExportFile]] = {}
        for export in exports:
            newest = self.table.newest(export.export_id, since)
            files[export] = [file for file in newest if file.export == export]
        for file in unfinished:
            if file.export not in exports and file.scheduled_for >= since:
                files.setdefault(file.export, []).append(file)
        return files
