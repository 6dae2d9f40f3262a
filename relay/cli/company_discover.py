"""`relay company discover`: the mail server of an address, found the way mail programs do."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode, Failure
from relay.events import Json
from relay.mail.address import Address, AddressError, parse_address

if TYPE_CHECKING:
    from relay.facts.discovery import Found
    from relay.policy.published import Offer


class Tongue(StrEnum):
    """The languages of what companies read."""

    NL = "nl"
    FR = "fr"
    EN = "en"
    DE = "de"


def discover(
    address: Annotated[str, typer.Argument(help="The company's address.")],
    *,
    language: Annotated[Tongue, typer.Option("--language", help="Language of the steps for the company.")] = Tongue.EN,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Find the mail server of an address.

    Asks the DNS and the address's domain; logs in nowhere. The exit code is 1 when nothing was found.
    """
    from relay.policy.steps import steps_at

    try:
        parsed = parse_address(address)
    except AddressError as error:
        raise Failure(ExitCode.USAGE, f"relay: {address} is no address: {error}") from None
    found = asyncio.run(_find(parsed, config))
    steps = steps_at(found.provider.name, language.value) if found.provider else ()
    if as_json:
        print_json(_as_json(found, steps))
    else:
        _print(found, steps)
    if found.smtp is None and found.imap is None:
        raise typer.Exit(ExitCode.ATTENTION)


async def _find(address: Address, config: Path) -> "Found":
    from relay.cli.reading import read_settings, resolver_of
    from relay.facts.discovery import Discovery, fetch_with
    from relay.http import HttpClient

    settings = read_settings(config)
    resolver = resolver_of(settings)
    return await Discovery(resolver, fetch_with(HttpClient(resolver))).find(address)


def _print(found: "Found", steps: tuple[str, ...]) -> None:
    if found.smtp is None and found.imap is None:
        say("no server found: ask whoever looks after the company's mail")
        for line in found.tried:
            say(f"  {line}")
        return
    if found.smtp is not None:
        say(f"found by {found.source}")
        _print_lines("outgoing", "server", found.smtp)
    if found.imap is not None:
        if found.imap_source != found.source:
            say(f"found by {found.imap_source}")
        _print_lines("incoming", "mailbox", found.imap)
    for number, step in enumerate(steps, start=1):
        say(f"{number}. {step}")


def _print_lines(section: str, key: str, offer: "Offer") -> None:
    end = offer.endpoint
    for line in (f"{section}:", f"  {key}:", f"    host: {end.host}", f"    port: {end.port}",
                 f"    tls: {end.tls}", f"    username: {offer.username}"):  # fmt: skip
        say(line)


def _as_json(found: "Found", steps: tuple[str, ...]) -> Json:
    return {
        "smtp": _offer(found.smtp),
        "imap": _offer(found.imap),
        "provider": None if found.provider is None else found.provider.name,
        "source": found.source,
        "imap_source": found.imap_source,
        "tried": list(found.tried),
        "steps": list(steps),
    }


def _offer(offer: "Offer | None") -> Json:
    if offer is None:
        return None
    end = offer.endpoint
    logins: list[Json] = list(offer.logins)
    return {"host": end.host, "port": end.port, "tls": end.tls, "username": offer.username, "logins": logins}
