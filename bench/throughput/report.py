"""From the results of all rounds to medians, to ratios pair by pair, and to tables."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from bench.throughput.measure import Result

CLAIMED_FROM = 1.15
"""Two figures that differ by less than this factor are not called different."""

QUIET_BELOW = 0.15
"""Share of the machine that others may use in a run; the kernel's work for the program itself stays below it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One column: how it is taken from a result, and how it is shown."""

    title: str
    value: Callable[[Result], float]
    shown: str
    factor: float = 1.0

    def text(self, value: float) -> str:
        return format(value * self.factor, self.shown)


COMPARED = (
    Figure("msg/s", lambda r: r.throughput, ".0f"),
    Figure("CPU ms/msg", lambda r: r.cpu, ".3f", 1e3),
    Figure("anon MiB", lambda r: r.memory, ".1f", 1 / 2**20),
    Figure("journey p50 ms", lambda r: r.journey.p50, ".1f", 1e3),
    Figure("journey p99 ms", lambda r: r.journey.p99, ".1f", 1e3),
    Figure("accept p50 ms", lambda r: r.accept.p50, ".1f", 1e3),
    Figure("accept p99 ms", lambda r: r.accept.p99, ".1f", 1e3),
    Figure("transit p50 ms", lambda r: r.transit.p50, ".1f", 1e3),
    Figure("transit p99 ms", lambda r: r.transit.p99, ".1f", 1e3),
)
CONTEXT = (
    Figure("processes", lambda r: r.processes, ".0f"),
    Figure("load CPU ms/msg", lambda r: r.load_cpu, ".3f", 1e3),
    Figure("foreign CPU %", lambda r: r.foreign_cpu, ".0f", 100),
)

Rounds = Mapping[str, Sequence[Result]]
"""The results of one size and number of sessions: for each program, one a round, in the order of the rounds."""


def absolute_rows(rounds: Rounds) -> list[list[str]]:
    """One line for each program with the medians of its rounds."""
    return [
        [program, *(figure.text(_median(figure, results)) for figure in COMPARED + CONTEXT)]
        for program, results in rounds.items()
    ]


def ratio_rows(rounds: Rounds, subject: str) -> list[list[str]]:
    """One line for each other program: the median over the rounds of subject divided by that program."""
    others = [program for program in rounds if program not in (subject, "direct")]
    if subject not in rounds:
        return []
    return [
        [f"{subject} / {other}", *(_ratio_text(_ratio(figure, rounds[subject], rounds[other])) for figure in COMPARED)]
        for other in others
    ]


def disturbed(rounds: Rounds) -> list[str]:
    """The runs in which others used so much of the machine that speed and latency of this case say nothing."""
    return [
        f"{program} round {number} ({result.foreign_cpu:.0%})"
        for program, results in rounds.items()
        for number, result in enumerate(results, 1)
        if result.foreign_cpu >= QUIET_BELOW
    ]


def as_json(rounds: Rounds, subject: str) -> dict[str, object]:
    ratios = {
        other: {figure.title: _ratio(figure, rounds[subject], results) for figure in COMPARED}
        for other, results in rounds.items()
        if subject in rounds and other not in (subject, "direct")
    }
    return {
        "medians": {
            program: {figure.title: _median(figure, results) * figure.factor for figure in COMPARED + CONTEXT}
            for program, results in rounds.items()
        },
        f"ratios_{subject}_to": ratios,
        "disturbed": disturbed(rounds),
        "rounds": {program: [asdict(result) for result in results] for program, results in rounds.items()},
    }


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    return "\n".join(
        "  ".join(text.ljust(width) if column == 0 else text.rjust(width) for column, (text, width) in cells)
        for cells in (list(enumerate(zip(row, widths, strict=True))) for row in [head, *rows])
    )


def _median(figure: Figure, results: Sequence[Result]) -> float:
    return statistics.median(figure.value(result) for result in results)


def _ratio(figure: Figure, ours: Sequence[Result], theirs: Sequence[Result]) -> float | None:
    pairs = [(figure.value(our), figure.value(their)) for our, their in zip(ours, theirs, strict=True)]
    if any(our <= 0 or their <= 0 for our, their in pairs):
        return None
    return statistics.median(our / their for our, their in pairs)


def _ratio_text(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    return "no difference" if 1 / CLAIMED_FROM < ratio < CLAIMED_FROM else f"{ratio:.2f}"
