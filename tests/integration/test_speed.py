"""What keeps it fast and cheap, as facts: what is imported, when clients are made, how many calls and connections.

And what is tested is what runs: the SDK that is shipped, and no other.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.integration.conftest import World
from tests.sandbox.lambda_runtime import Answer
from tests.sandbox.package import build
from tests.sandbox.stack import Sandbox

RUNTIME = {"awslambdaric", "simplejson", "snapshot_restore_py"}
SDK = {"boto3", "botocore", "dateutil", "jmespath", "s3transfer", "six", "urllib3"}
POWERTOOLS = {"aws_lambda_powertools", "certifi", "typing_extensions"}
HTTP = {"charset_normalizer", "idna", "requests"}
OURS = "webadmit_exports"
PATH = ("user_identity_id", "export_id", "occurrence", "signature")
# Lists what has been imported from packages, by their top-level names, once the handler is there.
PROBE = """
import importlib, json, pathlib, sys
importlib.import_module(sys.argv[1])
roots = [pathlib.Path(root) for root in sys.path[1:3]]
found = {name.partition(".")[0] for name, module in sys.modules.items()
         if any(root in pathlib.Path(getattr(module, "__file__", None) or "/").parents for root in roots)}
found |= {name for name in sys.modules if name.endswith(".name_pattern")}
print(json.dumps(sorted(found)))
"""
REFUSES_CLIENTS = """
import boto3
from {module} import handler
def refuse(*_, **__):
    raise AssertionError("a client is made in the handler")
boto3.client = boto3.Session.client = refuse
"""


@pytest.mark.parametrize(
    ("function", "needs_http"),
    [
        ("archive_file", True),
        ("check_setup", True),
        ("receive_callback", False),
        ("reconcile_runs", True),
        ("send_morning_mail", True),
        ("start_runs", True),
    ],
)
def test_a_function_imports_what_it_needs_and_no_more(sandbox: Sandbox, function: str, needs_http: bool) -> None:
    package = build()
    made = next(one for one in sandbox.functions.values() if one.configuration["Handler"] == f"{function}.app.handler")
    environment = made.environment("http://127.0.0.1:9")
    del environment["AWS_LAMBDA_RUNTIME_API"]  # it is not to call AWS

    done = subprocess.run(
        [sys.executable, "-s", "-S", "-c", PROBE, f"{function}.app"],
        env=environment,
        cwd=package.task,
        capture_output=True,
        text=True,
        check=True,
    )

    imported = set(json.loads(done.stdout))
    allowed = RUNTIME | SDK | POWERTOOLS | {OURS, function} | (HTTP if needs_http else set())
    assert {OURS, function, "boto3", "aws_lambda_powertools"} <= imported
    assert ("requests" in imported) == needs_http
    knows_names = {"webadmit_exports.domain.name_pattern"} & imported
    assert bool(knows_names) == (function not in ("receive_callback", "archive_file"))
    assert imported - knows_names <= allowed


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Sandbox]:
    """A service that archives, and whose handlers fail where they make a client."""
    with Sandbox({"ArchiveFiles": "true", "AlertEmail": "operator@example.edu"}) as sandbox:
        for name, function in sandbox.functions.items():
            handler = str(function.configuration["Handler"])
            (tmp_path / f"{name}_probe.py").write_text(REFUSES_CLIENTS.format(module=handler.rpartition(".")[0]))
            path = function.environment("")["PYTHONPATH"]
            function.configuration = {**function.configuration, "Handler": f"{name}_probe.handler"}
            function.extra_environment = {**function.extra_environment, "PYTHONPATH": f"{tmp_path}:{path}"}
        yield sandbox


def test_no_function_makes_a_client_in_its_handler(fast: Sandbox) -> None:
    pair = "37442:86446"
    fast.webadmit.add_export(37442, 86446)

    assert fast.start(pair).payload["started"] == [pair]
    run = fast.webadmit.run_of(86446)
    run.status = "Available"
    callback = fast.webadmit.send_callback(run)
    assert callback is not None
    assert callback.status == 200
    assert not any(one.failed or one.payload["batchItemFailures"] for one in fast.deliver("ArchiveQueue"))
    fast.pass_time(minutes=30)
    assert not fast.sweep().failed
    for name in ("CheckSetupFunction", "SendMorningMailFunction"):
        invocation = fast.functions[name].invoke({})
        assert not invocation.failed, invocation.payload

    logs = {name: "\n".join(function.log) for name, function in fast.functions.items()}
    assert all(function.calls for function in fast.functions.values())
    assert not [name for name, log in logs.items() if "a client is made in the handler" in log]


def actions(world: World, function: str, since: int = 0) -> list[str]:
    return [call.action for call in world.calls(function)[since:]]


def test_a_run_costs_two_calls_to_record_and_four_to_announce(sandbox: Sandbox, world: World) -> None:
    pair, other = world.add_export(), world.add_export()
    world.start(pair)
    world.finish(pair)  # both processes are warm now
    begins = {name: len(world.calls(name)) for name in ("StartRunsFunction", "ReceiveCallbackFunction")}

    world.start(other)
    world.finish(other)

    assert actions(world, "StartRunsFunction", begins["StartRunsFunction"]) == [
        *["GetSecretValue"] * 2,  # once for all exports of a start
        "Query",
        "PutItem",
    ]
    assert actions(world, "ReceiveCallbackFunction", begins["ReceiveCallbackFunction"]) == [
        "GetItem",
        "PutItem",
        "Publish",
        "PutItem",
    ]


def test_a_process_reads_the_signing_key_before_its_first_event_and_no_more(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    function = sandbox.functions["ReceiveCallbackFunction"]
    function.stop()
    calls = len(function.calls)

    instance = function.begin()
    try:
        instance.wait_until_idle()
        assert actions(world, "ReceiveCallbackFunction", calls) == ["GetSecretValue"]
    finally:
        instance.stop()


def test_a_process_starts_where_the_signing_key_cannot_be_read(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    function = world.intercept("ReceiveCallbackFunction", lambda call, forward: Answer(500, {}, b"{}"))
    function.stop()

    instance = function.begin()
    try:
        instance.wait_until_idle()
        function.interceptor = None
        form = urlencode(world.form(pair))
        event = {
            "pathParameters": dict(zip(PATH, world.callback_url(pair).split("/")[-4:], strict=True)),
            "headers": {},
            "body": form,
        }
        assert instance.invoke(event, 20).payload == {"statusCode": 200, "body": ""}
    finally:
        instance.stop()


def test_a_start_opens_no_more_connections_than_it_has_hands(sandbox: Sandbox, world: World) -> None:
    pairs = [world.add_export() for _ in range(60)]
    function = sandbox.functions["StartRunsFunction"]
    function.stop()
    connections = function.connections

    world.start(*pairs)

    # DynamoDB's client has sixteen; one each for the runtime's own API, Secrets Manager and SQS.
    assert 2 <= function.connections - connections <= 16 + 3
