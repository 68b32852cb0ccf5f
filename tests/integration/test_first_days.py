"""A stack as it is right after the first deploy, and two stacks side by side."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.sandbox.stack import Sandbox


@pytest.fixture(scope="module")
def fresh() -> Iterator[Sandbox]:
    """Nothing is known yet: no exports, no key."""
    with Sandbox({"AlertEmail": "team@university.example", "AlertOnEmptyList": "false"}, has_key=False) as sandbox:
        yield sandbox


def test_the_schedules_are_off_while_their_lists_are_empty(fresh: Sandbox) -> None:
    assert fresh.fire("StartRunsFunctionSchedule") == []
    assert fresh.fire("StartRunsFunctionFrequentSchedule") == []


def test_the_sweep_runs_and_has_nothing_to_do(fresh: Sandbox) -> None:
    (invocation,) = fresh.fire("ReconcileRunsFunctionSweep")

    assert not any(invocation.payload.values())


def test_a_key_that_was_never_stored_is_told_once_with_the_command_that_stores_it(fresh: Sandbox) -> None:
    pairs = [f"37442:{number}" for number in range(1, 41)]
    for number in range(1, 41):
        fresh.webadmit.add_export(37442, number)

    invocation = fresh.start(*pairs)

    assert invocation.payload["deferred"] == pairs
    assert fresh.webadmit.requests == []
    (mail,) = fresh.mails()
    assert mail["subject"] == "webadmit-exports: 40 exports not started yet: no usable API key is stored"
    secret = fresh.outputs["WebAdmitApiKeyArn"]
    assert f"aws secretsmanager put-secret-value --region us-east-1 --secret-id {secret}" in mail["text"]

    fresh.store_api_key(json.dumps({"x-api-key": fresh.api_key}))
    fresh.deliver_retries()
    assert len(fresh.records()) == 40


def test_without_alerts_on_empty_lists_nobody_is_told(fresh: Sandbox) -> None:
    fresh.store_api_key(fresh.api_key)
    fresh.webadmit.add_export(37442, 999, seconds=0, status="Empty List", callbacks=0)
    before = len(fresh.mails())

    fresh.start("37442:999")

    (record,) = fresh.records(999)
    assert record["status"] == "Empty List"
    assert record["expires_at"] > datetime.now(UTC).timestamp() + 89 * 86400
    assert "unfinished" not in record
    assert len(fresh.mails()) == before


def test_production_and_prelaunch_stand_side_by_side_in_one_account(fresh: Sandbox) -> None:
    second = fresh.deploy_beside("webadmit-exports-prelaunch", {"Exports": "1:2"})

    assert second.keys() == fresh.resources.keys() - {"AlertEmailSubscription"}
    assert not {name for name in second.values() if name} & set(fresh.resources.values())
