"""Turns what botocore raises into AwsUnavailable, in one place."""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from .errors import AwsUnavailable


def error_code(error: ClientError) -> str:
    """AWS's own name for what is wrong, such as ThrottlingException."""
    return str(error.response.get("Error", {}).get("Code", "an unknown error"))


@contextmanager
def asking(service: str) -> Iterator[None]:
    """Within it, whatever goes wrong with a call to AWS is raised as AwsUnavailable, naming the service."""
    try:
        yield
    except ClientError as error:
        raise AwsUnavailable(f"{service} answered {error_code(error)}") from error
    except BotoCoreError as error:
        raise AwsUnavailable(f"{service} gave no answer ({type(error).__name__})") from error
