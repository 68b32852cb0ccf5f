"""What files are called on the SFTP server."""

import re
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webadmit_exports.delivery.names import partial_name, remote_name, remote_path

FINISHED = datetime(2026, 11, 28, 5, 0, 30, tzinfo=UTC)


def name_of(export_name: str, key: str = "86446/2026/11/28/050030-99752-x.csv") -> str:
    return remote_name(export_name, 86446, FINISHED, 99752, key)


def test_a_name_has_the_exports_name_its_id_the_time_and_the_file() -> None:
    assert name_of("Slate nightly") == "Slate_nightly__86446_20261128_050030_99752.csv"


@pytest.mark.parametrize(
    ("export_name", "beginning"),
    [
        ("École – Übersicht", "Ecole_Ubersicht"),
        ("Slate__nightly", "Slate_nightly"),
        ("_Slate_ ", "Slate"),
        ("Slate nightly-my test", "Slate_nightly_my_test"),
        ("../../etc/passwd", "etc_passwd"),
        ("学生", "export"),
        ("", "export"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_name_begins_with_what_is_safe_of_the_exports(export_name: str, beginning: str) -> None:
    assert name_of(export_name).partition("__")[0] == beginning


@pytest.mark.parametrize(
    ("key", "ending"),
    [("1/a.csv", ".csv"), ("1/a.XLSX", ".XLSX"), ("1/a.tar.gz", ".gz"), ("1/a", ""), ("1/a.b_c", ""), ("1/a.", "")],
)
def test_a_name_ends_like_the_file_in_the_archive(key: str, ending: str) -> None:
    assert name_of("Slate", key) == f"Slate__86446_20261128_050030_99752{ending}"


@given(st.text(max_size=100))
def test_a_name_has_letters_digits_and_underscores_and_two_of_them_at_one_place(export_name: str) -> None:
    name = name_of(export_name)

    assert re.fullmatch(r"[A-Za-z0-9]+(_[A-Za-z0-9]+)*__86446_20261128_050030_99752\.csv", name)


@pytest.mark.parametrize("other", ["Slate nightly-my test", "Slate nightly_2", "Slate nightly 2", "Slate"])
@pytest.mark.parametrize("mask", ["Slate_nightly__*", "Slate_nightly__*.csv"])
def test_a_mask_fits_the_files_of_its_export_alone(mask: str, other: str) -> None:
    assert fnmatchcase(name_of("Slate nightly"), mask)
    assert not fnmatchcase(name_of(other), mask)
    assert not fnmatchcase(partial_name(name_of("Slate nightly"), "1f3a9c2e8b7d"), mask)


@pytest.mark.parametrize("folder", ["/", "/incoming", "/incoming/webadmit"])
def test_a_path_has_one_slash_before_the_name(folder: str) -> None:
    assert remote_path(folder, "a.csv") == f"{folder.rstrip('/')}/a.csv"
