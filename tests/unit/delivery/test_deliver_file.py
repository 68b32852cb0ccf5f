"""The steps of a delivery: what is done in which order, what is tried again, and who is told of what."""

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes import after
from tests.unit.delivery.world import CONTENT, FOLDER, NAME, PATH, DeliveryWorld, changed
from webadmit_exports.delivery.progress import Delivery, Phase
from webadmit_exports.domain.delivered import Contents
from webadmit_exports.errors import AwsUnavailable

OTHER = b"id,name\r\n1,a\r\n2,b\r\n"
DOWN = AwsUnavailable("AWS Transfer Family answered ThrottlingException")


def test_a_file_is_sent_under_another_name_looked_at_and_renamed(world: DeliveryWorld) -> None:
    delivery = world.deliver()

    assert delivery.phase is Phase.DELIVERED
    assert world.server.files == {PATH: CONTENT}
    assert world.server.calls == [
        *("head", "copy", "send", "sending", "list_folder", "folder", "rename", "list_folder", "folder", "head")
    ]
    (message,) = world.topics.messages
    assert (message.event_type, message.body["remote_path"]) == ("export_file.delivered", PATH)
    assert delivery.began_at + timedelta(minutes=2) > world.clock.now()


def test_hours_are_no_failure(world: DeliveryWorld) -> None:
    delivery = world.step(world.begin())
    waited = []
    for _ in range(160):  # the server is slow: AWS has not sent the file yet
        world.clock.go_on(seconds=delivery.wait_seconds)
        waited.append(delivery.wait_seconds)
        delivery = world.step(delivery)
    world.server.work()
    delivery = world.run(delivery)

    assert (delivery.phase, delivery.failures) == (Phase.DELIVERED, 0)
    assert sum(waited) > 12 * 3600
    assert (waited[0], waited[-1]) == (30, 300)


def test_a_sending_of_more_than_a_day_is_given_up(world: DeliveryWorld) -> None:
    delivery = world.step(world.begin())
    while delivery.phase is Phase.SENDING:
        world.clock.go_on(seconds=delivery.wait_seconds)
        delivery = world.step(delivery)

    assert delivery.phase is Phase.GIVEN_UP
    assert world.clock.now() - delivery.began_at < timedelta(hours=25)
    assert world.told == ["delivery.failed"]


def test_a_server_that_is_down_for_hours_gets_the_file_when_it_is_back(world: DeliveryWorld) -> None:
    world.server.is_down = True
    delivery = world.run(world.begin(), hours=6)
    world.server.is_down = False

    delivery = world.run(delivery)

    assert delivery.phase is Phase.DELIVERED
    assert world.server.files == {PATH: CONTENT}
    assert world.told == ["delivery.failed", "export_file.delivered"]
    failed = world.topics.messages[0]
    assert "“timeout”" in str(failed.body["reason"])
    assert "retry_until" in failed.body


def test_after_twelve_hours_it_is_given_up_and_that_is_told(world: DeliveryWorld) -> None:
    world.server.is_down = True

    delivery = world.deliver()

    assert delivery.phase is Phase.GIVEN_UP
    assert timedelta(hours=12) <= world.clock.now() - delivery.began_at < timedelta(hours=12.6)
    assert world.subjects == [
        'export 86446 "Nursing applicants" is not delivered yet: it could not be sent',
        'export 86446 "Nursing applicants" is not delivered: it could not be sent',
    ]
    assert world.topics.messages[0].body["event_id"] != world.topics.messages[1].body["event_id"]
    assert delivery.reason == "The file could not be sent to the SFTP server: “timeout”."


def test_pauses_get_longer_up_to_half_an_hour(world: DeliveryWorld) -> None:
    world.server.is_down = True
    pauses: list[int] = []
    delivery = world.begin()
    while len(pauses) < 8:
        before, delivery = delivery, world.step(delivery)
        if delivery.failures > before.failures:
            pauses.append(delivery.wait_seconds)
        world.wait(delivery)

    assert pauses == [60, 120, 240, 480, 960, 1800, 1800, 1800]


