"""What 250 promises: sizes, room, the durable commit, and nothing left behind by what was refused or given up."""

import base64
import hashlib
import itertools
import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.events import EventType
from relay.intake.limits import Receiving
from relay.intake.queue_id import new_queue_id
from relay.mail.reply import Reply
from relay.mail.verp import bounce_address
from relay.store.spool import SpoolError, SpoolFull, State
from relay.store.sqlite import segments as segments_module

from .front import DOMAIN, MAIL, SECRET, begin, mail, rcpt, send

ANNA = "<anna@customer.example>"
BAKERY = "<bakery@my.relay.example>"
HEADER = MAIL.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def assert_tidy(front) -> None:
    """Nothing is in reception any more: no octets are counted, no message waits in a segment."""
    assert front.receiving.octets == 0
    assert all(segment.messages == 0 for segment in front.spool._segments._open.values())


@pytest.mark.parametrize("split", [1, 7, 64, 100_000])
async def test_octets_arrive_in_any_blocks(front, split):
    octets = HEADER + b"line\r\n" * 300
    session = await front.app()
    content = await begin(session, BAKERY, ANNA)
    for start in range(0, len(octets), split):
        content.write(memoryview(bytearray(octets[start : start + split])))
    reply = await session.accept(content)
    message = await front.message(reply.text)
    assert front.octets(message).endswith(octets)
    body = octets[len(HEADER) :]
    assert message.content.body_hash == base64.b64encode(hashlib.sha256(body).digest()).decode()
    assert message.content.size == len(front.octets(message))
    assert front.octets(message)[message.content.header_size :] == body
    assert_tidy(front)


@given(body=st.binary(max_size=300), cuts=st.lists(st.integers(0, 400), max_size=6))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_the_blocks_the_octets_are_those(front, body, cuts):
    octets = HEADER + body
    session = front.mx()
    content = await begin(session, ANNA, BAKERY)
    edges = [0, *sorted(cut for cut in cuts if cut < len(octets)), len(octets)]
    for start, end in itertools.pairwise(edges):
        content.write(octets[start:end])
    reply = await session.accept(content)
    assert front.octets(await front.message(reply.text)).endswith(octets)
    assert_tidy(front)


async def test_a_header_alone_is_a_message(front):
    octets = HEADER[:-2]
    reply = await send(await front.app(), BAKERY, ANNA, octets)
    message = await front.message(reply.text)
    assert message.content.header_size == message.content.size
    assert front.octets(message).endswith(octets)


async def test_a_large_message_passes(front):
    octets = HEADER + os.urandom(25_000_000).replace(b"\r", b"-").replace(b"\n", b"-") + b"\r\n"
    session = await front.app()
    content = await begin(session, BAKERY, ANNA)
    for start in range(0, len(octets), 65536):
        content.write(octets[start : start + 65536])
    message = await front.message((await session.accept(content)).text)
    assert hashlib.sha256(front.octets(message)[-len(octets) :]).digest() == hashlib.sha256(octets).digest()
    assert_tidy(front)


async def test_too_many_octets_are_refused_as_soon_as_they_are_there(front):
    front.configure(limits={"message_size": f"{len(MAIL)}B"})
    assert (await send(await front.app(), BAKERY, ANNA, MAIL)).code == 250
    session = await front.app()
    content = await begin(session, BAKERY, ANNA)
    content.write(MAIL)
    assert content.refusal is None
    content.write(b"x")
    assert str(content.refusal).startswith("552 5.3.4")
    assert_tidy(front)
    content.write(b"more that nobody counts")
    assert str(await session.accept(content)).startswith("552 5.3.4")
    assert_tidy(front)


@pytest.mark.parametrize(("filler", "code"), [(256 * 1024, 552), (255 * 1024, 250)])
@pytest.mark.parametrize("block", [4096, 1_000_000])
async def test_a_header_has_an_end(front, filler, code, block):
    octets = b"X: " + b"x" * filler + b"\r\n" + HEADER + b"Hello\r\n"
    session = await front.app()
    content = await begin(session, BAKERY, ANNA)
    for start in range(0, len(octets), block):
        content.write(octets[start : start + block])
    assert (await session.accept(content)).code == code
    assert_tidy(front)


