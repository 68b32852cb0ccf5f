"""Says what came of a delivery, to people and to programs, and notes it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from webadmit_exports.aws.deliveries import DeliveriesTable
from webadmit_exports.aws.topics import Topics
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
        return self._ended(delivery, Phase.HELD, " ".join(difference.reasons))

    def delivered(self, delivery: Delivery, contents: Contents) -> Delivery:
        """The file is there, which is told unless it was; later files are compared with it."""
        receipt = delivery.receipt
        outcome = self.deliveries.outcome(*receipt.run)
        self.deliveries.remember(receipt.export, receipt.labels, receipt.finished_at, contents)
        self.deliveries.note_arrival(self.now())
        was_told = outcome is not None and outcome.what == Phase.DELIVERED
        is_wanted_again = delivery.released and outcome is not None and outcome.by != delivery.execution
        if not was_told or is_wanted_again:
            self.topics.publish(self.messages.delivered(delivery, repeated=was_told))
        return self._ended(delivery, Phase.DELIVERED, "")

    def hitch(self, hitch: Hitch) -> Delivery:
        """A step did not do what it should: people are told of the second time, and of the last."""
        delivery, problem, now = hitch.delivery, hitch.problem, self.now()
        outcome = self.deliveries.outcome(*delivery.receipt.run)
        if outcome and outcome.what == Phase.DELIVERED and not delivery.released:
            return replace(delivery, phase=Phase.DELIVERED)  # by another delivery of the same file
        failures, reason = delivery.failures + 1, problem.reason(hitch.detail)
        is_last = problem.is_final or now - delivery.began_at >= PATIENCE
        if is_last or failures == 2:
            cause = f"{problem.name} {'never' if is_last else 'later'}"
            if self.deliveries.may_tell(cause, delivery.execution, now):
                until = None if is_last else delivery.began_at + PATIENCE
                self.topics.publish(self.messages.failed(delivery, problem, hitch.detail, until))
        delivery = replace(delivery, failures=failures)
        if is_last:
            return self._ended(delivery, Phase.GIVEN_UP, reason)
        return replace(delivery, phase=hitch.then, reason=reason, since=now, wait_seconds=delivery.pause())

    def _ended(self, delivery: Delivery, phase: Phase, reason: str) -> Delivery:
        outcome = Outcome(what=phase, at=self.now(), by=delivery.execution)
        self.deliveries.note_outcome(*delivery.receipt.run, outcome)
        return replace(delivery, phase=phase, reason=reason, wait_seconds=0)
