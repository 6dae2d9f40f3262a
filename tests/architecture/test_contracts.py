"""Proves every contract of .importlinter by breaking it: a rule that nothing can break protects nothing."""

import ast
import configparser
import functools
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
PREFIX = "importlinter:contract:"


@dataclass(frozen=True)
class Offence:
    """A line that must not stand in a file of the package; the file is made if it is not there."""

    file: str
    line: str

    @property
    def seen(self) -> str:
        """How a report names it: who imports what, or a room that has no place."""
        module = "relay." + self.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        if not self.line:
            return module.removeprefix("relay.")
        imported = self.line.split()[1]
        return f"{module} -> {imported if imported.startswith('relay.') else imported.partition('.')[0]}"


PROOFS = {
    "layers": (
        Offence("mail/offence.py", "import relay.policy.retry"),
        Offence("policy/offence.py", "import relay.events"),
        Offence("clock.py", "import relay.dns"),
        Offence("dns/offence.py", "import relay.http"),
        Offence("store/offence.py", "import relay.config.settings"),
        Offence("config/offence.py", "import relay.intake.gate"),
        Offence("facts/offence.py", "import relay.intake.gate"),
        Offence("store/offence.py", "import relay.facts.domains"),
        Offence("intake/offence.py", "import relay.smtpd"),
        Offence("smtpd/offence.py", "import relay.delivery.route"),
        Offence("fetch/offence.py", "import relay.delivery.route"),
        Offence("web/offence.py", "import relay.app"),
        Offence("supervisor.py", "import relay.worker"),
        Offence("app.py", "import relay.cli"),
        Offence("attic/__init__.py", ""),
    ),
    "pure": (
        Offence("mail/offence.py", "import socket"),
        Offence("policy/offence.py", "from random import random"),
        Offence("policy/sub/offence.py", "import time"),
    ),
    "pure-libraries": (
        Offence("mail/offence.py", "from cryptography.hazmat.primitives import hashes"),
        Offence("policy/offence.py", "import structlog"),
    ),
    "edge": (Offence("smtpd/offence.py", "import relay.store.spool"),),
    "intake": (Offence("delivery/offence.py", "import relay.intake.submission"),),
    "engine": (Offence("app.py", "import relay.store.sqlite.spool"),),
    "sandbox": (Offence("delivery/offence.py", "import relay.sandbox.world"),),
    "sandbox-alone": (Offence("sandbox/offence.py", "import relay.delivery.route"),),
    "aiosmtpd": (Offence("intake/offence.py", "import aiosmtpd.smtp"),),
    "aiosmtplib": (Offence("app.py", "import aiosmtplib"),),
    "evidence": (
        Offence("delivery/offence.py", "import spf"),
        Offence("intake/offence.py", "import dkim"),
        Offence("smtpd/offence.py", "import authres"),
    ),
    "sqlite": (Offence("store/offence.py", "import apsw"), Offence("config/offence.py", "import sqlite3")),
    "dnspython": (Offence("authn/offence.py", "import dns.resolver"),),
    "http": (Offence("cli/offence.py", "import uvicorn"), Offence("app.py", "import starlette.routing")),
    "http-client": (Offence("web/offence.py", "import httpx2"),),
    "mailboxes": (Offence("delivery/offence.py", "import pikepdf"), Offence("fetch/offence.py", "import imapclient")),
    "base64": (Offence("fetch/offence.py", "import pybase64"),),
    "re2": (Offence("incoming/offence.py", "import re2"),),
    "templates": (Offence("web/offence.py", "import jinja2"),),
    "bounces": (Offence("fetch/offence.py", "import flufl.bounce"),),
    "jwt": (Offence("web/offence.py", "import joserfc"),),
    "metrics": (Offence("web/offence.py", "import prometheus_client"),),
    "terminal": (Offence("supervisor.py", "import rich"), Offence("app.py", "import typer")),
    "yaml": (Offence("cli/offence.py", "import yaml"),),
    "pydantic": (Offence("policy/offence.py", "import pydantic"),),
    "passwords": (Offence("smtpd/offence.py", "import argon2"),),
    "loop": (Offence("app.py", "import uvloop"),),
}


def contracts() -> dict[str, str]:
    """The name of each contract by its id."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter", encoding="utf-8")
    sections = (section for section in parser.sections() if section.startswith(PREFIX))
    return {section.removeprefix(PREFIX): parser[section]["name"] for section in sections}


def lint(directory: Path, *options: str) -> str:
    """What the linter says about the package `relay` in `directory`."""
    done = subprocess.run(
        [LINTER, "--config", ROOT / ".importlinter", "--no-cache", "--no-logo", *options],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    assert "Contracts:" in done.stdout, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a copy of the package that keeps all contracts."""
    directory = tmp_path_factory.mktemp("architecture")
    shutil.copytree(ROOT / "relay", directory / "relay", ignore=shutil.ignore_patterns("__pycache__"))
    return directory


@pytest.fixture
def offend(package: Path) -> Iterator[Callable[[Offence], None]]:
    """Commit an offence in the copy; it is undone after the test."""
    undo: list[Callable[[], object]] = []

    def commit(offence: Offence) -> None:
        path = package / "relay" / offence.file
        new_folders = [folder for folder in path.parents if not folder.exists()]
        for folder in reversed(new_folders):
            folder.mkdir()
            (folder / "__init__.py").touch()
            undo.append(functools.partial(shutil.rmtree, folder))
        before = path.read_text(encoding="utf-8") if path.exists() else None
        undo.append(functools.partial(path.unlink) if before is None else functools.partial(path.write_text, before))
        path.write_text(f"{before or ''}\n{offence.line}\n", encoding="utf-8")

    yield commit
    for step in reversed(undo):
        step()


def test_the_code_keeps_all_contracts() -> None:
    report = lint(ROOT)

    assert "0 broken" in report, report


@pytest.mark.parametrize("contract", contracts())
def test_every_contract_has_a_proof(contract: str) -> None:
    assert PROOFS.get(contract), f"say in PROOFS how {contract} could be broken"


def test_no_proof_is_left_without_a_contract() -> None:
    assert not PROOFS.keys() - contracts().keys()


@pytest.mark.parametrize("contract", PROOFS)
def test_offences_break_their_contract(package: Path, offend: Callable[[Offence], None], contract: str) -> None:
    for offence in PROOFS[contract]:
        offend(offence)

    report = lint(package, "--contract", contract)

    assert f"{contracts()[contract]} BROKEN" in report
    for offence in PROOFS[contract]:
        assert offence.seen in report, offence


def test_dates_ask_no_clock() -> None:
    """The one exception to the contract `pure` is for gmtime, which is arithmetic."""
    tree = ast.parse((ROOT / "relay/mail/date.py").read_text(encoding="utf-8"))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "time"
    }
    from_time = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "time"]

    assert used == {"gmtime"}
    assert not from_time
