"""Where a mailbox is, when nobody has written it down: which of the servers that were found may be used unasked. Pure.

The company's password goes to the server that is chosen here, over TLS with a certificate for the name that was found.
So a name counts only where no stranger could have put another one in its place: within the domain that was asked
(RFC 6186 6), a known provider's, or one that the DNS itself vouches for (DNSSEC). Everything else is for a person: a
file on a web site, say, is easier to change than who reads the mail there.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relay.mail.address import Address
from relay.policy.providers import Endpoint, providers
from relay.policy.published import Offer


@dataclass(frozen=True, slots=True)
class Clue:
    """A server for reading that was found; `source` says where, `is_signed` that DNSSEC vouches for the name."""

    offer: Offer
    source: str
    is_signed: bool = False


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """A server that may be used, and the names that the account may have there, in the order to try them: two at most.

    `source` is where it was found; `is_vouched` that nothing but DNSSEC's word for it lets it be used.
    """

    endpoint: Endpoint
    names: tuple[str, ...]
    source: str
    is_vouched: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a look for a mailbox's server came to; `why` there is no place, and what to do, is for people.

    `is_outage` says that something could not be looked up, so another look may come to more.
    """

    place: Whereabouts | None
    why: str = ""
    is_outage: bool = False


def choose(clues: Iterable[Clue], address: Address) -> Whereabouts | None:
    """The first of the servers found for the mailbox of `address` that may be used unasked."""
    return next((found for clue in clues if (found := _usable(clue, address)) is not None), None)


def is_within(host: str, domain: str) -> bool:
    """Whether a host is in a domain. Both have ASCII labels."""
    host, domain = host.lower().rstrip("."), domain.lower()
    return host == domain or host.endswith(f".{domain}")


def explain_nothing(domain: str, clues: Sequence[Clue], tried: Sequence[str], *, is_outage: bool) -> str:
    """What an admin is told when no server may be used unasked, with what to write; `tried` is where was looked."""
    if not clues:
        what = "cannot be found now" if is_outage else "was not found: write host under incoming.mailbox"
        return f"the IMAP server of {domain} {what} ({'; '.join(tried)})"
    end, source = clues[0].offer.endpoint, clues[0].source
    keys = [f"host: {end.host}"]
    keys += [] if end.port == 993 and end.tls == "implicit" else [f"port: {end.port}", f"tls: {end.tls}"]
    return (
        f"{end.host} was found, and sent nothing: it is outside of {domain}. If it is right, write {', '.join(keys)} "
        f"under incoming.mailbox ({source})"
    )


def _usable(clue: Clue, address: Address) -> Whereabouts | None:
    end = clue.offer.endpoint
    for provider in providers():
        if provider.imap is not None and provider.imap.host == end.host.lower():
            # What is known of a provider says more than what somebody wrote about it.
            return Whereabouts(provider.imap, (provider.username(address),), clue.source)
    is_at_home = is_within(end.host, address.ascii_domain)
    if not clue.is_signed and not is_at_home:
        return None
    # RFC 6186 4: the whole address first, then the part before the @.
    names = (clue.offer.username,) if clue.offer.username else (str(address), address.local)
    return Whereabouts(end, names, clue.source, is_vouched=not is_at_home)
