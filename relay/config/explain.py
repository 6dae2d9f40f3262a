"""From what the models refuse to messages with a place in the file.

In charge of wording: which key, what stands there, what could stand there. Known keys and their meanings come from
the models' own JSON Schema, so a message cannot name a key that does not exist.
"""

import re
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from relay.config.errors import ConfigError, KeyPath, did_you_mean, may_be_secret, nearest
from relay.config.reader import Document
from relay.config.values.writing import Json, shown

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping of keys and values",
    "model_type": "a mapping of keys and values",
}


def explain(refusal: ValidationError, document: Document, model: type[BaseModel]) -> Iterator[ConfigError]:
    """The errors of `refusal` in plain words; those about values that the reader already refused are left out."""
    schema = model.model_json_schema()
    details = [(tuple(part for part in detail["loc"] if part != "[key]"), detail) for detail in refusal.errors()]
    misspelt = {_meant(path, schema) for path, detail in details if detail["type"] == "extra_forbidden"}
    for path, detail in details:
        if path not in document.refused and not (detail["type"] == "missing" and path in misspelt):
            yield _explain(detail, path, document, schema)


def _meant(path: KeyPath, schema: Json) -> KeyPath:
    """The key that an unknown one probably stands for."""
    return (*path[:-1], nearest(str(path[-1]), list(_known(schema, path[:-1]))) or "")


def _explain(detail: ErrorDetails, path: KeyPath, document: Document, schema: Json) -> ConfigError:
    kind, value, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "relay":
        return document.error(path, context["message"], context["hint"], at_key="[key]" in detail["loc"])
    if kind == "missing":
        key = _known(schema, path[:-1]).get(str(path[-1]), {})
        meaning = key.get("description") or _resolve(schema, key).get("description", "")
        return document.error(path, "this key is missing", meaning, at_key=True)
    if kind == "extra_forbidden":
        return document.error(
            path, "unknown key", did_you_mean(str(path[-1]), list(_known(schema, path[:-1]))), at_key=True
        )
    written = "this" if may_be_secret(path) else shown(value)
    if kind in ("literal_error", "enum"):
        words = re.findall(r"'([^']*)'", context["expected"])
        hint = did_you_mean(value, words) if isinstance(value, str) else ""
        hint = "" if hint.startswith("Known") else hint
        return document.error(path, f"{written} is not one of {', '.join(words)}", hint)
    if kind in _EXPECTED:
        hint = "Remove the quotes." if kind.startswith(("int", "bool")) and isinstance(value, str) else ""
        return document.error(path, f"{written} stands where {_EXPECTED[kind]} was expected", hint)
    return document.error(path, _bounds(kind, value, context) or detail["msg"])


def _bounds(kind: str, value: Any, context: Json) -> str:
    match kind:
        case "greater_than_equal":
            return f"{shown(value)} is less than {context['ge']}, which is the least"
        case "less_than_equal":
            return f"{shown(value)} is more than {context['le']}, which is the most"
        case "too_short":
            return "the list is empty"
        case _:
            return ""


def _known(schema: Json, path: KeyPath) -> Json:
    """The keys that may stand in the mapping at `path`, each with its own schema."""
    here = _resolve(schema, schema)
    for part in path:
        if isinstance(part, int):
            here = here.get("items", {})
        else:
            here = here.get("properties", {}).get(part) or here.get("additionalProperties") or {}
        here = _resolve(schema, here)
    properties: Json = here.get("properties", {})
    return properties


def _resolve(schema: Json, node: Json) -> Json:
    """The schema behind a reference or an optional value."""
    for choice in node.get("anyOf", ()):
        if choice.get("type") != "null":
            return _resolve(schema, choice)
    if reference := node.get("$ref"):
        return _resolve(schema, schema["$defs"][reference.rpartition("/")[2]])
    return node