async def test_messages_share_one_budget_and_it_heals(front):
    front.configure(limits={"message_size": "1000B", "receiving_bytes": "1000B"})
    first_session, second_session = await front.app(), await front.app()
    first = await begin(first_session, BAKERY, ANNA)
    second = await begin(second_session, BAKERY, ANNA)
    first.write(MAIL + b"x" * 600)
    second.write(MAIL + b"x" * 600)
    assert first.refusal is None
    assert str(second.refusal).startswith("452 4.3.1")
    assert front.receiving.octets == len(MAIL) + 600
    assert (await second_session.accept(second)).code == 452
    # Who says how much it will be hears it before sending it.
    third_session = await front.app()
    mail(third_session, BAKERY + " SIZE=800")
    await rcpt(third_session, ANNA)
    assert str(third_session.content()).startswith("452 4.3.1")
    assert (await first_session.accept(first)).code == 250
    assert_tidy(front)
    assert (await send(await front.app(), BAKERY, ANNA, MAIL + b"x" * 600)).code == 250


async def test_one_message_alone_always_has_room(front):
    front.configure(limits={"message_size": "1000B", "receiving_bytes": "1000B"})
    session = await front.app()
    mail(session, BAKERY + " SIZE=1000")
    await rcpt(session, ANNA)
    content = session.content()
    assert not isinstance(content, Reply)
    content.write(MAIL)
    content.write(b"x" * (1000 - len(MAIL)))
    assert content.refusal is None
    assert (await session.accept(content)).code == 250


@pytest.mark.parametrize("how", ["reset", "close", "abort"])
async def test_a_message_that_ends_in_the_middle_leaves_nothing(front, how):
    session = await front.app()
    content = await begin(session, BAKERY, ANNA)
    content.write(MAIL + b"x" * 300_000)
    assert front.receiving.octets
    if how == "abort":
        content.abort()
        content.abort()
    getattr(session, how if how != "abort" else "reset")()
    assert_tidy(front)
    assert sum((await front.spool.counts()).values()) == 0


class Disk:
    """Does not take octets as long as there is an error to raise."""

    def __init__(self, monkeypatch, error: type[SpoolError]) -> None:
        self.error: type[SpoolError] | None = error
        for name in ("_flush", "finish"):
            monkeypatch.setattr(segments_module.SegmentWriter, name, self._guarded(name))

    def _guarded(self, name):
        real = getattr(segments_module.SegmentWriter, name)

        def guarded(writer, *args, **named):
            if self.error is not None:
                raise self.error("test")
            return real(writer, *args, **named)

        return guarded


@pytest.mark.parametrize(("error", "reply"), [(SpoolFull, "452 4.3.1"), (SpoolError, "451 4.3.0")])
@pytest.mark.parametrize("size", [len(MAIL), 600_000])
async def test_a_store_without_room_says_so_and_heals(front, monkeypatch, size, error, reply):
    disk = Disk(monkeypatch, error)
    octets = MAIL + b"x" * (size - len(MAIL))
    assert str(await send(await front.app(), BAKERY, ANNA, octets)).startswith(reply)
    assert_tidy(front)
    assert front.outbox.entries == []
    disk.error = None
    assert (await send(await front.app(), BAKERY, ANNA, octets)).code == 250
    assert_tidy(front)


@pytest.mark.parametrize(("error", "reply"), [(SpoolFull, "452 4.3.1"), (SpoolError, "451 4.3.0")])
async def test_a_commit_that_fails_promises_nothing(front, monkeypatch, error, reply):
    async def commit(acceptance):
        raise error("test")

    monkeypatch.setattr(front.spool, "commit", commit)
    assert str(await send(await front.app(), BAKERY, ANNA)).startswith(reply)
    assert_tidy(front)
    assert front.sink.of(EventType.RECEIVED) == []
    assert front.outbox.entries == []
    assert front.sink.of(EventType.REFUSED)[0].data["error"] == "test"


