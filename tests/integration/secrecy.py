"""Nothing secret or personal in logs, items, messages or errors: checked after every integration test."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from tests.sandbox.sftp_server import PASSWORD as SFTP_PASSWORD
from tests.sandbox.stack import Sandbox
from tests.sandbox.webadmit_server import APPLICANT


@dataclass
class Secrecy:
    """Remembers where it was made, and checks all that was written since."""

    sandbox: Sandbox
    _logs_before: dict[str, int] = field(default_factory=dict)
    _calls_before: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._requests_before = len(self.sandbox.webadmit.requests)
        self._mails_before = len(self.sandbox.mails())
        for name, function in self.sandbox.functions.items():
            self._logs_before[name] = len(function.log)
            self._calls_before[name] = len(function.calls)

    def mails(self) -> list[dict[str, str]]:
        """Those since it was made."""
        return self.sandbox.mails()[self._mails_before :]

    def check(self) -> None:
        """Raises AssertionError, naming the place but not the secret, where one was written."""
        secrets = dict(self._secrets())
        for place, text in self._written():
            for what, secret in secrets.items():
                assert secret not in text, f"{what} stands in {place}"
            assert APPLICANT.split()[1] not in text, f"an applicant's name stands in {place}"
            assert "X-Amz-Signature" not in text, f"a download URL stands in {place}"
            assert not re.search(r"/callbacks/\d+/\d+/\w+/\w+", text), f"a callback address stands in {place}"

    def _secrets(self) -> Iterator[tuple[str, str]]:
        sandbox = self.sandbox
        yield "the API key", sandbox.api_key
        yield "the API key in use", sandbox.webadmit.api_key
        yield "the signing key", sandbox.signing_key()
        yield "the password for the SFTP server", SFTP_PASSWORD
        for name, function in sandbox.functions.items():
            yield f"the secret key of {name}", function.credentials.secret_key
            yield f"the session token of {name}", function.credentials.token
        for number, request in enumerate(sandbox.webadmit.requests[self._requests_before :]):
            for callback in request.query.get("callback", []):
                yield f"the signature of callback {number}", unquote(callback).rsplit("/", 1)[1]
        for number, token in enumerate(sandbox.webadmit.downloads):
            yield f"download token {number}", token

    def _written(self) -> Iterator[tuple[str, str]]:
        """What the functions wrote: log lines, and the bodies of all calls to AWS (items, messages, queue entries)."""
        for name, function in self.sandbox.functions.items():
            for line in function.log[self._logs_before[name] :]:
                yield f"the log of {name}", line
            for call in function.calls[self._calls_before[name] :]:
                yield f"{call.service} {call.action} of {name}", unquote(call.body.decode("utf-8", errors="replace"))
        for mail in self.mails():
            yield "a mail", mail["subject"] + mail["text"]
