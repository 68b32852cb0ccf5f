"""Checks a deployed stack: the key, the exports that it lists, the callback API, the mail subscriptions.

Changes nothing. Every problem comes with the command or the click that repairs it.
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

from .callbacks import CallbackAddress
from .commands import Commands
from .errors import (
    AccessRefused,
    ApiKeyRefused,
    ApiKeyUnusable,
    AwsUnavailable,
    SigningKeyUnusable,
    WebAdmitError,
)
from .keys import ApiKey, SigningKeys, WebAdmitApiKey
from .model import Export
from .probe import Probe
from .prose import sentence
from .reach import Problem, Reach, first_year
from .schedules import Schedule, Schedules
from .subscriptions import Subscriptions
from .webadmit import Identity, ListedExport, WebAdmit, longest_call

READ_SECONDS = 5.0  # the whole check has a minute
SIDE_BY_SIDE = 8
_RESERVE_SECONDS = longest_call(READ_SECONDS) + 2
_NOBODY = Export(user_identity_id=1, export_id=1)  # whose callback address is tried; its form is empty


class SetupHasProblems(Exception):
    """The daily check found something that a person has to repair."""


@dataclass(slots=True)
class Findings:
    """What a check found. `lines` are for a person; `pairs` are all that the key reaches, to be pasted."""

    lines: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    pairs: list[Export] = field(default_factory=list)

    def report(self) -> list[str]:
        """All lines: what is there, then what is wrong."""
        if not self.problems:
            return [*self.lines, "", "Everything is in order: the key, the lists, the mails and the callback API."]
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        found = [line for problem in self.problems for line in (f"  - {problem.what}", f"    {problem.repair}")]
        return [*self.lines, "", f"{count}:", *found]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """A mail address of the stack's parameters, and the topic that it should be subscribed to."""

    parameter: str
    address: str
    topic_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSetup:
    """The use case."""

    webadmit: WebAdmit
    api_key: WebAdmitApiKey
    signing_keys: SigningKeys
    schedules: Schedules
    subscriptions: Subscriptions
    probe: Probe
    callback_url: str
    mailboxes: Sequence[Mailbox]
    alerts_arn: str
    commands: Commands
    now: Callable[[], datetime]

    def run(self, time_left: Callable[[], float]) -> Findings:
        """Looks at everything that it can reach; `time_left`: the seconds that the invocation still has."""
        findings = Findings()
        for look in (self._look_at_mails, self._look_at_callbacks):
            try:
                findings.problems += look()
            except SigningKeyUnusable as error:
                repair = f"store a new one: {self.commands.renew_signing_key()}"
                what = f"{sentence(str(error))} It is not used: no export can start, and no callback is taken."
                findings.problems.append(Problem(what=what, repair=repair))
            except AwsUnavailable as error:
                findings.problems.append(self._aws_problem(error))
        try:
            schedules = self.schedules.read()
        except AwsUnavailable as error:
            findings.problems.append(self._aws_problem(error))
            schedules = []
        findings.lines += ["Schedules:", *(f"  {_schedule_line(one)}" for one in schedules), ""]
        self._look_at_webadmit(findings, schedules, time_left)
        if schedules and not any(one.exports for one in schedules):
            repair = "repair the other problems first; then this check lists the pairs that Exports can have"
            if findings.pairs:
                choice = self.commands.deploy(Exports=f"{findings.pairs[0]},…")
                repair = f"choose pairs from the list above; {choice}"
            findings.problems.append(Problem(what="Exports is empty: nothing is ever started.", repair=repair))
        return findings

    def _look_at_mails(self) -> Iterator[Problem]:
        subscribers_of = functools.cache(self.subscriptions.of)  # one call for each topic, when it is its turn
        for mailbox in self.mailboxes:
            if not mailbox.address:
                continue
            subscribers, address = subscribers_of(mailbox.topic_arn), mailbox.address.casefold()
            if address in subscribers.confirmed_mails:
                continue
            if address in subscribers.pending_mails:
                what = f"The address in {mailbox.parameter} was never confirmed: it gets no mails."
                yield Problem(what=what, repair=f"look for AWS's mail, in the spam too, or: {self._subscribe(mailbox)}")
            else:
                what = (
                    f"The address in {mailbox.parameter} is not subscribed any more: somebody, or a mail scanner, has"
                    " followed the link that unsubscribes it."
                )
                yield Problem(what=what, repair=self._subscribe(mailbox))
        alerted = subscribers_of(self.alerts_arn)
        if not alerted.has_any and not alerted.pending_mails:
            yield Problem(
                what="Nobody is told when something goes wrong: AlertsTopic has no subscriber.",
                repair=self.commands.deploy(AlertEmail="…"),
            )

    def _aws_problem(self, error: AwsUnavailable) -> Problem:
        repair = f"run this check again; if it stays, {self.commands.deploy()}"
        return Problem(what=sentence(str(error)), repair=repair)

    def _subscribe(self, mailbox: Mailbox) -> str:
        command = self.commands.subscribe(mailbox.topic_arn, f"the address in {mailbox.parameter}")
        return f"{command}, then confirm the mail that AWS sends"

    def _store_key(self) -> str:
        return (
            "save the key as webadmit-api-key.txt (in WebAdMIT: Account, Edit My Account, API Key) and run:"
            f" {self.commands.store_key()}"
        )

    def _look_at_callbacks(self) -> Iterator[Problem]:
        address = CallbackAddress(export=_NOBODY, scheduled_for=self.now())
        status = self.probe.post_nothing(address.url(self.callback_url, self.signing_keys.current()))
        if status != 400:
            answer = f"answers {status}" if status else "does not answer"
            yield Problem(
                what=f"The callback API {answer} where it should answer 400: callbacks do not come in, and files are"
                " found by asking only, minutes later.",
                repair=f"run this check again; if it stays, {self.commands.deploy()}, and see:"
                f" {self.commands.logs('ReceiveCallbackFunction')}",
            )

    def _look_at_webadmit(
        self, findings: Findings, schedules: Sequence[Schedule], time_left: Callable[[], float]
    ) -> None:
        try:
            key = self.api_key.read()
            identities = self.webadmit.identities(key)
        except ApiKeyUnusable as error:
            findings.problems.append(Problem(what=sentence(str(error)), repair=self._store_key()))
        except ApiKeyRefused:
            what = "WebAdMIT refuses the API key (401): it was replaced by a new one, or its owner lost the permission."
            findings.problems.append(Problem(what=what, repair=self._store_key()))
        except AwsUnavailable as error:
            findings.problems.append(self._aws_problem(error))
        except WebAdmitError as error:
            findings.problems.append(_webadmit_problem(error))
        else:
            wanted = list(dict.fromkeys(export for one in schedules for export in one.exports))
            reach = self._lists(key, identities, wanted, findings, time_left)
            findings.lines += reach.lines(wanted)
            findings.pairs += reach.pairs()
            findings.problems += reach.problems(wanted, self.commands)

    def _lists(
        self,
        key: ApiKey,
        identities: Iterable[Identity],
        wanted: Iterable[Export],
        findings: Findings,
        time_left: Callable[[], float],
    ) -> Reach:
        """The exports of all identities, those that are scheduled and the newest cycles first."""
        scheduled = {export.user_identity_id for export in wanted}
        ordered = sorted(identities, key=lambda one: (one.id not in scheduled, -first_year(one.cycle), one.id))
        reach = Reach(identities={one.id: one for one in ordered})

        def ask(identity: Identity) -> tuple[Identity, list[ListedExport] | WebAdmitError | None]:
            if time_left() < _RESERVE_SECONDS:
                return identity, None
            try:
                return identity, self.webadmit.exports(key, identity.id)
            except WebAdmitError as error:
                return identity, error

        with ThreadPoolExecutor(max_workers=SIDE_BY_SIDE) as workers:
            for identity, answer in workers.map(ask, ordered):
                if isinstance(answer, list):
                    reach.exports[identity.id] = answer
                    continue
                reach.unlisted[identity.id] = str(answer) if answer else "there was no time left"
                if identity.id in scheduled:
                    findings.problems.append(_not_listed(identity, answer))
        return reach


def _schedule_line(schedule: Schedule) -> str:
    if not schedule.exports:
        return f"{schedule.name}: empty"
    count = "1 export" if len(schedule.exports) == 1 else f"{len(schedule.exports)} exports"
    state = "on" if schedule.is_on else "off (ScheduleState is DISABLED)"
    return f"{schedule.name}: {count}, {schedule.expression} {schedule.timezone}, {state}"


def _not_listed(identity: Identity, error: WebAdmitError | None) -> Problem:
    what = f"The exports of identity {identity.id}, some of which are scheduled, could not be listed"
    if isinstance(error, AccessRefused):
        repair = "have the owner of the API key granted the API Access permission for it in WebAdMIT"
        return Problem(what=f"{what}: {error}.", repair=repair)
    return Problem(what=f"{what}: {error or 'there was no time left'}.", repair="run this check again later")


def _webadmit_problem(error: WebAdmitError) -> Problem:
    return Problem(
        what=f"WebAdMIT could not be asked: {error}.",
        repair="run this check again later; exports that could not be started are tried again by themselves",
    )
