"""How much waits in the queues of the stack."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from webadmit_exports.aws.clients import aws_errors

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLengths:
    """How many messages wait: `retries` are tried again without anyone, `given_up` wait for a person.

    `not_archived`, `archive_given_up`: the same of files that are to be archived; 0 where no files are.
    """

    retries: int
    given_up: int
    not_archived: int = 0
    archive_given_up: int = 0


class WatchedQueues:
    """The queues by their URLs; those of the archive are empty where no files are archived."""

    def __init__(
        self, client: "SQSClient", *, retries: str, given_up: str, not_archived: str, archive_given_up: str
    ) -> None:
        self._client = client
        self._urls = {
            "retries": retries,
            "given_up": given_up,
            "not_archived": not_archived,
            "archive_given_up": archive_given_up,
        }

    def count(self) -> QueueLengths:
        """Asks about each queue; raises AwsUnavailable if SQS does not do as asked."""
        return QueueLengths(**{name: self._waiting_in(url) if url else 0 for name, url in self._urls.items()})

    def _waiting_in(self, url: str) -> int:
        with aws_errors("SQS"):
            counts = self._client.get_queue_attributes(
                QueueUrl=url,
                AttributeNames=[
                    "ApproximateNumberOfMessages",
                    "ApproximateNumberOfMessagesDelayed",
                    "ApproximateNumberOfMessagesNotVisible",
                ],
            )["Attributes"]
        return sum(int(number) for number in counts.values())
