"""What the header of a mail claims, read once: its authors, its signatures and its chain of ARC sets.

In charge of choosing which of them are looked at. Whether they hold is found out by `relay.authn.arrivals`.
"""

from dataclasses import dataclass

from relay.mail.address import AddressError
from relay.mail.arc_chain import ArcSet, ChainError, read_chain
from relay.mail.author import AuthorError, parse_authors
from relay.mail.body_forms import BodyForm
from relay.mail.dkim_signature import Signature, SignatureError, choose
from relay.mail.message import Header

MOST_AUTHORS = 4  # domains that are looked at; with more of them nothing passes


@dataclass(frozen=True, slots=True)
class Claimed:
    """Claims of one header.

    `authors` are the domains of all authors in ASCII labels, None where From names nobody clearly. `broken` says why
    fields that look like a chain are none; `sets` is empty then.
    """

    authors: tuple[str, ...] | None
    signatures: tuple[Signature | SignatureError, ...]
    sets: tuple[ArcSet, ...]
    broken: str = ""

    @property
    def forms(self) -> list[BodyForm]:
        """The hashes of the body that the signatures ask for, those that matter most first."""
        forms = [each.body_form for each in self.signatures if isinstance(each, Signature)]
        return forms + [each.message.body_form for each in reversed(self.sets)]


def read_claimed(header: Header) -> Claimed:
    """Read the claims of a header."""
    authors = author_domains(header)
    signatures = tuple(choose(header, (authors or ())[:MOST_AUTHORS]))
    try:
        return Claimed(authors, signatures, read_chain(header))
    except ChainError as error:
        return Claimed(authors, signatures, (), str(error))


def author_domains(header: Header) -> tuple[str, ...] | None:
    """The domains of all authors, in ASCII labels; None where From names nobody clearly."""
    domains: dict[str, None] = {}
    try:
        for field in header.all("from"):
            for author in parse_authors(field.value):
                domains[author.address.ascii_domain.lower()] = None
    except (AuthorError, AddressError):
        return None
    return tuple(domains) or None
