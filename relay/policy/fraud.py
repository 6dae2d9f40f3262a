"""What in a mail from outside smells of payment fraud, in words for the company that is to be careful. Pure.

In charge of weighing what is already known. A warning never refuses or holds a mail, so it may be wrong now and then;
but it must be silent about ordinary mail, or nobody reads it.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from relay.mail.address import Address
from relay.policy.lookalike import FREE_MAIL, looks_like, registered


class Sign(StrEnum):
    """What a warning is about."""

    OTHER_ACCOUNT = "other-account"
    NEW_ACCOUNT = "new-account"
    LOOK_ALIKE = "look-alike"
    ANSWERS_ELSEWHERE = "answers-elsewhere"
    BORROWED_NAME = "borrowed-name"
    NOT_PROVEN = "not-proven"


@dataclass(frozen=True, slots=True)
class Warn:
    """One warning; `text` is one sentence in ASCII, without a word of the mail beside addresses and digits."""

    sign: Sign
    text: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known of a mail.

    `display` is the author's name, `text` what the mail says. `own` are the company's and our domains, `thread` those
    we wrote to in the mail that is answered. `ibans` are the account numbers in it that nobody knows, `others_known`
    whether others are. `elsewhere_before`: this author has asked for answers at that place before. `for_many`: it came
    through a list. `proven`: whether DMARC passes (True), fails (False), or is not known.
    """

    author: Address
    display: str = ""
    reply_to: Address | None = None
    company: str = ""
    own: tuple[str, ...] = ()
    thread: tuple[str, ...] = ()
    text: str = ""
    ibans: tuple[str, ...] = ()
    others_known: bool = False
    elsewhere_before: bool = False
    for_many: bool = False
    proven: bool | None = None


_PHRASES = (
    *("nieuw rekeningnummer", "nieuwe rekeningnummer", "nieuwe bankrekening", "nieuwe bankgegevens", "nieuwe iban"),
    *("rekeningnummer is gewijzigd", "rekeningnummer is veranderd", "gewijzigd rekeningnummer", "ander rekeningnummer"),
    *("gewijzigde bankgegevens", "bankgegevens zijn gewijzigd", "nouveau compte", "nouveau numero de compte"),
    *("nouveau rib", "nouvel iban", "nouvelles coordonnees bancaires", "changement de compte", "changement de rib"),
    *("coordonnees bancaires ont change", "new account number", "new bank account", "new bank details", "new iban"),
    *("change of bank", "changed our bank", "changed bank", "bank details have changed", "updated bank details"),
    *("neue bankverbindung", "neue kontonummer", "neue iban", "neues konto", "geanderte bankverbindung"),
    *("bankverbindung hat sich geandert", "anderung der bankverbindung", "anderung unserer bankverbindung"),
)
_MOST_TEXT = 20_000
_SHORTEST_NAME = 5
_BETWEEN = re.compile(r"[\W_]+")
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9-]{1,63}(?>(?:\.[A-Za-z0-9-]{1,63}){1,8}))")


def warnings_about(sight: Sight) -> list[Warn]:
    """What the company should be warned of; nothing for ordinary mail."""
    found = [*_account(sight), *_look_alike(sight), *_elsewhere(sight), *_name(sight)]
    # Forwarders and lists break proofs every day: it counts where somebody answers us, or something else is strange.
    if sight.proven is False and (found or sight.thread) and not sight.for_many:
        domain = sight.author.ascii_domain
        found.append(Warn(Sign.NOT_PROVEN, f"{domain} does not vouch for this mail: somebody else may have written it"))
    return found


def place_of(address: Address) -> str:
    """Whose an address is: that of an organisation, or, where everybody has one, of one person."""
    domain = address.ascii_domain.lower()
    return f"{address.local.lower()}@{domain}" if domain in FREE_MAIL else registered(domain)


def _account(sight: Sight) -> list[Warn]:
    if not sight.ibans:
        return []
    ends = ", ".join(f"{iban[:2]}...{iban[-4:]}" for iban in sight.ibans[:3])
    found = []
    if sight.others_known:
        found.append(
            Warn(Sign.OTHER_ACCOUNT, f"it names an account that was not known before ({ends}): ask back by telephone")
        )
    text = _plain(sight.text[:_MOST_TEXT])
    if any(f" {phrase} " in text for phrase in _PHRASES):
        found.append(Warn(Sign.NEW_ACCOUNT, f"it announces a new account ({ends}): ask back by telephone"))
    return found


def _look_alike(sight: Sight) -> list[Warn]:
    found = []
    for address in dict.fromkeys((sight.author, sight.reply_to or sight.author)):
        other = looks_like(address.domain, (*sight.own, *sight.thread))
        if other is not None:
            found.append(Warn(Sign.LOOK_ALIKE, f"{address.ascii_domain} looks like {_ascii(other)} and is not"))
    return found


def _elsewhere(sight: Sight) -> list[Warn]:
    reply_to = sight.reply_to
    if reply_to is None or sight.elsewhere_before or place_of(reply_to) == place_of(sight.author):
        return []
    if reply_to.domain in sight.own or (sight.for_many and not sight.thread):
        return []
    text = f"answers would go to {reply_to.ascii_domain}, not to {sight.author.ascii_domain}, for the first time"
    return [Warn(Sign.ANSWERS_ELSEWHERE, text)]


def _name(sight: Sight) -> list[Warn]:
    place = place_of(sight.author)
    for domain in _ADDRESS.findall(sight.display):
        if registered(domain) not in (place, registered(sight.author.ascii_domain)):
            return [Warn(Sign.BORROWED_NAME, f"its author is called by an address at {domain.lower()} and has another")]
    name = _plain(sight.company)
    ours = sight.author.domain in sight.own or any(registered(own) == place for own in sight.own)
    if len(name) - 2 >= _SHORTEST_NAME and name in _plain(sight.display) and not ours:
        text = f"its author calls himself as the company does, and writes from {sight.author.ascii_domain}"
        return [Warn(Sign.BORROWED_NAME, text)]
    return []


def _plain(text: str) -> str:
    """Small letters without accents, one blank between words and around all."""
    if text.isascii():
        bare = text.lower()
    else:
        folded = unicodedata.normalize("NFKD", text).casefold()
        bare = "".join(each for each in folded if not unicodedata.combining(each))
    return f" {_BETWEEN.sub(' ', bare).strip()} "


def _ascii(domain: str) -> str:
    return Address("", domain).ascii_domain
