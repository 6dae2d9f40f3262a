"""The receivers of message octets, without any network."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.reply import Reply
from relay.smtpd.data import BARE_LINE_END, NUL_OCTET, TOO_LARGE, ChunkReceiver, ContentWriter, DotReceiver

from .recording import RecordingContent

END = b"\r\n.\r\n"
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
# What the parser can stumble over, and little else.
octets = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"a", b"\0", b"\xe9"]), max_size=30).map(
    b"".join
)
lines = st.lists(st.binary(max_size=6).map(lambda line: re.sub(rb"[\r\n\0]", b"", line)), max_size=8)


def feed(receiver: DotReceiver | ChunkReceiver, blocks: list[bytes]) -> bytes | None:
    """What was left over, with all that came after; None when the message never ended."""
    for number, block in enumerate(blocks):
        rest = receiver.feed(block)
        if rest is not None:
            return rest + b"".join(blocks[number + 1 :])
    return None


def receive(blocks: list[bytes], limit: int = 1000) -> tuple[bytes, Reply | None, bytes | None]:
    content = RecordingContent()
    writer = ContentWriter(content, limit)
    rest = feed(DotReceiver(writer), blocks)
    writer.finish()
    assert writer.failure is None
    return bytes(content.octets), content.refusal, rest


def pieces(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(edges)]


def reference(stream: bytes) -> tuple[bytes, Reply | None, bytes | None]:
    """The same by the letter of RFC 5321 4.5.2, in the plainest way."""
    whole = b"\r\n" + stream
    end = whole.find(END)
    if end < 0:
        return b"", None, None
    body = whole[2 : end + 2]
    if b"\0" in body and not BARE.search(body):
        return b"", NUL_OCTET, whole[end + 5 :]
    if BARE.search(body):
        return b"", BARE_LINE_END, whole[end + 5 :]
    unstuffed = re.sub(rb"(?m)^\.", b"", body.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")
    return unstuffed, None, whole[end + 5 :]


@given(stream=octets.map(lambda body: body + END + b"rest"), cuts=st.lists(st.integers(0, 200), max_size=12))
def test_any_split_gives_what_the_whole_gives(stream: bytes, cuts: list[int]) -> None:
    expected, refusal, rest = reference(stream)
    got, got_refusal, got_rest = receive(pieces(stream, cuts))
    assert got_rest == rest
    assert (got_refusal is None) == (refusal is None)
    if refusal is None:
        assert got == expected
    elif b"\0" not in stream:
        assert got_refusal == refusal


@given(body=lines.map(lambda each: b"".join(line + b"\r\n" for line in each)), cuts=st.lists(st.integers(0, 100)))
def test_unstuffing_undoes_stuffing(body: bytes, cuts: list[int]) -> None:
    stuffed = (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]
    assert receive(pieces(stuffed + b".\r\nNOOP\r\n", cuts)) == (body, None, b"NOOP\r\n")


@given(body=octets, cuts=st.lists(st.integers(0, 200), max_size=12), after=octets)
def test_chunks_hold_exactly_their_octets(body: bytes, cuts: list[int], after: bytes) -> None:
    content = RecordingContent()
    writer = ContentWriter(content, 1000)
    assert feed(ChunkReceiver(writer, len(body)), [*pieces(body, cuts), after, b""]) == after
    writer.finish()
    if BARE.search(body) or b"\0" in body:
        assert content.refusal in (BARE_LINE_END, NUL_OCTET)
    else:
        assert content.refusal is None
        assert content.octets == body + (b"\r\n" if body and not body.endswith(b"\r\n") else b"")


def test_a_message_without_end_has_no_end() -> None:
    assert receive([b"a\r\n.", b"\r", b"\r\n", b".\n"])[2] is None


@pytest.mark.parametrize(("size", "refusal"), [(100, None), (101, TOO_LARGE)])
def test_size_counts_what_is_left_after_unstuffing(size: int, refusal: Reply | None) -> None:
    body = b"." + b"x" * (size - 3) + b"\r\n"
    assert receive([b"." + body + b".\r\n"], limit=100)[1] == refusal


def test_the_first_refusal_stands_and_nothing_is_written_after_it() -> None:
    content = RecordingContent()
    writer = ContentWriter(content, 5)
    receiver = DotReceiver(writer)
    receiver.feed(b"a\0b\r\n")
    receiver.feed(b"much too long, and a bare \n as well\r\n")
    assert receiver.feed(b".\r\n") == b""
    writer.finish()
    assert content.refusal == NUL_OCTET
    assert content.octets == b""


@pytest.mark.parametrize("method", ["write", "refuse", "refusal"])
def test_a_failing_content_is_drained_and_remembered(method: str) -> None:
    class Failing(RecordingContent):
        pass

    def fail(*arguments: object) -> None:
        raise OSError("disk")

    setattr(Failing, method, property(fail, lambda *_: None) if method == "refusal" else fail)
    writer = ContentWriter(Failing(), 3)
    assert feed(DotReceiver(writer), [b"a" if method != "refuse" else b"a\nb", b"b\r\n", b".\r\nrest"]) == b"rest"
    writer.announce(100)
    writer.finish()
    assert isinstance(writer.failure, OSError)
    assert writer.refused


def test_a_content_that_fails_only_when_asked_is_refused() -> None:
    class Failing(RecordingContent):
        refusal = property(lambda _: 1 / 0, lambda *_: None)  # type: ignore[assignment]

    writer = ContentWriter(Failing(), 3)
    assert writer.refused
    assert isinstance(writer.failure, ZeroDivisionError)


def test_octets_are_kept_back_only_as_long_as_they_may_be_the_end() -> None:
    content = RecordingContent()
    receiver = DotReceiver(ContentWriter(content, 1000))
    for block, seen in [(b"a", b"a"), (b"\r", b"a"), (b"\n", b"a"), (b".", b"a"), (b".x", b"a\r\n.x")]:
        receiver.feed(block)
        assert content.octets == seen
