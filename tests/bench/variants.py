"""What is measured: the service and the peer, laid out and run as Lambda does, against the stand-in."""

import json
import shutil
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import trustme

from tests.bench import standin
from tests.sandbox.lambda_runtime import Credentials, LambdaFunction
from tests.sandbox.package import ROOT, Package, compile_for_upload, lay_out, pip, runtime
from webadmit_exports.domain.callback_url import CallbackUrl
from webadmit_exports.domain.ids import Export
from webadmit_exports.domain.times import utc_seconds

WEBADMIT_SECONDS = 0.2
REGION = "us-east-1"
_ARN = f"arn:aws:{{}}:{REGION}:123456789012:{{}}"


@dataclass(frozen=True, slots=True)
class Packages:
    """What each of them ships, as it is uploaded, and what Lambda has of its own."""

    ours: Package
    plain: Package  # ours, as `sam build` leaves it
    peer: Package


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in's process, from outside: the URLs of its hosts."""

    url: str
    dynamodb_url: str
    sns_url: str
    context: ssl.SSLContext

    def calls(self) -> tuple[dict[str, int], int]:
        """What came since this was last asked: the calls by name, and the connections."""
        with urllib.request.urlopen(f"{self.url}/calls", context=self.context) as answer:
            told = json.load(answer)
        return told["calls"], told["connections"]


@contextmanager
def laid_out() -> Iterator[tuple[Packages, StandIn]]:
    """Packages that trust the stand-in, and the stand-in; both are gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        certificate = Path(folder, "certificate.pem")
        authority.issue_cert("localhost", key_type=trustme.KeyType.ECDSA).private_key_and_cert_chain_pem.write_to_path(
            certificate
        )
        packages = _packages(Path(folder), authority.cert_pem.bytes())
        context = ssl.create_default_context(cadata=authority.cert_pem.bytes().decode())
        with _running(certificate) as ports:
            url, dynamodb_url, sns_url = (f"https://localhost:{port}" for port in ports)
            yield packages, StandIn(url, dynamodb_url, sns_url, context)


@contextmanager
def _running(certificate: Path) -> Iterator[list[int]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.standin", certificate, str(WEBADMIT_SECONDS)],
        cwd=ROOT,
        env={"PYTHONPATH": "functions"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        yield [int(port) for port in process.stdout.readline().split()]
    finally:
        with process:
            process.kill()


def _packages(folder: Path, authority: bytes) -> Packages:
    of_lambda = runtime()
    plain, ours, peer = folder / "plain", folder / "ours", folder / "peer"
    lay_out(plain)
    shutil.copytree(plain, ours)
    compile_for_upload(sys.executable, ours)
    pip(peer, "--no-compile", "--requirement", ROOT / "functions" / "requirements.txt")
    shutil.copytree(ROOT / "tests" / "bench" / "peer", peer / "peer", ignore=shutil.ignore_patterns("__pycache__"))
    compile_for_upload(sys.executable, peer)  # packaged in the same way, so that the code is what is compared
    for task in (plain, ours, peer):
        with (task / "certifi" / "cacert.pem").open("ab") as file:
            file.write(authority)
    return Packages(*(Package(task, of_lambda) for task in (ours, plain, peer)))


def function(package: Package, handler: str, stand_in: StandIn) -> LambdaFunction:
    """A function as the template has it: its memory, and its environment with made-up names."""
    name = handler.partition(".")[0]
    variables = {
        "EXPORT_FILES_TABLE": "export-files",
        "READY_TOPIC_ARN": _ARN.format("sns", "ready"),
        "ALERTS_TOPIC_ARN": _ARN.format("sns", "alerts"),
        "VERSION": "0",
        "STACK_NAME": "webadmit-exports",
        "SCHEDULE_TIMEZONE": "America/New_York",
        "WEBADMIT_BASE_URL": stand_in.url,
        "ALERT_ON_EMPTY_LIST": "true",
        "START_FAILED_AGAIN": "true",
        "OVERDUE_AFTER_MINUTES": "240",
        "KEEP_RECORDS_DAYS": "90",
        "POWERTOOLS_SERVICE_NAME": "webadmit-exports",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "CALLBACK_URL": "https://a1b2c3.execute-api.us-east-1.amazonaws.com",
        "WEBADMIT_API_KEY_ARN": _ARN.format("secretsmanager", "secret:api-key"),
        "CALLBACK_SIGNING_KEY_ARN": _ARN.format("secretsmanager", "secret:signing-key"),
        "NAME_MATCHES_TABLE": "name-matches",
        "FOLLOWED_CYCLES": "2",
        "START_RETRY_QUEUE_URL": f"{stand_in.url}/retry",
        "START_RETRY_ATTEMPTS": "48",
    }
    return LambdaFunction(
        configuration={
            "FunctionName": name,
            "FunctionArn": _ARN.format("lambda", f"function:{name}"),
            "Handler": handler,
            "MemorySize": 512,
            "Timeout": 300,
            "Runtime": "python3.13",
            "Environment": {"Variables": variables},
        },
        credentials=Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "token"),
        package=package,
        aws_url="",
        region=REGION,
        extra_environment={
            "AWS_ENDPOINT_URL": stand_in.url,
            "AWS_ENDPOINT_URL_DYNAMODB": stand_in.dynamodb_url,
            "AWS_ENDPOINT_URL_SNS": stand_in.sns_url,
            # /var/task cannot be written to, so that Lambda keeps no bytecode of what is imported
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


def callback_event(export_file_id: int) -> dict[str, Any]:
    """What the HTTP API makes of WebAdMIT's callback for a file that is ready."""
    address = CallbackUrl(export=Export(user_identity_id=1, export_id=2), scheduled_for=standin.this_night())
    path = address.signed("", standin.SIGNING_KEY.encode())
    *_, identity, export, occurrence, signature = path.split("/")
    form = {
        "export_file[id]": export_file_id,
        "export_file[export_id]": 2,
        "export_file[status]": "Available",
        "export_file[href]": f"/api/v1/exports/2/export_files/{export_file_id}",
    }
    return {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/x-www-form-urlencoded"},
        "pathParameters": {
            "user_identity_id": identity,
            "export_id": export,
            "occurrence": occurrence,
            "signature": signature,
        },
        "body": urlencode(form),
        "isBase64Encoded": False,
    }


def start_event(exports: int) -> dict[str, str]:
    """The schedule's input for that many exports."""
    pairs = ",".join(f"1:{number}" for number in range(1, exports + 1))
    return {"exports": pairs, "scheduled_for": utc_seconds(standin.this_night())}