def test_a_cause_that_comes_later_is_told_too_and_each_once(world: DeliveryWorld) -> None:
    world.server.is_down = True
    delivery = world.run(world.begin(), hours=1)
    world.server.is_down = False
    world.server.never_renames = True

    world.run(delivery, hours=5)

    assert [subject.rpartition(": ")[2] for subject in world.subjects] == [
        "it could not be sent",
        "the server does not rename it",
    ]


def test_what_is_being_sent_for_twelve_hours_is_not_given_up_for_one_look_that_fails(world: DeliveryWorld) -> None:
    delivery = world.step(world.begin())
    while world.clock.now() - delivery.began_at < timedelta(hours=13):
        world.clock.go_on(seconds=delivery.wait_seconds)
        delivery = world.step(delivery)
    world.server.failing["sending"] = DOWN
    delivery = world.step(delivery)
    world.server.work()

    assert (delivery.phase, delivery.failures) == (Phase.SENDING, 1)
    assert world.run(delivery).phase is Phase.DELIVERED


def test_the_first_failure_is_told_nobody(world: DeliveryWorld) -> None:
    world.server.failing["send"] = DOWN

    assert world.deliver().phase is Phase.DELIVERED
    assert world.told == ["export_file.delivered"]


def test_each_sending_has_a_name_of_its_own_and_half_a_file_is_removed(world: DeliveryWorld) -> None:
    world.server.is_full = True
    world.run(world.begin(), hours=1)

    assert world.server.calls.count("remove") >= 4
    assert len(world.server.files) <= 1
    assert PATH not in world.server.files


def test_a_server_that_never_renames_keeps_the_file_and_people_are_told_where(world: DeliveryWorld) -> None:
    world.server.never_renames = True

    delivery = world.deliver()

    assert delivery.phase is Phase.GIVEN_UP
    assert world.server.files == {delivery.partial_path: CONTENT}
    assert delivery.partial in str(world.topics.messages[-1].body["advice"])
    assert "the server does not rename it" in world.subjects[0]
    assert world.server.calls.count("send") == 1


def test_what_reads_the_folder_may_take_the_file_before_it_is_seen(world: DeliveryWorld) -> None:
    delivery = world.begin()
    while not delivery.rename_at:
        delivery = world.step(delivery)
        world.clock.go_on(seconds=delivery.wait_seconds)
        if not delivery.rename_at:
            world.server.work()
    first, second = world.server._asked
    first()
    world.server.files.clear()  # taken
    second()
    world.server._asked.clear()

    delivery = world.run(delivery)

    assert delivery.phase is Phase.DELIVERED
    assert world.server.calls.count("send") == 1
    assert world.told == ["export_file.delivered"]


def test_a_file_that_is_removed_before_it_is_renamed_is_sent_again(world: DeliveryWorld) -> None:
    delivery = world.step(world.begin())
    world.server.work()
    world.server.files.clear()

    delivery = world.run(delivery)

    assert delivery.phase is Phase.DELIVERED
    assert world.server.files == {PATH: CONTENT}
    assert world.server.calls.count("send") == 2


def test_the_same_file_that_lies_there_already_is_delivered(world: DeliveryWorld) -> None:
    world.server.files[PATH] = CONTENT

    assert world.deliver().phase is Phase.DELIVERED
    assert world.server.files == {PATH: CONTENT}
    assert "rename" not in world.server.calls


@pytest.mark.parametrize("tells_sizes", [True, False])
def test_half_a_file_of_that_name_is_replaced_by_the_whole_one(world: DeliveryWorld, tells_sizes: bool) -> None:
    world.server.files[PATH] = CONTENT[:5]
    world.server.tells_sizes = tells_sizes

    assert world.deliver().phase is Phase.DELIVERED
    assert world.server.files == {PATH: CONTENT}


