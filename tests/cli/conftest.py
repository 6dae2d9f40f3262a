"""A place with a configuration in it, and the program to run there."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from relay.cli import main

SETTINGS = """\
hostname: mx1.my.relay.example
domain: my.relay.example
postmaster: postmaster@operator.example
store: sqlite:var/relay.db
sending_addresses: [127.0.0.1]
apps:
  billit-web: {networks: [127.0.0.0/8], companies: all}
secrets: {signing: [{file: var/signing-secret}]}
dns: {servers: ["127.0.0.1:9"], timeout: 1s}
workers: 1
log: {format: console}
"""
COMPANY = """\
name: Bakkerij Peeters BV
address: info@bakkerij-peeters.example
alias: bakkerij-peeters
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


class Place:
    """A working directory with a configuration."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys
        (path / "var").mkdir()
        (path / "var/signing-secret").write_text("not-a-real-secret-only-a-test\n")
        self.write("relay.yaml", SETTINGS)
        self.write("companies/bakkerij-peeters.yaml", COMPANY)

    def write(self, name: str, text: str) -> None:
        file = self.path / "config" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(self, *arguments: str) -> Ended:
        """Run the program in this process."""
        self._capsys.readouterr()
        code = _exit_code(arguments)
        printed = self._capsys.readouterr()
        return Ended(code, printed.out, printed.err)


def _exit_code(arguments: Sequence[str]) -> int:
    try:
        main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Place:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RELAY_CONFIG", raising=False)
    monkeypatch.delenv("RELAY_DEBUG", raising=False)
    return Place(tmp_path, capsys)
