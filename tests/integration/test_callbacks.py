"""Cases 15 to 23: callbacks over real HTTP."""

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import requests

from tests.integration.conftest import World
from tests.sandbox.lambda_runtime import Answer, AwsCall
from tests.sandbox.stack import Sandbox

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def pair(world: World) -> str:
    """An export with a run in progress."""
    pair = world.add_export()
    world.start(pair)
    return pair


def signed_url(world: World, pair: str, moment: datetime, key: str | None = None) -> str:
    """A callback address as the service makes it, for any scheduled time."""
    part = f"{pair.replace(':', '/')}/{moment:%Y%m%dT%H%M%SZ}"
    signature = hmac.new((key or world.sandbox.signing_key()).encode(), part.encode(), hashlib.sha256).hexdigest()
    return f"{world.sandbox.outputs['CallbackUrl']}/callbacks/{part}/{signature}"


# ── Every spelling ──────────────────────────────────────────────────────────────────────────────────────────────────


def raw(form: dict[str, object]) -> str:
    return "&".join(f"{name}={value}" for name, value in form.items())


def test_a_form_is_taken_as_the_http_api_brings_it(world: World) -> None:
    """The spellings of forms are tested in tests/unit/domain/test_callback_url.py."""
    spellings: list[tuple[Callable[[Any], str], str | None]] = [
        (raw, FORM),
        (urlencode, f"{FORM.upper()}; charset=utf-8"),
        (raw, None),
    ]
    for spell, content_type in spellings:
        pair = world.add_export()
        world.start(pair)
        headers = {} if content_type is None else {"Content-Type": content_type}
        form = spell(world.form(pair, "success_with_errors"))

        answer = world.post(world.callback_url(pair), form.encode(), headers=headers)

        assert (answer.status_code, answer.content) == (200, b"")
    assert [message["status"] for message in world.ready()] == ["Success With Errors"] * len(spellings)


def test_the_http_api_sends_forms_in_base64_and_text_as_it_is(world: World, pair: str) -> None:
    for content_type in (FORM, "text/plain"):
        world.post(world.callback_url(pair), raw(world.form(pair, "Queued")), headers={"Content-Type": content_type})

    assert [event["isBase64Encoded"] for event in world.sandbox.http_api.events[-2:]] == [True, False]


# ── What cannot be used ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_form_that_cannot_be_used_is_answered_with_the_reason_and_changes_nothing(world: World, pair: str) -> None:
    """What makes a form unusable is tested in tests/unit/domain/test_callback_url.py."""
    other = world.add_export()
    world.start(other)
    before = world.records()
    bodies = {
        b"": "must have the field",
        b"\xff\xfe\x00": "UTF-8",
        b"x" * 4_000_000: "longer than",
        b"a=1&" * 100_000: "longer than",
        raw(world.form(pair, id="%D9%A9")).encode(): "export_file[id] must be a whole number",
        raw(world.form(pair, "x" * 65)).encode(): "the status must be",
        raw(world.form(other)).encode(): "must be the export of the URL",
    }

    for body, reason in bodies.items():
        answer = world.post(world.callback_url(pair), body, headers={"Content-Type": FORM})

        assert answer.status_code == 400
        assert reason in answer.json()["message"]
    assert world.records() == before


def test_ten_megabytes_do_not_arrive(world: World, pair: str) -> None:
    try:
        status = world.post(world.callback_url(pair), b"x" * (10 * 1024 * 1024 + 1)).status_code
    except requests.ConnectionError:  # the answer came before all was sent
        status = 413

    assert status == 413


# ── What is not proven ──────────────────────────────────────────────────────────────────────────────────────────────