def test_half_a_file_that_appears_before_the_rename_is_replaced_too(world: DeliveryWorld) -> None:
    delivery = world.begin()
    while not delivery.listing:
        delivery = world.step(delivery)
        world.wait(delivery)
    world.server.files[PATH] = CONTENT[:5]

    delivery = world.run(delivery)

    assert (delivery.phase, delivery.failures) == (Phase.DELIVERED, 1)
    assert world.server.files == {PATH: CONTENT}


@pytest.mark.parametrize("call", ["list_folder", "folder", "rename", "remove"])
@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("is_lost", [True, False])
def test_where_a_file_is_replaced_the_whole_one_stays_whatever_fails(
    world: DeliveryWorld, call: str, number: int, is_lost: bool
) -> None:
    world.server.files[PATH] = CONTENT[:5]
    delivery = world.begin()
    while delivery.phase is not Phase.DELIVERED:
        was_called = world.server.calls.count(call) < number
        if not is_lost and world.server.calls.count(call) == number - 1:
            world.server.failing[call] = DOWN
        before, delivery = delivery, world.step(delivery)
        if is_lost and was_called and world.server.calls.count(call) >= number:
            delivery = world.step(before)
        world.server.failing.clear()
        world.wait(delivery)

    assert world.server.files[PATH] == CONTENT


def test_a_file_that_is_removed_hours_after_its_rename_was_refused_is_not_taken_for_delivered(
    world: DeliveryWorld,
) -> None:
    world.server.never_renames = True
    delivery = world.run(world.begin(), hours=1)
    world.server.files.clear()
    world.server.never_renames = False

    delivery = world.run(delivery)

    assert delivery.phase is Phase.DELIVERED
    assert world.server.files == {PATH: CONTENT}


def test_what_a_lost_answer_has_left_on_the_server_is_removed(world: DeliveryWorld) -> None:
    delivery = world.begin()
    world.step(delivery)  # its answer is lost: the file is sent twice
    world.run(delivery)
    world.server.work()

    assert world.server.calls.count("send") == 2
    assert world.server.files == {PATH: CONTENT}


def test_a_folder_of_5000_files_is_listed_whole(world: DeliveryWorld) -> None:
    world.server.files.update({f"{FOLDER}/old_{number:05}.csv": b"" for number in range(5000)})

    assert world.deliver().phase is Phase.DELIVERED


def test_a_folder_that_cannot_be_listed_whole_is_told_and_the_file_is_there(world: DeliveryWorld) -> None:
    world.server.most_listed = 10
    world.server.files.update({f"{FOLDER}/A_{number:05}.csv": b"" for number in range(11)})

    delivery = world.deliver()

    assert delivery.phase is Phase.GIVEN_UP
    assert world.server.files[PATH] == CONTENT
    assert "more files than AWS lists" in delivery.reason


def test_a_folder_that_is_never_listed_is_told(world: DeliveryWorld) -> None:
    delivery = world.step(world.step(world.begin()))
    world.server.work()
    delivery = world.step(delivery)
    world.server.is_down = True

    delivery = world.run(delivery)

    assert delivery.phase is Phase.GIVEN_UP
    assert "whether it is there cannot be seen" in world.subjects[0]


def test_a_transfer_that_aws_has_forgotten_is_begun_anew(world: DeliveryWorld) -> None:
    delivery = changed(world.step(world.begin()), transfer_id="of another connector")

    assert world.run(delivery).phase is Phase.DELIVERED


