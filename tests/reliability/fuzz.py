"""Forms and addresses that nobody meant to send: each is refused, or means what it says."""

import base64
import random
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, quote_plus

from tests.fakes import EXPORT, NIGHT, Clock, FakeTable, FakeTopics, after, stand_in, tracker
from webadmit_exports.domain.callback_url import CallbackUrl
from webadmit_exports.domain.export_file import StatusUpdate, UpdateSource
from webadmit_exports.domain.ids import Export
from webadmit_exports.errors import InvalidInput
from webadmit_exports.runs.receive import CallbackCall, NotFound, ReceiveCallback

from .figures import Figures, tell

KEY = b"a signing key of the stack"
_NOW = after(minutes=5)
_JUNK = "\0\n\r\t %+&=;?#/\\[]{}()<>\"'`é٣９\u202e\ud800\ufeff-_.,:*!@^~|$0aZ"
_ID = re.compile(r"[1-9][0-9]{0,17}")


class _Keys:
    def known(self) -> list[bytes]:
        return [KEY]

    def refreshed(self, now: datetime) -> list[bytes]:
        return [KEY]


class _Receiver:
    """ReceiveCallback with a table of runs that were started."""

    def __init__(self) -> None:
        self.table = FakeTable()
        clock = Clock(_NOW)
        self._receive = ReceiveCallback(
            signing_keys=stand_in(_Keys()),
            table=stand_in(self.table),
            tracker=tracker(self.table, FakeTopics(), clock),
            now=clock.now,
            sleep=lambda seconds: None,
        )
        self._files = tracker(self.table, FakeTopics(), clock)

    def start(self, export: Export, file_ids: Iterable[int], scheduled_for: datetime) -> None:
        """These runs, and no others, are in progress."""
        self.table.records.clear()
        for file_id in file_ids:
            started = StatusUpdate(
                source=UpdateSource.START,
                as_of=scheduled_for,
                export=export,
                export_file_id=file_id,
                status="Initializing",
                scheduled_for=scheduled_for,
            )
            self._files.apply(started, None)

    def takes(
        self, segments: Mapping[str, str], body: str | None, *, is_base64: bool, content_type: str | None
    ) -> bool:
        """Whether it is taken; raises whatever is neither taking nor refusing."""
        before = dict(self.table.records)
        try:
            call = CallbackCall(segments=segments, body=body, is_base64=is_base64, content_type=content_type)
            self._receive.receive(call)
        except (NotFound, InvalidInput):
            assert self.table.records == before, "what is refused must write nothing"
            return False
        return True


def _segments(address: CallbackUrl, key: bytes = KEY) -> dict[str, str]:
    *_, identity, export, occurrence, signature = address.signed("", key).split("/")
    return {"user_identity_id": identity, "export_id": export, "occurrence": occurrence, "signature": signature}


def bodies(count: int, seed: int = 1) -> Figures:
    """Good addresses with forms of all kinds."""
    chance, receiver = random.Random(seed), _Receiver()
    segments = _segments(CallbackUrl(export=EXPORT, scheduled_for=NIGHT))
    return _tried(count, lambda: _body_is_right(chance, receiver, segments), seed)


