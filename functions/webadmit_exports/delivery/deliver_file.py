"""Brings an archived file into its folder on the SFTP server, a step at a time: DeliveryMachine waits in between.

A step may be repeated, because its process died or its answer was lost; then what it asked for is asked for twice. So
each sending has a name of its own on the server, and no two ever write the same file. What stands there under its final
name was renamed from a file whose sending had ended well.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from webadmit_exports.aws.connector import Connector
from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.aws.outgoing_bucket import Folder, NoLongerArchived, OutgoingBucket
from webadmit_exports.delivery.columns import HEAD_BYTES, in_json, parse_columns
from webadmit_exports.delivery.hold import HoldRules
from webadmit_exports.delivery.names import partial_name
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
_LISTED_WITHIN = timedelta(minutes=10)


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
            Phase.TO_RENAME: self._rename,
        }
        delivery = replace(delivery, folder=delivery.folder or self.folder)
        try:
            after = steps[delivery.phase](delivery)
        except Hitch as hitch:
            after = self.telling.hitch(hitch)
        logger.info(
            "a delivery went on", **after.receipt.ids, phase=after.phase, failures=after.failures, reason=after.reason
        )
        return after

    def _decide(self, delivery: Delivery) -> Delivery:
        receipt = delivery.receipt
        with _hitches(delivery, DeliveryProblem.NOT_SENT, Phase.TO_DECIDE):
            contents = self._contents(receipt)
        difference = self.rules.look_at(receipt, contents, self.deliveries.before(receipt.export, receipt.labels))
        if difference.reasons and not delivery.released:
            return self.telling.held(delivery, difference)
        return self._send(replace(delivery, columns_added=tuple(in_json(difference.columns.added))))

    def _send(self, delivery: Delivery) -> Delivery:
        sending = self.new_name()
        partial = partial_name(delivery.name, sending)
        key = f"outgoing/{sending}/{partial}"
        with _hitches(delivery, DeliveryProblem.NOT_SENT, Phase.TO_SEND):
            self.outgoing.copy(delivery.receipt.object, key)
            transfer_id = self.connector.send(self.outgoing.name, key, delivery.folder)
        return self._next(delivery, Phase.SENDING, partial=partial, transfer_id=transfer_id, was_seen=False, renames=0)

    def _watch(self, delivery: Delivery) -> Delivery:
        """Asks how a sending stands; hours are no failure."""
        with _hitches(delivery, DeliveryProblem.NOT_SENT, Phase.SENDING):
            sending = self.connector.sending(delivery.transfer_id)
        if sending.has_arrived:
            return self._ask_for_list(delivery)
        if sending.is_over:
            with suppress(AwsUnavailable):  # half a file may be there, under a name that nobody looks for
                self.connector.remove(delivery.partial_path)
            raise Hitch(delivery, DeliveryProblem.NOT_SENT, sending.words, Phase.TO_SEND)
        if self.now() - delivery.since > _LONGEST_SENDING:
            raise Hitch(delivery, DeliveryProblem.NOT_SENT, "it was on its way for a day", Phase.TO_SEND)
        return replace(delivery, wait_seconds=_SOON if self.now() - delivery.since < _SOON_ENDS else _LATER)

    def _ask_for_list(self, delivery: Delivery) -> Delivery:
        """No call tells how a rename has ended: the folder is looked at, before and after."""
        with _hitches(delivery, DeliveryProblem.NOT_SEEN, Phase.TO_RENAME if delivery.renames else Phase.ARRIVED):
            listing = self.connector.list_folder(delivery.folder, self.outgoing.name, "listings")
        return self._next(delivery, Phase.LOOKING, listing=listing)

    def _look(self, delivery: Delivery) -> Delivery:
        with _hitches(delivery, DeliveryProblem.NOT_SEEN, Phase.LOOKING):
            folder = self.outgoing.folder(delivery.listing)
        if folder is None:
            if self.now() - delivery.since > _LISTED_WITHIN:
                raise Hitch(delivery, DeliveryProblem.NOT_SEEN, "the folder was not listed", Phase.ARRIVED)
            return replace(delivery, wait_seconds=_SOON)
        return self._after_look(delivery, folder)

    def _after_look(self, delivery: Delivery, folder: Folder) -> Delivery:
        files, name, partial = folder.files, delivery.name, delivery.partial
        if name in files and (partial not in files or files[name] == files[partial]):
            if partial in files:  # the same file was there already
                with suppress(AwsUnavailable):
                    self.connector.remove(delivery.partial_path)
            return self._tell(delivery)
        if partial in files:
            delivery = replace(delivery, was_seen=True, replaces=name in files)
            if delivery.renames:
                raise Hitch(delivery, DeliveryProblem.NOT_RENAMED, "", Phase.TO_RENAME)
            return self._rename(delivery)
        if delivery.renames and delivery.was_seen:  # what reads the folder has taken it by now
            return self._tell(delivery)
        if not folder.is_cut_off:
            raise Hitch(delivery, DeliveryProblem.NOT_THERE, "", Phase.TO_SEND)
        if delivery.renames:
            raise Hitch(delivery, DeliveryProblem.NOT_SEEN, "there are more files than AWS lists", Phase.TO_RENAME)
        return self._rename(delivery)

    def _rename(self, delivery: Delivery) -> Delivery:
        """Not all servers rename onto a file that is there."""
        with _hitches(delivery, DeliveryProblem.NOT_RENAMED, Phase.TO_RENAME):
            if delivery.replaces:
                self.connector.remove(delivery.path)
            self.connector.rename(delivery.partial_path, delivery.path)
        return self._ask_for_list(replace(delivery, renames=delivery.renames + 1))

    def _tell(self, delivery: Delivery) -> Delivery:
        receipt = delivery.receipt
        try:
            contents = self._contents(receipt)
        except NoLongerArchived:
            contents = Contents(columns=None, rows=receipt.rows)
        return self.telling.delivered(delivery, contents)

    def _next(self, delivery: Delivery, phase: Phase, **changes: Any) -> Delivery:
        return replace(delivery, phase=phase, since=self.now(), wait_seconds=_SOON, **changes)

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
