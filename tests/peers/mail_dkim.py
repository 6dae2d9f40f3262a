"""Mail::DKIM as a second opinion on signatures and on chains of ARC seals."""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from tests.peers.programs import program


def judge(messages: Iterable[bytes], records: Mapping[str, str], folder: Path) -> list[list[str]]:
    """Per message and signature, from the top: the algorithm, "=", the result. `records` hold the keys by name."""
    return [line.split() for line in _said("signatures", messages, records, folder)]


def judge_chains(messages: Iterable[bytes], records: Mapping[str, str], folder: Path) -> list[str]:
    """Per message the result of its chain of ARC seals."""
    return _said("chain", messages, records, folder)


def _said(of: str, messages: Iterable[bytes], records: Mapping[str, str], folder: Path) -> list[str]:
    keys = folder / "keys"
    keys.write_text("".join(f"{name}\t{record}\n" for name, record in records.items()))
    paths = []
    for number, message in enumerate(messages):
        path = folder / f"{number}.eml"
        path.write_bytes(message)
        paths.append(str(path))
    command = [program("perl", "perl"), str(Path(__file__).with_suffix(".pl")), of, str(keys), *paths]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
