"""What is done with what the DNS says of another server: a name in the trace, and refusals where lists are used."""

import asyncio

import pytest

from relay.facts.peers import PeerFacts
from relay.intake.limits import IpAddress

from .front import Front, mail, rcpt, send

ANNA, BAKERY = "<anna@customer.example>", "<bakery@my.relay.example>"
LIST = "block.example"


class Known:
    """Knows what it is told, when it is told."""

    def __init__(self, facts: PeerFacts | None = None) -> None:
        self.asked: list[str] = []
        self.answer: asyncio.Future[PeerFacts] = asyncio.get_running_loop().create_future()
        if facts is not None:
            self.answer.set_result(facts)

    async def look_up(self, peer: IpAddress) -> PeerFacts:
        self.asked.append(str(peer))
        return await asyncio.shield(self.answer)


def knowing(front: Front, facts: PeerFacts | None = None) -> Known:
    front.peers = known = Known(facts)  # type: ignore[assignment]
    return known


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("mail.outside.example", b"(mail.outside.example [198.51.100.9])"),
        ("", b"([198.51.100.9])"),
        ("evil) by us (x", b"([198.51.100.9])"),
        ("a\r\nX-Evil: 1", b"([198.51.100.9])"),
    ],
)
async def test_the_trace_names_who_brought_it(front: Front, name: str, shown: bytes):
    knowing(front, PeerFacts(name))
    session = front.mx()
    assert session.connect().code == 220
    reply = await send(session, ANNA, BAKERY)
    trace = front.octets(await front.message(reply.text)).replace(b"\r\n ", b" ")
    assert trace.startswith(b"Received: from mail.outside.example " + shown + b" by mx1.my.relay.example ")


async def test_who_is_on_a_blocklist_hears_so_and_can_still_write_to_the_postmaster(front: Front):
    knowing(front, PeerFacts("mail.outside.example", LIST))
    session = front.mx()
    session.connect()
    assert mail(session, ANNA).code == 250
    assert str(await rcpt(session, BAKERY)) == f"550 5.7.1 198.51.100.9 is listed by {LIST}"
    assert (await rcpt(session, "<anna@customer.example>")).code == 550
    for office in ("<postmaster>", "<abuse@my.relay.example>"):
        assert (await rcpt(session, office)).code == 250


async def test_it_is_found_out_while_the_peer_waits_and_before_the_first_recipient_is_answered(front: Front):
    known = knowing(front)
    session = front.mx()
    session.connect()
    await asyncio.sleep(0)
    assert known.asked == ["198.51.100.9"]
    mail(session, ANNA)
    answered = asyncio.create_task(rcpt(session, BAKERY))
    await asyncio.sleep(0)
    assert not answered.done()
    known.answer.set_result(PeerFacts("", LIST))
    assert (await answered).code == 550
    assert (await rcpt(session, BAKERY)).code == 550
    assert known.asked == ["198.51.100.9"]


async def test_who_leaves_is_not_asked_about_any_longer(front: Front):
    known = knowing(front)
    session = front.mx()
    session.connect()
    await asyncio.sleep(0)
    (inquiry,) = (task for task in asyncio.all_tasks() if "look_up" in repr(task))
    session.close()
    await asyncio.wait([inquiry])
    assert inquiry.cancelled()
    assert known.asked


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "192.0.2.1"])
async def test_nobody_is_asked_about_ourselves(front: Front, peer: str):
    known = knowing(front)
    session = front.mx(peer)
    session.connect()
    assert (await send(session, ANNA, BAKERY)).code == 250
    assert not known.asked


async def test_nor_about_who_is_turned_away(front: Front):
    known = knowing(front)
    front.configure(limits={"connections": 1})
    front.mx("127.0.0.1").connect()
    assert front.mx().connect().code == 421
    await asyncio.sleep(0)
    assert not known.asked