def _body_is_right(chance: random.Random, receiver: _Receiver, segments: Mapping[str, str]) -> bool:
    file_id = chance.choice(["74780", "1", "0", "-1", "+9", "9_9", " 9", "٣", "1e3", "9" * 18, "9" * 19, "", "7x"])
    export_id = chance.choice(["86446"] * 4 + ["86447", "0", "", "086446", "86446 "])
    status = chance.choice(["Available", "in_progress", "FAILED", "", " ", "\0", "x" * 65, "Zipping", "é"])
    fields = [("export_file[id]", file_id), ("export_file[export_id]", export_id), ("export_file[status]", status)]
    if chance.random() < 0.2:
        fields.append(chance.choice([*fields, ("export_file[id]", "5"), ("x", "y")]))
    if chance.random() < 0.1:
        fields.pop(chance.randrange(len(fields)))
    chance.shuffle(fields)
    spellings: list[Callable[[str], str]] = [
        quote,
        quote_plus,
        lambda text: text.replace("&", "%26").replace("+", "%2B"),
    ]
    spell = chance.choice(spellings)
    body = "&".join(f"{spell(name)}={spell(value)}" for name, value in fields)
    spoilt = chance.random() < 0.3
    if spoilt:
        body = _mutated(chance, body)
    is_base64 = chance.random() < 0.7
    if is_base64:
        body = base64.b64encode(body.encode("utf-8", errors="surrogatepass")).decode()
        if chance.random() < 0.1:
            body, spoilt = _mutated(chance, body), True
    content_type = chance.choice(
        ["application/x-www-form-urlencoded"] * 6
        + [None, "", "Application/X-WWW-Form-Urlencoded; charset=x", "text/html"]
    )
    receiver.start(EXPORT, [74780, 1, int("9" * 18)], NIGHT)
    taken = receiver.takes(segments, body, is_base64=is_base64, content_type=content_type)
    values: dict[str, set[str]] = {}
    for name, value in fields:
        values.setdefault(name, set()).add(value)
    good = (
        values.get("export_file[export_id]") == {"86446"}
        and len(values.get("export_file[id]", ())) == 1
        and all(_ID.fullmatch(one) for one in values["export_file[id]"])
        and len(values.get("export_file[status]", ())) == 1
        and all(one.strip() and one.isprintable() and len(one) <= 64 for one in values["export_file[status]"])
        and content_type != "text/html"
    )
    return spoilt or taken is good  # what was spoilt may still be good: that it is read or refused is all


def addresses(count: int, seed: int = 1) -> Figures:
    """Good forms at addresses of all kinds: an address is good only if it is to the letter one that we made."""
    chance, receiver = random.Random(seed), _Receiver()
    return _tried(count, lambda: _address_is_right(chance, receiver), seed)


def _address_is_right(chance: random.Random, receiver: _Receiver) -> bool:
    export = Export(
        user_identity_id=chance.randrange(1, 10**6), export_id=chance.choice([86446, chance.randrange(1, 99)])
    )
    moment = NIGHT + timedelta(seconds=chance.randrange(-9 * 86400, 2 * 86400))
    address = CallbackUrl(export=export, scheduled_for=moment)
    made = _segments(address, chance.choice([KEY, KEY, KEY, KEY + b".", b""]))
    good = made == _segments(address) and _NOW - timedelta(days=7) <= moment <= _NOW + timedelta(minutes=5)
    sent = dict(made)
    if chance.random() < 0.7:
        name = chance.choice(list(sent))
        sent[name] = chance.choice(
            [
                _mutated(chance, sent[name]),
                sent[name].upper(),
                sent[name] + chance.choice(_JUNK),
                sent[name][:-1],
                "",
                _segments(CallbackUrl(export=EXPORT, scheduled_for=NIGHT))[name],
            ]
        )
        if chance.random() < 0.05:
            del sent[name]
    form = f"export_file[id]=7&export_file[export_id]={export.export_id}&export_file[status]=Available"
    receiver.start(export, [7], moment)
    taken = receiver.takes(sent, form, is_base64=False, content_type=None)
    return taken is (good and sent == made)


def _mutated(chance: random.Random, text: str) -> str:
    """The text with something in it changed, taken away, put in, repeated or moved."""
    at = chance.randrange(len(text) + 1)
    changes: list[Callable[[], str]] = [
        lambda: text[:at] + chance.choice(_JUNK) + text[at:],
        lambda: text[:at] + text[at + 1 :],
        lambda: text[:at] + chance.choice(_JUNK) + text[at + 1 :],
        lambda: text[:at] + text,
        lambda: text[at:] + text[:at],
        lambda: text[:at],
        lambda: text[:at] + chance.choice(["%", "%f", "%ff", "%00", "%u0041", "==", "&&", "\ud800"]) + text[at:],
    ]
    return chance.choice(changes)()


def _tried(count: int, is_right: Callable[[], bool], seed: int) -> Figures:
    wrong = 0
    for number in range(count):
        try:
            right = is_right()
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            right = False
            tell(f"case {number} of seed {seed}: {type(error).__name__}: {error}")
        wrong += not right
    return Figures(cases=count, wrong=wrong)