async def test_a_question_to_the_store_that_fails_is_answered_too(front, monkeypatch):
    async def find(key):
        raise SpoolError("test")

    sent = await send(await front.app(), BAKERY, ANNA)
    monkeypatch.setattr(front.spool, "find", find)
    bounce = bounce_address(sent.text, 0, domain=DOMAIN, secrets=(SECRET,))
    assert str(await send(front.mx(), "<>", f"<{bounce}>")).startswith("451 4.3.0")
    assert_tidy(front)


@pytest.mark.parametrize(("error", "reply"), [(SpoolFull, "452 4.3.1"), (SpoolError, "451 4.3.0")])
async def test_no_place_for_the_octets_is_said_before_they_come(front, monkeypatch, error, reply):
    def writer():
        raise error("test")

    monkeypatch.setattr(front.spool, "writer", writer)
    session = await front.app()
    mail(session, BAKERY)
    await rcpt(session, ANNA)
    assert str(session.content()).startswith(reply)
    assert_tidy(front)


async def test_verbs_out_of_order_do_nothing(front):
    session = await front.app()
    assert (await rcpt(session, ANNA)).code == 503
    assert session.content().code == 503
    mail(session, BAKERY)
    assert session.content().code == 503


async def test_a_refusal_of_the_edge_stands_and_the_first_one_counts(front):
    session = await front.app()
    content = await begin(session, BAKERY, ANNA)
    content.write(MAIL)
    content.refuse(Reply(550, "5.6.0", "bare line end"))
    content.refuse(Reply(552, "5.3.4", "later"))
    content.write(MAIL)
    assert str(await session.accept(content)) == "550 5.6.0 bare line end"
    assert_tidy(front)


async def test_what_was_taken_is_told_once_and_handed_over(front):
    reply = await send(await front.app(), BAKERY, [ANNA, "<bert@customer.example>"])
    (event,) = front.sink.of(EventType.RECEIVED)
    assert event.queue_id == reply.text
    assert event.data["recipients"] == ["anna@customer.example", "bert@customer.example"]
    assert event.data["app"] == "web"
    assert event.data["tls"] == "TLSv1.3"
    assert [stored.type for stored in await front.spool.timeline(reply.text)] == [EventType.RECEIVED]
    (entry,) = front.outbox.entries
    assert [(delivery.number, delivery.state, delivery.company) for delivery in entry.deliveries] == [
        (0, State.QUEUED, "bakery"),
        (1, State.QUEUED, "bakery"),
    ]
    stored = (await front.spool.find(reply.text))[0]
    assert {delivery.worker for delivery in stored.deliveries} == {"test.1.1"}
    assert entry.message == stored.message


async def test_without_room_in_the_outbox_it_waits_for_anyone(front):
    front.outbox.room = False
    reply = await send(await front.app(), BAKERY, ANNA)
    assert front.outbox.entries == []
    assert (await front.spool.find(reply.text))[0].deliveries[0].worker == ""
    assert len(await front.spool.lease(now=front.clock.now(), limit=10)) == 1


async def test_connections_are_counted_and_given_back(front):
    front.configure(limits={"connections": 3, "connections_per_peer": 2})
    sessions = [front.mx("192.0.2.1"), front.mx("192.0.2.1"), front.mx("192.0.2.1"), front.mx("192.0.2.2")]
    assert [session.connect().code for session in sessions] == [220, 220, 421, 220]
    assert front.mx("192.0.2.3").connect().code == 421
    for session in sessions:
        session.close()
    assert front.mx("192.0.2.1").connect().code == 220


def test_one_message_always_has_room():
    receiving = Receiving()
    assert receiving.take(10, most=5)
    assert not receiving.take(1, most=5)
    receiving.give_back(10)
    assert receiving.octets == 0


@given(st.lists(st.floats(1e9, 3e10), min_size=2, max_size=9))
def test_queue_ids_sort_by_time_and_survive_a_change_of_case(times):
    ids = [new_queue_id(now) for now in times]
    assert all(len(queue_id) == 14 and queue_id == queue_id.lower() and queue_id.isalnum() for queue_id in ids)
    for one, other in itertools.pairwise(times):
        if int(one * 1000) != int(other * 1000):
            assert (new_queue_id(one) < new_queue_id(other)) is (one < other)
