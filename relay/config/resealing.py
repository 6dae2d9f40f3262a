"""Sealing again, with the first key, what older keys have sealed in the configuration's files.

In charge of finding it and of putting the new text exactly where the old one stands: not another octet of a file
changes. Each file is replaced whole or not at all, so a reload in between sees old or new, and both open.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from relay.config.errors import ConfigError, ConfigErrors, key_text
from relay.config.files import read_file
from relay.config.reader import read
from relay.config.sealing import SealingError, SealingKeys, key_id_of, place_of
from relay.config.secrets import reason
from relay.config.tree import SUFFIX


@dataclass(frozen=True, slots=True)
class Resealed:
    """What a file holds, what it should hold instead, and how many secrets in it are sealed again."""

    file: Path
    before: bytes
    after: bytes
    count: int


def reseal(config: Path, keys: SealingKeys) -> list[Resealed]:
    """The files that older keys have sealed something in. Writes nothing; raises ConfigErrors if anything is amiss."""
    changes: list[Resealed] = []
    errors: list[ConfigError] = []
    for file, company in _files(config):
        try:
            change = _reseal(file, company, keys)
        except ConfigErrors as found:
            errors += found.errors
        except OSError as error:
            errors.append(ConfigError(str(file), 0, 0, "", reason(error)))
        else:
            changes += [change] if change else []
    if errors:
        raise ConfigErrors(errors)
    return changes


def write(change: Resealed) -> bool:
    """Replace the file, durably; False, and nothing done, when somebody has changed it meanwhile. Raises OSError."""
    if read_file(change.file).raw != change.before:
        return False
    found = change.file.stat()
    descriptor, name = tempfile.mkstemp(prefix=f".{change.file.name}-", dir=change.file.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, found.st_mode & 0o7777)
            if (found.st_uid, found.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(descriptor, found.st_uid, found.st_gid)
            file.write(change.after)
            file.flush()
            os.fsync(descriptor)
        Path(name).replace(change.file)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise
    return True


def _files(config: Path) -> Iterator[tuple[Path, str]]:
    yield config, ""
    for file in sorted((config.parent / "companies").glob(f"*{SUFFIX}")):
        if not file.name.startswith("."):
            yield file, file.name.removesuffix(SUFFIX)


def _reseal(file: Path, company: str, keys: SealingKeys) -> Resealed | None:
    raw = read_file(file).raw
    if b"sealed" not in raw:
        return None
    document = read(str(file), raw)
    after, count, errors = raw, 0, list(document.errors)
    for path, sealed in document.sealed().items():
        if key_id_of(sealed) == keys.first:
            continue
        place = place_of(company, key_text(path))
        try:
            again = keys.seal(keys.open(sealed, place), place)
        except SealingError as error:
            errors.append(document.error(path, str(error)))
            continue
        # No two sealed texts are alike, so the text alone says where it stands, however it is quoted.
        after = after.replace(sealed.encode(), again.encode())
        count += 1
    if errors:
        raise ConfigErrors(errors)
    return Resealed(file, raw, after, count) if count else None
