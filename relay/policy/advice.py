"""What to do about a server that cannot be used, in plain words for whoever looks after the settings."""

from relay.mail.reply import Reply
from relay.policy.outcome import Fault, Phase, Trouble
from relay.policy.refusals import known_refusal

_FAULTS = {
    Fault.DNS: "Check the host's name; `relay company discover ADDRESS` finds the server of an address.",
    Fault.REFUSED: "Check host and port: 587 goes with starttls, 465 with implicit. A firewall may be in the way.",
    Fault.TIMEOUT: "Check host, port and kind of TLS: 587 goes with starttls, 465 with implicit.",
    Fault.DISCONNECTED: "Check the kind of TLS: 587 goes with starttls, 465 with implicit.",
    Fault.PROTOCOL: "Something else than a mail server answers there: check host and port.",
    Fault.TLS: "Check the kind of TLS: 587 goes with starttls, 465 with implicit.",
    Fault.CERTIFICATE: "Write the host by the name in its certificate, or name its authority in `ca`.",
    Fault.NO_TLS: "Use the port that offers TLS: 587 with starttls, or 465 with implicit.",
    Fault.NO_LOGIN: "Use another way to log in (password or oauth2), or the provider's port for programs: 587 or 465.",
    Fault.SECRET: "Put the secret where the company's file says that it is.",
    Fault.FACTS: "Try again in a moment.",
}
_ANY = "Ask whoever looks after the server."


def advise(trouble: Trouble | Reply, phase: Phase) -> tuple[str, str]:
    """What is wrong, and what to do about it, each in a sentence or two."""
    if isinstance(trouble, Reply):
        refusal = known_refusal(trouble)
        if refusal is not None:
            return f"{refusal.plain} It said: {trouble}", refusal.advice
        advice = "Give the account the permission to send as this address." if phase is Phase.MAIL else _ANY
        return f"The server said: {trouble}", advice
    if trouble.refusal is not None:
        return trouble.text, trouble.refusal.advice
    return trouble.text, _FAULTS.get(trouble.fault, _ANY)
