"""A strict reader of YAML: what it accepts means the same to every YAML reader, and to the person who wrote it.

In charge of turning octets into plain values, with the place of every key and value. Accepts mappings, lists and the
scalars of the YAML 1.2 core schema. Refuses duplicate keys, anchors, aliases, merge keys, tags, directives, several
documents, tabs, and plain scalars that YAML 1.1 and 1.2 understand differently (`no`, `22:30`, `012`, dates).
Never builds anything but dict, list, str, int, float, bool and None; never raises anything but `ConfigErrors`.
"""

import re
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import yaml

from relay.config.errors import ConfigError, ConfigErrors, KeyPath, key_text, may_be_secret

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"

MAX_OCTETS = 4 * 2**20
MAX_DEPTH = 16

_Loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_FORBIDDEN = re.compile("[\0-\t\v\f\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")
_UNSAFE = re.compile("[\0\ud800-\udfff]")
_AGAIN = -1  # stands in the path of a duplicate key's value, so that the first one keeps its places
_NUMERIC_START = frozenset("0123456789+-.=<")
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OLD_BOOL = frozenset(
    form for word in ("y", "n", "yes", "no", "on", "off") for form in (word, word.capitalize(), word.upper())
)
_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,18})|0x[0-9a-fA-F]{1,16}|0o[0-7]{1,21}", re.ASCII)
_FLOAT = re.compile(
    r"[-+]?(?:(?:\.[0-9]+|(?:0|[1-9][0-9]*)\.[0-9]*)(?:[eE][-+]?[0-9]+)?|(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+)", re.ASCII
)
_OCTAL = "an octal or a decimal number"
_OLD_FORMS = (
    (re.compile(r"[-+]?0[0-9_]+", re.ASCII), _OCTAL),
    (re.compile(r"[-+]?0b[01_]+", re.ASCII), "a binary number or text"),
    (re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?", re.ASCII), "a number to base 60 or text"),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?", re.ASCII | re.DOTALL), "a date or text"),
    (
        re.compile(r"[-+]?(?:(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]*)?|0x[0-9a-fA-F_]+)", re.ASCII),
        "a number or text",
    ),
    (re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|=|<<", re.ASCII), "a special value or text"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something begins, counted from 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """One file's content. `errors` are those of values that could still be read around."""

    file: str
    data: dict[str, Value] = field(default_factory=dict)
    keys: dict[KeyPath, Place] = field(default_factory=dict)
    values: dict[KeyPath, Place] = field(default_factory=dict)
    errors: list[ConfigError] = field(default_factory=list)
    refused: set[KeyPath] = field(default_factory=set)

    def error(self, path: KeyPath, message: str, hint: str = "", *, at_key: bool = False) -> ConfigError:
        """An error about the value at `path`, or about its key; placed at the nearest thing that is in the file."""
        known = path
        places = self.keys if at_key and path in self.keys else self.values
        while known and known not in places:
            known, places = known[:-1], self.keys
        place = places.get(known) or Place(1, 1)
        return ConfigError(self.file, place.line, place.column, key_text(path), message, hint)

    def sealed(self) -> dict[KeyPath, str]:
        """Where something sealed stands, and what: the paths are those of the mappings {sealed: …}."""
        found = {}
        for path in self.keys:
            if path[-1] == "sealed":
                value: Any = self.data
                for part in path:
                    value = value[part]
                found[path[:-1]] = str(value)
        return found


def read(file: str, raw: bytes) -> Document:
    """The document that `raw` holds; `file` is its name in messages. Raises ConfigErrors when it cannot be read."""
    text = _decode(file, raw)
    loader = _Loader(text)
    try:
        return _Builder(file, loader).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise ConfigErrors([ConfigError(file, line, column, "", f"not valid YAML: {error.problem}")]) from None
    except (yaml.YAMLError, ValueError, OverflowError):
        raise ConfigErrors([ConfigError(file, 1, 1, "", "not valid YAML")]) from None
    finally:
        loader.dispose()


def _decode(file: str, raw: bytes) -> str:
    if len(raw) > MAX_OCTETS:
        raise ConfigErrors([ConfigError(file, 0, 0, "", f"the file is larger than {MAX_OCTETS // 2**20} MiB")])
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise ConfigErrors([_text_error(file, raw[: error.start].decode(), "this is not UTF-8")]) from None
    text = text.removeprefix("\ufeff")
    if match := _FORBIDDEN.search(text):
        before = text[: match.start()]
        if match[0] == "\t":
            hint = "Indent with spaces; inside double quotes write \\t."
            raise ConfigErrors([_text_error(file, before, "a tab stands here", hint)])
        raise ConfigErrors([_text_error(file, before, f"the character U+{ord(match[0]):04X} is not allowed")])
    return text


def _text_error(file: str, before: str, message: str, hint: str = "") -> ConfigError:
    line = before.count("\n")
    return ConfigError(file, line + 1, len(before) - before.rfind("\n"), "", message, hint)


def _begin(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


class _Builder:
    """Builds values out of the parser's events."""

    def __init__(self, file: str, loader: Any) -> None:
        self._out = Document(file)
        self._next = loader.get_event

    def document(self) -> Document:
        self._next()  # the stream's start
        start = self._next()
        if isinstance(start, yaml.StreamEndEvent):
            raise self._stop(start, (), "the file is empty")
        if start.version or start.tags:
            raise self._stop(start, (), "directives (%YAML, %TAG) are not used here")
        data = self._value(self._next(), ())
        self._next()  # the document's end
        after = self._next()
        if not isinstance(after, yaml.StreamEndEvent):
            raise self._stop(after, (), "a second document begins here", "Keep one document in a file.")
        if data is None:
            raise self._stop(start, (), "the file is empty")
        if not isinstance(data, dict):
            raise self._stop(start, (), "the file must hold keys and values", "For example `name: value`.")
        self._out.data = data
        return self._out

    def _value(self, event: Any, path: KeyPath) -> Value:
        self._out.values[path] = _begin(event)
        if isinstance(event, yaml.AliasEvent):
            self._refuse(path, "an alias (*) is not allowed", "Write the value out, or put the text in quotes.")
            return None
        if event.anchor is not None:
            self._refuse(path, "an anchor (&) is not allowed", "Write each value out, or put the text in quotes.")
        if event.tag is not None:
            self._refuse(path, "a tag (!) is not allowed", "Leave it off, or put the text in quotes.")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if len(path) >= MAX_DEPTH:
            raise self._stop(event, path, f"this is nested more than {MAX_DEPTH} levels deep")
        return self._mapping(path) if isinstance(event, yaml.MappingStartEvent) else self._list(path)

    def _list(self, path: KeyPath) -> list[Value]:
        items: list[Value] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _mapping(self, path: KeyPath) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, path)
            here = (*path, key)
            place = _begin(event)
            if key not in mapping:
                self._out.keys[here] = place
                mapping[key] = self._value(self._next(), here)
                continue
            first = self._out.keys[here].line
            again = (*here, _AGAIN)
            self._out.keys[again] = place
            self._value(self._next(), again)
            self._refuse(here, f"this key is already on line {first}", "Keep one of them.", place=place)
        return mapping

    def _key(self, event: Any, path: KeyPath) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise self._stop(event, path, "a key must be text")
        if event.anchor is not None or event.tag is not None:
            raise self._stop(event, path, "anchors and tags are not allowed")
        if event.value == "<<" and not event.style:
            raise self._stop(event, path, "the merge key << is not allowed", "Write the values out.")
        key = self._scalar(event, path)
        if not isinstance(key, str):
            self._refuse(path, f"the key '{event.value[:60]}' is not text", "Put it in quotes.", place=_begin(event))
        return str(event.value)

    def _scalar(self, event: Any, path: KeyPath) -> Value:
        text: str = event.value
        if event.style:
            if _UNSAFE.search(text):
                self._refuse(path, "NUL and surrogates are not allowed in text", place=_begin(event))
            return _UNSAFE.sub("", text)
        if text in _NULL:
            return None
        if text in _BOOL:
            return _BOOL[text]
        if text in _OLD_BOOL:
            self._ambiguous(event, path, "text or a truth value", "Write true or false")
        elif text[0] in _NUMERIC_START:
            return self._number(event, path)
        return text

    def _number(self, event: Any, path: KeyPath) -> Value:
        text: str = event.value
        if _INT.fullmatch(text):
            return int(text, 0)
        if _FLOAT.fullmatch(text):
            return float(text)
        for form, meaning in _OLD_FORMS:
            if form.fullmatch(text):
                decimal = text.replace("_", "").lstrip("+-0") or "0"
                self._ambiguous(event, path, meaning, f"Write {decimal}" if meaning == _OCTAL else "")
                break
        return text

    def _ambiguous(self, event: Any, path: KeyPath, meaning: str, instead: str) -> None:
        if may_be_secret(path):
            self._refuse(path, f"this is {meaning}, depending on the reader", "Put it in quotes.", place=_begin(event))
            return
        text = event.value[:60]
        hint = f'{instead}, or put it in quotes: "{text}".' if instead else f'Put it in quotes: "{text}".'
        self._refuse(path, f"'{text}' is {meaning}, depending on the reader", hint, place=_begin(event))

    def _refuse(self, path: KeyPath, message: str, hint: str = "", *, place: Place | None = None) -> None:
        place = place or self._out.values[path]
        self._out.refused.add(path)
        self._out.errors.append(ConfigError(self._out.file, place.line, place.column, key_text(path), message, hint))

    def _stop(self, event: Any, path: KeyPath, message: str, hint: str = "") -> ConfigErrors:
        place = _begin(event)
        error = ConfigError(self._out.file, place.line, place.column, key_text(path), message, hint)
        return ConfigErrors([*self._out.errors, error])
