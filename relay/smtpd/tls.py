"""TLS under a connection that began in plain text, or that begins with TLS at once.

In charge of the handshake on the server side (RFC 3207, RFC 8314) on either event loop.
Never decides whether TLS is wanted.
"""

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from collections.abc import Awaitable, Coroutine, Generator
from enum import StrEnum
from math import ceil
from typing import Any, TypeVar


class TlsMode(StrEnum):
    """When TLS begins on a listener."""

    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


class SlimSSLProtocol(SSLProtocol):
    """The standard library's TLS with a read buffer of one TLS record.

    The original keeps 256 KiB for every connection as long as it lives.
    """

    max_size = 16384


Answer = TypeVar("Answer")


class Begun(Awaitable[Answer]):
    """A coroutine that has run up to its first wait already; awaiting it does the rest.

    On a listener that begins with TLS the handshake must take the octets over before any are read: from within
    `connection_made`, where nothing can be awaited. A task would begin one round of the event loop later, when
    uvloop may have given the first octets to somebody else.
    """

    def __init__(self, coroutine: Coroutine[Any, Any, Answer]) -> None:
        self._coroutine = coroutine
        self._waiting = coroutine.send(None)

    def __await__(self) -> Generator[Any, Any, Answer]:
        """See Awaitable."""
        try:
            yield self._waiting
        except BaseException as error:
            self._coroutine.throw(error)
            raise
        return (yield from self._coroutine.__await__())


async def start_tls(
    transport: asyncio.Transport, protocol: asyncio.Protocol, *, context: ssl.SSLContext, patience: float
) -> asyncio.Transport:
    """Shake hands as the server; the transport to go on with. Raises OSError (ssl.SSLError is one) when it fails."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, asyncio.BaseEventLoop):
        upgraded = await _start_slim_tls(transport, protocol, context=context, patience=patience)
    else:
        # Other loops bring their own TLS, whose buffers are not ours to size.
        upgraded = await loop.start_tls(
            transport, protocol, context, server_side=True, ssl_handshake_timeout=patience, ssl_shutdown_timeout=5
        )
    if upgraded is None:
        raise ConnectionResetError("connection lost during the TLS handshake")
    return upgraded


async def _start_slim_tls(
    transport: asyncio.Transport, protocol: asyncio.Protocol, *, context: ssl.SSLContext, patience: float
) -> asyncio.Transport | None:
    loop = asyncio.get_running_loop()
    shaken = loop.create_future()
    tls = SlimSSLProtocol(
        loop,
        protocol,
        context,
        shaken,
        server_side=True,
        call_connection_made=False,
        ssl_handshake_timeout=ceil(patience),
        ssl_shutdown_timeout=5,
    )
    # Nothing may reach the TLS layer before it knows its transport.
    transport.pause_reading()
    transport.set_protocol(tls)
    begin = loop.call_soon(tls.connection_made, transport)
    resume = loop.call_soon(transport.resume_reading)
    try:
        await shaken
    except BaseException:
        begin.cancel()
        resume.cancel()
        transport.close()
        raise
    upgraded: asyncio.Transport | None = tls._app_transport  # noqa: SLF001 - as loop.start_tls() does
    return upgraded
