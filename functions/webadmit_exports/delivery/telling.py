"""Says what came of a delivery, to people and to programs, and notes it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.aws.topics import Topics
from webadmit_exports.delivery.columns import Columns
from webadmit_exports.delivery.hold import Difference
from webadmit_exports.delivery.messages import DeliveryMessages
from webadmit_exports.delivery.progress import PATIENCE, Delivery, Phase
from webadmit_exports.domain.delivered import Contents, Outcome
from webadmit_exports.messages.delivery_problems import DeliveryProblem


class Hitch(Exception):
    """The step did not do what it should; the delivery goes on in the phase `then`."""

    def __init__(self, delivery: Delivery, problem: DeliveryProblem, detail: str, then: Phase) -> None:
        super().__init__(problem.headline)
        self.delivery, self.problem, self.detail, self.then = delivery, problem, detail, then


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Publishes, then notes: a death in between repeats a message, under the same event id."""

    deliveries: DeliveriesTable
    topics: Topics
    messages: DeliveryMessages
    now: Callable[[], datetime]

    def held(self, delivery: Delivery, difference: Difference) -> Delivery:
        """The file is held back."""
        self.topics.publish(self.messages.held(delivery.receipt, difference))
        return self._ended(delivery, Phase.HELD, " ".join(reason.what for reason in difference.reasons))

    def is_delivered(self, delivery: Delivery) -> bool:
        """Whether another delivery has brought the same file, which is enough unless a person has asked for it."""
        if delivery.released:
            return False
        outcome = self.deliveries.outcome(*delivery.receipt.run)
        return outcome is not None and outcome.what == Phase.DELIVERED

    def stood_down(self, delivery: Delivery) -> Delivery:
        """There is nothing left to do, because another delivery has done and told it."""
        return replace(delivery, phase=Phase.DELIVERED, reason="", wait_seconds=0)

    def delivered(self, delivery: Delivery, contents: Contents, columns_added: Columns) -> Delivery:
        """The file is there, which is told unless it was; later files are compared with it."""
        receipt = delivery.receipt
        outcome = self.deliveries.outcome(*receipt.run)
        was_told = outcome is not None and outcome.what == Phase.DELIVERED
        is_wanted_again = delivery.released and outcome is not None and outcome.by != delivery.execution
        if not was_told or is_wanted_again:
            self.topics.publish(self.messages.delivered(delivery, columns_added, repeated=was_told))
        self.deliveries.remember(receipt.export, receipt.labels, receipt.finished_at, contents)
        self.deliveries.note_arrival(self.now())
        return self._ended(delivery, Phase.DELIVERED, "")

    def hitch(self, hitch: Hitch) -> Delivery:
        """A step did not do what it should: from the second time on people are told of each cause, and of the end.

        What AWS is sending is not given up: only how it stands is not known.
        """
        delivery, now = hitch.delivery, self.now()
        if self.is_delivered(delivery):
            return self.stood_down(delivery)
        is_late = now - delivery.began_at >= PATIENCE and hitch.then is not Phase.SENDING
        is_last = hitch.problem.is_final or is_late
        delivery = replace(delivery, failures=delivery.failures + 1)
        if is_last or delivery.failures > 1:
            delivery = self._tell_failure(delivery, hitch, is_last=is_last)
        reason = hitch.problem.reason(hitch.detail)
        if is_last:
            return self._ended(delivery, Phase.GIVEN_UP, reason)
        since = delivery.since if hitch.then is delivery.phase else now
        return replace(delivery, phase=hitch.then, reason=reason, since=since, wait_seconds=delivery.pause())

    def _tell_failure(self, delivery: Delivery, hitch: Hitch, *, is_last: bool) -> Delivery:
        cause = f"{hitch.problem.name} {'never' if is_last else 'later'}"
        if cause in delivery.told or not self.deliveries.may_tell(cause, delivery.execution, self.now()):
            return delivery
        until = None if is_last else delivery.began_at + PATIENCE
        self.topics.publish(self.messages.failed(delivery, hitch.problem, hitch.detail, until))
        return replace(delivery, told=(*delivery.told, cause))

    def _ended(self, delivery: Delivery, phase: Phase, reason: str) -> Delivery:
        outcome = Outcome(what=phase, at=self.now(), by=delivery.execution)
        self.deliveries.note_outcome(*delivery.receipt.run, outcome)
        return replace(delivery, phase=phase, reason=reason, wait_seconds=0)
