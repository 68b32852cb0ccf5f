"""Deploys the release to the emulator, plays its main path, changes the stack and takes it down: a line each step.

The release is made and unpacked first; what deploys it has no Python 3.13 on its PATH, and builds nothing.
"""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import requests

from release import build
from tests.deploy_check.site import sitecustomize  # noqa: F401 - callbacks go from here to the emulator's HTTP API
from tests.sandbox.package import ROOT
from tests.sandbox.stack import wait_until
from tests.sandbox.webadmit_server import Fault, File, WebAdmitServer

FOLDER = ROOT / ".build" / "deploy-check"
RELEASE, LOGS, HOME = FOLDER / f"webadmit-exports-{build.version()}", FOLDER / "logs", FOLDER / "home"
SITE = Path(__file__).parent / "site"
EMULATOR, SAM = ROOT / ".venv-emulator" / "bin" / "python", ROOT / ".venv-sam" / "bin" / "sam"
STACK = "webadmit-exports"
EXPORTS, PAIRS = "Nursing*,37442:86447", ["37442:86446", "37442:86447"]  # by name and by its pair
VALUES = [
    f"Exports='{EXPORTS}'",
    "AlertEmail=integration-team@university.example",
    "NotificationEmail=you@university.example",
]
NOT_EMULATED = (
    "SFTP connectors and what is sent over them (tests/integration/test_delivering.py has them), metric math in alarms,"
    " metrics of Powertools, access logs, throttling, the delay of a queue (messages are sent without), lifecycles,"
    " TTL, confirmation of mails"
)