@pytest.mark.parametrize("call", ["copy", "send", "sending", "list_folder", "folder", "rename"])
@pytest.mark.parametrize("step", [1, 2])
def test_a_call_that_is_refused_is_made_again(world: DeliveryWorld, call: str, step: int) -> None:
    delivery = world.begin()
    for _ in range(step):
        world.server.failing[call] = DOWN
        while call in world.server.failing and delivery.phase is not Phase.DELIVERED:
            delivery = world.step(delivery)
            world.wait(delivery)

    delivery = world.run(delivery)

    assert delivery.phase is Phase.DELIVERED
    assert world.server.files == {PATH: CONTENT}
    assert world.told.count("export_file.delivered") == 1


@pytest.mark.parametrize("call", ["sending", "list_folder", "folder", "rename", "send", "copy"])
def test_a_call_that_is_always_refused_is_told_and_given_up(world: DeliveryWorld, call: str) -> None:
    class Always(dict[str, Exception]):
        def pop(self, name: str, *_: Any) -> Exception:
            return self[name]

    world.server.failing = Always({call: DOWN})

    assert world.deliver().phase is Phase.GIVEN_UP
    assert world.told == ["delivery.failed", "delivery.failed"]
    assert "ThrottlingException" in str(world.topics.messages[0].body["reason"])


@pytest.mark.parametrize("number", range(1, 5))
def test_a_step_whose_answer_is_lost_is_repeated_and_nothing_is_there_twice(world: DeliveryWorld, number: int) -> None:
    delivery = world.begin()
    for _ in range(number - 1):
        delivery = world.step(delivery)
        world.wait(delivery)
    lost = world.step(delivery)
    world.wait(lost)

    delivery = world.run(delivery)

    assert delivery.phase is Phase.DELIVERED
    assert world.server.files[PATH] == CONTENT
    assert [path for path in world.server.files if not path.endswith(".partial")] == [PATH]
    assert len({message.body["event_id"] for message in world.topics.messages}) == 1


def test_what_cannot_be_told_is_not_noted_and_the_step_is_repeated(world: DeliveryWorld) -> None:
    delivery = world.begin()
    while not delivery.rename_at:
        delivery = world.step(delivery)
        world.wait(delivery)
    world.topics.failing = 1
    with pytest.raises(AwsUnavailable):
        world.step(delivery)

    assert world.step(delivery).phase is Phase.DELIVERED
    assert world.told == ["export_file.delivered"]


def test_a_file_that_has_left_the_archive_is_given_up_at_once(world: DeliveryWorld) -> None:
    delivery = world.begin()
    world.server.archived.clear()

    delivery = world.run(delivery)

    assert (delivery.phase, delivery.failures) == (Phase.GIVEN_UP, 1)
    assert "it is no longer in the archive" in world.subjects[0]


def test_however_many_files_wait_a_cause_is_told_twice(world: DeliveryWorld) -> None:
    world.server.is_down = True
    waiting = [
        world.begin(execution=f"execution {number}", export_file_id=number, event_id=f"event {number}")
        for number in range(1, 41)
    ]
    while any(delivery.phase is not Phase.GIVEN_UP for delivery in waiting):
        for number, delivery in enumerate(waiting):
            if delivery.phase is not Phase.GIVEN_UP:
                waiting[number] = world.step(delivery)
        world.clock.go_on(minutes=10)
        world.server.work()

    assert [subject.rpartition(" is ")[2] for subject in world.subjects] == [
        "not delivered yet: it could not be sent",
        "not delivered: it could not be sent",
    ]


def test_a_cause_is_told_again_once_a_file_has_arrived_and_half_a_day_has_passed(world: DeliveryWorld) -> None:
    def fails_twice(night: int) -> None:
        world.server.is_down = True
        delivery = world.run(world.begin(execution=f"{night}", export_file_id=night), hours=0.2)
        world.server.is_down = False
        world.run(delivery)
        world.clock.go_on(hours=23)

    fails_twice(1)
    world.server.is_down = True
    world.run(world.begin(execution="of the same night", export_file_id=9), hours=0.2)
    told_in_one_night = world.told.count("delivery.failed")
    fails_twice(2)

    assert told_in_one_night == 2  # 23 hours have passed since the first
    assert world.told.count("delivery.failed") == 2


