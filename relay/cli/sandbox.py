"""`relay sandbox`: a small mail world beside the relay, and the demonstration of both."""

import asyncio
import math
import signal
from collections.abc import Coroutine
from errno import EADDRINUSE
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar
from urllib.parse import urlsplit

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode, Failure

if TYPE_CHECKING:
    from relay.config.values.network import Endpoint
    from relay.sandbox.arrivals import Received
    from relay.sandbox.demo import Ports
    from relay.sandbox.world import World

_FOLDER = Path("var/demo")
_BAKERY = "bakkerij-peeters"  # the one whose mailbox is read
_STUDIO = "studio-noord"  # the company of the shipped configuration that sends through its own server

T = TypeVar("T")

FolderOption: TypeAlias = Annotated[Path, typer.Option("--dir", help="Keys, certificates and received mail lie here.")]

sandbox = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="""Run a small mail world on loopback.

    Names, receiving hosts of different temperaments and a customer's server, at the ports that the configuration
    expects. Every mail that arrives is shown. Runs until Ctrl-C.""",
)


@sandbox.callback()
def run(
    context: typer.Context,
    *,
    config: ConfigOption = DEFAULT_CONFIG,
    folder: FolderOption = _FOLDER,
    as_json: JsonOption = False,
) -> None:
    if context.invoked_subcommand is None:
        _run_until_told(_run(config, folder, as_json=as_json))


@sandbox.command("prepare")
def prepare(*, folder: FolderOption = _FOLDER, as_json: JsonOption = False) -> None:
    """Make the keys and certificates of the sandbox.

    The shipped configuration refers to them. What is there already stays as it is.
    """
    from relay.sandbox.prepare import prepare as make

    before = set(folder.glob("*"))
    records = make(folder).records
    made = sorted(str(file) for file in set(folder.glob("*")) - before)
    if as_json:
        print_json({"made": made, "records": records})
        return
    for name in made:
        say(f"made {name}")
    if not made:
        say(f"all there in {folder}")


@sandbox.command("demo")
def demo(
    *,
    leave: Annotated[
        bool, typer.Option("--exit", help="End when all is shown, with exit code 1 if it failed.")
    ] = False,
    config: ConfigOption = DEFAULT_CONFIG,
    folder: FolderOption = _FOLDER,
) -> None:
    """Show the relay at work in the sandbox.

    Starts both, sends real invoices, lets a customer answer, and prints every mail's journey.
    """
    from relay.sandbox.demo import run_demo
    from relay.sandbox.prepare import prepare as make

    make(folder)
    ports = _ports(config)
    asyncio.run(forget_names(config))

    def say_at_once(text: str) -> None:
        typer.echo(text)

    try:
        failed = _run_until_told(run_demo(config, folder, ports, say=say_at_once, stay=not leave))
    except OSError as error:
        hint = "; is another one running?" if error.errno == EADDRINUSE else ""
        raise Failure(ExitCode.UNAVAILABLE, f"relay: the demonstration cannot start: {error}{hint}") from None
    if failed or (failed is None and leave):
        raise typer.Exit(ExitCode.ATTENTION)


async def forget_names(config: Path) -> None:
    """Every run has a world of its own: what an earlier one published is not known any more, rather than gone."""
    from relay.cli.reading import read_settings
    from relay.clock import SystemClock
    from relay.facts.domains import KIND
    from relay.store.open import store_path, visit_spool

    store = read_settings(config).store
    if not store_path(store).exists():
        return
    spool = visit_spool(store, clock=SystemClock())
    await spool.start()
    try:
        while facts := await spool.facts.list(KIND):
            for fact in facts:
                await spool.facts.drop(fact)
    finally:
        await spool.stop()


def _run_until_told(work: Coroutine[None, None, T]) -> T | None:
    """The result of `work`, or None after SIGINT or SIGTERM, which end it in good order."""

    async def run_here() -> T | None:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return None

    return asyncio.run(run_here())


