"""Holds messages against their JSON Schemas in docs/schemas, which consumers may use."""

import json
from collections.abc import Mapping

import jsonschema

from tests.sandbox.package import ROOT

SCHEMAS = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / "docs" / "schemas").glob("*.json"))
}


def check_message(body: Mapping[str, object]) -> None:
    """Fails unless the message is what its schema says, without a field that the schema does not know."""
    schema = SCHEMAS[str(body["event_type"])]
    jsonschema.validate(dict(body), schema, format_checker=jsonschema.FormatChecker())
    assert not set(body) - set(schema["properties"]), "a field without an entry in the schema"