# ── Held back ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_whose_columns_have_changed_is_held_and_nothing_of_it_is_sent(world: DeliveryWorld) -> None:
    world.deliver()
    held = world.deliver(OTHER, execution="execution 2", export_file_id=99, event_id="event 2")

    assert held.phase is Phase.HELD
    assert world.server.files == {PATH: CONTENT}
    message = world.topics.messages[-1]
    assert (message.event_type, message.body["columns_gone"]) == ("delivery.held", ["gpa"])
    assert message.body["last_delivered_rows"] == 2
    assert 'gone: "gpa"' in message.mail.casefold()
    assert '{"deliver": {"export_id": 86446, "export_file_id": 99}}' in message.mail


def test_a_file_that_a_person_releases_goes_on_and_later_ones_are_compared_with_it(world: DeliveryWorld) -> None:
    def of_night(night: int) -> dict[str, Any]:
        finished = (after(days=night, minutes=4, seconds=10)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"export_file_id": night, "event_id": f"event {night}", "finished_at": finished}

    world.deliver(**of_night(1))
    held = world.deliver(OTHER, execution="2", **of_night(2))
    released = world.deliver(OTHER, execution="3", released=True, **of_night(2))
    later = world.deliver(OTHER, execution="4", **of_night(3))

    assert [one.phase for one in (held, released, later)] == [Phase.HELD, Phase.DELIVERED, Phase.DELIVERED]
    assert world.told == ["export_file.delivered", "delivery.held", "export_file.delivered", "export_file.delivered"]
    assert "repeated" not in world.topics.messages[2].body


def test_columns_that_are_new_at_the_end_are_named_with_the_delivery(world: DeliveryWorld) -> None:
    world.deliver()
    world.deliver(b"id,name,gpa,campus\r\n1,a,4,x\r\n", execution="2", export_file_id=99, event_id="event 2")

    message = world.topics.messages[-1]
    assert (message.event_type, message.body["columns_added"]) == ("export_file.delivered", ["campus"])
    assert 'new at its end: "campus"' in message.mail


def test_a_new_cycle_is_compared_with_the_one_before_it(world: DeliveryWorld) -> None:
    world.deliver()
    next_year = world.deliver(OTHER, execution="2", export_id=90000, export_file_id=99, event_id="event 2")

    assert next_year.phase is Phase.HELD


def test_a_colleagues_export_of_the_same_name_in_another_program_is_held(world: DeliveryWorld) -> None:
    world.deliver()
    late = after(days=2).strftime("%Y-%m-%dT%H:%M:%SZ")
    other: dict[str, Any] = {"export_id": 500, "organization": "School of Pharmacy", "export_file_id": 99}

    same_night = world.deliver(execution="2", event_id="event 2", **other)
    another = {**other, "export_id": 600, "organization": "School of Law"}
    two_days_later = world.deliver(execution="3", event_id="event 3", finished_at=late, **another)

    assert (same_night.phase, two_days_later.phase) == (Phase.DELIVERED, Phase.HELD)


# ── Two deliveries of one file ──────────────────────────────────────────────────────────────────────────────────────


def test_a_person_sends_a_file_again_while_it_is_on_its_way(world: DeliveryWorld) -> None:
    first, second = world.begin(), world.begin(execution="execution 2", released=True)
    while Phase.DELIVERED not in (first.phase, second.phase):
        first, second = world.step(first), world.step(second)
        world.clock.go_on(seconds=30)
        world.server.work()

    first, second = world.run(first), world.run(second)

    assert (first.phase, second.phase) == (Phase.DELIVERED, Phase.DELIVERED)
    assert world.server.files == {PATH: CONTENT}
    assert len({message.body["event_id"] for message in world.topics.messages}) == 1


