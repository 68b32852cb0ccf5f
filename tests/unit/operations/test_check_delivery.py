"""What the setup check says of the way to the SFTP server."""

from dataclasses import dataclass, field

import pytest

from tests.fakes import WRITER, FakeServer, stand_in
from tests.unit.world import World
from webadmit_exports.errors import AwsUnavailable
from webadmit_exports.operations.check_delivery import CheckDelivery

SECRET = "arn:aws:secretsmanager:us-east-1:123456789012:secret:SftpCredentials"


@dataclass
class Way:
    """To a server that lists a folder when somebody waits for it."""

    server: FakeServer = field(default_factory=FakeServer)
    has_secret: bool = True
    slept: float = 0

    def has_value(self, arn: str) -> bool:
        assert arn == SECRET
        return self.has_secret

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.server.work()

    def check(self) -> CheckDelivery:
        return CheckDelivery(
            connector=stand_in(self.server),
            outgoing=stand_in(self.server),
            secrets=stand_in(self),
            secret=SECRET,
            folder="/incoming",
            commands=WRITER.commands,
            sleep=self.sleep,
        )


def only(way: Way) -> tuple[str, str]:
    (problem,) = way.check().problems()
    return problem.what, problem.fix


def test_a_server_that_takes_the_user_and_lists_the_folder_is_no_problem() -> None:
    way = Way()

    assert list(way.check().problems()) == []
    assert way.slept == 1


def test_the_addresses_of_the_connector_are_named_for_the_firewall() -> None:
    assert Way().check().lines()[1] == ("  files go to /incoming; the connector comes from 203.0.113.10, 203.0.113.11")


def test_a_secret_without_a_value_is_named_with_the_command_that_stores_one() -> None:
    what, fix = only(Way(has_secret=False))

    assert what == "SftpCredentials has no value: nothing can be delivered."
    assert f"--secret-id {SECRET} --secret-string file://sftp-user.json" in fix
    assert '{"Username": "…", "PrivateKey": "…"}' in fix


def test_a_login_that_fails_is_quoted_with_all_that_may_be_wrong() -> None:
    way = Way()
    way.server.said = "“Permission denied”"

    what, fix = only(way)

    assert what == "The connector cannot log in to the SFTP server: “Permission denied”."
    assert "203.0.113.10 and 203.0.113.11" in fix
    assert "sftp-user.json" in fix
    assert "\"SftpHostKeys='…'\"" in fix


def test_a_folder_that_is_not_listed_is_named_with_what_the_user_must_be_allowed() -> None:
    way = Way()
    way.server.is_down = True

    what, fix = only(way)

    assert what == "The folder /incoming on the SFTP server was not listed within 20 seconds."
    assert "allowed to list it, and to write, rename and remove" in fix
    assert way.slept == 20


def test_a_folder_that_is_too_full_is_a_problem() -> None:
    way = Way()
    way.server.most_listed = 1
    way.server.files = {"/incoming/a": b"", "/incoming/b": b""}

    assert only(way)[0].startswith("The folder /incoming has more than 10,000 files")


@pytest.mark.parametrize("call", ["list_folder", "folder"])
def test_an_aws_that_does_not_answer_is_one_problem_of_the_check(call: str) -> None:
    way = Way()
    way.server.failing[call] = AwsUnavailable("AWS Transfer Family answered InternalServiceError")
    world = World(check_delivery=way.check())

    problems = [problem.what for problem in world.check().problems]

    assert [what for what in problems if "InternalServiceError" in what] == [
        "An AWS service did not answer: AWS Transfer Family answered InternalServiceError."
    ]