class StepFailed(Exception):
    """A step did not do what it should; the text says what."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """Prints one line about what is done within, and how long it took."""
    began = time.monotonic()
    yield
    print(f"  ok  {what} ({time.monotonic() - began:.0f} s)", flush=True)


def expect(condition: Any, what: str) -> None:
    if not condition:
        raise StepFailed(what)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Check:
    """The emulator, a WebAdMIT, and the environment of the SAM CLI."""

    aws_url: str
    webadmit: WebAdmitServer
    environment: dict[str, str]

    def client(self, service: Any) -> Any:
        return boto3.client(
            service,
            region_name="us-east-1",
            endpoint_url=self.aws_url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    # ── SAM ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def sam(self, *arguments: str) -> str:
        """Runs a SAM command in the folder of the release; its log is kept."""
        done = subprocess.run(
            [SAM, *arguments],
            cwd=RELEASE,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )
        log = LOGS / f"sam-{arguments[0]}.log"
        with log.open("a", encoding="utf-8") as file:
            file.write(f"$ sam {' '.join(arguments)}\n{done.stdout}{done.stderr}\n")
        expect(done.returncode == 0, f"sam {arguments[0]} ended with {done.returncode}, see {log.relative_to(ROOT)}")
        return done.stdout

    def deploy(self, *parameters: str) -> None:
        """`sam deploy` of the release; what is not named keeps its value."""
        self.sam("deploy", "--parameter-overrides", *parameters)

    def invoke(self, function: str, event: Any = None) -> dict[str, Any]:
        """`sam remote invoke`, with the event in start.json; the answer, which must be no error."""
        arguments = ["remote", "invoke", function, "--stack-name", STACK]
        if event is not None:
            (RELEASE / "start.json").write_text(json.dumps(event), encoding="utf-8")
            arguments += ["--event-file", "start.json"]
        answer = json.loads(self.sam(*arguments).strip().splitlines()[-1])
        expect("errorType" not in answer, f"{function} failed: {answer}")
        return dict(answer)

    # ── What is there ───────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def outputs(self) -> dict[str, str]:
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def resource(self, logical_id: str) -> str:
        found = self.client("cloudformation").describe_stack_resource(StackName=STACK, LogicalResourceId=logical_id)
        return str(found["StackResourceDetail"]["PhysicalResourceId"])

    def subscribe(self, name: str, topic_arn: str) -> str:
        """A queue on a topic, made as the README says; returns its URL."""
        sqs = self.client("sqs")
        url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "600"})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "sns.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
        self.client("sns").subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
        return str(url)

    def heard(self, queue_url: str) -> list[dict[str, Any]]:
        """Takes what a topic has sent to a queue."""
        sqs, bodies = self.client("sqs"), []
        while messages := sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(json.loads(json.loads(message["Body"])["Message"]))
                sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def send_start(self, body: Any, **attributes: str) -> None:
        """Puts a message into StartRetryQueue that comes at once."""
        self.client("sqs").send_message(
            QueueUrl=self.resource("StartRetryQueue"),
            MessageBody=json.dumps(body),
            DelaySeconds=0,
            MessageAttributes={name: {"DataType": "String", "StringValue": text} for name, text in attributes.items()},
        )

    def keep_logs(self) -> None:
        """Writes what the functions have logged so far to a file."""
        client = self.client("logs")
        with (LOGS / "functions.log").open("w", encoding="utf-8") as file:
            for group in client.describe_log_groups()["logGroups"]:
                events = client.filter_log_events(logGroupName=group["logGroupName"])["events"]
                file.writelines(f"{group['logGroupName']}: {event['message'].rstrip()}\n" for event in events)

    def files(self, consumed: Path, export_id: int) -> int:
        return len(list(consumed.glob(f"{export_id}-*.csv")))


def main() -> int:
    shutil.rmtree(FOLDER, ignore_errors=True)
    for folder in (LOGS, HOME, FOLDER / "tmp"):
        folder.mkdir(parents=True)
    print("Deploys the release with the SAM CLI to an emulator of AWS on this machine, with IAM enforced:")
    try:
        with step("the release is made and unpacked"):
            archive, *_ = build.build(FOLDER / "dist")
            shutil.unpack_archive(archive, FOLDER)
        with running() as check, ExitStack() as stack:
            try:
                play(stack, check)
            finally:
                check.keep_logs()
    except (StepFailed, TimeoutError) as error:
        print(f"FAILED: {error}. What was printed is in {LOGS.relative_to(ROOT)}.")
        return 1
    print(f"Not shown here, because the emulator does not have it: {NOT_EMULATED}.")
    print("The deployment is good.")
    return 0


@contextmanager
def running() -> Iterator[Check]:
    """The emulator and a WebAdMIT, on this machine only; both are gone afterwards, with all that they began."""
    port = free_port()
    aws_url = f"http://127.0.0.1:{port}"
    path = f"{FOLDER}{os.pathsep}{os.environ['PATH']}"
    environment = {"PATH": path, "HOME": str(HOME), "TMPDIR": str(FOLDER / "tmp"), "LANG": "C.UTF-8"}
    settings = {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": "us-east-1",
        "MINISTACK_ACCOUNT_ID": "123456789012",
        "AUTH": "true",
        "LAMBDA_EXECUTOR": "local",
        "SFN_WAIT_SCALE": "0.01",  # half a minute is a third of a second
        **dict.fromkeys(("PERSIST_STATE", "S3_PERSIST", "SFTP_ENABLED", "IOT_MTLS_ENABLED"), "0"),
        "PYTHONPATH": str(SITE),
    }
    webadmit = WebAdmitServer(secrets.token_hex(16))
    with (LOGS / "emulator.log").open("w", encoding="utf-8") as log:
        emulator = subprocess.Popen(
            [EMULATOR, Path(__file__).parent / "emulator.py"],
            env=environment | settings,
            cwd=FOLDER,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a group of its own, so that its functions end with it
        )
    try:
        wait_until(lambda: answers(f"{aws_url}/_ministack/health"), seconds=60)
        for_sam = {
            "AWS_ENDPOINT_URL": aws_url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "SAM_CLI_TELEMETRY": "0",
        }
        folders = environment["PATH"].split(os.pathsep)
        without = os.pathsep.join(folder for folder in folders if not (Path(folder) / "python3.13").exists())
        yield Check(aws_url, webadmit, {**environment, **for_sam, "PATH": without})
    finally:
        os.killpg(emulator.pid, signal.SIGKILL)
        emulator.wait()
        webadmit.stop()


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def play(stack: ExitStack, check: Check) -> None:
    """The README's steps, a night, and the way back."""
    webadmit = check.webadmit
    webadmit.add_export(37442, 86446, "Nursing, all applicants", seconds=2)
    webadmit.add_export(37442, 86447, "Pharmacy, verified", seconds=1)
    deploy(check)
    ready, alerts, archived = (
        check.subscribe(name, check.outputs[f"{name}TopicArn"]) for name in ("Ready", "Alerts", "Archived")
    )
    consumed = stack.enter_context(consuming(check, check.subscribe("consumer", check.outputs["ReadyTopicArn"])))
    start(check, consumed)
    bring_back(check, consumed)
    reconcile(check, consumed)
    look_after(check)
    tell(check, ready, alerts, archived)
    deliver(check, alerts)
    take_down(check)


