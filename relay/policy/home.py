"""Whether a company's own address can be reached, and what writers outside are told while it cannot. Pure.

They are also told what the company's host says of their mail, where the company wants that and they are still there.
Nothing is taken that could only wait, and nothing that was taken is dropped or sent back: writers are asked to try
again, which their servers do by themselves for some days, and are then told, so that they can reach the company in
another way.
"""

import re
from enum import StrEnum

from relay.mail.address import Address
from relay.mail.reply import Reply
from relay.policy.company import Company
from relay.policy.outcome import Action, Outcome, Phase, Scope

# Codes that speak of the sender's address or of a permission, where a recipient was asked about.
_ABOUT_OTHERS = ("5.1.7", "5.1.8", "5.7.")
# What a host says at these speaks of the recipient or of the mail; before, of us.
_ABOUT_MAIL = (Phase.RCPT, Phase.DATA, Phase.CONTENT, Phase.FINAL)
_MOST_TEXT = 300
_NOT_ASCII = re.compile(r"[^ -~]+")


class Cause(StrEnum):
    """Why mail for a company cannot reach it."""

    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"


def home_key(company: Company) -> str:
    """What mail waits for that the host of the company's address refused for good."""
    return f"home:{company.slug}:{company.address}"


def answer_writer(cause: Cause, *, since: float, now: float, put_off: float) -> Reply:
    """What a writer is told who has mail for the company: to come again, and after `put_off` seconds that it is no use.

    `since` is when that was first said, or when the company's host first refused.
    """
    if now < since + put_off:
        return Reply(450, "4.2.1", "This address cannot take mail for now, try again later")
    if cause is Cause.UNCONFIRMED:
        return Reply(550, "5.2.1", "This address is not in use: please reach the company in another way")
    return Reply(550, "5.2.1", "The company's mailbox does not take mail: please reach it in another way")


def is_home_lost(outcome: Outcome) -> bool:
    """Whether an attempt says that the address itself takes no mail, whoever writes."""
    return (
        outcome.action is Action.FAIL
        and outcome.scope is Scope.RECIPIENT
        and outcome.phase in (Phase.RCPT, Phase.RESOLVE)
        and not outcome.status.startswith(_ABOUT_OTHERS)
    )


def pass_on(outcome: Outcome, company: Company, alias: Address) -> Reply | None:
    """What the writer is told of the company's host that refused the mail for good; None where it is not for him.

    The company's own address is nobody's business outside: it is replaced by the alias.
    """
    reply = outcome.reply
    if outcome.action is not Action.FAIL or reply is None or not reply.is_permanent or outcome.phase not in _ABOUT_MAIL:
        return None
    text = re.sub(re.escape(str(company.address)), str(alias), reply.text, flags=re.IGNORECASE)
    text = _NOT_ASCII.sub("?", text)[:_MOST_TEXT]
    return Reply(reply.code, outcome.status, f"The company's mail host says: {text}")
