"""Benchmarks are run by hand, and rarely: that nothing has been taken away from under them shows here."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "bench").rglob("*.py")
)


@pytest.mark.parametrize("name", MODULES)
def test_a_benchmark_finds_all_it_needs(name: str) -> None:
    importlib.import_module(name)
