"""Holds a text that people read against its approved version in tests/approved; `make approve` writes them anew."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent / "approved"


def assert_approved(name: str, text: str) -> None:
    """Fails unless the text is the approved one. Read the difference before you commit it: it is what people get."""
    path = FOLDER / f"{name}.txt"
    if os.environ.get("APPROVE"):
        path.write_text(text, encoding="utf-8")
    approved = path.read_text(encoding="utf-8") if path.exists() else ""
    assert text == approved, f"{path.name} is not the approved text; if the new one is right: make approve"
