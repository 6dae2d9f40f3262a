"""JSON Schemas of the configuration's files, for editors.

In charge of deriving them from the models. The committed files are made by `python -m relay.config.schema`; a test
holds them equal to the code. The relay itself never reads them.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel

from relay.config.company_file import CompanyFile
from relay.config.expectations import Expectations
from relay.config.settings import Settings
from relay.config.values.writing import Json
from relay.policy.company import SecretKind

HOME = Path(__file__).parent
MODELS: tuple[tuple[str, type[BaseModel], str], ...] = (
    ("relay.schema.json", Settings, "relay.yaml"),
    ("company.schema.json", CompanyFile, "companies/<slug>.yaml"),
    ("expectations.schema.json", Expectations, "expectations.yaml"),
)


def schema(model: type[BaseModel], title: str) -> Json:
    """The JSON Schema of one kind of file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_cleaned_mapping(model.model_json_schema(by_alias=True)),
        "title": title,
    }


def rendered() -> dict[str, str]:
    """Name and text of every schema file."""
    return {
        name: json.dumps(schema(model, title), indent=2, ensure_ascii=False) + "\n" for name, model, title in MODELS
    }


def sealable(model: type[BaseModel]) -> list[tuple[str, ...]]:
    """The keys of a file whose secrets may be sealed in place; "*" stands for any name."""
    root = model.model_json_schema(by_alias=True)
    return sorted(_sealable(root, root, ()))


def _sealable(root: Json, node: Json, above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for choice in (node, *node.get("anyOf", ())):
        inner = root["$defs"][choice["$ref"].rpartition("/")[2]] if "$ref" in choice else choice
        properties = inner.get("properties", {})
        if SecretKind.SEALED in properties:
            yield above
            continue
        if isinstance(any_name := inner.get("additionalProperties"), dict):
            properties = {**properties, "*": any_name}
        for key, below in properties.items():
            yield from _sealable(root, below, (*above, key))


def _cleaned_mapping(node: Json) -> Json:
    """Leave off what editors show anyway: names in other words, and defaults that are only the keys' own ones."""
    return {
        key: _cleaned(value)
        for key, value in node.items()
        if not (key == "title" and isinstance(value, str)) and not (key == "default" and _says_nothing(value))
    }


def _says_nothing(default: object) -> bool:
    return default is None or isinstance(default, dict)


def _cleaned(value: object) -> object:
    match value:
        case dict():
            return _cleaned_mapping(value)
        case list():
            return [_cleaned(item) for item in value]
        case _:
            return value
