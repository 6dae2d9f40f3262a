"""Reads complaints of readers that their provider passes on: ARF (RFC 5965), and Microsoft's older form (JMRP)."""

from relay.mail.bounce import Bounce, Bounced, clean, clean_address
from relay.mail.delivery_status import message_id_in, read_returned
from relay.mail.parts import Part, read_fields, read_header, value_of
from relay.mail.report import Action

# RFC 6591: reports that a signature failed are written in the same form, and nobody complains in them.
_NO_COMPLAINTS = {"auth-failure", "dmarc"}
_MOST_RECIPIENTS = 100
_JMRP = "x-hmxmroriginalrecipient"


def read_complaint(parts: tuple[Part, ...]) -> Bounce | None:
    """The complaint that a mail is, None when it is none."""
    for part in parts:
        if part.kind == "message/feedback-report":
            return _feedback(part, parts)
    for part in parts:
        if part.kind == "message/rfc822":
            header = read_header(part.body)
            recipient = clean_address(value_of(header, _JMRP))
            if recipient:
                returned = read_returned(parts)
                message_id = message_id_in(value_of(header, "message-id"))
                return Bounce(
                    (_complainer(recipient),), message_id, returned.reverse_paths, "abuse", sent=returned.sent
                )
    return None


def _feedback(part: Part, parts: tuple[Part, ...]) -> Bounce | None:
    fields = read_fields(part.body)
    feedback = clean(value_of(fields, "feedback-type"), 40).lower() or "other"
    if feedback in _NO_COMPLAINTS:
        return None
    recipients = [clean_address(value) for key, value in fields if key == "original-rcpt-to"][:_MOST_RECIPIENTS]
    returned = read_returned(parts)
    told = clean_address(value_of(fields, "original-mail-from"))
    return Bounce(
        tuple(_complainer(each) for each in recipients if each),
        returned.message_id,
        (told, *returned.reverse_paths) if told else returned.reverse_paths,
        feedback,
        sent=returned.sent,
    )


def _complainer(address: str) -> Bounced:
    # Whoever complains has received it.
    return Bounced(Action.DELIVERED, address)
