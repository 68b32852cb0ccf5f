"""What strangers wrote, as people are shown it: their words about errors, and the names that they give."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webadmit_exports.domain import foreign_text
from webadmit_exports.domain.foreign_text import quoted, shown
from webadmit_exports.domain.name_pattern import NamePattern, as_listed, parse_name


@pytest.mark.parametrize(
    ("said", "repeated"),
    [
        ("Export '86446' not found.", "“Export '86446' not found.”"),
        ("see https://example.org/x?key=1 for more", "“see … for more”"),
        ("see //evil.example/phish now", "“see … now”"),
        ("go to evil.com/phish now", "“go to … now”"),
        ("go to EVIL.COM now", "“go to … now”"),
        ("go to münchen.de now", "“go to … now”"),
        ("ask jane.doe@example.edu now", "“ask … now”"),
        ("at webadmit-production.s3.amazonaws.com/x?Signature=abc end", "“at … end”"),
        (f"key {'f' * 32} is bad", "“key … is bad”"),
        ("token abcdefghijklmnopqrstuvwxyz_0 is bad", "“token … is bad”"),
        ("run `sudo rm -rf /` or $(reboot) | sh; <b>", "“run sudo rm -rf / or (reboot) sh b”"),
        ("end” of “it", "“end of it”"),
        ("see evil\u3002example\uff0fphish now", "“see … now”"),
        ("see e\u200bvil\uff0ecom now", "“see … now”"),
        ("see evil.\u0301example now", "“see … now”"),
        ("see 10.0.0.1/x now", "“see … now”"),
        ("wait… for it", "“wait… for it”"),
        ("version 1.0 of 3.5, e.g. this", "“version 1.0 of 3.5, e.g. this”"),
        ("two\r\nlines\x00 and\tmore", "“two lines and more”"),
        ("x " * 200, "“" + "x " * 99 + "x…”"),
        ("", ""),
        ("\x00", ""),
    ],
)
def test_what_strangers_said_is_a_quotation_that_cannot_be_clicked_or_pasted(said: str, repeated: str) -> None:
    assert quoted(said) == repeated


@given(st.text())
def test_a_quotation_is_short_and_one_line_whatever_was_said(said: str) -> None:
    repeated = quoted(said)

    assert len(repeated) <= 202
    assert repeated.isprintable()
    assert not set("`$|;<>\\") & set(repeated)
    assert "//" not in repeated


def test_an_address_that_is_cut_in_two_is_not_repeated_in_part() -> None:
    said = "see " + "x" * 20 + " " * 960 + "https://evil.example/phish"

    assert len(said) > 1000
    assert "evil" not in quoted(said)


@pytest.mark.parametrize("sign", ["-", "- ", "\ufdfa"])  # the last becomes eighteen
def test_what_is_cleaned_is_cut_before(monkeypatch: pytest.MonkeyPatch, sign: str) -> None:
    """A pattern that looks again at each sign costs the square of what it looks at."""
    seen: list[int] = []

    class Counting:
        def sub(self, new: str, text: str) -> str:
            seen.append(len(text))
            return text

    monkeypatch.setattr(foreign_text, "_ADDRESS_OR_KEY", Counting())

    quoted(sign * 40_000)

    assert max(seen) <= 1000


# ── Names ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "name",
    [
        "Slate nightly v2.1",
        "CAS: Applicants (2026/27)",
        "École – Übersicht",
        "U.S. only",
        "Ph.D. applicants, No. 1…",
        "Health & Wellness",
        "O'Neill's #1",
        "入学",
        "हिन्दी",
        "",
    ],
)
def test_a_name_stays_as_it_is_where_nothing_of_it_can_be_clicked_or_pasted(name: str) -> None:
    assert shown(name) == name


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("Renew at https://evil.example/renew now", "Renew at https evil. example/renew now"),
        ("evil.example", "evil. example"),
        ("evil\u3002example", "evil. example"),  # ideographic
        ("evil\uff0eexample", "evil. example"),  # full width
        ("evil\u06d4example", "evil. example"),  # Arabic
        ("evil.\u0301example", "evil. example"),  # a mark hides the letter after the dot
        ("evil.c\u0332om", "evil. com"),
        ("e\u200bvil.co\u2060m", "evil. com"),  # blanks that nobody sees
        ("evil.com\u202egnp", "evil. comgnp"),  # from right to left
        ("evil.\u3164com", "evil. com"),
        ("www.x.y", "www. x.y"),
        ("//evil", "evil"),
        ("jane@evil.example", "jane evil. example"),
        ("10.0.0.1 or 2.1.3", "10. 0. 0. 1 or 2.1.3"),
        ("`curl evil`; $(reboot) | sh && x > y \\ z", "curl evil (reboot) sh x y z"),
        ('x" and run "y', "x' and run 'y"),
        ("two\r\nlines\x00", "two lines"),
    ],
)
def test_what_of_a_name_could_be_clicked_or_pasted_is_broken(name: str, readable: str) -> None:
    assert shown(name) == readable


_HOSTILE = st.text(st.sampled_from('ab.:/@`$|;<>&"\\ 1\u3002\uff0e\u200b\u0301\u202e\u034f\uff0f\uff20'), max_size=30)


@given(_HOSTILE)
def test_no_name_is_shown_with_an_address_or_a_sign_of_a_shell(name: str) -> None:
    readable = shown(name)

    assert not set('`$|;<>\\@"') & set(readable)
    assert "//" not in readable
    assert "ab.ab" not in readable
    assert not any(unicodedata.category(sign) == "Cf" for sign in readable)
    assert shown(readable) == readable


@given(st.one_of(st.text(max_size=40), _HOSTILE))
def test_a_name_that_is_suggested_matches_and_can_be_listed_and_shown(name: str) -> None:
    """To the letter, but for the stars."""
    suggested = as_listed(" ".join(name.split()))

    assert shown(suggested).replace(" ", "") == suggested.replace(" ", "")
    if suggested:
        assert NamePattern(text=suggested).matches(name)
        assert parse_name(suggested.strip())
