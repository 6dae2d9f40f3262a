"""A client that is not ours: swaks of Debian, as a person at a shell would use it."""

import asyncio
import shutil
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from relay.smtpd import TlsMode

from .conftest import House

Open = Callable[..., Awaitable[House]]
SWAKS = shutil.which("swaks") or "swaks"
LOGIN = ["--auth-user", "app", "--auth-password", "sésame"]


async def swaks(made: House, *options: str) -> str:
    host, port = made.server.addresses[0]
    process = await asyncio.create_subprocess_exec(
        SWAKS,
        *["--server", host, "--port", str(port), "--helo", "client.example", "--timeout", "20"],
        *["--from", "app@here.example", "--to", "b@there.example,c@there.example", *options],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        stdin=asyncio.subprocess.DEVNULL,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_login_and_send(mechanism: str, tls: TlsMode, house: Open) -> None:
    made = await house(tls=tls)
    how = "--tls" if tls is TlsMode.STARTTLS else "--tls-on-connect"
    await swaks(made, how, "--auth", mechanism, *LOGIN, "--header", "Subject: invoice", "--body", "line\n.dot\n..\nend")
    assert made.gate.logins == [("app", "sésame")]
    message = made.gate.messages[0]
    assert [str(recipient.address) for recipient in message.recipients] == ["b@there.example", "c@there.example"]
    assert b"Subject: invoice\r\n" in message.octets
    assert b"line\r\n.dot\r\n..\r\nend" in message.octets
    assert made.gate.hellos[-1].tls == "TLSv1.3"


async def test_pipelined(house: Open) -> None:
    made = await house()
    output = await swaks(made, "--pipeline")
    assert len(made.gate.messages) == 1
    assert "250 2.0.0 queued as 1" in output


async def test_large_attachment(house: Open, tmp_path: Path) -> None:
    made = await house(message_size=5_000_000)
    attachment = tmp_path / "invoice.pdf"
    attachment.write_bytes(bytes(range(256)) * 8000)
    await swaks(made, "--pipeline", "--attach", f"@{attachment}")
    assert len(made.gate.messages[0].octets) > 2_000_000


async def test_the_certificate_is_shown(house: Open, server_tls: ssl.SSLContext) -> None:
    made = await house(tls=TlsMode.STARTTLS)
    output = await swaks(made, "--tls", "--quit-after", "HELO")
    assert "TLS started with cipher" in output
    assert "AUTH PLAIN LOGIN" in output
