"""The SFTP connector of AWS Transfer Family (user guide, "AWS Transfer Family SFTP connectors").

What it is asked for it does later; no page of AWS promises an order. Of a file that is sent it tells how that went. Of
a rename or a removal it does not, and of a list of a folder it writes a file where there is one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, ReadTimeoutError

from webadmit_exports.aws.clients import aws_errors, error_code
from webadmit_exports.domain.foreign_text import quoted

if TYPE_CHECKING:
    from mypy_boto3_transfer import TransferClient

MOST_LISTED = 10_000  # entries of a folder, of which AWS tells at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """How a file that is sent stands. `words`: what AWS says of a failure, quoted; its codes mean nothing here."""

    is_over: bool
    words: str = ""
    has_arrived: bool = False


class Connector:
    """Every method raises AwsUnavailable if Transfer Family does not do as asked.

    `once`: a client that repeats no call, for what must not be asked for twice.
    """

    def __init__(self, client: "TransferClient", once: "TransferClient", connector_id: str) -> None:
        self._client = client
        self._once = once
        self._id = connector_id

    def send(self, bucket: str, key: str, folder: str) -> str:
        """Asks for an object to be sent, under the last part of its key; returns the id of the transfer."""
        with aws_errors("AWS Transfer Family"):
            answer = self._once.start_file_transfer(
                ConnectorId=self._id, SendFilePaths=[f"/{bucket}/{key}"], RemoteDirectoryPath=folder
            )
        return answer["TransferId"]

    def sending(self, transfer_id: str) -> Sending:
        """How a transfer stands; one that AWS does not know is over, and has failed."""
        with aws_errors("AWS Transfer Family"):
            try:
                answer = self._client.list_file_transfer_results(ConnectorId=self._id, TransferId=transfer_id)
            except ClientError as error:
                if error_code(error) != "ResourceNotFoundException":
                    raise
                return Sending(is_over=True, words="AWS does not know the transfer any more")
        results = answer["FileTransferResults"]
        status = results[0]["StatusCode"] if results else "QUEUED"
        if status == "FAILED":
            said = " ".join(filter(None, (results[0].get("FailureCode"), results[0].get("FailureMessage"))))
            return Sending(is_over=True, words=quoted(said))
        return Sending(is_over=status == "COMPLETED", has_arrived=status == "COMPLETED")

    def rename(self, path: str, new_path: str) -> None:
        """Asks for a file to be renamed."""
        with aws_errors("AWS Transfer Family"):
            self._client.start_remote_move(ConnectorId=self._id, SourcePath=path, TargetPath=new_path)

    def remove(self, path: str) -> None:
        """Asks for a file to be removed."""
        with aws_errors("AWS Transfer Family"):
            self._client.start_remote_delete(ConnectorId=self._id, DeletePath=path)

    def list_folder(self, folder: str, bucket: str, prefix: str) -> str:
        """Asks for a list of a folder; returns the key of the object that it will be in, below the prefix."""
        with aws_errors("AWS Transfer Family"):
            answer = self._client.start_directory_listing(
                ConnectorId=self._id,
                RemoteDirectoryPath=folder,
                MaxItems=MOST_LISTED,
                OutputDirectoryPath=f"/{bucket}/{prefix}",
            )
        return f"{prefix}/{answer['OutputFileName']}"

    def test(self) -> str:
        """Tries to log in; returns what is wrong, of AWS's words as a quotation, empty where it works."""
        with aws_errors("AWS Transfer Family"):
            try:
                answer = self._once.test_connection(ConnectorId=self._id)
            except ReadTimeoutError:
                return "it did not answer within half a minute"
        return "" if answer.get("Status") == "OK" else quoted(answer.get("StatusMessage", "")) or "no reason is given"

    def addresses(self) -> list[str]:
        """The IP addresses that it connects from, which a firewall has to let through."""
        with aws_errors("AWS Transfer Family"):
            connector = self._client.describe_connector(ConnectorId=self._id)["Connector"]
        return connector.get("ServiceManagedEgressIpAddresses", [])
