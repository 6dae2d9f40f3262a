"""What a store promises about new messages and their octets."""

import asyncio

import pytest

from relay.events import Event, EventType
from relay.mail.address import Address, parse_address
from relay.mail.envelope import Body, Envelope, Notify, Recipient, Ret, TlsWish
from relay.store.spool import Acceptance, Origin, SpoolError, State


def _letters(text):
    """What every store can keep of a text."""
    return "".join(letter for letter in text if letter.isascii() and letter.isalnum())


async def test_a_committed_message_comes_back_as_it_was_given(bench, spool):
    envelope = Envelope(
        parse_address("bounce@sender.example"),
        (
            Recipient(parse_address("anna@shop.example"), frozenset({Notify.SUCCESS, Notify.DELAY}), "rfc822;a@b"),
            Recipient(parse_address("ben@shop.example")),
        ),
        Body.EIGHT_BIT,
        smtputf8=True,
        ret=Ret.HDRS,
        envid="QQ314159",
        tls=TlsWish.REQUIRED,
    )
    message = await bench.put(spool, envelope=envelope, companies=("one", "two"), origin=Origin.MX)

    (entry,) = await spool.find(message.queue_id)

    assert entry.message == message
    assert [(d.number, d.recipient, d.company) for d in entry.deliveries] == [
        (0, envelope.recipients[0], "one"),
        (1, envelope.recipients[1], "two"),
    ]
    assert {(d.state, d.attempts, d.next_attempt, d.last, d.hold_key, d.worker) for d in entry.deliveries} == {
        (State.QUEUED, 0, message.received_at, "", "", "")
    }


async def test_what_was_found_out_about_a_message_stays_with_it(bench, spool):
    findings = {"evidence": {"dmarc": "pass", "signatures": [["shop.example", None]]}}
    message = await bench.put(spool, findings=findings)

    (entry,) = await spool.find(message.queue_id)

    assert entry.message.findings == findings


