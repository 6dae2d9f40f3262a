"""What is wrong with the configuration, so that a person finds the place and knows what to write instead.

In charge of the form of these messages. Never quotes a secret: whoever makes an error leaves it out.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]

_SECRET_KEYS = frozenset(("password", "hash", "key", "secret", "secrets", "sealed"))


@dataclass(frozen=True, slots=True)
class ConfigError:
    """One error. Lines and columns count from 1; 0 when the error has no place in a file's text."""

    file: str
    line: int
    column: int
    key: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        what = f"{self.key}: {self.message}" if self.key else self.message
        end = "" if what.endswith((".", "?")) else "."
        return f"{place}: {what}{end} {self.hint}" if self.hint else f"{place}: {what}"


class ConfigErrors(Exception):  # noqa: N818 - it carries all errors of one load
    """Everything that is wrong, in the order of files and lines."""

    def __init__(self, errors: Iterable[ConfigError]) -> None:
        """Hold at least one error."""
        self.errors = tuple(sorted(set(errors), key=_place))
        super().__init__("\n".join(map(str, self.errors)))


def _place(error: ConfigError) -> tuple[str, int, int, str, str]:
    return error.file, error.line, error.column, error.key, error.message


def key_text(path: KeyPath) -> str:
    """A key's path as it is written in messages: "apps.billit-web.networks[0]"."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[\w$*@+-]+", part) else f'"{part}"'
            text += f".{name}" if text else name
    return text


def may_be_secret(path: KeyPath) -> bool:
    """Whether somebody may have written a secret at `path`, by mistake, so that a message must not repeat it."""
    return not _SECRET_KEYS.isdisjoint(path)


def nearest(written: str, known: Sequence[str]) -> str | None:
    """The known word that somebody probably meant."""
    for form in (written.lower().replace("_", "-"), written.lower()):
        if near := difflib.get_close_matches(form, known, n=1, cutoff=0.6):
            return near[0]
    return None


def did_you_mean(written: str, known: Sequence[str]) -> str:
    """A hint: the known word that is nearest to what was written, or else all of them when they are few."""
    if near := nearest(written, known):
        return f"Did you mean {near}?"
    return f"Known here: {', '.join(known)}." if 0 < len(known) <= 30 else ""