def not_found(sandbox: Sandbox) -> tuple[int, bytes, str]:
    """What the HTTP API itself says of a path that does not exist."""
    answer = requests.post(f"{sandbox.outputs['CallbackUrl']}/nothing/here", timeout=10)
    return answer.status_code, answer.content, answer.headers["content-type"]


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url[:-1] + format(int(url[-1], 16) ^ 1, "x"),
        lambda url: url[:-1],
        lambda url: url + "0",
        lambda url: url[:-64] + "%C3%A9" * 64,
        lambda url: url[:-64] + "0" * 64,
        lambda url: url.upper().replace("/CALLBACKS/", "/callbacks/").replace("HTTP:", "http:"),
        lambda url: url.rsplit("/", 1)[0],
        lambda url: url.rsplit("/", 1)[0] + "/",
        lambda url: url + "/more",
        lambda url: url.replace("/callbacks/", "/callbacks/1"),
    ],
)
def test_a_changed_address_is_answered_like_a_path_that_does_not_exist(
    world: World, pair: str, change: Callable[[str], str]
) -> None:
    before = world.record(pair)

    answer = world.post(change(world.callback_url(pair)), world.form(pair))

    assert (answer.status_code, answer.content, answer.headers["content-type"]) == not_found(world.sandbox)
    assert world.record(pair) == before


def test_an_address_that_is_not_ours_costs_no_call_to_aws_beyond_the_cached_key(world: World, pair: str) -> None:
    forged = world.callback_url(pair)[:-64] + "0" * 64
    world.post(forged, world.form(pair))  # may look for a rotation, once a minute
    before = len(world.calls("ReceiveCallbackFunction"))

    for _ in range(20):
        assert world.post(forged, world.form(pair)).status_code == 404

    assert len(world.calls("ReceiveCallbackFunction")) == before


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_change_nothing(world: World, pair: str, method: str) -> None:
    before = world.record(pair)

    answer = requests.request(method, world.callback_url(pair), data=world.form(pair), timeout=10)

    assert answer.status_code == 404
    assert world.record(pair) == before


def test_a_made_up_file_of_a_scheduled_time_whose_file_is_known_is_refused(world: World, pair: str) -> None:
    answer = world.post(world.callback_url(pair), world.form(pair, id=999_999))

    assert (answer.status_code, answer.content) == not_found(world.sandbox)[:2]
    assert len(world.records(pair)) == 1
    assert world.ready() == []


@pytest.mark.parametrize("status", ["Available", "Failed", "Queued"])
def test_one_leaked_address_says_nothing_about_the_runs_of_other_nights(world: World, status: str) -> None:
    """The address of one night, with the ids of the nights before and after it: open, failed, and long over."""
    pair = world.add_export()
    for days in (3, 2, 1):
        world.start(pair, scheduled_for=world.now - timedelta(days=days))
        world.finish(pair, "Empty List")
    world.start(pair)
    world.sweep()
    leaked = signed_url(world, pair, world.now - timedelta(days=2))
    records = world.records(pair)
    ids = [record["export_file_id"] for record in records]

    answers = {file_id: world.post(leaked, world.form(pair, status, id=file_id)).status_code for file_id in ids}

    assert answers == {ids[0]: 404, ids[1]: 200, ids[2]: 404, ids[3]: 404}
    assert [one for one in world.records(pair) if one["export_file_id"] != ids[1]] == [records[0], *records[2:]]
    assert [message["export_file_id"] for message in world.ready()] == ([ids[1]] if status == "Available" else [])
    assert len(world.alerts()) == 3


def test_known_and_unknown_ids_are_answered_alike(world: World) -> None:
    """Else an address would tell which ids exist."""
    pair = world.add_export()
    world.start(pair, scheduled_for=world.now - timedelta(hours=2))
    world.finish(pair)
    world.start(pair)
    other = signed_url(world, pair, world.now - timedelta(hours=1))

    answers = [world.post(other, world.form(pair, id=one)) for one in (world.run(pair).id, 999_999)]

    assert [(one.status_code, one.content) for one in answers] == [not_found(world.sandbox)[:2]] * 2


