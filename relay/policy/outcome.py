"""What every kind of trouble on the way out means: the one place where failures get their consequence.

The rules, in order of weight: an answer counts by its first digit (RFC 5321 4.2.1); what is not known to be permanent
is temporary; trouble of a host, a connection or a login is never a verdict on the recipient; trouble of a login or of
a permission waits for a person and bounces nothing; silence after the final dot is unknown, and said to be.
"""

from dataclasses import dataclass
from enum import StrEnum

from relay.mail.reply import Reply
from relay.policy.refusals import Cause, Refusal, known_refusal


class Phase(StrEnum):
    """How far an attempt had come."""

    RESOLVE = "resolve"
    CONNECT = "connect"
    GREETING = "greeting"
    HELLO = "hello"
    TLS = "tls"
    LOGIN = "login"
    CHECK = "check"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    FINAL = "final"


class Fault(StrEnum):
    """Trouble that is not an answer."""

    NO_DOMAIN = "no-domain"
    NO_HOST = "no-host"
    NULL_MX = "null-mx"
    DNS = "dns"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    DISCONNECTED = "disconnected"
    PROTOCOL = "protocol"
    TLS = "tls"
    CERTIFICATE = "certificate"
    NO_TLS = "no-tls"
    UNTRUSTED = "untrusted"
    REQUIRE_TLS = "require-tls"
    NO_LOGIN = "no-login"
    FACTS = "facts"
    SECRET = "secret"  # noqa: S105 -- the name of a fault
    CONSENT = "consent"
    TOO_LARGE = "too-large"
    NO_EIGHT_BIT = "no-8bitmime"
    NO_SMTPUTF8 = "no-smtputf8"
    MAILBOX = "mailbox"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A fault with its plain words; `text` names no secrets; `refusal` is what is known about a refused account."""

    fault: Fault
    text: str
    refusal: Refusal | None = None


class Action(StrEnum):
    """What becomes of the delivery."""

    DELIVERED = "delivered"
    DEFER = "defer"
    FAIL = "fail"
    HOLD = "hold"


class Scope(StrEnum):
    """Whom the trouble concerns."""

    RECIPIENT = "recipient"
    MESSAGE = "message"
    TARGET = "target"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The consequence of an attempt for one recipient.

    `status` is an enhanced code (RFC 3463) fit for a report; `unknown` is true when the mail may have arrived all the
    same; `reply` is what the peer said, None when it said nothing; `refusal` is what is known about a refused account.
    """

    action: Action
    scope: Scope
    status: str
    text: str
    phase: Phase
    reply: Reply | None = None
    unknown: bool = False
    refusal: Refusal | None = None


# What a fault means: permanent or not, whom it concerns, and the enhanced code for reports.
_FAULTS = {
    Fault.FACTS: (Action.DEFER, Scope.ACCOUNT, "4.4.3"),
    Fault.NO_DOMAIN: (Action.FAIL, Scope.RECIPIENT, "5.1.2"),
    Fault.NULL_MX: (Action.FAIL, Scope.RECIPIENT, "5.1.10"),
    Fault.NO_HOST: (Action.FAIL, Scope.RECIPIENT, "5.4.4"),
    Fault.DNS: (Action.DEFER, Scope.TARGET, "4.4.3"),
    Fault.REFUSED: (Action.DEFER, Scope.TARGET, "4.4.1"),
    Fault.TIMEOUT: (Action.DEFER, Scope.TARGET, "4.4.2"),
    Fault.DISCONNECTED: (Action.DEFER, Scope.TARGET, "4.4.2"),
    Fault.PROTOCOL: (Action.DEFER, Scope.TARGET, "4.5.0"),
    Fault.TLS: (Action.DEFER, Scope.TARGET, "4.7.5"),
    Fault.CERTIFICATE: (Action.HOLD, Scope.ACCOUNT, "4.7.5"),
    Fault.NO_TLS: (Action.HOLD, Scope.ACCOUNT, "4.7.10"),
    Fault.UNTRUSTED: (Action.DEFER, Scope.TARGET, "4.7.5"),
    Fault.REQUIRE_TLS: (Action.FAIL, Scope.TARGET, "5.7.30"),
    Fault.NO_LOGIN: (Action.HOLD, Scope.ACCOUNT, "4.7.10"),
    Fault.SECRET: (Action.HOLD, Scope.ACCOUNT, "4.7.8"),
    Fault.CONSENT: (Action.HOLD, Scope.ACCOUNT, "4.7.8"),
    Fault.TOO_LARGE: (Action.FAIL, Scope.MESSAGE, "5.3.4"),
    Fault.NO_EIGHT_BIT: (Action.FAIL, Scope.MESSAGE, "5.6.3"),
    Fault.NO_SMTPUTF8: (Action.FAIL, Scope.MESSAGE, "5.6.7"),
    Fault.MAILBOX: (Action.DEFER, Scope.TARGET, "4.2.0"),
    Fault.UNEXPECTED: (Action.DEFER, Scope.MESSAGE, "4.3.0"),
}
_BEFORE_LOGIN = {Phase.RESOLVE, Phase.CONNECT, Phase.GREETING, Phase.HELLO, Phase.TLS}
_BEFORE_MAIL = _BEFORE_LOGIN | {Phase.LOGIN}


