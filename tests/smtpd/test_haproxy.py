"""A load balancer that is not ours: HAProxy of Debian says who connects."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from relay.smtpd import TlsMode
from tests.peers.programs import program

from .conftest import Client, House

_SETTINGS = """\
global
    maxconn 50
defaults
    mode tcp
    timeout connect 10s
    timeout client 30s
    timeout server 30s
listen smtp
    bind fd@{fd}
    server relay 127.0.0.1:{port} {how}
"""


@pytest.mark.parametrize("how", ["send-proxy", "send-proxy-v2"])
@pytest.mark.parametrize("tls", [TlsMode.STARTTLS, TlsMode.IMPLICIT])
async def test_haproxy_says_who_connects(
    how: str, tls: TlsMode, balanced: Callable[..., Awaitable[House]], client_tls: ssl.SSLContext, tmp_path: Path
) -> None:
    made = await balanced(tls=tls)
    settings = tmp_path / "haproxy.cfg"
    with socket.create_server(("127.0.0.1", 0)) as front:
        settings.write_text(_SETTINGS.format(fd=front.fileno(), port=made.server.addresses[0][1], how=how))
        haproxy = await asyncio.create_subprocess_exec(
            *(program("haproxy", "haproxy"), "-db", "-q", "-f", str(settings)), pass_fds=(front.fileno(),)
        )
        options = {"ssl": client_tls, "server_hostname": "relay.example"} if tls is TlsMode.IMPLICIT else {}
        try:
            client = Client(
                *await asyncio.open_connection(*front.getsockname(), local_addr=("127.0.0.5", 0), **options)
            )
            made.clients.append(client)
            assert (await client.reply()).startswith("220")
            assert str(made.gate.peer.address) == "127.0.0.5"
            assert made.gate.peer.port == client.writer.get_extra_info("sockname")[1]
            if tls is TlsMode.STARTTLS:
                await client.ask("STARTTLS")
                await client.start_tls(client_tls)
            assert await client.ask("EHLO client.example") == "250 HELP"
            assert made.gate.hellos[-1].tls == "TLSv1.3"
            await client.close()
        finally:
            haproxy.terminate()
            await haproxy.wait()
