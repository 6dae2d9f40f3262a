"""What the demonstration does and says, step by step. Every claim it prints is checked; a wrong one is counted."""

import asyncio
import email
import email.policy
import ssl
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiosmtplib

from relay.sandbox.arrivals import Received
from relay.sandbox.default_world import RELAY_DOMAIN, default_plan
from relay.sandbox.demo.invoices import answer, invoice
from relay.sandbox.demo.relay_process import RelayProcess
from relay.sandbox.prepare import prepare
from relay.sandbox.world import World

APP, PASSWORD = "billit-web", "demo-only-password"
_PATIENCE = 20.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the relay and the sandbox are: addresses as (host, port)."""

    submission: tuple[str, int]
    mx: tuple[str, int]
    web: tuple[str, int]
    dns: int
    smtp: int
    customer_server: int


@dataclass(frozen=True, slots=True)
class _Case:
    title: str
    alias: str
    company: str
    to: str
    author: str


_CASES = (
    _Case(
        "in the company's alias",
        "bakkerij-peeters",
        "Bakkerij Peeters BV",
        "an@klant.example",
        f"bakkerij-peeters@{RELAY_DOMAIN}",
    ),
    _Case(
        "in the company's own domain, to a host that refuses what nobody vouches for",
        "garage-lambert",
        "Garage Lambert",
        "inkoop@streng.example",
        "facturen@garage-lambert.example",
    ),
    _Case(
        "through the company's own mail server",
        "studio-noord",
        "Studio Noord",
        "kantoor@klant.example",
        "hallo@studio-noord.example",
    ),
)


@dataclass(slots=True)
class _Show:
    ports: Ports
    world: World
    relay: RelayProcess
    say: Callable[[str], None]
    wrong: list[str] = field(default_factory=list)

    def check(self, *, holds: bool, claim: str) -> None:
        """Print a claim with its proof; remember it when it does not hold."""
        self.say(f"    {'ok   ' if holds else 'WRONG'} {claim}")
        if not holds:
            self.wrong.append(claim)


async def run_demo(config: Path, folder: Path, ports: Ports, *, say: Callable[[str], None], stay: bool) -> int:
    """Run the demonstration; the number of claims that did not hold. With `stay`, until cancelled."""
    say("Preparing keys, certificates and a small mail world on loopback ...")
    prepared = await asyncio.to_thread(prepare, folder)
    plan = default_plan(dns_port=ports.dns, smtp_port=ports.smtp, customer_port=ports.customer_server)
    async with World(plan, records=prepared.records, folder=folder) as world:
        say("Starting the relay ...")
        async with RelayProcess(config, folder / "relay.log", ports.submission) as relay:
            show = _Show(ports, world, relay, say)
            say("Two of the companies are known to us already; an admin confirms their addresses:")
            for case in _CASES[1:]:
                mark = ("company", "verify", case.alias, "--mark", "--reason", "a customer for years")
                say(f"  {(await relay.ask(*mark)).strip()}")
            for number, case in enumerate(_CASES, start=1):
                await _send(show, number, case)
            await _answer(show)
            await _bounce(show)
            _conclude(show)
            if stay:
                _invite(show, folder)
                await asyncio.Event().wait()
    return len(show.wrong)


async def _send(show: _Show, number: int, case: _Case) -> None:
    name = f"2026-{number:03d}"
    show.say(f"\n{number}. {case.company} sends invoice {name} {case.title}")
    queue_id = await _submit(
        show, case.alias, case.to, invoice(name, company=case.company, author=case.author, to=case.to)
    )
    show.say(f"  The app submits it over TLS as {APP}; the relay answers 250 with queue id {queue_id}.")
    if number == 1:
        await _confirm(show, case, queue_id)
    received = await show.world.wait_for(case.to, _PATIENCE)
    await _tell_journey(show, queue_id, received)
    show.check(holds=received.header("From") == _from(case), claim=f"From is {_from(case)}")
    show.check(holds=not received.header("Bcc"), claim="Bcc stayed with us")
    if case.alias != "studio-noord":
        show.check(holds=received.verdicts.aligned, claim="SPF or DKIM vouches for the domain in From")
        signed = [result for domain, result in received.verdicts.dkim if domain == RELAY_DOMAIN]
        show.check(holds=signed == ["pass", "pass"], claim=f"both signatures of {RELAY_DOMAIN} verify (Ed25519, RSA)")


async def _confirm(show: _Show, case: _Case, queue_id: str) -> None:
    """The first mail of a company: its address is confirmed first. In a later run, it has been."""
    known = await show.relay.ask("company", "status", case.alias, "--json")
    if '"state": "confirmed"' in known:
        show.say("  The company confirmed its address in an earlier run (`rm -r var` begins anew).")
        return
    asked = await show.world.wait_for(lambda received: "/confirm/" in _text(received), _PATIENCE)
    show.say(f"  It is the company's first mail: it waits, and the relay writes to {asked.recipients[0]}:")
    show.say(f"    Subject: {asked.header('Subject')}")
    link = next(line for line in _text(asked).splitlines() if "/confirm/" in line)
    show.check(holds=not asked.offer.reverse_path, claim="that mail has the null reverse path: no robot answers it")
    looked = await asyncio.to_thread(_visit, link)
    waits = await show.relay.ask("queue", "show", queue_id, "--json")
    show.check(holds='"state": "held"' in waits, claim="a program that looks at the link confirms nothing")
    done = await asyncio.to_thread(_visit, link, b"do=confirm")
    show.check(holds=looked == done == 200, claim="the button on the page does, and the mail goes on by itself")


def _visit(link: str, form: bytes | None = None) -> int:
    with urllib.request.urlopen(link, form, timeout=_PATIENCE) as answer:  # noqa: S310 -- our own page
        return int(answer.status)


def _text(received: Received) -> str:
    message = email.message_from_bytes(received.offer.content, policy=email.policy.default)
    body = message.get_body(("plain",))
    return str(body.get_content()) if body is not None else ""


async def _answer(show: _Show) -> None:
    first = show.world.received(_CASES[0].to)[0]
    to = f"{_CASES[0].alias}@{RELAY_DOMAIN}"
    show.say(f"\n4. The customer answers to {to}")
    content = answer(
        to, author="an@klant.example", about=first.header("Subject"), message_id=first.header("Message-ID")
    )
    reply = await _deliver(show.ports.mx, show.world, "an@klant.example", to, content)
    queue_id = _queue_id(reply)
    show.say(f"  Her mail server brings it to our MX; the relay answers {reply}")
    received = await show.world.wait_for("info@bakkerij-peeters.example", _PATIENCE)
    await _tell_journey(show, queue_id, received)
    show.check(holds=received.offer.content.endswith(content), claim="every octet of her mail is as she wrote it")
    show.check(
        holds=received.offer.reverse_path.lower().startswith("srs0"), claim="the reverse path is ours, signed (SRS)"
    )


async def _bounce(show: _Show) -> None:
    to = "unknown-person@klant.example"
    show.say(f"\n5. An invoice to an address that does not exist: {to}")
    case = _CASES[0]
    queue_id = await _submit(show, case.alias, to, invoice("2026-004", company=case.company, author=case.author, to=to))
    report = await show.world.wait_for(
        lambda received: "could not be delivered" in received.header("Subject"), _PATIENCE
    )
    await _tell_journey(show, queue_id, report)
    show.check(holds=report.is_for("info@bakkerij-peeters.example"), claim="the company is told, nobody else")
    show.check(holds=not report.offer.reverse_path, claim="the report has the null reverse path: nobody answers it")


def _conclude(show: _Show) -> None:
    if show.wrong:
        show.say(f"\n{len(show.wrong)} claims did not hold:")
        for claim in show.wrong:
            show.say(f"  {claim}")
    else:
        show.say("\nAll of it held.")


def _invite(show: _Show, folder: Path) -> None:
    host, port = show.ports.submission
    web = "{}:{}".format(*show.ports.web)
    show.say(
        f"""
