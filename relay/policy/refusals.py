"""What mail providers mean when they refuse an account: a catalogue of known answers, with causes in plain words.

In charge of knowing the answers of servers that we log in to, and of issuers of tokens. Says what is wrong and what
to do about it; what becomes of the mail is `relay.policy.outcome`'s. An answer that is not known here has no entry.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from relay.mail.reply import Reply


class Cause(StrEnum):
    """Why an account is refused."""

    CREDENTIALS = "credentials"  # the name, the password or the client's secret is wrong
    DISABLED = "disabled"  # the provider or an administrator has switched off this way in
    CONSENT = "consent"  # consent was revoked, has lapsed, or was never given
    SEND_AS = "send-as"  # the account may not send with this From
    RATE = "rate"  # too much at once, or too much today
    BLOCKED = "blocked"  # the provider has stopped the account's mail


@dataclass(frozen=True, slots=True)
class Refusal:
    """A known refusal. `plain` says what is wrong, `advice` what to do, both for people; `pause` in seconds."""

    cause: Cause
    plain: str
    advice: str
    pause: float = 0.0


_MINUTE, _HOUR = 60.0, 3600.0
_APP_PASSWORD = "Make a new app password at the provider, and put it into the company's file."  # noqa: S105 -- advice
_PASSWORD = "Check the user name and password in the company's file; after a change of password, put in the new one."  # noqa: S105 -- as above
_SMTP_AUTH = (
    "The administrator allows Authenticated SMTP for this mailbox in the Microsoft 365 admin center, or the company "
    "gives consent with OAuth2."
)
_OAUTH = "Use OAuth2: Microsoft takes no passwords for sending any more."
_SEND_AS = "Give the account the permission 'Send as' for this address, or set `from` to an address of the account."
CONSENT_AGAIN = "Give consent: relay company consent."
_WAIT = "Nothing: the mail waits and goes on by itself."
_ASK = "Ask the provider or the company's administrator."


# Limits of a sender, not the size of a message or of somebody's mailbox.
_LIMITS = (
    r"(daily|hourly|per day|per hour)[^.]{0,60}(limit|quota)|(limit|quota)[^.]{0,40}(per day|per hour)"
    r"|sending (limit|quota|rate)|too many messages|rate[ -]limit|message rate"
)


def _rate(plain: str, pause: float) -> Refusal:
    return Refusal(Cause.RATE, plain, _WAIT, pause)


# Codes (empty: any), and what the text must contain (empty: anything). The first entry that fits counts.
_ANSWERS: tuple[tuple[str, str, Refusal], ...] = (
    # Microsoft
    (
        "535 5.7.139",
        "smtpclientauth|smtp client auth",
        Refusal(Cause.DISABLED, "Microsoft 365: sending with a login is switched off (SMTP AUTH).", _SMTP_AUTH),
    ),
    (
        "535 5.7.139",
        "credentials were incorrect|password",
        Refusal(Cause.CREDENTIALS, "Microsoft 365: the user name or the password is wrong.", _PASSWORD),
    ),
    ("535 5.7.139", "basic auth", Refusal(Cause.DISABLED, "Microsoft 365: passwords are switched off.", _OAUTH)),
    (
        "535 5.7.139",
        "",
        Refusal(
            Cause.DISABLED,
            "Microsoft 365: the organisation's rules refuse this login (security defaults or Conditional Access).",
            f"Use OAuth2, or: {_SMTP_AUTH}",
        ),
    ),
    (
        "535 5.7.3",
        "",
        Refusal(Cause.CREDENTIALS, "The user name, the password or the token was not accepted.", _PASSWORD),
    ),
    ("550 5.7.30", "", Refusal(Cause.DISABLED, "Microsoft 365: passwords are no longer taken for sending.", _OAUTH)),
    (
        "530 5.7.57|550 5.7.57|535 5.7.57",
        "",
        Refusal(Cause.DISABLED, "Microsoft 365: the login does not count for sending.", _SMTP_AUTH),
    ),
    (
        "550 5.7.60|554 5.7.60|554 5.2.252|550 5.2.252",
        "",
        Refusal(Cause.SEND_AS, "Microsoft 365: the account may not send as this From address.", _SEND_AS),
    ),
    (
        "",
        "sendasdenied|not allowed to send as|permissions to send as|permission to send as",
        Refusal(Cause.SEND_AS, "The account may not send as this From address.", _SEND_AS),
    ),
    ("432 4.3.2|421 4.3.2", "thread limit|concurrent", _rate("Too many connections of this account at once.", _MINUTE)),
    ("", "submissionquota|submission quota", _rate("The account has sent all it may for now.", _HOUR)),
    ("550 5.7.232|550 5.7.233", "", _rate("The organisation has sent all it may for today.", _HOUR)),
    (
        "550 5.1.8|550 5.7.501|550 5.7.502|550 5.7.503|550 5.7.705|550 5.7.708|550 5.7.750",
        "",
        Refusal(Cause.BLOCKED, "Microsoft 365 has stopped mail of this account or organisation.", _ASK),
    ),
    # Google
    (
        "534 5.7.9",
        "",
        Refusal(Cause.DISABLED, "Google: an app password is needed, not the account's own.", _APP_PASSWORD),
    ),
    (
        "534 5.7.14|535 5.7.14",
        "",
        Refusal(Cause.DISABLED, "Google: somebody must sign in with a browser first.", "Sign in, then try again."),
    ),
    (
        "535 5.7.8",
        "username and password not accepted|badcredentials",
        Refusal(
            Cause.CREDENTIALS,
            "Google: the password was not accepted. An app password is needed, and it dies with a change of password.",
            _APP_PASSWORD,
        ),
    ),
    ("550 5.4.5|421 4.7.28", "", _rate("The account has sent all it may for today.", _HOUR)),
    (
        "550 5.7.26|552 5.7.26",
        "",
        Refusal(
            Cause.BLOCKED,
            "The provider does not believe the From address: its domain is not set up there.",
            "Set up SPF and DKIM for the domain at the provider, or set `from` to an address of the account.",
        ),
    ),
    (
        "534|535",
        "application-specific password|app-specific password|app password",
        Refusal(Cause.DISABLED, "The provider wants an app password, not the account's own.", _APP_PASSWORD),
    ),
    # Apple
    (
        "",
        "from address is not one of your addresses",
        Refusal(Cause.SEND_AS, "iCloud: the From address is none of this account.", _SEND_AS),
    ),
    # Everybody
    (
        "",
        "sender address rejected: not (owned|logged in)",
        Refusal(Cause.SEND_AS, "The account may not send as this From address.", _SEND_AS),
    ),
    (
        "421|450|451|452|454|550|552|554",
        _LIMITS,
        _rate("The account has sent all it may for now.", _HOUR),
    ),
    ("454 4.7.0", "too many login|too many auth", _rate("Too many logins in a short time.", 15 * _MINUTE)),
    (
        "421 4.7.0|421 4.7.1|450 4.7.1|451 4.7.1",
        "too many|try again|unusual rate",
        _rate("Too much at once.", 5 * _MINUTE),
    ),
    ("534|535", "", Refusal(Cause.CREDENTIALS, "The user name or the password was not accepted.", _PASSWORD)),
    ("530", "", Refusal(Cause.CREDENTIALS, "The server wants a login before it takes mail.", _PASSWORD)),
)

# What an issuer of tokens says: the error's name or Microsoft's number, and what it means.
_CLIENT = "Put a new secret of the client registration into the configuration."
_ISSUER: tuple[tuple[str, Refusal], ...] = (
    (
        "aadsts700082|aadsts700084|aadsts70008|aadsts70043",
        Refusal(Cause.CONSENT, "The consent has lapsed.", CONSENT_AGAIN),
    ),
    ("aadsts50173", Refusal(Cause.CONSENT, "The consent ended with a change of password.", CONSENT_AGAIN)),
    (
        "aadsts65001|consent_required",
        Refusal(Cause.CONSENT, "Consent was never given, or was taken back.", CONSENT_AGAIN),
    ),
    (
        "aadsts50076|aadsts50079|aadsts50158|interaction_required",
        Refusal(Cause.CONSENT, "The provider wants a second factor again.", CONSENT_AGAIN),
    ),
    (
        "aadsts53003|aadsts53000|aadsts530003",
        Refusal(Cause.DISABLED, "The organisation's Conditional Access forbids it.", _ASK),
    ),
    ("aadsts50057|aadsts50034", Refusal(Cause.DISABLED, "The account is disabled or gone.", _ASK)),
    ("aadsts7000222", Refusal(Cause.CREDENTIALS, "The secret of our client registration has expired.", _CLIENT)),
    (
        "aadsts7000215|aadsts7000218",
        Refusal(Cause.CREDENTIALS, "The secret of our client registration is wrong.", _CLIENT),
    ),
    (
        "aadsts700016|aadsts90002|aadsts500011",
        Refusal(Cause.CREDENTIALS, "The organisation does not know our client registration.", _ASK),
    ),
    ("admin_policy_enforced|access_denied", Refusal(Cause.DISABLED, "An administrator does not allow it.", _ASK)),
    (
        "invalid_client|deleted_client|disabled_client",
        Refusal(Cause.CREDENTIALS, "Our client registration is not accepted.", _CLIENT),
    ),
    (
        "unauthorized_client",
        Refusal(Cause.DISABLED, "Our client registration may not do this for the account.", _ASK),
    ),
    ("invalid_scope", Refusal(Cause.DISABLED, "The permission we ask for is not granted to us.", _ASK)),
    ("invalid_grant", Refusal(Cause.CONSENT, "The consent was taken back or has lapsed.", CONSENT_AGAIN)),
)


def known_refusal(reply: Reply) -> Refusal | None:
    """What an answer of a server that we log in to means, when it is a known refusal of the account."""
    if reply.code < 400:
        return None
    codes, text = {str(reply.code), f"{reply.code} {reply.enhanced}"}, reply.text
    for wanted, words, refusal in _ANSWERS:
        if wanted and not codes.intersection(wanted.split("|")):
            continue
        if not words or _pattern(words).search(text):
            return refusal
    return None


def known_error(error: str, description: str) -> Refusal | None:
    """What the error of a token issuer means (RFC 6749 5.2), when somebody has to do something about it."""
    said = f"{error} {description}"
    for words, refusal in _ISSUER:
        if re.search(rf"\b(?:{words})\b", said, re.IGNORECASE):
            return refusal
    return None


@lru_cache(maxsize=len(_ANSWERS))
def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(words, re.IGNORECASE)