async def _run(config: Path, folder: Path, *, as_json: bool) -> None:
    from relay.sandbox.default_world import default_plan
    from relay.sandbox.prepare import prepare as make
    from relay.sandbox.world import World

    records = (await asyncio.to_thread(make, folder)).records
    ports = _ports(config)
    plan = default_plan(
        dns_port=ports.dns,
        smtp_port=ports.smtp,
        customer_port=ports.customer_server,
        mailbox_port=ports.mailbox,
        fast_input_port=ports.fast_input,
    )
    try:
        async with World(plan, records=records, folder=folder) as world:
            if as_json:
                print_json(_as_json(world), on_one_line=True)
            else:
                _introduce(world)
            await _watch(world, as_json=as_json)
    except OSError as error:
        raise Failure(ExitCode.UNAVAILABLE, f"relay: the sandbox cannot start: {error}") from None


def _ports(config: Path) -> "Ports":
    """Where the configuration expects the sandbox, and itself."""
    from relay.cli.reading import read_all
    from relay.sandbox.demo import Ports

    snapshot = read_all(config)
    settings, studio, bakery = snapshot.settings, snapshot.company(_STUDIO), snapshot.company(_BAKERY)
    listeners = settings.listeners
    if not (settings.dns.servers and listeners.submission and listeners.mx and listeners.web and studio):
        raise Failure(ExitCode.CONFIG, f"relay: {config} is not made for the sandbox; take the shipped configuration")
    return Ports(
        submission=_pair(listeners.submission.address),
        mx=_pair(listeners.mx.address),
        web=_pair(listeners.web.address),
        dns=settings.dns.servers[0].port,
        smtp=settings.delivery.port,
        customer_server=studio.server.port if studio.server else 0,
        mailbox=bakery.mailbox.port if bakery is not None and bakery.mailbox is not None else 0,
        fast_input=0 if settings.fast_input.api is None else urlsplit(settings.fast_input.api.url).port or 0,
    )


def _pair(where: "Endpoint") -> tuple[str, int]:
    return where.host, where.port


def _introduce(world: "World") -> None:
    say(f"names            {world.dns_address}")
    for name, host in world.hosts.items():
        domains = ", ".join(host.plan.domains)
        say(f"{domains:<24} {host.plan.temperament:<12} {name} {world.addresses[name]}:{world.smtp_port}")
    for name, server in world.customer_servers.items():
        say(f"{server.plan.username:<24} {'own server':<12} {name} {world.addresses[name]}:{server.plan.port}")
    for user, mailbox in world.mailboxes.items():
        say(f"{user:<24} {'mailbox':<12} {mailbox.plan.name} {world.addresses[mailbox.plan.name]}:{mailbox.port}")
    if world.fast_input is not None:
        name = world.fast_input.plan.name
        say(f"{'Fast input':<24} {'':<12} {name} {world.addresses[name]}:{world.fast_input.port}")
    say("waiting for mail until Ctrl-C")


def _as_json(world: "World") -> dict[str, object]:
    return {
        "dns": world.dns_address,
        "hosts": [
            {
                "name": name,
                "domains": list(host.plan.domains),
                "temperament": host.plan.temperament.value,
                "address": world.addresses[name],
                "port": world.smtp_port,
            }
            for name, host in world.hosts.items()
        ],
        "customer_servers": [
            {"name": name, "address": world.addresses[name], "port": server.plan.port}
            for name, server in world.customer_servers.items()
        ],
    }


async def _watch(world: "World", *, as_json: bool) -> None:
    """Show mail as it comes in, until cancelled."""
    shown = 0

    def is_new(message: "Received") -> bool:
        return message.number > shown

    while True:
        received = await world.wait_for(is_new, math.inf)
        shown = received.number
        if as_json:
            print_json(received.as_dict(), on_one_line=True)
        else:
            _show(received)


def _show(received: "Received") -> None:
    verdicts = received.verdicts
    say(f"{received.number}  {received.host}: {received.reply}")
    say(f"   MAIL FROM:<{received.offer.reverse_path}> for {', '.join(received.recipients)}")
    say(f"   From: {received.header('From')}  Subject: {received.header('Subject')}")
    signatures = ", ".join(f"{domain} {result}" for domain, result in verdicts.dkim) or "none"
    say(f"   SPF {verdicts.spf}, DKIM {signatures}, {received.offer.tls or 'no TLS'}")
