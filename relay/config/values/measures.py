"""Durations and sizes, with their units."""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

from pydantic import Field, PlainValidator, WithJsonSchema

from relay.config.values.writing import Json, shown, text_of, wrong

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d|w)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d{1,12})(B|KiB|MiB|GiB|kB|KB|MB|GB)", re.ASCII)
_OCTETS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def parse_duration(text: str) -> float:
    """Seconds that "90s", "5m", "4h" or "5d" stand for."""
    if match := _DURATION.fullmatch(text):
        return float(match[1]) * _SECONDS[match[2]]
    raise wrong(f"{shown(text)} is not a duration", "Write a number and a unit: 500ms, 90s, 5m, 4h, 5d or 2w.")


def parse_size(text: str) -> int:
    """Octets that "35MiB" or "512KiB" stand for."""
    if match := _SIZE.fullmatch(text):
        return int(match[1]) * _OCTETS[match[2]]
    raise wrong(f"{shown(text)} is not a size", "Write a whole number and a unit: 512KiB, 35MiB or 1GiB.")


def _measure(parse: Callable[[str], float], units: str, schema: Json) -> tuple[PlainValidator, WithJsonSchema]:
    """Validator of a duration or size: never zero, and a plain number gets a hint about its missing unit."""

    def validate(value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            choice = " or ".join(f"{value}{unit}" for unit in units.split())
            raise wrong(f"{shown(value)} has no unit", f"Write {choice}.")
        measure = parse(text_of(value, f"5{units.split(maxsplit=1)[0]}"))
        if not measure:
            raise wrong(f"{shown(value)} must be more than zero")
        return measure

    return PlainValidator(validate), WithJsonSchema({"type": "string", **schema})


Duration: TypeAlias = Annotated[
    float,
    *_measure(parse_duration, "s m h", {"pattern": r"^\d+(\.\d+)?(ms|s|m|h|d|w)$", "examples": ["90s", "5m"]}),
]
Size: TypeAlias = Annotated[
    int,
    *_measure(parse_size, "KiB MiB", {"pattern": r"^\d+(B|KiB|MiB|GiB|kB|KB|MB|GB)$", "examples": ["35MiB"]}),
]


def duration(text: str, description: str) -> Any:
    """A duration's field whose default is written as in YAML."""
    return Field(default=parse_duration(text), description=description, json_schema_extra={"default": text})


def size(text: str, description: str) -> Any:
    """A size's field whose default is written as in YAML."""
    return Field(default=parse_size(text), description=description, json_schema_extra={"default": text})
