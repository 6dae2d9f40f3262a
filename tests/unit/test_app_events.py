"""What apps are told is what the schema says, no more and no less."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from relay import app_events
from relay.app_events import told, told_together
from relay.events import MAIL_EVENTS, Event, EventType
from relay.store.spool import StoredEvent

SCHEMA = json.loads(Path(app_events.__file__).with_name("app_events.schema.json").read_text())
PAGE = (Path(__file__).parents[2] / "docs/events.md").read_text()
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}


def check(value: Any, schema: dict[str, Any], where: str = "$") -> None:
    """As much of JSON Schema as this one uses."""
    if "$ref" in schema:
        check(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], where)
        return
    unknown = schema.keys() - {
        *("$schema", "$defs", "title", "description", "format", "type", "enum", "required", "properties"),
        *("additionalProperties", "items", "minItems", "minimum"),
    }
    assert not unknown, f"{where}: this test does not know {unknown}"
    if "enum" in schema:
        assert value in schema["enum"], where
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not (value is None and "null" in kinds):
        assert any(isinstance(value, TYPES[kind]) for kind in kinds if kind != "null"), f"{where}: {value!r}"
    if isinstance(value, dict):
        assert not schema.get("required", set()) - value.keys(), where
        assert schema["additionalProperties"] is False
        for key, each in value.items():
            assert key in schema["properties"], f"{where}.{key}"
            check(each, schema["properties"][key], f"{where}.{key}")
    if isinstance(value, list):
        assert len(value) >= schema.get("minItems", 0), where
        for each in value:
            check(each, schema["items"], f"{where}[]")
    if isinstance(value, int) and "minimum" in schema:
        assert value >= schema["minimum"], where


def stored(kind: EventType, /, **data: Any) -> StoredEvent:
    return StoredEvent(7, Event(kind, 1_800_000_000.0, "id000001", 0, data), "<1@app.example>", "shop-bv")


def test_the_schema_names_the_same_types_and_data() -> None:
    event = SCHEMA["$defs"]["event"]["properties"]
    assert event["type"]["enum"] == [kind.value for kind in MAIL_EVENTS]
    assert set(SCHEMA["$defs"]["data"]["properties"]) == set(app_events.DATA)
    assert set(event) == set(told(stored(EventType.HELD)))


@pytest.mark.parametrize("kind", MAIL_EVENTS)
def test_every_event_is_as_the_schema_says(kind: EventType) -> None:
    data = {
        "recipient": "anna@x.example",
        "identity": "alias",
        "wanted": "own-domain",
        "fallback": True,
        "reasons": ["because"],
        "reply": "451 4.7.1 later",
        "attempt": 2,
        "next_attempt": 1_800_000_060.5,
        "tls": None,
        "ip": "192.0.2.1",
        "by": "account:user@host:0123",
        "evidence": {
            "dmarc": "pass",
            "spf": "none",
            "dkim": "pass",
            "arc": "none",
            "author": "x.example",
            "by": "dkim:x",
        },
    }
    events = told_together([stored(kind, **data)])
    check(json.loads(json.dumps(events)), SCHEMA)
    (event,) = events["events"]
    assert event["data"] == {
        **{key: data[key] for key in data if key in app_events.DATA},
        "next_attempt": "2027-01-15T08:01:00.500Z",
    }


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20)))
@example({"kind": ""})
def test_what_is_not_listed_is_not_told(data: dict[str, str]) -> None:
    assert set(told(stored(EventType.HELD, **data))["data"]) <= set(app_events.DATA)


def test_a_class_is_told_with_words_in_every_language() -> None:
    events = told_together([stored(EventType.BOUNCED, **{"class": "mailbox-full", "permanent": False})])
    check(json.loads(json.dumps(events)), SCHEMA)
    data = events["events"][0]["data"]
    assert data["explanation"]["nl"] == "De mailbox van de ontvanger is vol."
    assert "make room" in data["advice"]["en"]


def test_the_page_names_every_type_and_key() -> None:
    for word in (*(kind.value for kind in MAIL_EVENTS), *app_events.DATA):
        assert f"| `{word}` |" in PAGE, word


def test_the_example_on_the_page_is_right() -> None:
    check(json.loads(PAGE.partition("```json\n")[2].partition("```")[0]), SCHEMA)
