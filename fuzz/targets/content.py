"""The octets of DATA and BDAT: any cut gives the same message, and what comes out can be no two messages."""

import re

from fuzz.pieces import Pieces, in_blocks
from relay.mail.reply import Reply
from relay.smtpd.data import ChunkReceiver, ContentWriter, DotReceiver

SEEDS = (
    b"\x02\x01\x02hello\r\n..\r\n.\r\nRSET\r\n",
    b"\x01\x03hello\n.\r\nMAIL\r\n.\n",
    b"\x01\x07\r\n.\r\r\n..\r\n\r\n.\r\n",
    b"\x00a\0b\r\n.\r\n",
)
_MOST = 4096
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n|\0")


class _Kept:
    """Keeps what is written, until it is refused."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.refusal: Reply | None = None

    def write(self, block: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(block))

    @property
    def octets(self) -> bytes:
        return b"".join(self.written)

    def refuse(self, reply: Reply) -> None:
        self.refusal = self.refusal or reply

    def abort(self) -> None:
        """Nothing to give back."""


def check(data: bytes) -> None:
    pieces = Pieces(data)
    sizes = [1 + pieces.number(15) for _ in range(pieces.number(5))]
    stream = pieces.rest()
    whole, cut = _dots([stream]), _dots(in_blocks(stream, sizes))
    assert whole == cut
    octets, refused, rest = whole
    end = (b"\r\n" + stream).find(b"\r\n.\r\n")
    assert (rest is None) == (end < 0)
    if end >= 0:
        assert rest == stream[end + 3 :]
        expected = (b"\r\n" + stream)[: end + 2].replace(b"\r\n.", b"\r\n")[2:]
        assert refused == bool(_BARE.search(expected) or len(expected) > _MOST)
        if not refused:
            assert octets == expected
    _chunks(stream, sizes)


def _dots(blocks: list[bytes]) -> tuple[bytes, bool, bytes | None]:
    kept = _Kept()
    writer = ContentWriter(kept, _MOST)
    receiver = DotReceiver(writer)
    rest: bytes | None = None
    for number, block in enumerate(blocks, start=1):
        rest = receiver.feed(block)
        if rest is not None:
            rest += b"".join(blocks[number:])
            writer.finish()
            break
    assert writer.failure is None
    refused = kept.refusal is not None
    return b"" if refused or rest is None else kept.octets, refused and rest is not None, rest


def _chunks(stream: bytes, sizes: list[int]) -> None:
    """As BDAT, each block a chunk of its own."""
    kept = _Kept()
    writer = ContentWriter(kept, _MOST)
    for block in in_blocks(stream, sizes):
        assert ChunkReceiver(writer, len(block)).feed(block + b"NEXT") == b"NEXT"
    writer.finish()
    expected = stream if not stream or stream.endswith(b"\r\n") else stream + b"\r\n"
    if kept.refusal is None:
        assert kept.octets == expected
        assert not _BARE.search(kept.octets)
    else:
        assert _BARE.search(expected) or _BARE.search(stream) or len(expected) > _MOST
