"""What the demonstration does and says, step by step. Every claim it prints is checked; a wrong one is counted."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relay.sandbox.default_world import RELAY_DOMAIN, default_plan
from relay.sandbox.demo.confirming import confirm
from relay.sandbox.demo.invoices import answer, invoice
from relay.sandbox.demo.mailbox import empty_mailbox
from relay.sandbox.demo.outside import CustomerHost, meet_outside
from relay.sandbox.demo.relay_process import RelayProcess
from relay.sandbox.demo.repairs import change_password, publish_records
from relay.sandbox.demo.stage import APP, PASSWORD, PATIENCE, Ports, Show, queue_id_of, submit, tell_journey
from relay.sandbox.prepare import STUDIO_PASSWORD_FILE, prepare
from relay.sandbox.world import World


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
_KNOWN = ("garage-lambert", "studio-noord", "atelier-vos")


async def run_demo(config: Path, folder: Path, ports: Ports, *, say: Callable[[str], None], stay: bool) -> int:
    """Run the demonstration; the number of claims that did not hold. With `stay`, until cancelled."""
    say("Preparing keys, certificates and a small mail world on loopback ...")
    prepared = await asyncio.to_thread(prepare, folder)
    plan = default_plan(
        dns_port=ports.dns,
        smtp_port=ports.smtp,
        customer_port=ports.customer_server,
        mailbox_port=ports.mailbox,
        fast_input_port=ports.fast_input,
    )
    async with World(plan, records=prepared.records, folder=folder) as world:
        # Records that appear are seen soon.
        world.zones.ttl = 5
        say("Starting the relay ...")
        async with RelayProcess(config, folder / "relay.log", ports.submission) as relay:
            show = Show(ports, world, relay, say)
            say("Three of the companies are known to us already; an admin confirms their addresses:")
            for known in _KNOWN:
                mark = ("company", "verify", known, "--mark", "--reason", "a customer for years")
                say(f"  {(await relay.ask(*mark)).strip()}")
            sent = [await _send(show, number, case) for number, case in enumerate(_CASES, start=1)]
            host = CustomerHost(show)
            await _answer(show, host)
            await _bounce(show)
            await publish_records(show, 6)
            await change_password(show, 7, folder / STUDIO_PASSWORD_FILE)
            await empty_mailbox(show, 8)
            await meet_outside(show, 9, world.received(_CASES[0].to)[0], sent[0], host)
            _conclude(show)
            if stay:
                _invite(show, folder)
                await asyncio.Event().wait()
    return len(show.wrong)


async def _send(show: Show, number: int, case: _Case) -> str:
    """Send an invoice; the queue id that it has here."""
    name = f"2026-{number:03d}"
    show.say(f"\n{number}. {case.company} sends invoice {name} {case.title}")
    queue_id = await submit(
        show, case.alias, case.to, invoice(name, company=case.company, author=case.author, to=case.to)
    )
    show.say(f"  The app submits it over TLS as {APP}; the relay answers 250 with queue id {queue_id}.")
    if number == 1:
        await confirm(show, case.alias, queue_id)
    received = await show.world.wait_for(case.to, PATIENCE)
    await tell_journey(show, queue_id, received)
    show.check(holds=received.header("From") == _from(case), claim=f"From is {_from(case)}")
    show.check(holds=not received.header("Bcc"), claim="Bcc stayed with us")
    if case.alias != "studio-noord":
        show.check(holds=received.verdicts.aligned, claim="SPF or DKIM vouches for the domain in From")
        signed = [result for domain, result in received.verdicts.dkim if domain == RELAY_DOMAIN]
        show.check(holds=signed == ["pass", "pass"], claim=f"both signatures of {RELAY_DOMAIN} verify (Ed25519, RSA)")
    return queue_id


async def _answer(show: Show, host: CustomerHost) -> None:
    first = show.world.received(_CASES[0].to)[0]
    to = f"{_CASES[0].alias}@{RELAY_DOMAIN}"
    show.say(f"\n4. The customer answers to {to}")
    content = answer(
        to, author="an@klant.example", about=first.header("Subject"), message_id=first.header("Message-ID")
    )
    content = host.sign(content)
    reply = await host.deliver("an@klant.example", to, content)
    queue_id = queue_id_of(reply)
    show.say(f"  Her mail server brings it to our MX; the relay answers {reply}")
    received = await show.world.wait_for(lambda received: received.header("Subject").startswith("Re: "), PATIENCE)
    await tell_journey(show, queue_id, received)
    show.check(holds=received.offer.content.endswith(content), claim="every octet of her mail is as she wrote it")
    show.check(
        holds=received.offer.reverse_path.lower().startswith("srs0"), claim="the reverse path is ours, signed (SRS)"
    )


async def _bounce(show: Show) -> None:
    to = "unknown-person@klant.example"
    show.say(f"\n5. An invoice to an address that does not exist: {to}")
    case = _CASES[0]
    queue_id = await submit(show, case.alias, to, invoice("2026-004", company=case.company, author=case.author, to=to))
    report = await show.world.wait_for(
        lambda received: "could not be delivered" in received.header("Subject"), PATIENCE
    )
    await tell_journey(show, queue_id, report)
    show.check(holds=report.is_for("info@bakkerij-peeters.example"), claim="the company is told, nobody else")
    show.check(holds=not report.offer.reverse_path, claim="the report has the null reverse path: nobody answers it")


def _conclude(show: Show) -> None:
    if show.wrong:
        show.say(f"\n{len(show.wrong)} claims did not hold:")
        for claim in show.wrong:
            show.say(f"  {claim}")
    else:
        show.say("\nAll of it held.")


def _invite(show: Show, folder: Path) -> None:
    host, port = show.ports.submission
    web = "{}:{}".format(*show.ports.web)
    show.say(
        f"""
The relay and its world go on until Ctrl-C. Play on, in another terminal:
  swaks --server {host}:{port} --tls --auth PLAIN --auth-user {APP} --auth-password {PASSWORD} \\
        --from bakkerij-peeters@{RELAY_DOMAIN} --to an@klant.example
  .venv/bin/relay trace an@klant.example       a mail's whole journey
  .venv/bin/relay explain garage-lambert@{RELAY_DOMAIN} inkoop@streng.example
  .venv/bin/relay mailbox history bakkerij-peeters
  .venv/bin/relay status                       and: queue list, check
Other customers: grijs.example (greylists), vol.example (full), druk.example (busy), weg.example (takes no mail).
Change a file in config/ and see it taken over. Metrics: http://{web}/metrics  Log: {folder / "relay.log"}"""
    )


def _from(case: _Case) -> str:
    return f'"{case.company}" <{case.author}>'
