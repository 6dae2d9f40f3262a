"""Says in the header of mail from outside what was found out about it when it came in; nothing else is touched."""

from relay.incoming.warnings import warning_fields
from relay.mail.authentication_results import results_field, without_ours
from relay.mail.message import Header
from relay.policy.forward import read_evidence
from relay.policy.spoof import is_spoofed, warning_field
from relay.policy.stated import stated_results
from relay.store.spool import Message


def state_findings(header: Header, message: Message, hostname: str, company: str) -> Header:
    """Our Authentication-Results on top, and warnings where there is something to warn `company` of ("": the operator).

    Fields of before that say they are ours go, for they are not; those of others stay, and with them what is signed.
    """
    header = without_ours(header, hostname)
    warnings = warning_fields(message.findings, company)
    found = read_evidence(message.findings)
    if found is None:
        return header.prepend(warnings) if warnings else header  # it came in before anybody looked
    spoofed = warning_field(found) if is_spoofed(found) else b""
    return header.prepend(results_field(stated_results(hostname, found)) + spoofed + warnings)
