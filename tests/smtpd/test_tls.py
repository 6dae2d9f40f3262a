"""TLS on the server side, on both event loops."""

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable

import pytest
import trustme

from relay.mail.reply import Reply
from relay.smtpd import TlsMode, listen
from relay.smtpd.tls import SlimSSLProtocol

from .conftest import House

Open = Callable[..., Awaitable[House]]
NAMED = {"server_hostname": "relay.example"}


async def test_the_gate_hears_of_tls(house: Open, client_tls: ssl.SSLContext) -> None:
    made = await house(tls=TlsMode.IMPLICIT)
    client = await made.greeted(ssl=client_tls, **NAMED)
    await client.ask("HELO x")
    assert [(hello.name, hello.tls, hello.esmtp) for hello in made.gate.hellos] == [
        ("client.example", "TLSv1.3", True),
        ("x", "TLSv1.3", False),
    ]


async def test_large_messages_under_tls(house: Open, client_tls: ssl.SSLContext) -> None:
    made = await house(tls=TlsMode.STARTTLS, message_size=10_000_000)
    client = await made.greeted()
    assert await client.ask("STARTTLS") == "220 2.0.0 Ready to start TLS"
    await client.start_tls(client_tls)
    await client.ask("EHLO again")
    await client.ask("MAIL FROM:<>")
    await client.ask("RCPT TO:<b@there.example>")
    await client.ask("DATA")
    body = b"0123456789" * 7 + b"\r\n"
    client.send(body * 50_000 + b".\r\n")
    assert await client.reply() == "250 2.0.0 queued as 1"
    assert made.gate.messages[0].octets == body * 50_000


@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_a_failed_handshake_is_a_refusal(tls: TlsMode, house: Open) -> None:
    made = await house(tls=tls)
    client = await made.call()
    if tls is TlsMode.STARTTLS:
        await client.reply()
        await client.ask("STARTTLS")
    client.send(b"NOOP\r\n" * 10)
    rest = await client.rest()
    assert b"250" not in rest
    await made.gate.ended.wait()
    assert [(verb, reply.code) for verb, reply in made.gate.refusals] == [("STARTTLS", 454)]
    assert not made.troubles


async def test_a_client_that_leaves_during_the_handshake(house: Open) -> None:
    made = await house(tls=TlsMode.IMPLICIT)
    client = await made.call()
    await client.close()
    await made.gate.ended.wait()
    assert not made.troubles


async def test_stop_cuts_a_handshake(house: Open) -> None:
    made = await house(tls=TlsMode.IMPLICIT)
    await made.call()
    while not made.gates:  # noqa: ASYNC110 - the client cannot see it
        await asyncio.sleep(0)
    await made.server.stop(0.01)
    assert made.gate.closed == 1


async def test_a_refused_peer_gets_no_handshake(house: Open) -> None:
    made = await house(lambda gate: setattr(gate, "greeting", Reply(421, "4.7.0", "Too many")), tls=TlsMode.IMPLICIT)
    client = await made.call()
    assert await client.rest() == b""


@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_without_a_certificate_there_is_no_tls(tls: TlsMode, house: Open) -> None:
    made = await house()
    broken = await listen(("127.0.0.1", 0), made.make_gate, tls=tls, ssl_context=broken_context, report=made.report)
    made.server, plain = broken, made.server
    client = await made.call()
    if tls is TlsMode.STARTTLS:
        await client.reply()
        assert await client.ask("STARTTLS") == "454 4.7.0 TLS is not available now"
        assert await client.ask("NOOP") == "250 2.0.0 Ok"
    else:
        assert await client.rest() == b""
    assert [verb for verb, _ in made.troubles] == ["STARTTLS"]
    await client.close()
    await broken.stop(0)
    made.server = plain


def broken_context() -> ssl.SSLContext:
    raise OSError("no certificate")


async def test_a_new_certificate_serves_the_next_handshake(house: Open, client_tls: ssl.SSLContext) -> None:
    made = await house()
    contexts = []
    for _ in range(2):
        authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("relay.example").configure_cert(context)
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        contexts.append((context, trusting))
    server = await listen(
        ("127.0.0.1", 0), made.make_gate, tls=TlsMode.IMPLICIT, ssl_context=lambda: contexts[0][0], report=made.report
    )
    made.server, plain = server, made.server
    first = contexts[0][1]
    assert (await (await made.call(ssl=first, **NAMED)).reply()).startswith("220")
    del contexts[0]
    assert (await (await made.call(ssl=contexts[0][1], **NAMED)).reply()).startswith("220")
    with pytest.raises(ssl.SSLCertVerificationError):
        await made.call(ssl=first, **NAMED)
    await server.stop(0)
    made.server = plain


@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_the_standard_librarys_tls_keeps_a_small_buffer(
    tls: TlsMode, house: Open, client_tls: ssl.SSLContext
) -> None:
    made = await house(tls=tls)
    if tls is TlsMode.IMPLICIT:
        await made.greeted(ssl=client_tls, **NAMED)
    else:
        client = await made.greeted()
        await client.ask("STARTTLS")
        await client.start_tls(client_tls)
        await client.ask("NOOP")
    connection = next(iter(made.server._surroundings.connections))
    layer = getattr(connection._wire, "_ssl_protocol", None)
    # uvloop's layer shows no buffer and is not ours to size.
    assert isinstance(layer, SlimSSLProtocol) == isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop)
    assert layer is None or len(layer._ssl_buffer) == 16384


async def test_half_of_a_tls_connection_is_none(house: Open, client_tls: ssl.SSLContext) -> None:
    made = await house(tls=TlsMode.IMPLICIT)
    client = await made.greeted(ssl=client_tls, **NAMED)
    for command in ["MAIL FROM:<>", "RCPT TO:<b@there.example>", "DATA"]:
        await client.ask(command)
    client.send(b"A: b\r\n.\r\n")
    await client.close()
    await made.gate.ended.wait()
    assert len(made.gate.messages) == 1


async def test_a_session_cancelled_during_the_handshake_ends(house: Open) -> None:
    made = await house(tls=TlsMode.IMPLICIT)
    client = await made.call()
    while not made.gates:  # noqa: ASYNC110 - the client cannot see it
        await asyncio.sleep(0)
    connection = next(iter(made.server._surroundings.connections))
    connection._handler_coroutine.cancel()
    assert await client.rest() == b""
    await made.gate.ended.wait()


async def test_lines_of_an_exchange_have_their_limit(house: Open, client_tls: ssl.SSLContext) -> None:
    made = await house(tls=TlsMode.IMPLICIT)
    client = await made.greeted(ssl=client_tls, **NAMED)
    longest = base64.b64encode(b"\0app\0" + b"x" * 9000).decode()
    assert await client.ask("AUTH PLAIN " + longest) == "535 5.7.8 Wrong user name or password"
    assert await client.ask("AUTH PLAIN") == "334 "
    assert await client.ask(longest) == "535 5.7.8 Wrong user name or password"
    assert await client.ask("AUTH PLAIN") == "334 "
    assert await client.ask("x" * 12288) == "500 5.5.6 Authentication line too long"
    assert await client.ask("NOOP") == "250 2.0.0 Ok"
