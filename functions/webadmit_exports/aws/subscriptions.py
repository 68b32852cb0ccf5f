"""Who is subscribed to the topics."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from webadmit_exports.aws.clients import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


_PENDING = "PendingConfirmation"  # in the place of an ARN
_DELETED = "Deleted"  # for a while after somebody has unsubscribed


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribers:
    """Of one topic: mail addresses in lower case, ARNs of queues, and whether anything at all is confirmed."""

    confirmed_mails: frozenset[str]
    pending_mails: frozenset[str]
    has_any: bool
    queues: frozenset[str] = frozenset()


class Subscriptions:
    """Reads them; raises AwsUnavailable if SNS does not do as asked."""

    def __init__(self, client: "SNSClient") -> None:
        self._client = client

    def of(self, topic_arn: str) -> Subscribers:
        """The subscribers of a topic."""
        confirmed: set[str] = set()
        pending: set[str] = set()
        queues: set[str] = set()
        has_any = False
        pages = self._client.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
        with aws_errors("SNS"):
            for subscription in (subscription for page in pages for subscription in page["Subscriptions"]):
                if subscription["SubscriptionArn"] == _DELETED:
                    continue
                is_pending = subscription["SubscriptionArn"] == _PENDING
                has_any = has_any or not is_pending
                if subscription["Protocol"] in ("email", "email-json"):
                    (pending if is_pending else confirmed).add(subscription["Endpoint"].casefold())
                elif subscription["Protocol"] == "sqs":
                    queues.add(subscription["Endpoint"])
        return Subscribers(
            confirmed_mails=frozenset(confirmed),
            pending_mails=frozenset(pending),
            has_any=has_any,
            queues=frozenset(queues),
        )
