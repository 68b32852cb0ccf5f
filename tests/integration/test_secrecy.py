"""Case 35: nothing secret is written at DEBUG. Every other integration test is checked in the same way when it ends."""

import pytest

from tests.integration.conftest import World
from tests.integration.secrecy import Secrecy
from tests.sandbox.stack import Sandbox


def test_the_functions_of_the_suite_log_at_debug(sandbox: Sandbox) -> None:
    for function in sandbox.functions.values():
        assert function.configuration["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == "DEBUG"


def test_the_libraries_stay_quiet_when_the_root_logger_is_at_debug(sandbox: Sandbox, world: World) -> None:
    """As Lambda's own setting for the log level does it."""
    function, pair = sandbox.functions["StartRunsFunction"], world.add_export()
    function.stop()
    function.extra_environment = {"AWS_LAMBDA_LOG_FORMAT": "JSON", "AWS_LAMBDA_LOG_LEVEL": "DEBUG"}
    try:
        world.fault(method="POST", spoil="lost")
        world.start(pair)
        world.secrecy.check()
    finally:
        function.extra_environment = {}
        function.stop()

    assert not [line for line in function.log if "botocore" in line or "urllib3" in line]


@pytest.mark.parametrize("variable", ["POWERTOOLS_LOGGER_LOG_EVENT", "POWERTOOLS_DEV"])
def test_no_switch_of_powertools_has_a_callback_logged(sandbox: Sandbox, world: World, variable: str) -> None:
    function, pair = sandbox.functions["ReceiveCallbackFunction"], world.add_export()
    function.stop()
    function.extra_environment = {variable: "true"}
    try:
        world.start(pair)
        world.finish(pair)
        world.secrecy.check()
    finally:
        function.extra_environment = {}
        function.stop()

    assert len(world.ready()) == 1


def test_an_error_that_nobody_foresaw_repeats_no_secret(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    event = {**sandbox.http_api.events[-1]} if sandbox.http_api.events else {}
    event["pathParameters"] = {"signature": world.callback_url(pair).rsplit("/", 1)[1], "user_identity_id": 1}

    sandbox.functions["ReceiveCallbackFunction"].invoke({**event, "headers": None})

    world.secrecy.check()


@pytest.mark.parametrize("leak", ["key", "signature", "download"])
def test_the_check_finds_what_it_looks_for(sandbox: Sandbox, world: World, leak: str) -> None:
    pair, function = world.add_export(seconds=0), sandbox.functions["StartRunsFunction"]
    world.start(pair)
    run = world.run(pair)
    sandbox.webadmit._one(str(run.export.id), str(run.id))
    lines = {
        "key": f"the key is {sandbox.api_key}",
        "signature": world.callback_url(pair),
        "download": "https://storage.example/file.csv?X-Amz-Signature=abc",
    }
    secrecy = Secrecy(sandbox)
    secrecy._requests_before = 0

    function.log.append(lines[leak])
    with pytest.raises(AssertionError):
        secrecy.check()
    function.log.remove(lines[leak])
