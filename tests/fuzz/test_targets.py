"""Every target of the fuzzer holds for its seeds, for examples that once broke it, and for what hypothesis makes."""

import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fuzz.run import KEPT, NAMES

TARGETS = {name: importlib.import_module(f"fuzz.targets.{name}") for name in NAMES}
EXAMPLES = [
    *((name, f"seed {number}", seed) for name, target in TARGETS.items() for number, seed in enumerate(target.SEEDS)),
    *((path.parent.name, path.name, path.read_bytes()) for path in sorted(KEPT.glob("*/*"))),
]


def changed(seeds: tuple[bytes, ...]) -> st.SearchStrategy[bytes]:
    """A seed with some octets in another one's place."""
    return st.builds(
        lambda seed, at, octets, cut: seed[: at % (len(seed) + 1)] + octets + seed[at % (len(seed) + 1) + cut :],
        st.sampled_from(seeds),
        st.integers(0, 4000),
        st.binary(max_size=20) | st.sampled_from(seeds),
        st.integers(0, 30),
    )


@pytest.mark.parametrize(("name", "octets"), [(name, octets) for name, _, octets in EXAMPLES],
                         ids=[f"{name}: {label}" for name, label, _ in EXAMPLES])  # fmt: skip
def test_an_example_holds(name, octets):
    TARGETS[name].check(octets)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_holds(name):
    @settings(max_examples=50)
    @given(changed(TARGETS[name].SEEDS) | st.binary(max_size=300))
    def holds(octets):
        TARGETS[name].check(octets)

    holds()
