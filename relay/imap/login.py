"""How a connection begins: the greeting, TLS, and a login with a password or a token (RFC 3501, 4959, 7628)."""

import base64
import re
import ssl

from relay.imap.dialogue import Answer, DeniedError, Dialogue, word
from relay.imap.faults import Login, MailboxError, MailboxFault, Place
from relay.imap.plainly import passing, plainly
from relay.policy.bearer import GIVE_UP, MECHANISMS, first_response
from relay.policy.busy import read_busy

_OFFERED = re.compile(rb"\[CAPABILITY ([^\]]*)\]", re.IGNORECASE)

Capabilities = frozenset[bytes]


async def log_in(dialogue: Dialogue, place: Place, login: Login, context: ssl.SSLContext) -> Capabilities:
    """Make the connection one of that account; what the server then offers. Raises MailboxError."""
    with plainly(place.host):
        offered = await _greet(dialogue, place, context)
    try:
        with passing(place.host):
            if login.is_token:
                answer = await _with_token(dialogue, place, login, offered)
            else:
                answer = await _with_password(dialogue, login, offered)
    except DeniedError as error:
        # A busy server is not a wrong password; what it says may hold what was sent, and is not repeated.
        busy = read_busy(str(error))
        if busy is not None:
            text = "the server is too busy for a login"
            raise MailboxError(MailboxFault.BUSY, text, pause=busy.pause, crowded=busy.crowded) from None
        what = "token" if login.is_token else "password"
        raise MailboxError(MailboxFault.REFUSED, f"the server refuses the account or its {what}") from None
    with plainly(place.host):
        told = map(_offered, (answer.text, *(response.line for response in answer.responses)))
        found = next((each for each in told if each is not None), None)
        return found if found is not None else await _ask_capabilities(dialogue, offered)


async def _greet(dialogue: Dialogue, place: Place, context: ssl.SSLContext) -> Capabilities:
    if place.implicit_tls:
        await dialogue.wire.start_tls(context, place.host)
    greeting = await dialogue.greeting()
    if not place.implicit_tls:
        await dialogue.command(b"STARTTLS")
        await dialogue.wire.start_tls(context, place.host)
        greeting = b""
    found = _offered(greeting)
    return found if found is not None else await _ask_capabilities(dialogue, frozenset())


async def _with_password(dialogue: Dialogue, login: Login, offered: Capabilities) -> Answer:
    if b"AUTH=PLAIN" not in offered:
        return await dialogue.command(b"LOGIN", word(login.username), word(login.secret))
    first = base64.b64encode(f"\0{login.username}\0{login.secret}".encode())
    # A server that asks again has not heard what came with the command.
    return await _authenticate(dialogue, b"PLAIN", first, first, at_once=b"SASL-IR" in offered)


async def _with_token(dialogue: Dialogue, place: Place, login: Login, offered: Capabilities) -> Answer:
    name = next((name for name in MECHANISMS if b"AUTH=" + name.encode() in offered), None)
    if name is None:
        raise MailboxError(MailboxFault.REFUSED, "the server takes no tokens (XOAUTH2, OAUTHBEARER)")
    first = first_response(name, login.username, place.host, place.port, login.secret)
    return await _authenticate(dialogue, name.encode(), first, GIVE_UP[name], at_once=b"SASL-IR" in offered)


async def _authenticate(dialogue: Dialogue, name: bytes, first: bytes, give_up: bytes, *, at_once: bool) -> Answer:
    """RFC 3501 6.2.2, RFC 4959; a server that asks once more has refused, and hears so (RFC 7628 3.2.3)."""
    if at_once:
        await dialogue.begin(b"AUTHENTICATE", name, first)
    else:
        await dialogue.begin(b"AUTHENTICATE", name)
        await dialogue.continuation()
        await dialogue.wire.send(first + b"\r\n")
    return await dialogue.finish(give_up)


async def _ask_capabilities(dialogue: Dialogue, known: Capabilities) -> Capabilities:
    answer = await dialogue.command(b"CAPABILITY")
    for response in answer.responses:
        if response.line.upper().startswith(b"CAPABILITY "):
            known = frozenset(response.line.upper().split()[1:])
    return known


def _offered(text: bytes) -> Capabilities | None:
    """The capabilities that are told by the way, as many servers do."""
    found = _OFFERED.search(text)
    return None if found is None else frozenset(found[1].upper().split())
