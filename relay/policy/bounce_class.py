"""Why mail does not arrive, in a few classes that people can act upon: the one catalogue of what hosts say.

The same classes stand for answers given to us directly and for reports that come back later. In order of weight: what
a host wrote, where its words are known; then its enhanced code (RFC 3463); else it is unknown. Hosts are free with
their codes, and more honest in their words.
"""

import re
from enum import StrEnum
from functools import lru_cache


class BounceClass(StrEnum):
    """What is in the way; the value is what apps are told."""

    ADDRESS_GONE = "address-gone"
    MAILBOX_FULL = "mailbox-full"
    POLICY = "policy"
    CONTENT = "content"
    NETWORK = "network"
    HOST = "host"
    UNKNOWN = "unknown"


_MOST_TEXT = 4000

# English, Dutch, French, German. The first class whose words are there counts.
_WORDS: tuple[tuple[BounceClass, tuple[str, ...]], ...] = (
    # Microsoft says "access denied" of addresses that its customer's directory does not have.
    (BounceClass.ADDRESS_GONE, (r"5\.4\.1\b.{0,80}recipient address rejected: access denied", r"nosuchuser")),
    (
        BounceClass.MAILBOX_FULL,
        (
            r"(mailbox|inbox|mail box|account|user|recipient)\b.{0,40}\b(is |are |was )?(full\b|over.?quota)",
            r"(over|exceed\w*|beyond) .{0,30}\b(quota|storage)\b|\bquota .{0,20}exceed|\bover ?quota\b|out of storage",
            r"full (mailbox|inbox)|mail ?folder is full|quota violation|insufficient (disk |system )?(space|storage)",
            r"not enough (disk )?space|(postvak|mailbox|brievenbus)\b.{0,30}\b(is |zit )?vol\b",
            r"quotum .{0,20}overschreden|(bo[iî]te|messagerie)\b.{0,40}\bpleine|quota .{0,20}d[ée]pass[ée]",
            r"espace .{0,20}insuffisant|postfach\b.{0,40}\bvoll\b",
            r"(quota|speicherplatz)\b.{0,30}([üu]berschritten|ersch[öo]pft)",
        ),
    ),
    (
        BounceClass.POLICY,
        (
            r"\b(spf|dkim|dmarc|arc)\b|\bspamhaus\b|\b(block|black|deny)[ -]?list|\b(rbl|dnsbl)\b|blocked using",
            r"\breputation\b|\bbanned\b|unauthenticated|not authori[sz]ed|unauthori[sz]ed|(access|permission) denied",
            r"relay(ing)? (access )?(denied|not permitted)|reverse dns|\bptr\b|sender (address )?rejected|gr[ea]ylist",
            r"(restricted|not allowed|not permitted) to (send|post)|rejected due to .{0,20}policy",
            r"policy (violation|reasons)|not accepting mail from",
            r"afzender .{0,20}geweigerd|niet toegestaan|exp[ée]diteur .{0,20}(refus|rejet)|non autoris",
            r"absender .{0,30}(abgelehnt|abgewiesen)|nicht (erlaubt|zugelassen|berechtigt)",
        ),
    ),
    (
        BounceClass.CONTENT,
        (
            r"\bspam\b|\bunsolicited\b|\bjunk\b|\b(virus|malware|phishing|infected)\b|(maximum|max).{0,20}\bsize\b",
            r"(message|mail|e-mail|attachment|size)\b.{0,40}\b(too (large|big)|exceed\w*)\b",
            r"(attachment|content|file type|message)\b.{0,30}\b(not allowed|rejected|blocked|prohibited)",
            r"(bericht|bijlage)\b.{0,30}\bte groot|(message|pi[èe]ce jointe)\b.{0,30}\btrop (grand|gros|volumineu)",
            r"(nachricht|anhang)\b.{0,30}\bzu gro(ß|ss)",
        ),
    ),
    (
        BounceClass.ADDRESS_GONE,
        (
            r"(unknown|no such|invalid|non-?existent|unrouteable) (local )?(user|recipient|mailbox|address|account)",
            r"(user|recipient|mailbox|address|account|addressee)\b.{0,80}(\bunknown|\bnot (be )?found|n[o']t exist)",
            r"(user|recipient|mailbox|address|account)\b.{0,40}\b(disabled|inactive|deactivated|closed|unavailable)",
            r"no mailbox|no account|not a valid (user|mailbox|recipient)|not our customer|recipientnotfound",
            r"user doesn't|user not known|name is not recogni|no valid recipients|t listed in\b",
            r"unknown in|no longer (valid|in use|active|exists)|delivery userid",
            r"(gebruiker|adres|geadresseerde|ontvanger|postvak)\b.{0,40}\b(onbekend|bestaat niet|niet gevonden)",
            r"onbekende (gebruiker|geadresseerde|ontvanger)|onbekend adres",
            r"(adresse|utilisateur|destinataire|bo[iî]te|compte)\b.{0,50}\b(inconnue?|n'existe (pas|plus)|introuvable)",
            r"(empf[äa]nger|adresse|benutzer|postfach|konto)\b.{0,50}\b(unbekannt|nicht gefunden|existiert nicht)",
            r"unbekannte[rs]? (empf[äa]nger|benutzer|adresse)",
        ),
    ),
    (
        BounceClass.NETWORK,
        (
            r"(host|domain|dns|name)\b.{0,30}\b(not found|unknown|does not exist|lookup fail)|nxdomain|no (mx|route)\b",
            r"connection (refused|timed out|lost|reset)|time[d ]?.?out|could not connect|(un|not )reachable|no answer",
            r"establish an smtp connection|zeit[üu]berschreitung|d[ée]lai .{0,20}d[ée]pass[ée]",
            r"verbinding .{0,30}(mislukt|geweigerd)",
        ),
    ),
    (
        BounceClass.HOST,
        (
            r"(local|system|server|configuration|internal|i/o) (error|problem|failure)|out of (memory|disk)",
            r"too many hops|mail loop|message looping|loops? back|temporarily|service unavailable|try (again )?later",
        ),
    ),
)

_STATUSES: tuple[tuple[str, BounceClass], ...] = (
    (r"1\.(1|2|3|6|10)", BounceClass.ADDRESS_GONE),
    (r"1\.(7|8|9)", BounceClass.POLICY),
    (r"2\.1", BounceClass.ADDRESS_GONE),
    (r"2\.2", BounceClass.MAILBOX_FULL),
    (r"2\.3|3\.4|6\.\d+", BounceClass.CONTENT),
    (r"3\.\d+|5\.\d+|2\.4|4\.6", BounceClass.HOST),
    (r"4\.\d+", BounceClass.NETWORK),
    (r"7\.\d+", BounceClass.POLICY),
)


def classify_bounce(status: str, text: str) -> BounceClass:
    """The class of a failure or a delay, told by its enhanced code ("" when there is none) and by a host's words."""
    said = f"{status} {text[:_MOST_TEXT]}"
    for meant, words in _WORDS:
        if _any_of(words).search(said):
            return meant
    for pattern, meant in _STATUSES:
        if re.fullmatch(rf"[45]\.(?:{pattern})", status):
            return meant
    return BounceClass.UNKNOWN


def is_dead(status: str, meant: BounceClass) -> bool:
    """Whether the next mail to that address will come to nothing too: gone, and for good as far as is said."""
    return meant is BounceClass.ADDRESS_GONE and status[:1] in ("5", "")


@lru_cache(maxsize=len(_WORDS))
def _any_of(words: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join(words), re.IGNORECASE)
