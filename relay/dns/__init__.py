"""Questions to the DNS, with answers that are values. The only importer of dnspython.

In charge of: asking, following aliases, remembering answers as long as they hold, joining equal questions that are
asked at the same time, and finding the hosts that take mail for a domain.
Never does: raise for a name or an answer that came from outside, decide what a missing record means, connect to a host.

RFC 1035, RFC 2308 (negative answers), RFC 5321 section 5 (mail hosts), RFC 7505 (null MX), RFC 5891 (names in Unicode).
"""

from relay.dns.answers import MAX_TTL, MIN_TTL, Answer, MailHosts, MailStatus, Mx, MxAnswer, Status
from relay.dns.records import parse_name
from relay.dns.resolver import Resolver

__all__ = [
    "MAX_TTL",
    "MIN_TTL",
    "Answer",
    "MailHosts",
    "MailStatus",
    "Mx",
    "MxAnswer",
    "Resolver",
    "Status",
    "parse_name",
]
