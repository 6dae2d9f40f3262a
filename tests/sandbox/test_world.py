"""The world: hosts with their temperaments, the customer's server, and what is kept of what arrived."""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiosmtplib
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from relay.dns import MailStatus, Resolver
from relay.mail.dkim import BodyHash, Signer, dns_record
from relay.mail.envelope import Notify, Ret
from relay.mail.message import parse_header
from relay.sandbox.answer import send_answer
from relay.sandbox.arrivals import Received
from relay.sandbox.certificates import Authority
from relay.sandbox.default_world import RELAY_DOMAIN, STUDIO_PASSWORD, STUDIO_USER, default_plan
from relay.sandbox.receiving_host import HostPlan
from relay.sandbox.world import World, WorldPlan
from relay.sandbox.zones import FaultKind

SENDER = f"bakkerij@{RELAY_DOMAIN}"
BODY = b"Beste klant,\r\n\r\nuw factuur.\r\n"
KEYS = {
    "s1": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "s2": ed25519.Ed25519PrivateKey.generate(),
}


def message(author: str = SENDER, *, sign_as: str = "", selectors: tuple[str, ...] = ("s1",)) -> bytes:
    header = parse_header(
        f"From: Bakkerij <{author}>\r\nTo: a@klant.example\r\nSubject: Factuur\r\n"
        f"Date: Mon, 23 Nov 2026 07:00:00 +0000\r\nMessage-ID: <1@{RELAY_DOMAIN}>\r\n".encode()
    )
    body_hash = BodyHash()
    body_hash.update(BODY)
    for selector in selectors if sign_as else ():
        header = header.prepend(Signer(sign_as, selector, KEYS[selector]).sign(header, body_hash.digest(), 1))
    return bytes(header) + b"\r\n" + BODY


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    keys = {f"{selector}._domainkey.{RELAY_DOMAIN}": {"TXT": dns_record(key)} for selector, key in KEYS.items()}
    async with World(default_plan(), records=keys, folder=tmp_path) as world:
        yield world


def client(world: World, host: str, *, tls: bool = True, helo: str = f"mx1.{RELAY_DOMAIN}") -> aiosmtplib.SMTP:
    return aiosmtplib.SMTP(
        hostname=world.addresses[host],
        port=world.smtp_port,
        local_hostname=helo,
        start_tls=tls,
        tls_context=world.authority.client_context(),
        timeout=10,
    )


@contextlib.asynccontextmanager
async def greeted(smtp: aiosmtplib.SMTP) -> AsyncIterator[aiosmtplib.SMTP]:
    async with smtp:
        await smtp.ehlo()
        yield smtp


async def send(
    world: World, recipient: str, content: bytes, *, sender: str = SENDER, tls: bool = True
) -> tuple[int, str]:
    """One transaction as a relay would make it; the code and text of the first reply that is no success."""
    host = f"mx.{recipient.rpartition('@')[2]}"
    try:
        async with greeted(client(world, host, tls=tls)) as smtp:
            await smtp.mail(sender)
            await smtp.rcpt(recipient)
            return (await smtp.data(content))[:2]
    except aiosmtplib.SMTPConnectResponseError as error:
        return error.code, error.message
    except aiosmtplib.SMTPResponseException as error:
        return error.code, error.message


