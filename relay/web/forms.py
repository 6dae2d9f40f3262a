"""Reads what a form sent: a few short fields, whatever somebody sends instead."""

import asyncio
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

_MOST_OCTETS = 8 * 1024
_MOST_FIELDS = 20
_PATIENCE = 10.0
_TYPE = "application/x-www-form-urlencoded"


class FormError(ValueError):
    """What came is no form of ours."""


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form, the last of each name; raises FormError, also when it takes too long to come."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
        raise FormError("not a form")
    body = bytearray()
    try:
        async with asyncio.timeout(_PATIENCE):
            async for block in request.stream():
                body += block
                if len(body) > _MOST_OCTETS:
                    raise FormError("too large")
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except (TimeoutError, ClientDisconnect, ValueError) as error:
        raise FormError(str(error)) from error