def classify(trouble: Trouble | Reply, phase: Phase, *, account: bool, smarthost: bool = False) -> Outcome:
    """Say what an answer or a fault in `phase` means.

    `account`: on a server that we log in to; `smarthost`: on the host that takes all our mail. Never raises: what fits
    no rule is temporary.
    """
    if isinstance(trouble, Trouble):
        return _classify_fault(trouble, phase, account=account)
    if trouble.is_positive:
        return _classify_positive(trouble, phase)
    refusal = known_refusal(trouble) if account else None
    if refusal is not None and (phase not in _BEFORE_LOGIN or refusal.cause is Cause.RATE):
        return _classify_refusal(trouble, phase, refusal)
    if trouble.is_temporary:
        return _classify_temporary(trouble, phase)
    if smarthost and _is_permission(trouble, phase):
        # It does not let us send: a setting between the two of us, and no verdict on anybody's mail.
        status = _temporary(_status(trouble, "5.7.1"))
        return Outcome(Action.DEFER, Scope.ACCOUNT, status, trouble.text, phase, trouble)
    return _classify_permanent(trouble, phase, account=account)


def _classify_fault(trouble: Trouble, phase: Phase, *, account: bool) -> Outcome:
    action, scope, status = _FAULTS[trouble.fault]
    if action is Action.HOLD and not account:
        # A host that we need no account for: there is nothing to repair that held mail could wait for.
        action, scope = Action.DEFER, Scope.TARGET
    # After the final dot the peer may have taken the mail: RFC 5321 4.5.3.2.6 wants another try all the same.
    unknown = phase is Phase.FINAL and scope is Scope.TARGET
    return Outcome(action, scope, status, trouble.text, phase, unknown=unknown, refusal=trouble.refusal)


def is_repairable(outcome: Outcome) -> bool:
    """Whether somebody here can mend what an own server or the smarthost has against us: that never bounces mail.

    A wrong host, port or kind of TLS looks like a host that is down, so nothing before MAIL counts as a verdict.
    """
    return outcome.scope is Scope.ACCOUNT or outcome.phase in _BEFORE_MAIL


def is_before_mail(outcome: Outcome) -> bool:
    """Whether the attempt ended before the other side heard of any mail."""
    return outcome.phase in _BEFORE_MAIL


def _classify_positive(reply: Reply, phase: Phase) -> Outcome:
    if phase is Phase.FINAL and reply.code < 300:
        return Outcome(Action.DELIVERED, Scope.RECIPIENT, _status(reply, "2.0.0"), reply.text, phase, reply)
    text = f"answer out of place: {reply}"
    return Outcome(Action.DEFER, Scope.TARGET, "4.5.0", text, phase, reply, unknown=phase is Phase.FINAL)


def _classify_refusal(reply: Reply, phase: Phase, refusal: Refusal) -> Outcome:
    # Also after the dot, where some providers look at the sender only then: it is no verdict on the mail.
    temporary = reply.is_temporary or refusal.cause is Cause.RATE
    status = _status(reply, "5.7.0")
    if temporary:
        return Outcome(Action.DEFER, Scope.ACCOUNT, _temporary(status), reply.text, phase, reply, refusal=refusal)
    return Outcome(Action.HOLD, Scope.ACCOUNT, status, reply.text, phase, reply, refusal=refusal)


def _classify_temporary(reply: Reply, phase: Phase) -> Outcome:
    # 421 says that the peer closes the channel, whatever the command was (RFC 5321 3.8).
    scope = Scope.RECIPIENT if phase is Phase.RCPT else Scope.MESSAGE
    if reply.code == 421 or phase in _BEFORE_MAIL:
        scope = Scope.TARGET
    return Outcome(Action.DEFER, scope, _status(reply, "4.0.0"), reply.text, phase, reply)


def _classify_permanent(reply: Reply, phase: Phase, *, account: bool) -> Outcome:
    status = _status(reply, "5.0.0")
    if phase is Phase.LOGIN:
        return Outcome(Action.HOLD, Scope.ACCOUNT, status, reply.text, phase, reply)
    if phase in _BEFORE_MAIL:
        # A host that turns everyone away says nothing about this mail.
        return Outcome(Action.DEFER, Scope.TARGET, _temporary(status), reply.text, phase, reply)
    if account and _is_permission(reply, phase):
        # The company's own server does not let this account send (as this author): a setting, not a verdict. Said of
        # a recipient, it may be about that recipient alone: what else the account sends goes on.
        scope = Scope.RECIPIENT if phase is Phase.RCPT else Scope.ACCOUNT
        return Outcome(Action.HOLD, scope, status, reply.text, phase, reply)
    if phase is Phase.RCPT:
        # RFC 5321 4.5.3.1.10: 552 to RCPT is an old way of saying "too many recipients".
        if reply.code == 552 and not reply.enhanced:
            return Outcome(Action.DEFER, Scope.RECIPIENT, "4.5.3", reply.text, phase, reply)
        return Outcome(Action.FAIL, Scope.RECIPIENT, status, reply.text, phase, reply)
    return Outcome(Action.FAIL, Scope.MESSAGE, status, reply.text, phase, reply)


def _is_permission(reply: Reply, phase: Phase) -> bool:
    if phase is Phase.MAIL:
        # 552 speaks of this message's size (RFC 1870 6.1), everything else of who may send.
        return reply.code != 552
    # Many servers keep what they have against the sender until RCPT: RFC 3463 3.8 tells it from "no such user".
    return phase is Phase.RCPT and reply.enhanced.startswith("5.7.")


def _status(reply: Reply, default: str) -> str:
    return reply.enhanced or default


def _temporary(status: str) -> str:
    return "4" + status[1:]
