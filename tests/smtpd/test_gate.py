"""What the gate is asked and told, and what becomes of its exceptions."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address

import pytest

from relay.intake.gate import Hello, Peer
from relay.mail.address import Address
from relay.mail.envelope import Body, MailParameters, Notify, Recipient, Ret
from relay.mail.reply import Reply
from relay.smtpd import TlsMode, listen, log_failure
from relay.smtpd.transaction import Session
from relay.smtpd.wire import peer_named

from .conftest import House
from .recording import RecordingGate

Open = Callable[..., Awaitable[House]]


async def test_the_envelope_arrives_whole(house: Open) -> None:
    made = await house()
    client = await made.greeted()
    await client.ask(
        "MAIL FROM:<a@here.example> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=Qq+2B1 AUTH=c+40d.example"
    )
    await client.ask("RCPT TO:<b@there.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2BC@there.example")
    await client.ask("RCPT TO:<Ünï@there.example>")
    await client.ask("DATA")
    await client.ask("A: b\r\n.")
    message = made.gate.messages[0]
    assert message.reverse_path == Address("a", "here.example")
    assert message.parameters == MailParameters(10, Body.EIGHT_BIT, True, Ret.HDRS, "Qq+1", "c@d.example")  # noqa: FBT003
    assert message.recipients == [
        Recipient(Address("b", "there.example"), frozenset({Notify.SUCCESS, Notify.DELAY}), "rfc822;B+C@there.example"),
        Recipient(Address("Ünï", "there.example")),
    ]
    assert made.gate.hellos == [Hello("client.example", None, esmtp=True)]
    assert made.gate.peer.address == IPv4Address("127.0.0.1")
    assert made.gate.peer.port == client.writer.get_extra_info("sockname")[1]


async def test_the_gate_hears_of_refusals_that_are_not_its_own(house: Open) -> None:
    made = await house(recipients=1)
    client = await made.greeted()
    for command in ["MAIL FROM:<refuse@here.example>", "NONSENSE", "MAIL FROM:<>", "RCPT TO:<b@there.example>"]:
        await client.ask(command)
    await client.ask("RCPT TO:<c@there.example>")
    client.send(b"\n")
    await client.reply()
    assert [(verb, reply.code) for verb, reply in made.gate.refusals] == [("NONSENSE", 500), ("RCPT", 452), ("", 500)]


async def test_recipients_without_end_are_errors(house: Open) -> None:
    made = await house(recipients=1, errors=2)
    client = await made.greeted()
    client.send(b"MAIL FROM:<>\r\n" + b"RCPT TO:<b@there.example>\r\n" * 13)
    replies = (await client.rest()).decode().splitlines()
    assert replies[:2] == ["250 2.0.0 Ok"] * 2
    assert all(reply.startswith("452 4.5.3") for reply in replies[2:-1])
    assert replies[-1] == "421 4.7.0 Too many errors"


async def test_limits_are_read_at_every_transaction(house: Open) -> None:
    made = await house()
    client = await made.greeted()
    made.gate.limits = type(made.gate.limits)(message_size=5, recipients=1, errors=20, idle_timeout=60, data_timeout=60)
    assert await client.ask("MAIL FROM:<a@here.example> SIZE=6") == "552 5.3.4 Message too large"


async def test_a_gate_may_refuse_the_connection(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "greeting", Reply(421, "4.7.0", "Too many connections")))
    client = await made.call()
    assert await client.rest() == b"421 4.7.0 Too many connections\r\n"


async def test_text_that_is_not_ascii_never_leaves(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "greeting", Reply(421, "4.7.0", "Zu viele, schön")))
    client = await made.call()
    assert await client.rest() == b"421 4.7.0 Zu viele, sch?n\r\n"


def failing(*arguments: object) -> None:
    raise RuntimeError("secret")


async def test_trouble_at_the_door(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "connect", failing))
    client = await made.call()
    assert await client.rest() == b"421 4.3.0 Internal trouble, come back later\r\n"
    assert [verb for verb, _ in made.troubles] == ["connect"]


async def test_trouble_with_making_a_gate(house: Open) -> None:
    made = await house(failing)
    client = await made.call()
    assert await client.rest() == b"421 4.3.0 Internal trouble, come back later\r\n"
    assert [verb for verb, _ in made.troubles] == ["connect"]


async def test_a_gate_that_cannot_forget_ends_the_session(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "reset", failing))
    client = await made.call()
    await client.reply()
    client.send(b"EHLO x\r\n")
    assert await client.rest() == b"421 4.3.0 Internal trouble, come back later\r\n"
    assert [verb for verb, _ in made.troubles] == ["EHLO", "reset"]


async def test_a_gate_that_fails_at_accept_and_at_reset(house: Open) -> None:
    made = await house()
    client = await made.invited("break-accept@there.example")
    made.gate.reset = failing
    client.send(b".\r\n")
    assert await client.rest() == b"421 4.3.0 Internal trouble, come back later\r\n"
    assert [verb for verb, _ in made.troubles] == ["accept", "reset"]


async def test_a_gate_that_cannot_hear_of_refusals_ends_the_session(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "refused", failing))
    client = await made.call()
    await client.reply()
    client.send(b"NONSENSE\r\n")
    assert (await client.rest()).endswith(b"421 4.3.0 Internal trouble, come back later\r\n")
    assert [verb for verb, _ in made.troubles] == ["session"]


async def test_trouble_while_letting_go_is_reported(house: Open) -> None:
    made = await house()
    client = await made.invited()
    made.gate.contents[0].abort = failing
    await client.close()
    await made.gate.ended.wait()
    assert [verb for verb, _ in made.troubles] == ["abort"]


async def test_trouble_while_closing_is_reported(house: Open) -> None:
    made = await house()

    class Unwilling(RecordingGate):
        def close(self) -> None:
            super().close()
            raise RuntimeError("secret")

    made.configure = lambda gate: setattr(gate, "__class__", Unwilling)
    client = await made.call()
    assert await client.ask("QUIT") == "220 relay.example ESMTP ready"
    assert await client.rest() == b"221 2.0.0 Goodbye\r\n"
    await made.gate.ended.wait()
    assert [verb for verb, _ in made.troubles] == ["close"]


async def test_trouble_with_content_in_chunks_is_drained(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "content", failing))
    client = await made.greeted()
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<b@there.example>\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    replies = [await client.reply() for _ in range(4)]
    assert replies[2:] == ["451 4.3.0 Internal trouble, try again later", "250 2.0.0 Ok"]


async def test_tls_needs_a_context() -> None:
    with pytest.raises(ValueError, match="needs an SSL context"):
        await listen(("127.0.0.1", 0), RecordingGate, tls=TlsMode.STARTTLS)


def test_failures_are_logged_with_their_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        failing()
    except RuntimeError as error:
        log_failure("MAIL", Peer(IPv4Address("192.0.2.1"), 25), error)
    logged = capsys.readouterr().out
    assert "smtp_failure" in logged
    assert "192.0.2.1" in logged
    assert "RuntimeError" in logged


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        (("192.0.2.1", 25), "192.0.2.1"),
        (("::ffff:192.0.2.1", 25, 0, 0), "192.0.2.1"),
        (("fe80::1%eth0", 25, 0, 3), "fe80::1"),
        (None, None),
        ("", None),
    ],
)
def test_peers(name: object, peer: str | None) -> None:
    class Transport:
        def get_extra_info(self, _: str) -> object:
            return name

    found = peer_named(Transport().get_extra_info("peername"))
    assert (str(found.address) if found else None) == peer


@pytest.mark.parametrize("length", [2049, 12289, 200_000])
async def test_too_long_a_command_breaks_nothing(length: int, house: Open) -> None:
    made = await house()
    client = await made.greeted()
    assert await client.ask("N" * length) == "500 5.5.2 Line too long"
    assert await client.ask("NOOP " + "x" * 2043) == "250 2.0.0 Ok"


async def test_a_bound_socket_can_be_served(house: Open) -> None:
    made = await house()
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        server = await listen(bound, made.make_gate, report=made.report)
        made.server, plain = server, made.server
        assert server.addresses == [bound.getsockname()]
        client = await made.call()
        assert await client.reply() == "220 relay.example ESMTP ready"
        await client.close()
        await server.stop(1)
        made.server = plain


async def test_a_peer_without_an_address_is_gone(house: Open) -> None:
    made = await house()

    class Transport(asyncio.Transport):
        aborted = False

        def abort(self) -> None:
            self.aborted = True

    transport, session = Transport(), Session(made.server._surroundings, asyncio.get_running_loop())
    session.connection_made(transport)
    session.connection_lost(None)
    assert transport.aborted
    assert not made.gates