def deploy(check: Check) -> None:
    with step("sam deploy makes the stack, without a build and without Python 3.13"):
        check.deploy(f"WebAdmitBaseUrl={check.webadmit.url}", "ScheduleTimezone=UTC", *VALUES)
    with step("the setup check says that no key is stored"):
        problems = " ".join(check.invoke("CheckSetupFunction")["problems"])
        expect("No usable WebAdMIT API key is stored" in problems, problems)
    with step("the key is stored, and the setup check shows what will run tonight"):
        arn = check.outputs["WebAdmitApiKeyArn"]
        check.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=check.webadmit.api_key)
        report = check.invoke("CheckSetupFunction")["report"]
        expect("2 exports, 2 runs in the next 24 hours" in report[1], report)
    with step("sam deploy switches archive and dashboard on"):
        check.deploy("ArchiveFiles=true", "Dashboard=true")
    with step("the setup check finds no problem but mails that nobody has confirmed"):
        others = [one for one in check.invoke("CheckSetupFunction")["problems"] if "confirmed" not in one]
        expect(not others, f"the check found {others}")


@contextmanager
def consuming(check: Check, queue_url: str) -> Iterator[Path]:
    """The sample consumer, as it stands in the docs, and the folder that it fills."""
    folder = FOLDER / "consumed"
    folder.mkdir()
    found = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "consuming.md").read_text(encoding="utf-8"), re.DOTALL)
    expect(found, "docs/consuming.md has no consumer")
    assert found
    (folder / "consumer.py").write_text(found[1], encoding="utf-8")
    settings = {
        "QUEUE_URL": queue_url,
        "WEBADMIT_BASE_URL": check.webadmit.url,
        "WEBADMIT_API_KEY": check.webadmit.api_key,
    }
    with (LOGS / "consumer.log").open("w", encoding="utf-8") as log:
        consumer = subprocess.Popen(
            [sys.executable, "consumer.py"], cwd=folder, env=check.environment | settings, stdout=log, stderr=log
        )
    try:
        yield folder
    finally:
        consumer.kill()
        consumer.wait()


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def start(check: Check, consumed: Path) -> None:
    event = {"exports": EXPORTS, "scheduled_for": now()}
    with step("StartRunsFunction starts both exports, and a repeated call starts nothing"):
        expect(check.invoke("StartRunsFunction", event)["started"] == PAIRS, "they did not start")
        expect(check.invoke("StartRunsFunction", event)["already_started"] == PAIRS, "they started twice")
    with step("both callbacks come in over the HTTP API, and the sample consumer has both files"):
        wait_until(lambda: len(check.webadmit.callbacks) == 2, seconds=40)
        statuses = [callback.status for callback in check.webadmit.callbacks]
        expect(statuses == [200, 200], f"the callbacks were answered {statuses}")
        wait_until(lambda: check.files(consumed, 86446) == check.files(consumed, 86447) == 1, seconds=40)
    with step("a made-up file, and a made-up address, are answered 404"):
        callback = check.webadmit.callbacks[0]
        made_up = check.webadmit.post_form(callback.url, re.sub(r"id%5D=\d+", "id%5D=99999", callback.form, count=1))
        forged = check.webadmit.post_form(f"{callback.url[:-64]}{'0' * 64}", callback.form)
        expect((made_up.status, forged.status) == (404, 404), f"they were answered {made_up.status}, {forged.status}")
    with step("both files are in the archive, with their receipts"):
        s3, bucket = check.client("s3"), check.outputs["ArchiveBucketName"]
        wait_until(lambda: len(s3.list_objects_v2(Bucket=bucket).get("Contents", [])) == 2, seconds=40)


