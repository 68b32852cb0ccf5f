"""AWS Transfer Family's SFTP connectors, which moto lacks: added to its `transfer`, with real connections over SFTP.

As in the user guide, "AWS Transfer Family SFTP connectors", and in the API reference: what a connector is asked for it
does later, one after the other, with the rights of its own role. Only the result of a file transfer can be asked for.
"""

import asyncio
import functools
import json
import queue
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import asyncssh
import boto3
from botocore.exceptions import ClientError
from moto.core.exceptions import JsonRESTError
from moto.transfer.responses import TransferResponse

MOST_LISTED = 10_000
_NO_CODE = "FAILED"  # AWS does not document its codes


class _NotFound(JsonRESTError):
    code = 404

    def __init__(self, message: str) -> None:
        super().__init__("ResourceNotFoundException", message)


class _Refused(Exception):
    """What the connector says it could not do."""


@dataclass
class Connector:
    """A connector, and what it has been asked for."""

    properties: dict[str, Any]
    endpoint: Callable[[], str]
    id: str = field(default_factory=lambda: f"c-{secrets.token_hex(9)[:17]}")
    results: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    may_work: threading.Event = field(default_factory=threading.Event)
    _clients: dict[str, Any] = field(default_factory=dict)
    _asked: "queue.Queue[Callable[[], None]]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        self.may_work.set()
        threading.Thread(target=self._work, daemon=True).start()

    def ask(self, what: Callable[[], None]) -> None:
        self._asked.put(what)

    def wait_until_idle(self, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while self._asked.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.005)

    def _work(self) -> None:
        while True:
            what = self._asked.get()
            self.may_work.wait()
            what()
            self._asked.task_done()

    # ── What it does ────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, transfer_id: str, paths: list[str], folder: str) -> None:
        for number, path in enumerate(paths):
            result = self.results[transfer_id][number]
            result["StatusCode"] = "IN_PROGRESS"
            try:
                bucket, _, key = path.removeprefix("/").partition("/")
                self._look_at(bucket)
                content = self._client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
                name = key.rpartition("/")[2]
                self._over_sftp(functools.partial(_put, f"{folder}/{name}", content))
                result["StatusCode"] = "COMPLETED"
            except (_Refused, ClientError) as error:
                result |= {"StatusCode": "FAILED", "FailureCode": _NO_CODE, "FailureMessage": str(error)}

    def rename(self, path: str, new_path: str) -> None:
        self._quietly(lambda sftp: sftp.rename(path, new_path))

    def remove(self, path: str) -> None:
        self._quietly(lambda sftp: sftp.remove(path))

    def list_folder(self, folder: str, most: int, output: str, name: str) -> None:
        listed: list[Any] = []

        async def read(sftp: Any) -> None:
            listed.extend([one async for one in sftp.scandir(folder)])

        try:
            self._over_sftp(read)
        except _Refused:
            return
        found = [one for one in listed if one.filename not in (".", "..")]
        files = [
            {
                "filePath": f"{folder.rstrip('/')}/{one.filename}",
                "modifiedTimestamp": datetime.fromtimestamp(one.attrs.mtime, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "size": one.attrs.size,
            }
            for one in found[:most]
            if one.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR
        ]
        document = {"files": files, "paths": [], "truncated": len(found) > most}
        bucket, _, prefix = output.removeprefix("/").partition("/")
        try:
            self._look_at(bucket)
            self._client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=json.dumps(document).encode())
        except ClientError:
            return

    def test(self) -> str:
        """What is wrong; empty where it can log in."""

        async def nothing(sftp: Any) -> None:
            pass

        try:
            self._over_sftp(nothing)
        except _Refused as why:
            return str(why)
        return ""

    def _quietly(self, what: Callable[[Any], Any]) -> None:
        """No call tells how it went."""
        try:
            self._over_sftp(what)
        except _Refused:
            return

    def _over_sftp(self, what: Callable[[Any], Any]) -> None:
        user = self._user()
        try:
            asyncio.run(self._connected(user, what))
        except (OSError, asyncssh.Error) as error:
            raise _Refused(f"{type(error).__name__}: {error}") from None

    async def _connected(self, user: dict[str, str], what: Callable[[Any], Any]) -> None:
        host, _, port = self.properties["Url"].removeprefix("sftp://").partition(":")
        known = "\n".join(f"[{host}]:{port} {key}" for key in self.properties["SftpConfig"]["TrustedHostKeys"])
        async with (
            asyncssh.connect(
                host,
                int(port or 22),
                username=user["Username"],
                password=user["Password"],
                known_hosts=asyncssh.import_known_hosts(known),
                client_keys=None,
                agent_path=None,
                config=None,
                connect_timeout=5,
                server_host_key_algs=["ecdsa-sha2-nistp256", "rsa-sha2-512"],
            ) as connection,
            connection.start_sftp_client() as sftp,
        ):
            await what(sftp)

    def _user(self) -> dict[str, str]:
        """The user in the secret (user guide, "Store authentication credentials for SFTP connectors")."""
        try:
            text = self._client("secretsmanager").get_secret_value(
                SecretId=self.properties["SftpConfig"]["UserSecretId"]
            )["SecretString"]
        except ClientError as error:
            raise _Refused(f"Cannot read the secret: {error}") from None
        try:
            user = json.loads(text)
            return {"Username": user["Username"], "Password": user["Password"]}
        except (ValueError, KeyError, TypeError):
            raise _Refused("The secret has to be JSON with Username, and Password or PrivateKey") from None

    def _look_at(self, bucket: str) -> None:
        """AWS asks for these rights too (user guide, "Create an IAM role and policy")."""
        self._client("s3").get_bucket_location(Bucket=bucket)
        self._client("s3").list_objects_v2(Bucket=bucket, MaxKeys=1)

    def _client(self, service: Any) -> Any:
        """With the rights of its role."""
        if service not in self._clients:
            sts = boto3.client("sts", endpoint_url=self.endpoint(), **_as("administrator", "of-the-sandbox"))
            given = sts.assume_role(RoleArn=self.properties["AccessRole"], RoleSessionName="connector")["Credentials"]
            keys = given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]
            self._clients[service] = boto3.client(service, endpoint_url=self.endpoint(), **_as(*keys))
        return self._clients[service]


