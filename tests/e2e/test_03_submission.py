"""Submission with swaks of Debian, as apps do it; and what swaks cannot do with a client of our own."""

from collections.abc import Sequence

import aiosmtplib
import pytest

from relay.sandbox.world import World
from tests.peers.programs import program, run

from .client import RawClient
from .conftest import StartRelay
from .mail import message, with_author
from .relay_process import APP, BAKKERIJ, DOMAIN, PASSWORD, Relay

NETWORK = {"apps": {"erp": {"networks": ["127.0.0.0/8"], "companies": ["bakkerij-peeters"]}}}
LOGIN = ("--auth-user", APP, "--auth-password", PASSWORD)
AS_ALIAS = f'"Bakkerij Peeters BV" <{BAKKERIJ}>'


async def swaks(
    relay: Relay, *options: str, sender: str = BAKKERIJ, to: str = "an@klant.example", listener: str = "submission"
) -> tuple[int, str]:
    """Its exit code and the whole dialogue."""
    return await run(
        program("swaks", "swaks"),
        *("--server", relay.host, "--port", str(relay.ports[listener]), "--helo", "app.example", "--timeout", "60"),
        *("--from", sender, "--to", to, *options),
    )


async def test_every_way_to_log_in(relay: Relay, world: World) -> None:
    for listener, tls in (("submission", "--tls"), ("submissions", "--tls-on-connect")):
        for mechanism in ("PLAIN", "LOGIN"):
            to = f"{listener}-{mechanism.lower()}@klant.example"
            code, said = await swaks(relay, tls, "--auth", mechanism, *LOGIN, to=to, listener=listener)
            assert code == 0, said
            assert (await world.wait_for(to, 60)).header("From") == BAKKERIJ
    assert {event["tls"] for event in relay.events("received")} == {"TLSv1.3"}
    code, said = await swaks(relay, "--tls", "--auth", "PLAIN", *LOGIN, "--pipeline", to="pipe@klant.example")
    assert code == 0, said
    queue_id = (await relay.event("received", count=5))["queue_id"]
    assert f"250 2.0.0 {queue_id}" in said
    await world.wait_for("pipe@klant.example", 60)


NO_DATE = f"From: {BAKKERIJ}\nTo: an@klant.example\n\nbody\n"
TWO_AUTHORS = f"From: {BAKKERIJ}\nFrom: {BAKKERIJ}\nDate: Mon, 23 Nov 2026 07:00:00 +0000\n\nbody\n"
REFUSED: dict[str, tuple[Sequence[str], str, str]] = {
    "wrong password": (("--auth-user", APP, "--auth-password", "wrong"), BAKKERIJ, "535 5.7.8"),
    "no such app": (("--auth-user", "nobody", "--auth-password", PASSWORD), BAKKERIJ, "535 5.7.8"),
    "no login": (("--tls",), BAKKERIJ, "530 5.7.0"),
    "unknown alias": (LOGIN, f"nobody@{DOMAIN}", "550 5.1.0"),
    "not our domain": (LOGIN, "info@bakkerij-peeters.example", "550 5.1.0"),
    "not its company": (
        ("--auth-user", "garage", "--auth-password", PASSWORD),
        BAKKERIJ,
        "550 5.7.1",
    ),
    "no From": ((*LOGIN, "--data", "Subject: x\n\nbody\n"), BAKKERIJ, "550 5.6.0 The message has no From"),
    "no Date": ((*LOGIN, "--data", NO_DATE), BAKKERIJ, "550 5.6.0 The message has no Date"),
    "two From": ((*LOGIN, "--data", TWO_AUTHORS), BAKKERIJ, "550 5.6.0 The message has more than one From"),
}


async def test_what_is_refused(start_relay: StartRelay, world: World) -> None:
    relay = await start_relay(start=False)
    shipped = relay.settings["apps"][APP]["password"]
    relay.change({"apps": {"garage": {"password": dict(shipped), "companies": ["garage-lambert"]}}})
    await relay.start()
    for case, (options, sender, reply) in REFUSED.items():
        code, said = await swaks(relay, "--tls", *options, sender=sender)
        assert code != 0, f"{case}: {said}"
        assert f"<~* {reply}" in said, f"{case}: {said}"
    # A password is not even asked for where it could be read on the way.
    code, said = await swaks(relay, "--auth", "PLAIN", *LOGIN)
    assert code != 0
    assert "Host did not advertise authentication" in said
    assert relay.events("received") == world.received() == []
    assert await relay.queue() == []