def test_refused_callbacks_are_counted(world: World, pair: str) -> None:
    log = world.sandbox.functions["ReceiveCallbackFunction"].log
    before = len(log)

    world.post(world.callback_url(pair)[:-64] + "0" * 64, world.form(pair))
    world.post(world.callback_url(pair), {})
    world.post(world.callback_url(pair), world.form(pair, id=999_999))

    metrics = [json.loads(line) for line in log[before:] if '"_aws"' in line]
    assert [metric["CallbacksRefused"] for metric in metrics] == [[1.0]] * 3
    assert {metric["service"] for metric in metrics} == {"webadmit-exports"}


# ── Only forward, only once ─────────────────────────────────────────────────────────────────────────────────────────


def test_64_callbacks_at_once_are_announced_once(world: World, pair: str) -> None:
    url, form = world.callback_url(pair), world.form(pair)
    together = threading.Barrier(64)

    def send(_: int) -> int:
        together.wait()
        return world.post(url, form).status_code

    with ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(send, range(64)))

    assert set(answers) == {200}
    assert len(world.ready()) == 1


def test_a_callback_that_meets_the_sweep_is_announced_once(world: World, pair: str) -> None:
    world.run(pair).status = "Available"
    world.age(pair, minutes=6)

    with ThreadPoolExecutor(4) as pool:
        sweeps = [pool.submit(world.sweep) for _ in range(2)]
        posts = [pool.submit(world.post, world.callback_url(pair), world.form(pair)) for _ in range(2)]
        assert {one.result().status_code for one in posts} == {200}
        for one in sweeps:
            one.result()

    assert len(world.ready()) == 1


def test_forty_runs_without_a_file_at_once_are_told_by_the_sweep_alone_at_a_pace_that_sns_takes(world: World) -> None:
    """SNS switches a mail subscription off above ten messages a second; callbacks run in many processes."""
    pairs = [world.add_export() for _ in range(40)]
    world.start(*pairs)
    with ThreadPoolExecutor(max_workers=40) as callers:
        answers = [callback.status for callback in callers.map(lambda one: world.finish(one, "Empty List"), pairs)]
    assert answers == [200] * 40
    assert {record["status"] for record in world.records()} == {"Empty List"}
    assert world.alerts() == []
    told_at: list[float] = []

    def note(call: AwsCall, send: Callable[[], Answer]) -> Answer:
        if call.service == "sns":
            told_at.append(time.monotonic())
        return send()

    world.intercept("ReconcileRunsFunction", note)

    assert world.sweep() == {"announced": 40}

    assert sorted(alert["export_file_id"] for alert in world.alerts()) == sorted(world.run(one).id for one in pairs)
    assert max(sum(0 <= other - one < 1 for other in told_at) for one in told_at) <= 9
    assert world.sweep() == {}


def test_an_unknown_status_is_kept_as_it_came_logged_and_followed(world: World, pair: str) -> None:
    log = world.sandbox.functions["ReceiveCallbackFunction"].log
    before = len(log)

    assert world.post(world.callback_url(pair), world.form(pair, "Zipping Files")).status_code == 200
    assert world.record(pair)["status"] == "Zipping Files"
    assert any("WebAdMIT used a status that is not documented" in line for line in log[before:])

    world.finish(pair)
    assert len(world.ready()) == 1


# ── Keys and faults ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_callback_is_taken_after_the_signing_key_was_rotated(sandbox: Sandbox, world: World) -> None:
    before, after = world.add_export(), world.add_export()
    world.start(before)
    rotated = "rotated-" + sandbox.signing_key()
    sandbox.client("secretsmanager").put_secret_value(
        SecretId=sandbox.resources["CallbackSigningKey"], SecretString=rotated
    )
    for function in sandbox.functions.values():
        function.stop()  # what has looked at the keys less than a minute ago would not look again

    world.start(after)
    answers = [world.finish(before).status, world.finish(after).status]

    assert answers == [200, 200]
    assert len(world.ready()) == 2


