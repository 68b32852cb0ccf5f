from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from tests.fakes import NIGHT, stand_in
from webadmit_exports.aws.secrets import SigningKeys
from webadmit_exports.errors import ApiKeyUnusable, AwsUnavailable, SigningKeyUnusable
from webadmit_exports.webadmit.api_key import ApiKey, WebAdmitApiKey, clean_api_key

KEY = "0123456789abcdef0123456789ABCDEF"
OTHER = "f" * 32


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"{KEY}\n",
        f"  {KEY}\r\n",
        f'"{KEY}"',
        f"'{KEY}'\n",
        f"\ufeff{KEY}",
        f'{{"key": "{KEY}"}}',
        f'{{"x-api-key":"{KEY}\\n"}}\n',
        f'{{"user": "integration", "key": "{KEY}"}}',
        f"\u201c{KEY}\u201d",
    ],
)
def test_a_key_is_found_in_what_people_store(text: str) -> None:
    assert clean_api_key(text) == KEY


def test_a_key_of_another_form_is_used_where_it_is_unambiguous() -> None:
    assert clean_api_key("a-longer-key_of.another~form\n") == "a-longer-key_of.another~form"
    assert clean_api_key('{"key": "a-longer-key"}') == "a-longer-key"


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "two words that are no key",
        f'{{"old": "{KEY}", "new": "{OTHER}"}}',
        '{"key": "one-long-text", "other": "another-long-text"}',
        "{}",
        "{not json}",
        '{"key": 1}',
        f"{KEY}\n{OTHER}",
        "Schlüssel-mit-Umlaut",
        "{" * 100_000,
    ],
)
def test_what_may_be_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ApiKeyUnusable) as refused:
        clean_api_key(text)

    assert text not in str(refused.value)


def test_a_key_does_not_show_itself() -> None:
    assert KEY not in repr(ApiKey(KEY)) + str(ApiKey(KEY))


@dataclass
class FakeSecrets:
    """Secrets in memory, by stage."""

    stages: dict[str, str] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    failing: bool = False

    def read(self, arn: str, stage: str = "AWSCURRENT") -> str | None:
        self.reads.append(stage)
        if self.failing:
            raise AwsUnavailable("Secrets Manager answered InternalServiceError")
        return self.stages.get(stage)


@pytest.mark.parametrize("stages", [{}, {"AWSCURRENT": ""}, {"AWSCURRENT": " \n"}])
def test_a_key_that_was_never_stored_is_missing(stages: dict[str, str]) -> None:
    with pytest.raises(ApiKeyUnusable, match="no value yet"):
        WebAdmitApiKey(stand_in(FakeSecrets(stages)), "arn").read()


def test_the_api_key_is_read_anew_each_time() -> None:
    secrets = FakeSecrets({"AWSCURRENT": KEY})
    api_key = WebAdmitApiKey(stand_in(secrets), "arn")
    assert api_key.read() == ApiKey(KEY)

    secrets.stages["AWSCURRENT"] = OTHER

    assert api_key.read() == ApiKey(OTHER)


ONE, TWO = "1" * 64, "2" * 64


def test_known_signing_keys_are_read_once() -> None:
    secrets = FakeSecrets({"AWSCURRENT": ONE})
    keys = SigningKeys(stand_in(secrets), "arn")

    assert [keys.known(), keys.known()] == [[ONE.encode()], [ONE.encode()]]
    assert secrets.reads == ["AWSCURRENT"]


def test_a_rotation_is_seen_when_a_signature_does_not_fit() -> None:
    secrets = FakeSecrets({"AWSCURRENT": ONE})
    keys = SigningKeys(stand_in(secrets), "arn")
    keys.known()
    secrets.stages = {"AWSCURRENT": TWO, "AWSPREVIOUS": ONE}

    assert keys.refreshed(NIGHT) == [TWO.encode(), ONE.encode()]
    assert keys.known() == [TWO.encode(), ONE.encode()]


@pytest.mark.parametrize("failing", [False, True])
def test_guesses_do_not_have_the_secret_read_more_than_once_a_minute_whether_or_not_it_can_be_read(
    failing: bool,
) -> None:
    secrets = FakeSecrets({"AWSCURRENT": ONE})
    keys = SigningKeys(stand_in(secrets), "arn")
    keys.known()
    secrets.failing = failing
    keys.refreshed(NIGHT)
    reads = len(secrets.reads)

    for second in range(60):
        assert keys.refreshed(NIGHT + timedelta(seconds=second)) == [ONE.encode()]

    assert len(secrets.reads) == reads
    keys.refreshed(NIGHT + timedelta(seconds=60))
    assert len(secrets.reads) == reads + (1 if failing else 2)


@pytest.mark.parametrize("text", [None, "", "RANDOM", "x" * 31, "x" * 31 + "\n" * 9])
def test_a_key_that_is_missing_or_could_be_guessed_signs_and_verifies_nothing(text: str | None) -> None:
    secrets = FakeSecrets({"AWSCURRENT": text} if text is not None else {})
    keys = SigningKeys(stand_in(secrets), "arn")

    with pytest.raises(SigningKeyUnusable, match="fewer than 32 characters"):
        keys.current()
    with pytest.raises(SigningKeyUnusable):
        keys.known()
    assert keys.refreshed(NIGHT) == []


def test_a_previous_key_that_could_be_guessed_verifies_nothing() -> None:
    keys = SigningKeys(stand_in(FakeSecrets({"AWSCURRENT": ONE, "AWSPREVIOUS": "RANDOM"})), "arn")

    assert keys.refreshed(NIGHT) == [ONE.encode()]
