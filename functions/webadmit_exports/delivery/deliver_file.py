"""Brings an archived file into its folder on the SFTP server, a step at a time: DeliveryMachine waits in between.

A step may be repeated, because its process died or its answer was lost; then what it asked for is asked for twice. So
each sending has a name of its own on the server, and no two ever write the same file. What stands there under its final
name was renamed from a file whose sending had ended well.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from webadmit_exports.aws.connector import Connector
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.aws.outgoing_bucket import Folder, NoLongerArchived, OutgoingBucket
from webadmit_exports.delivery.columns import HEAD_BYTES, parse_columns
from webadmit_exports.delivery.hold import Difference, HoldRules
from webadmit_exports.delivery.names import is_partial_of, partial_name, remote_path
from webadmit_exports.delivery.progress import Delivery, Phase
from webadmit_exports.delivery.receipt import Receipt
from webadmit_exports.delivery.telling import Hitch, Telling
from webadmit_exports.domain.delivered import Contents
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.messages.delivery_problems import DeliveryProblem
from webadmit_exports.telemetry import logger

_SOON, _LATER = 30, 300  # seconds until the next look
_SOON_ENDS = timedelta(minutes=5)
_LONGEST_SENDING = timedelta(hours=24)  # AWS lets a transfer wait for six hours, and take twelve
_LISTED_WITHIN = timedelta(minutes=30)
_RENAMED_WITHIN = timedelta(minutes=5)
_BEFORE_SENDING = (Phase.TO_DECIDE, Phase.TO_SEND)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverFile:
    """The use case. `folder`: the absolute path that files go to; `new_name`: makes a text that is never the same."""

    connector: Connector
    outgoing: OutgoingBucket
    deliveries: DeliveriesTable
    telling: Telling
    rules: HoldRules
    folder: str
    now: Callable[[], datetime]
    new_name: Callable[[], str]

    def step(self, delivery: Delivery) -> Delivery:
        """Does what is next; raises AwsUnavailable where it cannot be recorded or told, then it is to be repeated."""
        steps = {
            Phase.TO_DECIDE: self._decide,
            Phase.TO_SEND: self._send,
            Phase.SENDING: self._watch,
            Phase.ARRIVED: self._ask_for_list,
            Phase.LOOKING: self._look,
        }
        if delivery.phase in _BEFORE_SENDING:  # the folder may have been corrected
            delivery = replace(delivery, folder=self.folder)
        try:
            after = steps[delivery.phase](delivery)
        except Hitch as hitch:
            after = self.telling.hitch(hitch)
        logger.info(
            "a delivery went on", **after.receipt.ids, phase=after.phase, failures=after.failures, reason=after.reason
        )
        return after

    def _decide(self, delivery: Delivery) -> Delivery:
        with _hitches(delivery, DeliveryProblem.NOT_SENT, Phase.TO_DECIDE):
            difference = self._difference(delivery.receipt, self._contents(delivery.receipt))
        if difference.reasons and not delivery.released:
            return self.telling.held(delivery, difference)
        return self._send(delivery)

    def _send(self, delivery: Delivery) -> Delivery:
        if self.telling.is_delivered(delivery):
            return self.telling.stood_down(delivery)
        sending = self.new_name()
        partial = partial_name(delivery.name, sending)
        key = f"outgoing/{sending}/{partial}"
        with _hitches(delivery, DeliveryProblem.NOT_SENT, Phase.TO_SEND):
            self.outgoing.copy(delivery.receipt.object, key)
            transfer_id = self.connector.send(self.outgoing.name, key, delivery.folder)
        sent = replace(delivery, partial=partial, transfer_id=transfer_id, rename_at=None, must_be_seen=False)
        return self._next(sent, Phase.SENDING)

    def _watch(self, delivery: Delivery) -> Delivery:
        """Asks how a sending stands; hours are no failure."""
        if self.now() - delivery.since > _LONGEST_SENDING:
            raise Hitch(delivery, DeliveryProblem.NOT_SENT, "it was on its way for a day", Phase.TO_SEND)
        with _hitches(delivery, DeliveryProblem.NOT_SENT, Phase.SENDING):
            sending = self.connector.sending(delivery.transfer_id)
        if sending.has_arrived:
            return self._ask_for_list(delivery)
        if sending.is_over:
            self._remove(delivery, delivery.partial)  # half a file may be there, under a name that nobody looks for
            raise Hitch(delivery, DeliveryProblem.NOT_SENT, sending.words, Phase.TO_SEND)
        return replace(delivery, wait_seconds=_SOON if self.now() - delivery.since < _SOON_ENDS else _LATER)

    def _ask_for_list(self, delivery: Delivery) -> Delivery:
        """No call tells how a rename has ended: the folder is looked at, before and after."""
        with _hitches(delivery, DeliveryProblem.NOT_SEEN, Phase.ARRIVED):
            listing = self.connector.list_folder(delivery.folder, self.outgoing.name, "listings")
        return self._next(replace(delivery, listing=listing), Phase.LOOKING)

    def _look(self, delivery: Delivery) -> Delivery:
        with _hitches(delivery, DeliveryProblem.NOT_SEEN, Phase.LOOKING):
            folder = self.outgoing.folder(delivery.listing)
        if folder is not None:
            return self._after_look(delivery, folder)
        if self.now() - delivery.since > _LISTED_WITHIN:
            raise Hitch(delivery, DeliveryProblem.NOT_SEEN, "the folder was not listed", Phase.ARRIVED)
        return replace(delivery, wait_seconds=_SOON)

    def _after_look(self, delivery: Delivery, folder: Folder) -> Delivery:
        files, name, partial = folder.files, delivery.name, delivery.partial
        if name in files and (partial not in files or (files[name] == files[partial] is not None)):
            return self._tell(delivery, folder)
        if name in files:
            return self._clear(delivery)
        if partial in files:
            return self._rename(delivery)
        if not folder.is_cut_off:
            if delivery.rename_at and not delivery.must_be_seen:  # what reads the folder has taken it by now
                return self._tell(delivery, folder)
            raise Hitch(delivery, DeliveryProblem.NOT_THERE, "", Phase.TO_SEND)
        if delivery.rename_at:
            unseen = replace(delivery, rename_at=None)
            raise Hitch(unseen, DeliveryProblem.NOT_SEEN, "there are more files than AWS lists", Phase.ARRIVED)
        return self._rename(delivery)

    def _clear(self, delivery: Delivery) -> Delivery:
        """Has another file under its final name removed: not all servers rename onto a file that is there.

        The rename waits for a look that no longer shows it: what was renamed would be removed.
        """
        cleared = replace(delivery, must_be_seen=True)
        with _hitches(cleared, DeliveryProblem.NOT_RENAMED, Phase.ARRIVED):
            self.connector.remove(delivery.path)
        raise Hitch(cleared, DeliveryProblem.NOT_RENAMED, "another file has that name", Phase.ARRIVED)

    def _rename(self, delivery: Delivery) -> Delivery:
        """Only ever after a look, and for some minutes after each: AWS may not have come to it yet."""
        if self.telling.is_delivered(delivery):
            self._remove(delivery, delivery.partial)
            return self.telling.stood_down(delivery)
        asked_at = delivery.rename_at or self.now()
        if delivery.since - asked_at >= _RENAMED_WITHIN:  # the list was asked for so much later
            then = Phase.ARRIVED if delivery.folder == self.folder else Phase.TO_SEND
            refused = replace(delivery, rename_at=None, must_be_seen=True)
            raise Hitch(refused, DeliveryProblem.NOT_RENAMED, "", then)
        asked = replace(delivery, rename_at=asked_at)
        with _hitches(asked, DeliveryProblem.NOT_RENAMED, Phase.ARRIVED):
            self.connector.rename(delivery.partial_path, delivery.path)
        return self._ask_for_list(asked)

    def _tell(self, delivery: Delivery, folder: Folder) -> Delivery:
        for left in folder.files:
            if is_partial_of(delivery.name, left):  # also of a sending whose answer was lost
                self._remove(delivery, left)
        receipt = delivery.receipt
        try:
            contents = self._contents(receipt)
        except NoLongerArchived:
            contents = Contents(columns=None, rows=receipt.rows)
        return self.telling.delivered(delivery, contents, self._difference(receipt, contents).columns.added)

    def _next(self, delivery: Delivery, phase: Phase) -> Delivery:
        return replace(delivery, phase=phase, since=self.now(), wait_seconds=_SOON)

    def _remove(self, delivery: Delivery, name: str) -> None:
        """Asks for it; what stays then has a name that nobody looks for."""
        with suppress(AwsUnavailable):
            self.connector.remove(remote_path(delivery.folder, name))

    def _difference(self, receipt: Receipt, contents: Contents) -> Difference:
        return self.rules.look_at(receipt, contents, self.deliveries.before(receipt.export, receipt.labels))

    def _contents(self, receipt: Receipt) -> Contents:
        columns = None
        if receipt.has_header:
            columns = parse_columns(self.outgoing.head(receipt.object, HEAD_BYTES), receipt.body["charset"])
        return Contents(columns=columns, rows=receipt.rows)


@contextmanager
def _hitches(delivery: Delivery, problem: DeliveryProblem, then: Phase) -> Iterator[None]:
    """Within it, what AWS does not do is a hitch."""
    try:
        yield
    except NoLongerArchived:
        raise Hitch(delivery, DeliveryProblem.NO_LONGER_ARCHIVED, "", then) from None
    except AwsUnavailable as error:
        raise Hitch(delivery, problem, str(error), then) from None