@pytest.mark.parametrize("text", ["RANDOM", "x" * 31])
def test_a_signing_key_that_could_be_guessed_is_not_used(sandbox: Sandbox, world: World, pair: str, text: str) -> None:
    proper = sandbox.signing_key()
    secret, client = sandbox.resources["CallbackSigningKey"], sandbox.client("secretsmanager")
    for _ in range(2):  # so that no proper key is left, neither the current nor the previous one
        client.put_secret_value(SecretId=secret, SecretString=text)
    for function in sandbox.functions.values():
        function.stop()
    try:
        forged = world.post(signed_url(world, pair, world.now, key=text), world.form(pair))
        deferred = world.start(world.add_export())
        check = sandbox.functions["CheckSetupFunction"].invoke({}).payload
    finally:
        client.put_secret_value(SecretId=secret, SecretString=proper)
        for function in sandbox.functions.values():
            function.stop()

    assert forged.status_code == 503
    assert world.record(pair)["status"] == "Initializing"
    assert list(deferred) == ["deferred"]
    assert any("fewer than 32 characters" in one and "Rotating the signing key" in one for one in check["problems"])


def test_while_secrets_manager_fails_forged_requests_cost_one_look_a_minute_and_are_answered_404(
    world: World, pair: str
) -> None:
    forged = world.callback_url(pair)[:-64] + "0" * 64
    world.sandbox.functions["ReceiveCallbackFunction"].stop()
    world.post(world.callback_url(pair), world.form(pair, "Queued"))  # the key is in memory
    function = world.intercept("ReceiveCallbackFunction", failing("secretsmanager", "GetSecretValue"))
    before = len(function.calls)

    answers = {world.post(forged, world.form(pair)).status_code for _ in range(20)}

    assert answers == {404}
    assert len(function.calls) - before <= 2  # one look, tried twice


def failing(service: str, action: str, times: int = 99) -> Callable[[AwsCall, Callable[[], Answer]], Answer]:
    """Has AWS refuse a call that many times, as when it is throttled."""
    left = [times]

    def intercept(call: AwsCall, forward: Callable[[], Answer]) -> Answer:
        if (call.service, call.action) != (service, action) or not left[0]:
            return forward()
        left[0] -= 1
        error = {"__type": "ThrottlingException", "message": "Rate exceeded"}
        if service == "sns":
            xml = "<ErrorResponse><Error><Type>Sender</Type><Code>Throttled</Code></Error></ErrorResponse>"
            return Answer(400, {"Content-Type": "text/xml"}, xml.encode())
        return Answer(400, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(error).encode())

    return intercept


@pytest.mark.parametrize(("service", "action"), [("dynamodb", "GetItem"), ("dynamodb", "PutItem"), ("sns", "Publish")])
def test_while_the_table_or_the_topic_is_down_webadmit_is_told_to_try_again_and_nothing_is_lost(
    world: World, pair: str, service: str, action: str
) -> None:
    function = world.intercept("ReceiveCallbackFunction", failing(service, action))

    down = world.post(world.callback_url(pair), world.form(pair))
    function.interceptor = None
    up = world.post(world.callback_url(pair), world.form(pair))

    assert (down.status_code, down.json()) == (503, {"message": "Service Unavailable"})
    assert up.status_code == 200
    assert len(world.ready()) == 1


def test_what_the_topic_did_not_take_the_sweep_announces(world: World, pair: str) -> None:
    world.intercept("ReceiveCallbackFunction", failing("sns", "Publish"))

    assert world.finish(pair).status == 503
    assert world.sweep() == {"announced": 1}

    assert len(world.ready()) == 1


def test_a_callback_is_announced_with_four_calls_to_aws(world: World, pair: str) -> None:
    world.post(world.callback_url(pair), world.form(pair, "Queued"))  # the key is in memory now
    calls = world.calls("ReceiveCallbackFunction")
    before = len(calls)

    world.finish(pair)

    assert [call.action for call in calls[before:]] == ["GetItem", "PutItem", "Publish", "PutItem"]