def bring_back(check: Check, consumed: Path) -> None:
    webadmit, function = check.webadmit, check.resource("StartRunsFunction")
    event = {"exports": "37442:86446", "scheduled_for": now()}
    with step("while WebAdMIT is down a start is deferred, and a person is told"):
        webadmit.faults.append(Fault(method="POST", answer=(503, "<html>Maintenance</html>"), times=3))
        expect(check.invoke("StartRunsFunction", event)["deferred"] == ["37442:86446"], "it was not deferred")
    with step("the retry queue brings it back in its own shape"):
        check.send_start(event)
        wait_until(lambda: check.files(consumed, 86446) == 2, seconds=40)
    with step("a start that Lambda gave up comes back in Lambda's shape"):
        time.sleep(1)  # each start needs a time of its own
        payload = {"exports": EXPORTS, "scheduled_for": now()}
        check.send_start({"requestContext": {"condition": "RetriesExhausted"}, "requestPayload": payload})
        wait_until(lambda: check.files(consumed, 86446) == 3 and check.files(consumed, 86447) == 2, seconds=40)
    with step("a start that EventBridge Scheduler could not hand over comes back in its shape"):
        time.sleep(1)
        payload = {"exports": EXPORTS, "scheduled_for": "<aws.scheduler.scheduled-time>"}
        request = {"FunctionName": function, "InvocationType": "Event", "Payload": json.dumps(payload)}
        check.send_start(request, SCHEDULED_TIME=now(), ERROR_CODE="ThrottlingException")
        wait_until(lambda: check.files(consumed, 86446) == 4 and check.files(consumed, 86447) == 3, seconds=40)


def reconcile(check: Check, consumed: Path) -> None:
    with step("a run whose callback got lost is found by the reconciler"):
        time.sleep(1)
        check.webadmit.exports[86447].behaviour.callbacks = 0
        check.invoke("StartRunsFunction", {"exports": "37442:86447", "scheduled_for": now()})
        wait_until(lambda: check.webadmit.run_of(86447).status == "Available", seconds=20)
        make_due(check)
        check.invoke("ReconcileRunsFunction")
        wait_until(lambda: check.files(consumed, 86447) == 4, seconds=40)


def make_due(check: Check) -> None:
    """What is to be asked about in five minutes is due now."""
    dynamodb, table = check.client("dynamodb"), check.outputs["ExportFilesTableName"]
    for item in dynamodb.scan(TableName=table)["Items"]:
        if "due_at" in item:
            dynamodb.update_item(
                TableName=table,
                Key={name: item[name] for name in ("export_id", "export_file_id")},
                UpdateExpression="SET due_at = started_at",
            )


def look_after(check: Check) -> None:
    with step("the morning mail is sent, and sam logs shows what happened"):
        expect("ready" in check.invoke("SendMorningMailFunction"), "it told no figures")
        logs = check.sam("logs", "--stack-name", STACK, "--name", "StartRunsFunction", "--start-time", "1 day ago")
        expect('"message":"started"' in logs.replace(" ", ""), "the log of StartRunsFunction shows no start")
    with step("a file is announced again when a person asks"):
        (record,) = [run for run in check.webadmit.runs.values() if run.export.id == 86446][-1:]
        request = {"export_id": 86446, "export_file_id": record.id}
        answer = check.invoke("ReconcileRunsFunction", {"announce_again": request})
        expect(answer["announced_again"] == [record.id], f"it answered {answer}")


def tell(check: Check, ready: str, alerts: str, archived: str) -> None:
    with step("each run was announced once, what went wrong was told once, and each file has a receipt"):
        messages = check.heard(ready)
        announced = sorted(one["export_file_id"] for one in messages if "repeated" not in one)
        expect(announced == sorted(check.webadmit.runs), f"announced were {announced}")
        told = sorted(one["event_type"] for one in check.heard(alerts) if "event_type" in one)
        expect(told == ["report.daily", "start.delayed"], f"told were {told}")
        receipts = {one["export_file_id"] for one in check.heard(archived)}
        expect(receipts == set(check.webadmit.runs), f"receipts came for {receipts}")
    with step("no role lacked a permission"):
        no_denials()


