"""Command lines out of blocks."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from relay.smtpd.lines import MAX_LINE, CommandLines, Flaw

octets = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"NOOP", b"\0", b" "]), max_size=20).map(b"".join)


def read(lines: CommandLines) -> list[bytes | Flaw]:
    found = []
    while (line := lines.next()) is not None:
        found.append(line)
    return found


@given(stream=octets, cuts=st.lists(st.integers(0, 60), max_size=8))
def test_any_split_gives_the_same_lines(stream: bytes, cuts: list[int]) -> None:
    *whole, rest = stream.split(b"\n")
    expected = [line[:-1] if line.endswith(b"\r") else Flaw.BARE_LF for line in whole]
    lines, found = CommandLines(), []
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in itertools.pairwise(edges):
        lines.feed(stream[start:end])
        found += read(lines)
    assert found == expected
    assert len(lines) == len(rest)
    assert lines.take() == rest
    assert len(lines) == 0


@given(extra=st.integers(-2, 3), step=st.sampled_from([1000, 5000, 20000]))
def test_a_line_is_too_long_whatever_its_pieces(extra: int, step: int) -> None:
    line = b"A" * (MAX_LINE + extra - 1) + b"\r"
    stream = line + b"\nNOOP\r\n"
    lines, found = CommandLines(), []
    for start in range(0, len(stream), step):
        lines.feed(stream[start : start + step])
        found += read(lines)
    assert found == [Flaw.TOO_LONG if len(line) > MAX_LINE else line[:-1], b"NOOP"]


def test_a_line_without_end_takes_no_memory() -> None:
    lines = CommandLines()
    for _ in range(100):
        lines.feed(b"A" * 10000)
        assert lines.next() is None
        assert len(lines) <= MAX_LINE
    lines.feed(b"\r\nNOOP\r\n")
    assert read(lines) == [Flaw.TOO_LONG, b"NOOP"]
