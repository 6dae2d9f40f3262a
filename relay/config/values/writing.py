"""How a value is written in a file, and what is said when it is written wrongly."""

from collections.abc import Callable
from typing import Any, TypeAlias

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

Json: TypeAlias = dict[str, Any]


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """An error about one value: what is wrong, and what to write instead. To be raised inside a validator."""
    return PydanticCustomError("relay", "{message}", {"message": message, "hint": hint})


def shown(value: object) -> str:
    """`value` as a message names it: short, and recognisable as what stands in the file."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case int() | float():
            return f"the number {str(value)[:40]}"
        case _:
            text = str(value)
            return f"'{text[:60]}{'…' if len(text) > 60 else ''}'"


def text_of(value: object, example: str) -> str:
    """`value`, which has to be text; raises what `wrong` makes of anything else."""
    if not isinstance(value, str):
        hint = f'Put it in quotes: "{value}".' if isinstance(value, bool | int | float) else f"For example {example}."
        raise wrong(f"{shown(value)} stands where text was expected", hint)
    return value


def written(parse: Callable[[str], object], example: str, schema: Json) -> tuple[PlainValidator, WithJsonSchema]:
    """Validator and schema of a value that is written as text."""

    def validate(value: object) -> object:
        return parse(text_of(value, example))

    return PlainValidator(validate), WithJsonSchema({"type": "string", "examples": [example], **schema})
