"""Compares the documents with what they speak of, as far as that can be compared."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PATH = re.compile(r"`((?:relay|docs|config|tests|systemd|bench|requirements)/[\w./-]*|Dockerfile)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
RFC = re.compile(r"RFC ?(\d{4})((?:(?:, | and )(?:RFC )?\d{4})*)")
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
METRIC = re.compile(r"`?(relay_[a-z_]+)")


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_files_that_are_named_exist(document: Path) -> None:
    text = document.read_text(encoding="utf-8")

    missing = [path for path in PATH.findall(text) if not (ROOT / path).exists()]
    dead = [link for link in LINK.findall(text) if not (document.parent / link).exists()]

    assert not missing
    assert not dead


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_tests_that_are_named_exist(document: Path) -> None:
    missing = [
        f"{file}::{test}"
        for file, test in TEST.findall(document.read_text(encoding="utf-8"))
        if not (ROOT / file).exists() or f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")
    ]

    assert not missing


def test_metrics_are_those_of_the_journal() -> None:
    text = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    code = (ROOT / "relay/journal.py").read_text(encoding="utf-8")

    assert set(METRIC.findall(text)) == set(re.findall(r'"(relay_[a-z_]+)"', code))


def test_every_standard_that_code_names_is_listed() -> None:
    listed = set(re.findall(r"\b\d{4}\b", " ".join(re.findall(r"(?m)^\| ([\d, ]+) \|", _text("docs/rfcs.md")))))
    cited = {
        number
        for path in (ROOT / "relay").rglob("*.py")
        if "sandbox" not in path.parts
        for first, more in RFC.findall(path.read_text(encoding="utf-8"))
        for number in (first, *re.findall(r"\d{4}", more))
    }

    assert not cited - listed


def test_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (ROOT / "docs/decisions").iterdir())

    assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1))


def _text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")