async def test_a_friendly_host_takes_mail_and_keeps_what_it_saw(world: World, tmp_path: Path) -> None:
    content = message(sign_as=RELAY_DOMAIN, selectors=("s1", "s2"))
    assert (await send(world, "a@klant.example", content))[0] == 250
    received = await world.wait_for("a@klant.example")
    assert received.accepted
    assert received.host == "mx.klant.example"
    assert (received.offer.peer, received.offer.helo) == ("127.0.0.1", f"mx1.{RELAY_DOMAIN}")
    assert received.offer.tls.startswith("TLS")
    assert received.offer.content == content
    assert received.offer.reverse_path == SENDER
    assert received.verdicts.spf == "pass"
    assert received.verdicts.dkim == ((RELAY_DOMAIN, "pass"), (RELAY_DOMAIN, "pass"))
    assert received.verdicts.aligned
    assert received.header("subject") == "Factuur"
    assert world.received("klant.example") == world.received("A@Klant.example") == world.received() == [received]
    assert world.received("streng.example") == []
    written = tmp_path / "arrivals" / "000001-mx.klant.example.eml"
    assert written.read_bytes() == content
    described = json.loads(written.with_suffix(".json").read_text())
    assert described["dkim"] == [[RELAY_DOMAIN, "pass"], [RELAY_DOMAIN, "pass"]]
    assert described["reply"].startswith("250")


async def test_a_changed_body_fails_dkim(world: World) -> None:
    await send(world, "a@klant.example", message(sign_as=RELAY_DOMAIN) + b"more\r\n")
    received = await world.wait_for("klant.example")
    assert received.verdicts.dkim == ((RELAY_DOMAIN, "fail"),)
    assert received.verdicts.spf == "pass"


async def test_verdicts_when_the_names_are_gone_or_broken(world: World) -> None:
    key = f"s1._domainkey.{RELAY_DOMAIN}"
    world.zones.break_name(key, FaultKind.SERVFAIL)
    world.zones.break_name(RELAY_DOMAIN, FaultKind.DROP)
    await send(world, "broken@klant.example", message(sign_as=RELAY_DOMAIN))
    world.zones.heal(RELAY_DOMAIN)
    world.zones.break_name(key, FaultKind.NXDOMAIN)
    world.zones.publish(RELAY_DOMAIN, "TXT", "v=spf1 nonsense")
    await send(world, "gone@klant.example", message(sign_as=RELAY_DOMAIN))
    broken, gone = await world.wait_for("broken@klant.example"), await world.wait_for("gone@klant.example")
    assert (broken.verdicts.spf, broken.verdicts.dkim) == ("temperror", ((RELAY_DOMAIN, "temperror"),))
    assert (gone.verdicts.spf, gone.verdicts.dkim[0][1]) == ("permerror", "fail")
    assert not gone.verdicts.aligned


@pytest.mark.parametrize(
    "content",
    [b"", b" starts with a blank\r\n\r\nx", b"no header at all\r\n", b"From: a@b.example\r\nFrom: c@d.example\r\n\r\n"],
)
async def test_odd_messages_are_judged_too(world: World, content: bytes) -> None:
    assert (await send(world, "a@klant.example", content))[0] == 250
    received = await world.wait_for("klant.example")
    assert not received.verdicts.aligned
    assert received.as_dict()["headers"] is not None


@pytest.mark.parametrize(
    ("author", "sender", "sign_as", "code"),
    [
        (SENDER, SENDER, "", 250),  # SPF vouches
        (SENDER, "someone@elsewhere.example", RELAY_DOMAIN, 250),  # DKIM vouches
        (SENDER, "someone@elsewhere.example", "", 550),
        ("info@bakkerij-peeters.example", SENDER, RELAY_DOMAIN, 550),  # both pass, for another domain
        ("info@garage-lambert.example", "info@garage-lambert.example", "", 250),
    ],
)
async def test_a_picky_host_wants_the_author_vouched_for(
    world: World, author: str, sender: str, sign_as: str, code: int
) -> None:
    got, text = await send(world, "a@streng.example", message(author, sign_as=sign_as), sender=sender)
    assert got == code
    received = await world.wait_for("streng.example")
    assert received.accepted == (code == 250)
    assert code == 250 or (text.startswith("5.7.26") and "5.7.26" in received.reply)


async def test_a_null_reverse_path_is_judged_by_helo(world: World) -> None:
    await send(world, "a@klant.example", message(), sender="")
    received = await world.wait_for("klant.example")
    assert (received.offer.reverse_path, received.verdicts.spf) == ("", "none")