def deliver(check: Check, alerts: str) -> None:
    """As far as the emulator goes: it has Step Functions, and no SFTP connectors."""
    key = f"ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQ{'C7' * 170}=="
    server = ["SftpUrl=sftp://sftp.university.example", "SftpFolder=/incoming", f"SftpHostKeys='{key}'"]
    with step("sam deploy refuses to deliver without an archive"):
        try:
            check.deploy(*server, "ArchiveFiles=false")
        except StepFailed:
            pass
        else:
            raise StepFailed("it was deployed")
    with step("sam deploy switches deliveries on"):
        check.deploy(*server)
        secret = {"Username": "webadmit", "Password": "of-the-check"}
        check.client("secretsmanager").put_secret_value(
            SecretId=check.outputs["SftpCredentialsArn"], SecretString=json.dumps(secret)
        )
    states, machine = check.client("stepfunctions"), check.resource("DeliveryMachine")

    def executions(status: str) -> list[Any]:
        return list(states.list_executions(stateMachineArn=machine, statusFilter=status)["executions"])

    def told(event_type: str) -> list[Any]:
        heard.extend(check.heard(alerts))
        return [one for one in heard if one.get("event_type") == event_type]

    heard: list[dict[str, Any]] = []
    with step("an empty file goes through the machine, which holds it back, and a person is told"):
        check.webadmit.exports[86446].file = File.of(b"", "nursing.csv")
        time.sleep(1)
        check.invoke("StartRunsFunction", {"exports": "37442:86446", "scheduled_for": now()})
        wait_until(lambda: executions("SUCCEEDED"), seconds=60)
        wait_until(lambda: told("delivery.held"), seconds=20)
    with step("it is let through with one command; nobody takes it, which is told after the second failure"):
        (held,) = told("delivery.held")
        request = {name: held[name] for name in ("export_id", "export_file_id")}
        expect(check.invoke("DeliverFileFunction", {"deliver": request})["started"], "nothing was started")
        wait_until(lambda: told("delivery.failed"), seconds=60)
        (running,) = executions("RUNNING")
        states.stop_execution(executionArn=running["executionArn"])
    with step("no role of a delivery lacked a permission"):
        no_denials()


def no_denials() -> None:
    log = (LOGS / "emulator.log").read_text(encoding="utf-8")
    denied = re.findall(r".*(?:is not authorized to perform|AccessDenied).*", log)
    expect(not denied, f"denied was: {denied[:3]}")


def take_down(check: Check) -> None:
    bucket = check.outputs["ArchiveBucketName"]
    with step("sam deploy switches archive and deliveries off; its bucket stays, with its files"):
        check.deploy("SftpUrl=''", "ArchiveFiles=false", "Dashboard=false")
        expect(check.client("s3").list_objects_v2(Bucket=bucket).get("Contents"), "the files are gone")
    with step("sam delete leaves nothing but the table and the archive's bucket"):
        check.sam("delete", "--stack-name", STACK, "--no-prompts")
        left: dict[str, Callable[[], Any]] = {
            "functions": lambda: check.client("lambda").list_functions()["Functions"],
            "roles": lambda: check.client("iam").list_roles()["Roles"],
            "schedules": lambda: check.client("scheduler").list_schedules()["Schedules"],
            "topics": lambda: check.client("sns").list_topics()["Topics"],
            "log groups": lambda: check.client("logs").describe_log_groups()["logGroups"],
            "secrets": lambda: check.client("secretsmanager").list_secrets()["SecretList"],
        }
        found = [name for name, remaining in left.items() if remaining()]
        expect(not found, f"left behind: {', '.join(found)}")
        tables = check.client("dynamodb").list_tables()["TableNames"]
        expect(len(tables) == 1 and bucket in str(check.client("s3").list_buckets()), "table or bucket are gone")


if __name__ == "__main__":
    sys.exit(main())