The relay and its world go on until Ctrl-C. Play on, in another terminal:
  swaks --server {host}:{port} --tls --auth PLAIN --auth-user {APP} --auth-password {PASSWORD} \\
        --from bakkerij-peeters@{RELAY_DOMAIN} --to an@klant.example
  .venv/bin/relay trace an@klant.example       a mail's whole journey
  .venv/bin/relay explain garage-lambert@{RELAY_DOMAIN} inkoop@streng.example
  .venv/bin/relay status                       and: queue list, check
Other customers: grijs.example (greylists), vol.example (full), druk.example (busy), weg.example (takes no mail).
Change a file in config/ and see it taken over. Metrics: http://{web}/metrics  Log: {folder / "relay.log"}"""
    )


async def _tell_journey(show: _Show, queue_id: str, received: Received) -> None:
    for line in (await show.relay.ask("trace", queue_id)).strip().splitlines():
        show.say(f"  | {line}")
    verdicts = received.verdicts
    show.say(f"  What {received.host} saw: MAIL FROM:<{received.offer.reverse_path}>, {received.offer.tls or 'no TLS'}")
    for name in ("From", "To", "Subject", "Reply-To"):
        if received.header(name):
            show.say(f"    {name}: {received.header(name)}")
    signatures = ", ".join(f"{domain} {result}" for domain, result in verdicts.dkim) or "none"
    show.say(f"    SPF {verdicts.spf}; DKIM {signatures}; reply {received.reply}")


async def _submit(show: _Show, alias: str, to: str, content: bytes) -> str:
    host, port = show.ports.submission
    client = aiosmtplib.SMTP(hostname=host, port=port, start_tls=False, local_hostname="app.example")
    async with client:
        await client.starttls(tls_context=show.world.authority.client_context())
        await client.login(APP, PASSWORD)
        _, message = await client.sendmail(f"{alias}@{RELAY_DOMAIN}", [to], content)
        return _queue_id(message)


async def _deliver(where: tuple[str, int], world: World, author: str, to: str, content: bytes) -> str:
    host, port = where
    client = aiosmtplib.SMTP(hostname=host, port=port, start_tls=False, local_hostname="mx.klant.example")
    async with client:
        context: ssl.SSLContext = world.authority.client_context()
        await client.starttls(tls_context=context)
        _, message = await client.sendmail(author, [to], content)
        return f"250 {message}"


def _queue_id(message: str) -> str:
    return message.rsplit(maxsplit=1)[-1]


def _from(case: _Case) -> str:
    return f'"{case.company}" <{case.author}>'
