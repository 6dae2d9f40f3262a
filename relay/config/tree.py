"""The configuration's files as last seen, and the snapshot they make when all of them are right.

In charge of knowing which files changed, parsing only those, and judging the whole. It holds broken files too; what
it hands out is either a complete snapshot or all errors. Not safe to share between threads.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from relay.config.cache import Compiled, load_cache
from relay.config.checks import (
    check_references,
    check_settings,
    clashes,
    misplaced,
    named_files,
    sealed_in,
    sinkless,
    unopened,
)
from relay.config.compiler import CompiledSettings, compile_company, compile_settings
from relay.config.errors import ConfigError, ConfigErrors, KeyPath, key_text
from relay.config.files import UNSURE, digest_of, read_file, stamp_at, stamp_of
from relay.config.reader import read
from relay.config.record import pack
from relay.config.secrets import SecretError, reason, sealing_keys
from relay.config.snapshot import Snapshot
from relay.policy.company import Company

SUFFIX = ".yaml"


class Tree:
    """relay.yaml, the directory `companies` beside it, and the files that relay.yaml names."""

    def __init__(self, path: Path, cache: Path | None = None, *, known: Compiled | None = None) -> None:
        """Begin with what `cache` knows, or with `known`, which belongs to this tree then; nothing else is read yet."""
        self.path = path
        self.directory = path.parent / "companies"
        self.parsed = 0
        self._known = known or (load_cache(cache) if cache else None) or Compiled()
        self._broken: dict[str, tuple[ConfigError, ...]] = {}
        self.strays: list[ConfigError] = []
        self._settings: CompiledSettings | None = None
        self._settings_errors: tuple[ConfigError, ...] = ()
        self._stamps: dict[str, bytes] = {}
        self._opened_with: tuple[str, ...] | None = None
        self._unopened: set[str] = set()
        self._total = sum(_term(slug, packed) for slug, packed in self._known.records.items())

    @property
    def compiled(self) -> Compiled:
        """What is worth saving: the companies whose files are right."""
        return self._known

    # Looking

    def look_at_settings(self) -> bool:
        """Read relay.yaml, and check the files it names, if any of them changed. True when something did."""
        if self._stamps and all(stamp_at(Path(name)) == stamp for name, stamp in self._stamps.items()):
            return False
        errors: tuple[ConfigError, ...] = ()
        self._settings = None
        stamps = {str(self.path): stamp_at(self.path)}
        try:
            content = read_file(self.path)
            stamps[str(self.path)] = content.stamp
            self._settings = compile_settings(str(self.path), content.raw)
            stamps |= {name: stamp_at(Path(name)) for name in named_files(self._settings.settings)}
            errors = tuple(check_settings(self._settings))
        except OSError as error:
            errors = (ConfigError(str(self.path), 0, 0, "", reason(error)),)
        except ConfigErrors as found:
            errors = found.errors
        self._stamps, self._settings_errors = stamps, errors
        return True

    def look_at_all(self) -> set[str]:
        """Compare every company's file with what is known of it; the slugs of those that differ."""
        touched: set[str] = set()
        self.strays = []
        try:
            descriptor = self._open_directory()
        except OSError as error:
            self.strays = [ConfigError(str(self.directory), 0, 0, "", reason(error))]
            return touched
        try:
            gone = set(self._known.seen)
            for slug in self._differing(descriptor, gone):
                touched |= self._take(slug, descriptor)
            for slug in gone:
                touched |= self._drop(slug)
        finally:
            os.close(descriptor)
        return touched

    def look_at(self, slugs: Iterable[str]) -> set[str]:
        """As `look_at_all`, for some companies only."""
        touched: set[str] = set()
        try:
            descriptor = self._open_directory()
        except OSError:
            return self.look_at_all()
        try:
            for slug in slugs:
                touched |= self._take(slug, descriptor)
        finally:
            os.close(descriptor)
        return touched

    def _open_directory(self) -> int:
        return os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _differing(self, descriptor: int, gone: set[str]) -> Iterator[str]:
        """Slugs whose files differ from what is known; takes those that are there out of `gone`."""
        known, size = self._known.seen, len(UNSURE)
        with os.scandir(descriptor) as entries:
            for entry in entries:
                name = entry.name
                if name[-5:] != SUFFIX or name[0] == ".":
                    self._note_stray(entry)
                    continue
                slug = name[:-5]
                gone.discard(slug)
                try:
                    stamp = stamp_of(entry.stat())
                except OSError:
                    stamp = UNSURE
                if known.get(slug, b"")[:size] != stamp or stamp == UNSURE:
                    yield slug

    def _note_stray(self, entry: "os.DirEntry[str]") -> None:
        """Say what will not be read although its author may think it is; editors' own files are left in peace."""
        name = entry.name
        if name.startswith(".") or name.endswith("~"):
            return
        if name.lower().endswith((".yaml", ".yml")):
            hint = f"Name it {Path(name).stem.lower()}{SUFFIX}."
            self.strays.append(ConfigError(str(self.directory / name), 0, 0, "", "this file is not read", hint))
        elif entry.is_dir():
            hint = "Put the companies' files beside each other."
            self.strays.append(ConfigError(str(self.directory / name), 0, 0, "", "directories are not read", hint))

    def _take(self, slug: str, descriptor: int) -> set[str]:
        """Read one company's file; the slug when that changes anything."""
        file = self._file(slug)
        before = self._known.seen.get(slug, b"")
        try:
            content = read_file(slug + SUFFIX, descriptor)
        except FileNotFoundError:
            return self._drop(slug)
        except OSError as error:
            return self._set_broken(slug, UNSURE, (ConfigError(file, 0, 0, "", reason(error)),))
        digest = digest_of(content.raw)
        if before[len(UNSURE) :] == digest:
            self._known.seen[slug] = content.stamp + digest
            return set()
        self.parsed += 1
        try:
            company = compile_company(file, slug, content.raw)
        except ConfigErrors as errors:
            return self._set_broken(slug, content.stamp + digest, errors.errors)
        self._known.seen[slug] = content.stamp + digest
        return self._set_company(slug, company)

    def _set_company(self, slug: str, company: Company) -> set[str]:
        packed, alias = pack(company), company.alias.lower()
        was_broken = self._broken.pop(slug, None)
        before = self._known.records.get(slug)
        if before == packed:
            return {slug} if was_broken else set()
        self._known.records[slug] = packed
        if sealed_in(packed):
            self._unopened.add(slug)
        self._known.aliases[slug] = slug if alias == slug else alias
        self._total += _term(slug, packed) - (0 if before is None else _term(slug, before))
        return {slug}

    def _set_broken(self, slug: str, seen: bytes, errors: tuple[ConfigError, ...]) -> set[str]:
        same = self._broken.get(slug) == errors
        self._forget(slug)
        self._known.seen[slug] = seen
        self._broken[slug] = errors
        return set() if same else {slug}

    def _drop(self, slug: str) -> set[str]:
        known = self._known.seen.pop(slug, None) is not None
        self._broken.pop(slug, None)
        self._forget(slug)
        return {slug} if known else set()

    def _forget(self, slug: str) -> None:
        before = self._known.records.pop(slug, None)
        self._known.aliases.pop(slug, None)
        if before is not None:
            self._total -= _term(slug, before)

    def _file(self, slug: str) -> str:
        return str(self.directory / (slug + SUFFIX))

    # Judging

    def snapshot(self) -> Snapshot:
        """All files as one state. Raises ConfigErrors with everything that is wrong with any of them."""
        known = self._known
        errors = [*self._settings_errors, *self.strays]
        for broken in self._broken.values():
            errors += broken
        index = {alias: slug for slug, alias in known.aliases.items()}
        if len(index) != len(known.aliases):
            errors += self._clashes()
        if self._settings is not None:
            errors += check_references(self._settings, known.seen)
            for slug, path, message, hint in misplaced(self._settings.settings.domain, known.records):
                errors.append(self._error(slug, path, message, hint))
            for slug, path, message, hint in sinkless(self._settings.settings, known.records):
                errors.append(self._error(slug, path, message, hint))
            errors += self._sealed_for_nobody(self._settings)
        if errors or self._settings is None:
            raise ConfigErrors(errors)
        generation = self._generation(self._settings)
        return Snapshot(self._settings.settings, records=dict(known.records), aliases=index, generation=generation)

    def _clashes(self) -> Iterator[ConfigError]:
        for slug, other, alias in clashes(self._known.aliases):
            yield self._error(
                slug, ("alias",), f"'{alias}' is already the alias of {self._file(other)}", "Choose another."
            )

    def _sealed_for_nobody(self, settings: CompiledSettings) -> Iterator[ConfigError]:
        """Errors about what does not open. What did is not tried again until it or the keys change."""
        try:
            keys = sealing_keys(settings.settings.secrets.sealing)
        except SecretError:
            return  # said among the errors of the settings
        records = self._known.records
        if keys.ids != self._opened_with:
            self._opened_with = keys.ids
            self._unopened = {slug for slug, record in records.items() if sealed_in(record)}
        for slug in tuple(self._unopened):
            faults = tuple(unopened(slug, records[slug], keys)) if slug in records else ()
            if not faults:
                self._unopened.discard(slug)
            for path, message, hint in faults:
                yield self._error(slug, path, message, hint)

    def _error(self, slug: str, path: KeyPath, message: str, hint: str) -> ConfigError:
        """An error with its place in a company's file, which is read again for it."""
        file = self._file(slug)
        try:
            return read(file, read_file(file).raw).error(path, message, hint)
        except (OSError, ConfigErrors):
            return ConfigError(file, 0, 0, key_text(path), message, hint)

    def _generation(self, settings: CompiledSettings) -> str:
        digest = hashlib.sha256(json.dumps(settings.document.data, sort_keys=True).encode())
        digest.update(self.named_files_digest())
        digest.update((self._total % 2**128).to_bytes(16, "big"))
        return digest.hexdigest()[:16]

    def named_files_digest(self) -> bytes:
        """Stands for the content of the files that relay.yaml names."""
        digest = hashlib.sha256()
        for name in named_files(self._settings.settings) if self._settings else ():
            with suppress(OSError):
                digest.update(digest_of(read_file(name).raw))
        return digest.digest()


def _term(slug: str, packed: bytes) -> int:
    """What one company adds to the generation; a sum, so that one changed file costs no look at the others."""
    return int.from_bytes(hashlib.blake2b(slug.encode() + b"\0" + packed, digest_size=16).digest(), "big")
