"""The morning mail: did last night work?"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from webadmit_exports.aws.alarms import Alarms, RingingAlarm
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.aws.delivery_machine import DeliveryMachine
from webadmit_exports.aws.name_matches import NameMatches
from webadmit_exports.aws.queue_lengths import QueueLengths, WatchedQueues
from webadmit_exports.aws.schedules import Schedules
from webadmit_exports.aws.table import ExportFilesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.domain.callback_url import LIFETIME
from webadmit_exports.domain.delivered import GIVEN_UP, HELD, Outcome
from webadmit_exports.domain.export_file import ExportFile
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.name_pattern import NamePattern
from webadmit_exports.domain.second_chance import waits_for_second_run
from webadmit_exports.domain.status import RunOutcome, has_file
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.message import MessageWriter
from webadmit_exports.operations.cron import same_time_yesterday
from webadmit_exports.operations.daily_report import DailyReport, Deliveries, ExpectedRun
from webadmit_exports.operations.expected_runs import GRACE, expected_exports, match_runs
from webadmit_exports.operations.name_history import CurrentMatches, read_history
from webadmit_exports.operations.report_message import report_message
from webadmit_exports.telemetry import logger

_DELIVERED_WITHIN = _ARCHIVED_WITHIN = timedelta(hours=1)  # of its announcement: what is not is told


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedDeliveries:
    """What came of deliveries, by their table; and how many still run, by the machine, which does not hang on ours."""

    table: DeliveriesTable
    machine: DeliveryMachine

    def look_at(
        self,
        runs: Iterable[ExpectedRun],
        earlier: Iterable[ExportFile],
        since: datetime,
        now: datetime,
        *,
        in_archive: int,
    ) -> Deliveries:
        """Raises AwsUnavailable. `earlier`: files of before `since`; `in_archive`: how many archiving still has."""
        files = [run.file for run in runs if run.file and has_file(run.file.status)]
        outcomes = self._outcomes(files)
        news = {
            ids: outcome
            for ids, outcome in self._outcomes(earlier).items()
            if outcome.what in (HELD, GIVEN_UP) and outcome.at >= since
        }
        long_ago = now - _DELIVERED_WITHIN
        waiting = self.machine.count_running(long_ago)
        unheard = [one for one in files if one.finished_at and one.finished_at < long_ago and _ids(one) not in outcomes]
        return Deliveries(
            outcomes={**outcomes, **news},
            earlier=[
                ExpectedRun(export=one.export, scheduled_for=one.scheduled_for, outcome=RunOutcome.READY, file=one)
                for one in earlier
                if _ids(one) in news
            ],
            waiting=waiting,
            vanished=max(0, len(unheard) - waiting - in_archive),
        )

    def _outcomes(self, files: Iterable[ExportFile]) -> dict[tuple[int, int], Outcome]:
        found = ((_ids(file), self.table.outcome(*_ids(file), file.finished_at)) for file in files if file.finished_at)
        return {ids: outcome for ids, outcome in found if outcome}


def _ids(file: ExportFile) -> tuple[int, int]:
    return file.export.export_id, file.export_file_id


@dataclass(frozen=True, slots=True, kw_only=True)
class SendMorningMail:
    """The use case. `deliveries`: None where files are not delivered."""

    schedules: Schedules
    table: ExportFilesTable
    name_matches: NameMatches
    current_matches: CurrentMatches
    queues: WatchedQueues
    alarms: Alarms
    deliveries: WatchedDeliveries | None
    topics: Topics
    writer: MessageWriter

    def send(self, now: datetime, time_left: Callable[[], float]) -> DailyReport:
        """Looks back at the last day and says what it saw; raises AwsUnavailable if it cannot.

        `time_left`: the seconds that the invocation still has.
        """
        schedules = self.schedules.read()
        until = now.replace(second=0, microsecond=0) - GRACE
        since = same_time_yesterday(until, self.writer.timezone)
        entries = list(dict.fromkeys(entry for schedule in schedules for entry in schedule.entries))
        names = [entry for entry in entries if isinstance(entry, NamePattern)]
        history = read_history(
            self.name_matches, names, since, until, lambda names: self.current_matches.match(names, time_left)
        )
        expected = expected_exports(schedules, history, since, until)
        pairs = [entry for entry in entries if isinstance(entry, Export)]
        by_name = {export.export_id for export in (*(one for _, one in expected.by_name), *history.exports())}
        due = list(self.table.unfinished(now + LIFETIME))
        unfinished = [file for file in due if not file.finished_at]
        files = self._files(pairs, by_name, unfinished, same_time_yesterday(since, self.writer.timezone))
        runs = match_runs(expected, files, since, until)
        queues = self._count_queues(files, now)
        deliveries, are_unknown = self._look_at_deliveries(runs, files, queues, since, now)
        report = DailyReport(
            since=since,
            until=until,
            schedules=schedules,
            runs=runs,
            older=[file for file in unfinished if file.scheduled_for < since],
            queues=queues,
            alarms=self._ringing(),
            second_starts=sum(waits_for_second_run(file) for file in due),
            without_exports=expected.without_exports,
            not_known=expected.not_known,
            why_not_known=history.why_not_known,
            changes=history.changes(),
            deliveries=deliveries,
            are_deliveries_unknown=are_unknown,
        )
        self.topics.publish(report_message(report, self.writer))
        return report

    def _count_queues(self, files: Mapping[int, Sequence[ExportFile]], now: datetime) -> QueueLengths:
        """What waits; without the files that were announced in the last hour, which are just being archived."""
        lengths = self.queues.count()
        new = sum(
            has_file(file.status) and file.updated_at > now - _ARCHIVED_WITHIN
            for same in files.values()
            for file in same
        )
        return replace(lengths, not_archived=max(0, lengths.not_archived - new))

    def _look_at_deliveries(
        self,
        runs: Sequence[ExpectedRun],
        files: Mapping[int, Sequence[ExportFile]],
        queues: QueueLengths,
        since: datetime,
        now: datetime,
    ) -> tuple[Deliveries | None, bool]:
        """What came of them, and whether that could not be read."""
        if self.deliveries is None:
            return None, False
        earlier = [one for same in files.values() for one in same if one.scheduled_for < since and has_file(one.status)]
        in_archive = queues.not_archived + queues.archive_given_up
        try:
            return self.deliveries.look_at(runs, earlier, since, now, in_archive=in_archive), False
        except AwsUnavailable as error:  # the mail is worth more than this
            logger.warning("the deliveries cannot be read", reason=str(error))
            return None, True

    def _ringing(self) -> Sequence[RingingAlarm] | None:
        try:
            return self.alarms.ringing()
        except AwsUnavailable as error:  # the mail is worth more than this
            logger.warning("the alarms cannot be read", reason=str(error))
            return None

    def _files(
        self, pairs: Sequence[Export], by_name: AbstractSet[int], unfinished: Iterable[ExportFile], since: datetime
    ) -> Mapping[int, list[ExportFile]]:
        """The runs since then, by export id: of all exports that are scheduled, and of others that are still open."""
        files: dict[int, list[ExportFile]] = {}
        for export_id in dict.fromkeys([*(pair.export_id for pair in pairs), *sorted(by_name)]):
            files[export_id] = [
                file
                for file in self.table.newest(export_id, since)
                if export_id in by_name or any(file.is_of(pair) for pair in pairs)
            ]
        for file in unfinished:
            same = files.setdefault(file.export.export_id, [])
            if file.scheduled_for >= since and file.export_file_id not in {known.export_file_id for known in same}:
                same.append(file)
        return files