def test_a_file_that_is_sent_again_later_is_told_again_as_repeated(world: DeliveryWorld) -> None:
    world.deliver()
    world.server.files.clear()  # taken

    world.deliver(execution="execution 2", released=True)

    assert world.server.files == {PATH: CONTENT}
    first, second = world.topics.messages
    assert first.body["event_id"] == second.body["event_id"]
    assert (first.body.get("repeated"), second.body.get("repeated")) == (None, True)
    assert second.subject.partition(": ")[2].startswith("again: ")


@pytest.mark.parametrize("is_down_again", [True, False])
def test_a_delivery_that_waits_ends_quietly_once_another_has_brought_the_file(
    world: DeliveryWorld, is_down_again: bool
) -> None:
    world.server.is_down = True
    first = world.run(world.begin(), hours=0.01)
    world.server.is_down = False
    world.deliver(execution="execution 2", released=True)
    world.server.files.clear()  # taken
    world.server.is_down = is_down_again

    first = world.run(first)

    assert first.phase is Phase.DELIVERED
    assert world.server.files == {}
    assert world.told == ["export_file.delivered"]


def test_a_delivery_does_not_rename_what_another_has_brought(world: DeliveryWorld) -> None:
    first = world.begin()
    while not first.listing:
        first = world.step(first)
        world.wait(first)
    waiting = dict(world.server.files)
    second = world.deliver(execution="execution 2", released=True)
    world.server.files = waiting  # the other one is taken

    first = world.run(first)
    world.server.work()

    assert (first.phase, second.phase) == (Phase.DELIVERED, Phase.DELIVERED)
    assert world.server.files == {}
    assert world.told == ["export_file.delivered"]


# ── What the machine carries ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("of_later", [{}, {"priority": 3}])
def test_a_document_of_another_version_is_read(world: DeliveryWorld, of_later: dict[str, int]) -> None:
    delivery = world.step(world.begin())

    assert Delivery.parse({**json.loads(json.dumps(delivery.document)), **of_later}) == delivery


def test_what_the_machine_begins_with_is_enough(world: DeliveryWorld) -> None:
    delivery = world.begin()
    first = {"receipt": dict(delivery.receipt.body), "released": False}

    began = Delivery.parse({**first, "execution": "execution 1", "began_at": "2026-11-23T03:35:00.123Z"})

    assert (began.phase, began.since, began.released) == (Phase.TO_DECIDE, began.began_at, False)
    assert len(json.dumps(began.document)) < 4000


def test_once_the_folder_is_corrected_what_waits_goes_there(world: DeliveryWorld) -> None:
    world.folder = "/incomming"
    world.server.is_down = True
    delivery = world.run(world.begin(), hours=1)
    world.folder = FOLDER
    world.server.is_down = False

    delivery = world.run(delivery)

    assert list(world.server.files) == [PATH]
    assert delivery.path == PATH


def test_what_lies_in_a_folder_where_it_cannot_be_renamed_goes_to_the_new_one(world: DeliveryWorld) -> None:
    world.folder = "/readonly"
    world.server.never_renames = True
    delivery = world.run(world.begin(), hours=1)
    world.folder = FOLDER
    world.server.never_renames = False

    world.run(delivery)

    assert world.server.files.get(PATH, world.server.files.get(f"/readonly/{NAME}")) == CONTENT


def test_no_name_of_a_column_is_carried_or_logged(world: DeliveryWorld) -> None:
    world.deliver()
    held = world.deliver(OTHER, execution="execution 2", export_file_id=99, event_id="event 2")

    assert held.reason == "Its columns are not those of the file before it."
    assert "gpa" not in json.dumps(held.document)


def test_what_was_delivered_is_known_by_its_columns_and_records(world: DeliveryWorld) -> None:
    delivery = world.deliver()

    receipt = delivery.receipt
    before = world.table.before(receipt.export, receipt.labels)
    assert before.contents == Contents(columns=("id", "name", "gpa"), rows=2)
