"""Makes boto3's clients, and turns what botocore raises into AwsUnavailable."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from webadmit_exports.errors import AwsUnavailable

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_stepfunctions import SFNClient
    from mypy_boto3_transfer import TransferClient

# A call that hangs is given up soon enough that its function can still say so, and repeated.
_CONFIG = Config(
    connect_timeout=2,
    read_timeout=4,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=16,  # as many starts as run side by side
    user_agent_extra="webadmit-exports",  # so that CloudTrail shows who called
)
_TWO_ATTEMPTS = Config(retries={"mode": "standard", "total_max_attempts": 2})
_FOR_S3 = Config(connect_timeout=5, read_timeout=120)


def dynamodb() -> "DynamoDBClient":
    return boto3.client("dynamodb", config=_CONFIG)


def scheduler() -> "EventBridgeSchedulerClient":
    return boto3.client("scheduler", config=_CONFIG)


def sqs() -> "SQSClient":
    return boto3.client("sqs", config=_CONFIG)


def secrets_manager() -> "SecretsManagerClient":
    """Called while a process starts, for which Lambda allows ten seconds."""
    return boto3.client("secretsmanager", config=_CONFIG.merge(_TWO_ATTEMPTS).merge(Config(read_timeout=2)))


def sns() -> "SNSClient":
    """Waits longer before it repeats: repeating a publish that was only slow would announce twice."""
    return boto3.client("sns", config=_CONFIG.merge(_TWO_ATTEMPTS).merge(Config(read_timeout=10)))


def cloudwatch() -> "CloudWatchClient":
    return boto3.client("cloudwatch", config=_CONFIG)


def cloudformation() -> "CloudFormationClient":
    return boto3.client("cloudformation", config=_CONFIG)


def step_functions() -> "SFNClient":
    return boto3.client("stepfunctions", config=_CONFIG)


def transfer() -> "TransferClient":
    return boto3.client("transfer", config=_CONFIG.merge(Config(read_timeout=10)))


def transfer_once() -> "TransferClient":
    """Asks once, because asking twice sends twice; and waits as long as an SFTP server may take to answer."""
    return boto3.client(
        "transfer", config=_CONFIG.merge(Config(read_timeout=30, retries={"mode": "standard", "total_max_attempts": 1}))
    )


def s3() -> "S3Client":
    """S3 may take minutes to put the parts of a large object together."""
    return boto3.client("s3", config=_CONFIG.merge(_FOR_S3))


def s3_twice() -> "S3Client":
    """For a step of a delivery: two attempts end within its five minutes."""
    return boto3.client("s3", config=_CONFIG.merge(_FOR_S3).merge(_TWO_ATTEMPTS))


def error_code(error: ClientError) -> str:
    """AWS's own name for what is wrong, such as ThrottlingException."""
    return str(error.response.get("Error", {}).get("Code", "an unknown error"))


@contextmanager
def aws_errors(service: str) -> Iterator[None]:
    """Within it, every error of a call to AWS is raised as AwsUnavailable, naming the service."""
    try:
        yield
    except ClientError as error:
        raise AwsUnavailable(f"{service} answered {error_code(error)}") from error
    except BotoCoreError as error:
        raise AwsUnavailable(f"{service} gave no answer ({type(error).__name__})") from error


def query_pages(client: "DynamoDBClient", **query: Any) -> Iterator[list[dict[str, Any]]]:
    """The items of a query of DynamoDB, page by page, read as far as the caller goes on; raises AwsUnavailable."""
    pages = iter(client.get_paginator("query").paginate(**query))
    while True:
        with aws_errors("DynamoDB"):
            page = next(pages, None)
        if page is None:
            return
        yield page["Items"]
