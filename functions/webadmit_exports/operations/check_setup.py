"""Checks a deployed stack: the key, the exports that it lists, the callback API, the mails, the SFTP server.

Changes nothing. Every problem comes with the command or the click that fixes it.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from webadmit_exports.aws.schedules import Schedule, Schedules
from webadmit_exports.aws.secrets import SigningKeys
from webadmit_exports.aws.subscriptions import Subscriptions
from webadmit_exports.domain.callback_url import CallbackUrl
from webadmit_exports.domain.ids import Export
from webadmit_exports.errors import AwsUnavailable, WebAdmitExportsError
from webadmit_exports.messages.commands import Commands
from webadmit_exports.messages.text import counted
from webadmit_exports.operations.callback_probe import Probe
from webadmit_exports.operations.check_delivery import CheckDelivery
from webadmit_exports.operations.key_access import KeyAccess, read_access
from webadmit_exports.operations.schedule_lines import schedule_lines
from webadmit_exports.operations.setup_problem import SetupProblem, known_problem, switched_schedule
from webadmit_exports.webadmit.api_key import WebAdmitApiKey
from webadmit_exports.webadmit.listing import Lister

_NOBODY = Export(user_identity_id=1, export_id=1)  # whose callback URL is tried; its form is empty


class SetupHasProblems(Exception):
    """The daily check found something that a person has to fix."""


@dataclass(slots=True)
class Findings:
    """What a check found. `lines` are for a person; `pairs` are all that the key reaches, to be pasted."""

    lines: list[str] = field(default_factory=list)
    problems: list[SetupProblem] = field(default_factory=list)
    pairs: list[Export] = field(default_factory=list)

    def report(self) -> list[str]:
        """All lines: what is there, then what is wrong."""
        if not self.problems:
            return [*self.lines, "", "Everything is in order: the key, the lists, the mails and the callback API."]
        count = counted(len(self.problems), "problem")
        found = [
            line
            for problem in self.problems
            for line in (f"  - {problem.what}", f"    Fix: {problem.fix[:1].upper()}{problem.fix[1:]}")
        ]
        return [*self.lines, "", f"{count}:", *found]


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mail address of the stack's parameters, and the topic that it should be subscribed to."""

    parameter: str
    address: str
    topic_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSetup:
    """The use case. `archive_queue_arn` is empty where files are not archived; `delivery`: where none are delivered."""

    lister: Lister
    api_key: WebAdmitApiKey
    signing_keys: SigningKeys
    schedules: Schedules
    subscriptions: Subscriptions
    probe: Probe
    callback_url: str
    mailboxes: Sequence[Mailbox]
    alerts_arn: str
    ready_arn: str
    archive_queue_arn: str
    delivery: CheckDelivery | None
    commands: Commands
    now: Callable[[], datetime]

    def run(self, time_left: Callable[[], float]) -> Findings:
        """Looks at everything that it can reach; `time_left`: the seconds that the invocation still has."""
        findings = Findings()
        for look in (self._look_at_mails, self._look_at_callbacks):
            try:
                findings.problems += look()
            except AwsUnavailable as error:
                findings.problems.append(known_problem(error, self.commands))
        try:
            schedules = self.schedules.read()
        except AwsUnavailable as error:
            findings.problems.append(known_problem(error, self.commands))
            schedules = []
        findings.problems += [
            switched_schedule(schedule, self.commands) for schedule in schedules if schedule.was_switched
        ]
        access = self._look_at_webadmit(findings, schedules, time_left)
        try:  # last: a server may take long to answer
            findings.problems += self._look_at_delivery()
        except AwsUnavailable as error:
            findings.problems.append(known_problem(error, self.commands))
        findings.lines += ["Schedules:", *schedule_lines(schedules, access, self.now())]
        findings.lines += self._delivery_lines()
        if access:
            findings.lines += ["", *access.lines()]
        if schedules and not any(schedule.entries for schedule in schedules):
            fix = "fix the other problems first; then this check lists the exports that Exports can name"
            if findings.pairs:
                fix = f"choose names of exports from the list above; {self.commands.deploy(Exports='…')}"
            findings.problems.append(SetupProblem(what="Exports is empty: nothing is ever started.", fix=fix))
        return findings

    def _look_at_mails(self) -> Iterator[SetupProblem]:
        subscribers_of = functools.cache(self.subscriptions.of)  # one call for each topic, when it is its turn
        for mailbox in self.mailboxes:
            if not mailbox.address:
                continue
            subscribers, address = subscribers_of(mailbox.topic_arn), mailbox.address.casefold()
            if address in subscribers.confirmed_mails:
                continue
            if address in subscribers.pending_mails:
                what = f"The address in {mailbox.parameter} was never confirmed: it gets no mails."
                yield SetupProblem(
                    what=what, fix=f"look for AWS's mail, in the spam too, or: {self._subscribe(mailbox)}"
                )
            else:
                what = (
                    f"The address in {mailbox.parameter} is no longer subscribed: somebody, or a mail scanner, has"
                    " followed the link that unsubscribes it."
                )
                yield SetupProblem(what=what, fix=self._subscribe(mailbox))
        alerted = subscribers_of(self.alerts_arn)
        if not alerted.has_any and not alerted.pending_mails:
            yield SetupProblem(
                what="Nobody is told when something goes wrong: AlertsTopic has no subscriber.",
                fix=self.commands.deploy(AlertEmail="…"),
            )
        if self.archive_queue_arn and self.archive_queue_arn not in subscribers_of(self.ready_arn).queues:
            yield SetupProblem(
                what="ArchiveQueue is no longer subscribed to ReadyTopic: files are announced, and not archived.",
                fix=self.commands.subscribe_queue(self.ready_arn, self.archive_queue_arn),
            )

    def _subscribe(self, mailbox: Mailbox) -> str:
        command = self.commands.subscribe(mailbox.topic_arn, f"the address in {mailbox.parameter}")
        return f"{command}, then confirm the mail that AWS sends"

    def _look_at_callbacks(self) -> Iterator[SetupProblem]:
        address = CallbackUrl(export=_NOBODY, scheduled_for=self.now())
        status = self.probe.post_empty_form(address.signed(self.callback_url, self.signing_keys.current()))
        if status != 400:
            yield SetupProblem(
                what=f"The callback API is not working ({status or 'no answer'}; expected 400). Files are still found"
                " by polling, minutes later.",
                fix=f"run this check again; if it stays, {self.commands.deploy()}, and see:"
                f" {self.commands.logs('ReceiveCallbackFunction')}",
            )

    def _look_at_delivery(self) -> Iterator[SetupProblem]:
        if self.delivery:
            yield from self.delivery.problems()

    def _delivery_lines(self) -> list[str]:
        try:
            return ["", *self.delivery.lines()] if self.delivery else []
        except AwsUnavailable:  # then the connection cannot be tried either, which is a problem
            return []

    def _look_at_webadmit(
        self, findings: Findings, schedules: Sequence[Schedule], time_left: Callable[[], float]
    ) -> KeyAccess | None:
        """What the key reaches; None where that cannot be read."""
        entries = list(dict.fromkeys(entry for schedule in schedules for entry in schedule.entries))
        try:
            access = read_access(self.lister, self.api_key.read(), entries, time_left)
        except WebAdmitExportsError as error:
            findings.problems.append(known_problem(error, self.commands))
            return None
        findings.pairs += access.pairs()
        findings.problems += access.problems(self.commands)
        return access
