"""Scripts of whole dialogues, one file a topic.

# comment                    :: name value   a setting: tls, offers_login, or a limit
-> text    send a line       => text         send exactly this (escapes like \\r \\n \\x00, no line end added)
<- text    this line comes   <~ text         a line beginning so comes
<. the connection ends       ~~ tls          the client starts TLS
?? count n                   ?? octets text  how many messages were accepted; the last one's octets
---        a new connection
"""

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from relay.smtpd import TlsMode

from .conftest import Client, House

SCRIPTS = sorted((Path(__file__).parent / "dialogues").glob("*.smtp"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
async def test_dialogue(script: Path, house: Callable[..., Awaitable[House]], client_tls: ssl.SSLContext) -> None:
    steps = list(read(script))
    settings: dict[str, Any] = {}
    offers_login = True
    for _, sign, text in steps:
        if sign == "::":
            name, _, value = text.partition(" ")
            if name == "offers_login":
                offers_login = value == "yes"
            else:
                settings[name] = TlsMode(value) if name == "tls" else float(value) if "timeout" in name else int(value)
    made = await house(lambda gate: setattr(gate, "offers_login", offers_login), **settings)
    implicit = {"ssl": client_tls, "server_hostname": "relay.example"} if settings.get("tls") == "implicit" else {}
    client = await made.call(**implicit)
    for number, sign, text in steps:
        place = f"{script.name}:{number}"
        if sign == "---":
            await client.close()
            client = await made.call(**implicit)
        elif sign == "~~":
            await client.start_tls(client_tls)
        elif sign == "??":
            check(made, text, place)
        else:
            await speak(client, sign, text, place)
    assert not [trouble for trouble in made.troubles if "secret" not in str(trouble[1])]


async def speak(client: Client, sign: str, text: str, place: str) -> None:
    match sign:
        case "->":
            client.send(text.encode() + b"\r\n")
        case "=>":
            client.send(unescape(text))
        case "<-":
            line = await client.line()
            assert line == text, f"{place}: {line!r}"
        case "<~":
            line = await client.line()
            assert line.startswith(text), f"{place}: {line!r}"
        case "<.":
            rest = await client.rest()
            assert rest == b"", f"{place}: {rest!r}"


def check(made: House, text: str, place: str) -> None:
    what, _, wanted = text.partition(" ")
    messages = [message for gate in made.gates for message in gate.messages]
    if what == "count":
        assert len(messages) == int(wanted), place
    else:
        assert messages[-1].octets == unescape(wanted), f"{place}: {messages[-1].octets!r}"


def unescape(text: str) -> bytes:
    return text.encode().decode("unicode_escape").encode("latin-1")


def read(script: Path) -> list[tuple[int, str, str]]:
    steps = []
    for number, line in enumerate(script.read_text().splitlines(), 1):
        sign, _, text = line.partition(" ")
        if not line or sign == "#":
            continue
        assert sign in {"::", "->", "=>", "<-", "<~", "<.", "~~", "??", "---"}, f"{script.name}:{number}"
        steps.append((number, sign, text))
    return steps
