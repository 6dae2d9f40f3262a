"""What is said to others of what was found: the results of our Authentication-Results field. Pure."""

from collections.abc import Iterator

from relay.mail.authentication_results import Stated, results_value
from relay.policy.authentication import Authentication, Result


def stated_results(authserv_id: str, found: Authentication) -> str:
    """The value of the field, for hosts that trust us; in it stand only domains, selectors and octets of signatures."""
    return results_value(authserv_id, _results(found))


def _results(found: Authentication) -> Iterator[Stated]:
    for finding, name in ((found.spf, "smtp.mailfrom"), (found.helo, "smtp.helo")):
        if finding.result is not Result.NONE or name == "smtp.mailfrom":
            yield Stated("spf", finding.result.value, [(name, finding.domain)])
    if not found.dkim:
        yield Stated("dkim", "none")
    for each in found.dkim:
        properties = [("header.d", each.domain), ("header.s", each.selector), ("header.b", each.mark)]
        yield Stated("dkim", each.result.value, properties)
    yield Stated("dmarc", found.dmarc.result.value, [("header.from", found.dmarc.author)])
    yield Stated("arc", found.arc.result.value)
