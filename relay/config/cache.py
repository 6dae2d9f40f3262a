"""Compiled companies on disk, so that a restart need not parse what has not changed.

In charge of the file's form: a header, a line for each company, and a digest of all of it. The file can be deleted at
any time. One that is damaged, or was written by other code, is ignored; it is replaced whole, so several workers may
read and write it at once. Its content is data only: reading it can never run code.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

_MAGIC = b"relay compiled companies 1 "
_END = b"end "


@dataclass(slots=True)
class Compiled:
    """What is known of each company's file, by slug: stamp and digest (48 octets), record, alias in lower case."""

    seen: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, bytes] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)


@lru_cache(maxsize=1)
def code_version() -> bytes:
    """Changes with any change of the code that decides what a compiled company looks like."""
    digest = hashlib.blake2b(digest_size=16)
    for path in deciding_files():
        digest.update(path.read_bytes())
    return digest.hexdigest().encode()


def deciding_files() -> Iterator[Path]:
    """The files of code that may have a part in it: too many rather than too few, such as the table of providers."""
    top = Path(__file__).parents[1]
    for package in ("config", "mail", "policy"):
        yield from sorted((top / package).rglob("*.py"))


def load_cache(path: Path) -> Compiled | None:
    """What was saved there; None when that is nothing, damaged, or another version's."""
    try:
        with path.open("rb") as file:
            return _read(file) if file.readline() == _header() else None
    except (OSError, ValueError):
        return None


def _read(file: BinaryIO) -> Compiled | None:
    compiled = Compiled()
    digest = _digest()
    for line in file:
        if line.startswith(_END):
            return compiled if line == _END + digest.hexdigest().encode() else None
        digest.update(line)
        name, seen, alias, packed = line.split(b"\t", 3)
        slug = name.decode()
        compiled.seen[slug] = bytes.fromhex(seen.decode())
        compiled.records[slug] = packed[:-1]
        # One string serves both names where they are equal, which is the usual case.
        compiled.aliases[slug] = slug if alias == name else alias.decode()
    return None


def save_cache(path: Path, compiled: Compiled) -> None:
    """Replace what is saved there. Raises OSError."""
    seen, aliases = compiled.seen, compiled.aliases
    lines = [
        b"%b\t%b\t%b\t%b\n" % (slug.encode(), seen[slug].hex().encode(), aliases[slug].encode(), packed)
        for slug, packed in compiled.records.items()
    ]
    digest = _digest()
    for line in lines:
        digest.update(line)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(_header())
            file.writelines(lines)
            file.write(_END + digest.hexdigest().encode())
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _header() -> bytes:
    return _MAGIC + code_version() + b"\n"


def _digest() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=16)