async def test_limits_of_size_recipients_and_rate(start_relay: StartRelay) -> None:
    limits = {"recipients_per_message": 2, "messages_per_minute": 3}
    relay = await start_relay(limits={"message_size": "1MiB"}, apps={APP: {"limits": limits}})
    with pytest.raises(aiosmtplib.SMTPSenderRefused) as announced:
        await relay.submit(message(body=b"x" * 2_000_000), "an@klant.example")
    assert (announced.value.code, announced.value.message[:5]) == (552, "5.3.4")
    async with relay.session() as client:
        await client.starttls(tls_context=relay.world.authority.client_context())
        await client.login(APP, PASSWORD)
        await client.mail(BAKKERIJ)
        await client.rcpt("an@klant.example")
        with pytest.raises(aiosmtplib.SMTPDataError) as found_out:
            await client.data(message(body=b"x" * 2_000_000))
        assert (found_out.value.code, found_out.value.message[:5]) == (552, "5.3.4")
        addresses = [f"{number}@klant.example" for number in range(3)]
        refused, _ = await client.sendmail(BAKKERIJ, addresses, message())
        assert {address: (reply.code, reply.message[:5]) for address, reply in refused.items()} == {
            addresses[2]: (452, "4.5.3")
        }
        await client.sendmail(BAKKERIJ, addresses[:1], message())
        with pytest.raises(aiosmtplib.SMTPSenderRefused) as too_fast:
            await client.sendmail(BAKKERIJ, addresses[:1], message())
        assert (too_fast.value.code, too_fast.value.message[:5]) == (451, "4.7.0")


async def test_an_app_known_by_its_network(start_relay: StartRelay, world: World) -> None:
    relay = await start_relay(**NETWORK)
    code, said = await swaks(relay)
    assert code == 0, said
    assert (await world.wait_for("an@klant.example", 60)).accepted
    assert (await relay.event("received"))["app"] == "erp"
    code, said = await swaks(relay, sender=f"garage-lambert@{DOMAIN}")
    assert "<** 550 5.7.1" in said


async def test_chunks(start_relay: StartRelay, world: World) -> None:
    relay = await start_relay(**NETWORK)
    content = message(body=b".\r\nno dots are doubled here\r\n..\r\n\r\n.\r\n")
    async with RawClient(relay.host, relay.ports["submission"]) as client:
        assert "CHUNKING" in await client.hello()
        await client.envelope(BAKKERIJ, "an@klant.example")
        await client.send(b"BDAT 10\r\n" + content[:10] + b"BDAT 0\r\n")
        assert (await client.reply()).startswith("250 2.0.0")
        assert (await client.reply()).startswith("250 2.0.0")
        await client.send(f"BDAT {len(content) - 10} LAST\r\n".encode() + content[10:])
        queue_id = (await client.reply()).removeprefix("250 2.0.0 ")
        assert (await relay.event("received"))["queue_id"] == queue_id
        received = await world.wait_for("an@klant.example", 60)
        assert received.offer.content.endswith(with_author(content, AS_ALIAS))
        await client.envelope(BAKKERIJ, "an@klant.example")
        await client.send(b"BDAT 10 LAST\r\n12\n4567\r\n0")
        assert (await client.reply()).startswith("550 5.6.0")
        assert (await client.say("NOOP")).startswith("250")


async def test_smuggling_is_refused(start_relay: StartRelay, world: World) -> None:
    relay = await start_relay(**NETWORK)
    second = f"MAIL FROM:<{BAKKERIJ}>\r\nRCPT TO:<smuggled@klant.example>\r\nDATA\r\n".encode() + message()
    async with RawClient(relay.host, relay.ports["submission"]) as client:
        await client.hello()
        for end in (b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\n\n.\r\n"):
            await client.envelope(BAKKERIJ, "an@klant.example")
            assert (await client.say("DATA")).startswith("354")
            await client.send(message() + b"x" + end + second + b"\r\n.\r\n")
            assert (await client.reply()).startswith("550 5.6.0"), end
        assert (await client.say("NOOP")).startswith("250")
    assert world.received() == relay.events("received") == []
