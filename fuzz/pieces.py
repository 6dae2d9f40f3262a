"""Cuts the octets of an example into what a target needs: numbers, words, choices, texts. Never runs out."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Pieces:
    """The octets of one example, front to back; behind their end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def octets(self, most: int) -> bytes:
        """The next octets, as many as there are up to `most`."""
        piece = self._data[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def number(self, most: int) -> int:
        """A number from 0 to `most`."""
        size = max(1, (most.bit_length() + 7) // 8)
        return int.from_bytes(self.octets(size), "big") % (most + 1)

    def choice(self, values: Sequence[T]) -> T:
        """One of these."""
        return values[self.number(len(values) - 1)]

    def piece(self, most: int = 255) -> bytes:
        """Some octets, of a length that the example chooses."""
        return self.octets(self.number(most))

    def text(self, most: int = 255) -> str:
        """Some characters; never halves of them, which nothing that is received can hold."""
        return self.piece(most).decode("utf-8", "replace")

    def rest(self) -> bytes:
        """All that is left."""
        return self.octets(len(self._data))


def in_blocks(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """The same octets in blocks of these sizes, over and over."""
    blocks = []
    at = turn = 0
    while at < len(data):
        size = max(1, sizes[turn % len(sizes)]) if sizes else len(data)
        blocks.append(data[at : at + size])
        at += size
        turn += 1
    return blocks
