"""Subjects of automatic answers, in the languages of the companies and of their customers. Pure.

A subject is a weak sign: it counts alone only where nothing else speaks, and whoever answers such a mail by hand writes
a "Re:" before it.
"""

import re
import unicodedata

_PHRASES = (
    # nl
    *("automatisch antwoord", "automatische reactie", "automatische beantwoording", "automatisch bericht"),
    *("afwezig", "afwezigheid", "afwezigheidsbericht", "ik ben afwezig", "niet aanwezig", "buiten kantoor"),
    *("met vakantie", "op vakantie", "wegens verlof", "met verlof", "ontvangstbevestiging"),
    # fr
    *("reponse automatique", "message automatique", "absence du bureau", "absent du bureau", "je suis absent"),
    *("je suis absente", "en conge", "absent", "absente", "message d absence", "notification d absence"),
    *("accuse de reception", "hors du bureau"),
    # en
    *("automatic reply", "automatic response", "auto reply", "autoreply", "auto response", "autoresponse"),
    *(
        "automated reply",
        "automated response",
        "out of office",
        "out of the office",
        "away from my mail",
        "away from the office",
    ),
    *("on vacation", "vacation reply", "on leave", "i am away", "on holiday", "auto"),
    # de
    *("automatische antwort", "abwesenheitsnotiz", "abwesenheitsnachricht", "abwesenheitsmeldung", "abwesend"),
    *("abwesenheit", "nicht im buro", "nicht im buero", "im urlaub", "eingangsbestatigung", "empfangsbestatigung"),
)
# These are words of ordinary subjects as well: they count only when a colon ends them, as programs write it.
_ONLY_WITH_COLON = frozenset(("auto", "afwezig", "absent", "absente", "abwesend", "abwesenheit", "afwezigheid"))
_MOST = 200
_BETWEEN = re.compile(r"[^a-z0-9:]+")


def says_away(subject: str) -> bool:
    """Whether a (decoded) subject begins like that of an automatic answer."""
    text = subject[:_MOST].casefold()
    if not text.isascii():
        text = unicodedata.normalize("NFKD", subject[:_MOST]).casefold()
        text = "".join(each for each in text if not unicodedata.combining(each))
    plain = _BETWEEN.sub(" ", text).strip()
    # Nearly every subject begins otherwise.
    return plain.startswith(_PHRASES) and any(_begins(plain, phrase) for phrase in _PHRASES)


def _begins(plain: str, phrase: str) -> bool:
    if not plain.startswith(phrase):
        return False
    rest = plain[len(phrase) :].lstrip()
    if phrase in _ONLY_WITH_COLON:
        return rest.startswith(":")
    return plain[len(phrase) : len(phrase) + 1] in ("", " ", ":")