async def test_greylisting_takes_the_second_try(world: World) -> None:
    assert await send(world, "a@grijs.example", message()) == (451, "4.7.1 Greylisted, try again later")
    assert (await send(world, "b@grijs.example", message()))[0] == 451
    assert (await send(world, "a@grijs.example", message()))[0] == 250
    assert [refusal.about for refusal in world.refused()] == ["a@grijs.example", "b@grijs.example"]


async def test_a_busy_host_turns_away_every_third_connection_from_the_first(world: World) -> None:
    codes = [(await send(world, "a@druk.example", message(), tls=False))[0] for _ in range(5)]
    assert codes == [421, 250, 250, 421, 250]
    refusal = await world.arrivals.wait_for_refusal(lambda refusal: refusal.verb == "connect")
    assert (refusal.host, refusal.about) == ("mx.druk.example", "127.0.0.1")


@pytest.mark.parametrize(
    ("recipient", "code", "enhanced"),
    [
        ("a@vol.example", 452, "4.2.2"),
        ("full-up@vol.example", 552, "5.2.2"),
        ("unknown-user@klant.example", 550, "5.1.1"),
        ("full@klant.example", 552, "5.2.2"),
        ("quota@klant.example", 452, "4.2.2"),
    ],
)
async def test_recipients_that_are_refused(world: World, recipient: str, code: int, enhanced: str) -> None:
    got, text = await send(world, recipient, message())
    assert (got, text.split()[0]) == (code, enhanced)
    (refusal,) = world.refused()
    assert (refusal.verb, refusal.about, refusal.reply) == ("RCPT", recipient, f"{code} {text}")
    assert world.received() == []


async def test_hosts_take_no_mail_for_others(world: World) -> None:
    async with greeted(client(world, "mx.klant.example")) as smtp:
        await smtp.mail(SENDER)
        with pytest.raises(aiosmtplib.SMTPRecipientRefused) as caught:
            await smtp.rcpt("a@streng.example")
        assert (caught.value.code, caught.value.message.split()[0]) == (550, "5.7.1")
        assert (await smtp.rcpt("postmaster@KLANT.example")).code == 250
        assert (await smtp.execute_command(b"RCPT", b"TO:<postmaster>")).code == 250


async def test_what_is_offered(world: World) -> None:
    async with greeted(client(world, "mx.klant.example", tls=False)) as smtp:
        assert {"starttls", "pipelining", "dsn", "8bitmime", "smtputf8", "size"} <= set(smtp.esmtp_extensions)
        assert "auth" not in smtp.esmtp_extensions
    async with greeted(client(world, "mx.klant.example")) as smtp:
        assert "starttls" not in smtp.esmtp_extensions
        assert "auth" not in smtp.esmtp_extensions
    world.hosts["mx.druk.example"].connections = 1
    async with greeted(client(world, "mx.druk.example", tls=False)) as smtp:
        assert "starttls" not in smtp.esmtp_extensions


async def test_every_parameter_is_understood_and_kept(world: World) -> None:
    parameters = "SIZE=100 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=Qq+2B314 AUTH=<>"
    async with greeted(client(world, "mx.klant.example")) as smtp:
        assert (await smtp.mail("é@my.relay.example", options=parameters.split(), encoding="utf-8")).code == 250
        command = b"TO:<a@klant.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Alice@klant.example"
        assert (await smtp.execute_command(b"RCPT", command)).code == 250
        assert (await smtp.execute_command(b"RCPT", b"TO:<b@klant.example>")).code == 250
        await smtp.data(message())
    offer = (await world.wait_for("a@klant.example")).offer
    assert offer.reverse_path == "é@my.relay.example"
    assert (offer.parameters.ret, offer.parameters.envid) == (Ret.HDRS, "Qq+314")
    assert (offer.parameters.size, offer.parameters.smtputf8) == (100, True)
    first, second = offer.recipients
    assert (first.notify, first.orcpt) == (frozenset({Notify.SUCCESS, Notify.DELAY}), "rfc822;Alice@klant.example")
    assert (second.notify, second.orcpt) == (frozenset(), None)