@pytest.mark.parametrize("size", [1, 65_536, 262_143, 262_144, 262_145, 700_000])
async def test_a_finished_message_can_be_read_before_it_is_committed(spool, size):
    octets = bytes(n % 251 for n in range(size))
    writer, other = spool.writer(), spool.writer()
    for start in range(0, size, 100_000):
        writer.write(octets[start : start + 100_000])
        other.write(b"x" * 300_000)

    writer.finish(header_size=0, body_hash="hash")

    assert writer.read(0, size) == octets
    assert writer.read(size // 3, size // 3) == octets[size // 3 : 2 * (size // 3)]
    assert writer.read(size - 1, 10) == octets[-1:]
    assert writer.read(size, 10) == b""
    writer.abort()
    other.abort()


async def test_a_message_without_a_reverse_path_has_none_afterwards(bench, spool):
    message = await bench.put(spool, envelope=Envelope(None, (Recipient(parse_address("anna@shop.example")),)))

    (entry,) = await spool.find(message.queue_id)

    assert entry.message.envelope.reverse_path is None


@pytest.mark.parametrize(
    "address",
    [
        Address("postmaster", ""),
        Address('a "quoted" \\ local', "shop.example"),
        Address("two@signs", "shop.example"),
        Address("with..dots.", "shop.example"),
        Address("", "shop.example"),
        Address("anna", "[192.0.2.7]"),
        Address("anna", "[ipv6:2001:db8::1]"),
        Address("žofie", "příklad.example"),
        Address("x" * 64, "long.example"),
    ],
    ids=str,
)
async def test_any_recipient_can_be_leased_and_is_the_same(bench, spool, address):
    envelope = Envelope(address, (Recipient(address),))
    message = await bench.put(spool, envelope=envelope)

    (entry,) = await spool.lease(now=bench.now, limit=10)

    assert entry.message == message
    assert entry.deliveries[0].recipient.address == address


async def test_an_entry_names_only_the_recipients_it_is_about(bench, spool):
    await bench.put(spool, "anna@a.example", "ben@b.example", "carl@c.example", companies=("a", "b", "c"))

    (entry,) = await spool.lease(now=bench.now, limit=10, busy=("a", "c"))

    assert [(d.number, str(d.recipient.address)) for d in entry.deliveries] == [(1, "ben@b.example")]
    assert [str(recipient.address) for recipient in entry.message.envelope.recipients] == ["ben@b.example"]


@pytest.mark.parametrize(
    "text", ["said \0 so", "said \udc80 so", "said ⚡\U0001f600 so", "said\n so", "'\\u0041; -- said so"]
)
async def test_words_of_peers_do_not_disturb(bench, spool, text):
    message = await bench.put(spool, leased=True)

    await spool.record(
        [bench.change(message.queue_id, state=State.HELD, last=text, hold_key="key")],
        [Event(EventType.HELD, bench.now, message.queue_id, 0, {"said": text})],
    )

    (entry,) = await spool.find(message.queue_id)
    (event,) = await spool.timeline(message.queue_id)
    for kept in (entry.deliveries[0].last, event.data["said"]):
        assert _letters(kept) == _letters(text)


async def test_a_committed_message_survives_a_stop(bench, spool):
    message = await bench.put(spool, octets=b"kept")
    await bench.stop(spool)

    spool = await bench.start()

    assert await bench.lease(spool) == [(message.queue_id, 0)]
    assert bench.octets(spool, message) == b"kept"


async def test_a_committed_message_survives_the_death_of_its_worker(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, octets=b"kept")
    await bench.kill(spool)

    assert await bench.lease(other) == [(message.queue_id, 0)]
    assert bench.octets(other, message) == b"kept"


async def test_a_message_is_visible_to_all_workers(bench, spool):
    other = await bench.start(2)

    message = await bench.put(spool, octets=b"x" * 300_000)

    assert bench.octets(other, message) == b"x" * 300_000


async def test_a_leased_message_is_in_nobody_elses_hands(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, "anna@a.example", "ben@b.example", leased=True)

    assert await bench.lease(spool) == []
    assert await bench.lease(other) == []
    (entry,) = await spool.find(message.queue_id)
    assert len({delivery.worker for delivery in entry.deliveries}) == 1
    assert entry.deliveries[0].worker != ""


async def test_an_unleased_message_is_there_for_anybody(bench, spool):
    other = await bench.start(2)
    message = await bench.put(spool, "anna@a.example", "ben@b.example")

    assert await bench.lease(other) == [(message.queue_id, 0), (message.queue_id, 1)]


async def test_messages_committed_together_are_all_there(bench, spool):
    acceptances = [bench.acceptance(spool, octets=b"%d" % number) for number in range(50)]

    await asyncio.gather(*(spool.commit(acceptance) for acceptance in acceptances))

    assert len(await bench.lease(spool)) == 50
    for number, acceptance in enumerate(acceptances):
        assert bench.octets(spool, acceptance.message) == b"%d" % number


async def test_a_commit_that_fails_does_not_fail_its_neighbours(bench, spool):
    first = await bench.put(spool)
    good = [bench.acceptance(spool) for _ in range(4)]
    bad = bench.acceptance(spool, "ben@b.example", queue_id=first.queue_id)

    results = await asyncio.gather(
        *(spool.commit(acceptance) for acceptance in [*good[:2], bad, *good[2:]]), return_exceptions=True
    )

    assert [type(result) for result in results] == [type(None), type(None), SpoolError, type(None), type(None)]
    assert [queue_id for queue_id, _ in await bench.lease(spool)] == [
        first.queue_id,
        *(acceptance.message.queue_id for acceptance in good),
    ]


async def test_a_commit_that_fails_leaves_nothing(bench, spool):
    first = await bench.put(spool, "anna@a.example")
    bad = bench.acceptance(
        spool,
        "ben@b.example",
        "carl@b.example",
        queue_id=first.queue_id,
        events=(Event(EventType.RECEIVED, bench.now, first.queue_id),),
    )

    with pytest.raises(SpoolError):
        await spool.commit(bad)

    assert await spool.find("ben@b.example") == []
    assert await spool.timeline(first.queue_id) == []
    with pytest.raises(SpoolError):
        await spool.commit(Acceptance(bench.message(bad.message.content), ("shop",), leased=False))


async def test_content_that_was_given_up_cannot_be_committed(bench, spool):
    writer = spool.writer()
    writer.write(b"never mind")
    content = writer.finish(header_size=0, body_hash="")
    writer.abort()

    with pytest.raises(SpoolError):
        await spool.commit(Acceptance(bench.message(content), ("shop",), leased=False))


async def test_content_of_another_worker_cannot_be_committed(bench, spool):
    other = await bench.start(2)
    content = bench.content(other, b"not mine")

    with pytest.raises(SpoolError):
        await spool.commit(Acceptance(bench.message(content), ("shop",), leased=False))


async def test_abort_after_commit_changes_nothing(bench, spool):
    writer = spool.writer()
    writer.write(b"kept")
    message = bench.message(writer.finish(header_size=0, body_hash=""))
    await spool.commit(Acceptance(message, ("shop",), leased=False))

    writer.abort()
    writer.abort()

    assert bench.octets(spool, message) == b"kept"
    assert bench.octets(spool, await bench.put(spool, octets=b"the next")) == b"the next"


async def test_an_aborted_message_does_not_disturb_its_neighbours(bench, spool):
    left, right = spool.writer(), spool.writer()
    for _ in range(5):
        left.write(b"l" * 100_000)
        right.write(b"r" * 100_000)
    right.abort()
    message = bench.message(left.finish(header_size=0, body_hash=""))

    await spool.commit(Acceptance(message, ("shop",), leased=False))

    assert bench.octets(spool, message) == b"l" * 500_000


async def test_a_message_may_be_empty(bench, spool):
    message = await bench.put(spool, octets=b"")

    assert message.content.size == 0
    assert bench.octets(spool, message) == b""


async def test_a_message_may_come_in_thousands_of_pieces(bench, spool):
    writer = spool.writer()
    for number in range(5000):
        writer.write(b"%04d" % number)
    message = bench.message(writer.finish(header_size=0, body_hash=""))
    await spool.commit(Acceptance(message, ("shop",), leased=False))

    assert bench.octets(spool, message) == b"".join(b"%04d" % number for number in range(5000))


async def test_any_range_of_messages_that_streamed_in_side_by_side(bench, spool):
    other = await bench.start(2)
    octets = [bytes(range(i, 251)) * 400 * 11 for i in range(3)]
    writers = [spool.writer() for _ in octets]
    for start in range(0, max(map(len, octets)), 100_000):
        for writer, whole in zip(writers, octets, strict=True):
            writer.write(whole[start : start + 100_000])
    messages = [bench.message(writer.finish(header_size=0, body_hash="")) for writer in writers]
    for message in messages:
        await spool.commit(Acceptance(message, ("shop",), leased=False))

    for message, whole in zip(messages, octets, strict=True):
        assert message.content.size == len(whole)
        for reader in (spool, other):
            for start in (0, 1, 99_999, 262_144, 400_000, 500_000, len(whole) - 1, len(whole), len(whole) + 5):
                for length in (0, 1, 7, 262_144, 600_000, len(whole), len(whole) + 5):
                    assert reader.read(message.content, start, length) == whole[start : start + length]


async def test_a_cancelled_commit_is_still_whole_and_does_not_stay_leased(bench, spool):
    """Whoever waited is gone: the message may be there or not, but if it is there, somebody can deliver it."""
    other = await bench.start(2)
    acceptances = [bench.acceptance(spool, octets=b"whole", leased=True) for _ in range(20)]
    tasks = [asyncio.create_task(spool.commit(acceptance)) for acceptance in acceptances]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await bench.put(spool, companies=("last",))
    await bench.put(spool, companies=("last",))

    there = [entry for acceptance in acceptances for entry in await spool.find(acceptance.message.queue_id)]
    leased = await bench.lease(other, busy=("last",))

    assert leased == [(entry.message.queue_id, 0) for entry in there]
    for entry in there:
        assert bench.octets(other, entry.message) == b"whole"
