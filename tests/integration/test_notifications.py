"""Cases 36 to 38 and the contract: what subscribers get."""

import json

import pytest
import requests

from tests.integration.conftest import ALERT_EMAIL, NOTIFICATION_EMAIL, World
from tests.sandbox.stack import Sandbox


def test_subscribers_get_a_ready_file_as_the_contract_says(world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)

    (notification,) = world.notifications("Ready")

    run, message = world.run(pair), notification["Message"]
    assert message == {
        "version": "1",
        "event_id": message["event_id"],
        "event_type": "export_file.ready",
        "user_identity_id": world.identity,
        "export_id": run.export.id,
        "export_file_id": run.id,
        "status": "Available",
        "href": f"/api/v1/exports/{run.export.id}/export_files/{run.id}",
        "scheduled_for": world.now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "finished_at": message["finished_at"],
        "export_name": f"Export {run.export.id}",
        "cycle": "2026 - 2027",
        "organization": "Sandbox School of Nursing",
    }
    assert notification["MessageAttributes"] == {
        "event_type": {"Type": "String", "Value": "export_file.ready"},
        "status": {"Type": "String", "Value": "Available"},
        "export": {"Type": "String", "Value": f"{world.identity}:{run.export.id}"},
        "export_id": {"Type": "Number", "Value": str(run.export.id)},
        "user_identity_id": {"Type": "Number", "Value": str(world.identity)},
        "export_name": {"Type": "String", "Value": f"Export {run.export.id}"},
        "cycle": {"Type": "String", "Value": "2026 - 2027"},
        "organization": {"Type": "String", "Value": "Sandbox School of Nursing"},
    }


def test_people_get_a_sentence_each_at_their_own_address(world: World) -> None:
    ready, empty = world.add_export(), world.add_export()
    world.start(ready, empty)
    world.finish(ready)
    world.finish(empty, "Empty List")
    world.sweep()

    mails = {mail["to"]: mail for mail in world.mails()}

    assert set(mails) == {NOTIFICATION_EMAIL, ALERT_EMAIL}
    assert mails[NOTIFICATION_EMAIL]["subject"] == (
        f'webadmit-exports: export {world.export(ready).id} "Export {world.export(ready).id}" is ready,'
        f" file {world.run(ready).id} (Available)"
    )
    assert mails[NOTIFICATION_EMAIL]["text"].startswith(f"The file of export {world.export(ready).id} is ready")
    assert mails[ALERT_EMAIL]["text"].startswith(f"Export {world.export(empty).id} ran in WebAdMIT and selected")
    assert "{" not in mails[NOTIFICATION_EMAIL]["text"]


@pytest.mark.parametrize(
    ("policy", "passes"),
    [
        ({"event_type": ["export_file.ready"]}, True),
        ({"status": ["Available"]}, True),
        ({"status": ["Success With Errors"]}, False),
        ({"export_id": [{"numeric": [">", 0]}]}, True),
        ({"user_identity_id": [1]}, False),
    ],
)
def test_a_subscriber_may_filter_by_attributes(
    sandbox: Sandbox, world: World, policy: dict[str, list[object]], passes: bool
) -> None:
    url = sandbox.subscribe("ReadyTopicArn", filter_policy=json.dumps(policy))
    pair = world.add_export()
    world.start(pair)

    world.finish(pair)

    assert len(sandbox.received(url)) == int(passes)


def test_the_href_of_a_message_gives_the_file_to_who_has_the_key(sandbox: Sandbox, world: World) -> None:
    pair = world.add_export()
    world.start(pair)
    world.finish(pair)
    (message,) = world.ready()
    url = f"{sandbox.webadmit.url}{message['href']}"

    answer = requests.get(url, headers={"x-api-key": sandbox.api_key}, timeout=10).json()
    file = requests.get(answer["export_files"]["download_url"], timeout=10)

    assert requests.get(url, timeout=10).status_code == 401
    assert file.text.startswith("applicant_id")