@pytest.mark.parametrize(
    ("command", "argument", "code"),
    [
        (b"MAIL", b"TO:<a@b.example>", 501),
        (b"MAIL", b"FROM:a@b.example", 501),
        (b"MAIL", b"FROM:<a@b.example> FOO=1", 555),
        (b"MAIL", b"FROM:<a@b.example> SIZE=99999999", 552),
        (b"RCPT", b"TO:<a@klant.example>", 503),
    ],
)
async def test_commands_that_are_wrong(world: World, command: bytes, argument: bytes, code: int) -> None:
    async with greeted(client(world, "mx.klant.example")) as smtp:
        assert (await smtp.execute_command(command, argument)).code == code


async def test_wrong_recipients_and_nested_senders(world: World) -> None:
    async with greeted(client(world, "mx.klant.example")) as smtp:
        await smtp.mail(SENDER)
        assert (await smtp.execute_command(b"MAIL", b"FROM:<a@b.example>")).code == 503
        assert (await smtp.execute_command(b"RCPT", b"TO:<>")).code == 501
        assert (await smtp.execute_command(b"RCPT", b"TO:<a@klant.example> FOO=1")).code == 555


async def test_commands_before_ehlo_are_out_of_order(world: World) -> None:
    smtp = client(world, "mx.klant.example", tls=False)
    await smtp.connect()
    assert (await smtp.execute_command(b"MAIL", b"FROM:<>")).code == 503
    assert (await smtp.execute_command(b"RCPT", b"TO:<a@b>")).code == 503
    smtp.close()


async def test_waiting_says_what_came_instead(world: World) -> None:
    await send(world, "a@klant.example", message())
    await send(world, "unknown@klant.example", message())
    with pytest.raises(TimeoutError, match=r"(?s)a@klant\.example.*unknown@klant\.example"):
        await world.wait_for(lambda received: not received.accepted, 0.01)


async def test_the_world_is_published(world: World) -> None:
    resolver = Resolver([world.dns_address])
    for domain in ("klant.example", "streng.example", "garage-lambert.example", RELAY_DOMAIN):
        hosts = await resolver.hosts_for(domain)
        assert hosts.status is MailStatus.FOUND
        addresses = await resolver.lookup_addresses(hosts.hosts[0].host)
        assert addresses.records == (world.addresses.get(hosts.hosts[0].host, "127.0.0.1"),)
    assert (await resolver.hosts_for("weg.example")).status is MailStatus.NULL_MX
    assert (await resolver.hosts_for("nergens.example")).status is MailStatus.NXDOMAIN
    assert (await resolver.lookup_txt("garage-lambert.example")).records == (b"v=spf1 include:my.relay.example -all",)


async def test_a_customer_answers(world: World) -> None:
    """The answer goes to the author, from the customer's host, so that the customer's SPF record speaks for it."""
    await send(world, "a@klant.example", message(author="info@bakkerij-peeters.example"))
    received = await world.wait_for("a@klant.example")
    reply = await send_answer(
        received,
        "Bedankt.",
        source=world.addresses[received.host],
        target=(world.addresses["mx.bakkerij-peeters.example"], world.smtp_port),
        at=1_795_000_000.0,
    )
    assert reply[0] == 250
    answer = await world.wait_for("info@bakkerij-peeters.example")
    assert (answer.offer.reverse_path, answer.verdicts.spf) == ("a@klant.example", "pass")
    assert answer.header("In-Reply-To") == answer.header("References") == f"<1@{RELAY_DOMAIN}>"
    assert answer.header("Subject") == "Re: Factuur"


def submission(world: World) -> aiosmtplib.SMTP:
    server = world.customer_servers["smtp.studio-noord.example"]
    return aiosmtplib.SMTP(
        hostname=server.address, port=server.port, start_tls=True, tls_context=world.authority.client_context()
    )