def _as(key: str, secret: str, token: str | None = None) -> dict[str, Any]:
    return {
        "region_name": "us-east-1",
        "aws_access_key_id": key,
        "aws_secret_access_key": secret,
        "aws_session_token": token,
    }


connectors: dict[str, Connector] = {}


async def _put(path: str, content: bytes, sftp: Any) -> None:
    async with sftp.open(path, "wb") as file:
        await file.write(content)


# ── The API ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _asked(response: Any) -> tuple[Connector, dict[str, Any]]:
    request = json.loads(response.body)
    connector = connectors.get(request["ConnectorId"])
    if connector is None:
        raise _NotFound("Unknown connector")
    return connector, request


def start_file_transfer(self: Any) -> str:
    connector, request = _asked(self)
    transfer_id = secrets.token_hex(16)
    paths = request["SendFilePaths"]
    connector.results[transfer_id] = [{"FilePath": path, "StatusCode": "QUEUED"} for path in paths]
    connector.ask(lambda: connector.send(transfer_id, paths, request["RemoteDirectoryPath"]))
    return json.dumps({"TransferId": transfer_id})


def list_file_transfer_results(self: Any) -> str:
    connector, request = _asked(self)
    if request["TransferId"] not in connector.results:
        raise _NotFound("Unknown transfer")
    return json.dumps({"FileTransferResults": connector.results[request["TransferId"]]})


def start_remote_move(self: Any) -> str:
    connector, request = _asked(self)
    connector.ask(lambda: connector.rename(request["SourcePath"], request["TargetPath"]))
    return json.dumps({"MoveId": secrets.token_hex(16)})


def start_remote_delete(self: Any) -> str:
    connector, request = _asked(self)
    connector.ask(lambda: connector.remove(request["DeletePath"]))
    return json.dumps({"DeleteId": secrets.token_hex(16)})


def start_directory_listing(self: Any) -> str:
    connector, request = _asked(self)
    listing_id = secrets.token_hex(16)
    name = f"{connector.id}-{listing_id}.json"
    most = min(int(request.get("MaxItems", 1000)), MOST_LISTED)
    folder, output = request["RemoteDirectoryPath"], request["OutputDirectoryPath"]
    connector.ask(lambda: connector.list_folder(folder, most, output, name))
    return json.dumps({"ListingId": listing_id, "OutputFileName": name})


def test_connection(self: Any) -> str:
    """Only whether it may be asked for: the server of the sandbox does it when it can answer other requests again."""
    connector, _ = _asked(self)
    return json.dumps({"ConnectorId": connector.id})


def tested(connector_id: str) -> dict[str, str]:
    wrong = connectors[connector_id].test()
    status = (
        {"Status": "ERROR", "StatusMessage": wrong}
        if wrong
        else {"Status": "OK", "StatusMessage": "Connection succeeded"}
    )
    return {"ConnectorId": connector_id, **status}


def describe_connector(self: Any) -> str:
    connector, _ = _asked(self)
    addresses = ["203.0.113.10", "203.0.113.11"]
    described = {"Arn": f"arn:aws:transfer:us-east-1:{self.current_account}:connector/{connector.id}"}
    return json.dumps({"Connector": {**described, "ServiceManagedEgressIpAddresses": addresses}})


OPERATIONS = (
    start_file_transfer,
    list_file_transfer_results,
    start_remote_move,
    start_remote_delete,
    start_directory_listing,
    describe_connector,
    test_connection,
)
for _operation in OPERATIONS:
    setattr(TransferResponse, _operation.__name__, _operation)
