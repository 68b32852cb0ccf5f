"""How much lies in the queues of the starts."""

from typing import TYPE_CHECKING

from .aws import asking

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def waiting_in(client: "SQSClient", url: str) -> int:
    """How many messages a queue holds, about; raises AwsUnavailable if SQS does not do as asked."""
    with asking("SQS"):
        counts = client.get_queue_attributes(
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesDelayed",
                "ApproximateNumberOfMessagesNotVisible",
            ],
        )["Attributes"]
    return sum(int(number) for number in counts.values())