@pytest.mark.parametrize("mechanism", ["auth_plain", "auth_login"])
async def test_the_customers_server_passes_mail_on_from_its_own_address(world: World, mechanism: str) -> None:
    content = message(STUDIO_USER)
    async with greeted(submission(world)) as smtp:
        await getattr(smtp, mechanism)(STUDIO_USER, STUDIO_PASSWORD)
        await smtp.sendmail(STUDIO_USER, ["a@streng.example", "unknown@klant.example", "x@nergens.example"], content)
    server = world.customer_servers["smtp.studio-noord.example"]
    received = await world.wait_for("a@streng.example")
    assert received.accepted
    assert received.offer.peer == server.address
    assert received.offer.content.endswith(content)
    assert received.offer.content.startswith(b"Received: from ")
    assert received.recipients == ("a@streng.example",)
    assert server.seen.received("a@streng.example")[0].offer.content == content
    assert [refusal.reply[:9] for refusal in world.refused()] == ["550 5.1.1", "550 5.1.2"]


async def test_the_customers_server_wants_tls_a_password_and_the_accounts_own_address(world: World) -> None:
    server = world.customer_servers["smtp.studio-noord.example"]
    async with aiosmtplib.SMTP(hostname=server.address, port=server.port, start_tls=False) as smtp:
        await smtp.ehlo()
        assert "auth" not in smtp.esmtp_extensions
        assert (await smtp.execute_command(b"AUTH", b"PLAIN", b"AGEAYg==")).code == 538
        assert (await smtp.execute_command(b"MAIL", b"FROM:<a@b.example>")).code == 530
    async with greeted(submission(world)) as smtp:
        with pytest.raises(aiosmtplib.SMTPAuthenticationError) as caught:
            await smtp.auth_plain(STUDIO_USER, "wrong")
        assert (caught.value.code, caught.value.message.split()[0]) == (535, "5.7.8")
        server.password = "changed"
        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            await smtp.auth_plain(STUDIO_USER, STUDIO_PASSWORD)
        await smtp.auth_plain(STUDIO_USER, "changed")
        with pytest.raises(aiosmtplib.SMTPSenderRefused) as refused:
            await smtp.mail("else@studio-noord.example")
        assert (refused.value.code, refused.value.message.split()[0]) == (553, "5.7.1")


async def test_an_address_of_each_host_and_one_port_for_all() -> None:
    hosts = tuple(HostPlan(f"mx{number}.example", (f"d{number}.example",), tls=False) for number in range(5))
    async with World(WorldPlan(hosts)) as first, World(WorldPlan(hosts)) as second:
        assert first.smtp_port != second.smtp_port
        assert len(set(first.addresses.values())) == 5
        with pytest.raises(OSError, match="in use"):
            async with World(WorldPlan(hosts, smtp_port=first.smtp_port)):
                pass


async def test_trouble_of_its_own_is_temporary_and_told_to_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_arguments: object) -> Received:
        raise RuntimeError("secret")

    monkeypatch.setattr(world.arrivals, "add", fail)
    assert await send(world, "a@klant.example", message()) == (451, "4.3.0 Internal trouble")


def test_the_authority_outlives_a_restart(tmp_path: Path) -> None:
    first, second = Authority(tmp_path / "new"), Authority(tmp_path / "new")
    assert first.ca_pem == second.ca_pem
    assert (tmp_path / "new" / "ca-key.pem").stat().st_mode & 0o777 == 0o600
    second.server_context("mx.klant.example", "127.0.0.1", "::1")


async def test_a_large_message_over_tls(world: World) -> None:
    content = message() + b"x" * 998 + (b"\r\n" + b"y" * 76) * 50_000 + b"\r\n"
    assert (await send(world, "a@klant.example", content))[0] == 250
    assert (await world.wait_for("klant.example")).offer.content == content
