"""What a mail from outside is: written by a person, or by which sort of robot. Pure.

In charge of the order in which signs count, and of saying which one counted: first what a standard defines, then what
programs have made up, the subject last. A kind decides whom we answer (robots never) and what an app is told; it never
decides alone whether a mail is delivered.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from relay.mail.author import AuthorError, parse_authors
from relay.mail.encoded import decoded
from relay.mail.message import Header
from relay.policy.away import says_away


class Kind(StrEnum):
    """What a mail is."""

    PERSON = "person"
    AUTO_REPLY = "auto-reply"
    AUTO_GENERATED = "auto-generated"
    BOUNCE = "bounce"
    COMPLAINT = "complaint"
    RECEIPT = "receipt"
    LOOP = "loop"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a mail is and by which sign, in a sentence. Not `sure`: a person may have written it all the same."""

    kind: Kind
    reason: str
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Way:
    """How a mail came, beside its header.

    `null`: with the null reverse path. `returned`: to one of our return addresses, where nobody writes by hand.
    `looped`: it carries a mark that says we have forwarded it to the same place before.
    """

    null: bool
    returned: bool = False
    looped: bool = False


# RFC 6522 and those who use it: RFC 3464, 6533, 5965, 8098, 8460.
_REPORTS = {
    "delivery-status": (Kind.BOUNCE, "it is a delivery report"),
    "global-delivery-status": (Kind.BOUNCE, "it is a delivery report"),
    "feedback-report": (Kind.COMPLAINT, "it is a complaint in the form of mailbox providers (ARF)"),
    "disposition-notification": (Kind.RECEIPT, "it is a receipt of a mail program"),
    "tlsrpt": (Kind.AUTO_GENERATED, "it is a report about TLS"),
}
_MOST_VALUE = 2000
_TYPE = re.compile(rb"[ \t]*+([a-z]{1,20})[ \t]*+/[ \t]*+([a-z0-9.+-]{1,80})")
_REPORT_TYPE = re.compile(rb"[; \t]report-type[ \t]*+=[ \t]*+\"?+([a-z-]{1,60})")
_WORD = re.compile(rb"[ \t]*+([a-z_-]{1,40})")

# Fields that programs have put into automatic answers before there was a standard, and since; a value, if one counts.
_ANSWERING = {
    "x-autoreply": b"",
    "x-auto-reply": b"",
    "x-autorespond": b"",
    "x-autoresponder": b"",
    "x-autoresponse": b"",
    "x-auto-reply-from": b"",
    "x-autoreply-from": b"",
    "x-mail-autoreply": b"",
    "x-vacation": b"",
    "x-precedence": b"auto_reply",
    "precedence": b"auto_reply",
    "preference": b"auto_reply",
    "x-post-messageclass": b"9; autoresponder",
    "delivered-to": b"autoresponder",
}
_FALSE = (b"no", b"false", b"0")
_MANY = {b"list": "comes through a mailing list", b"bulk": "goes to many", b"junk": "asks for no answer"}
_MACHINES = ("mailer-daemon", "mail-daemon", "mailerdaemon")
_NOBODY = re.compile(r"(?:no|do-?not|donot|ne-?pas|niet|nicht)[._-]?(?:reply|repondre|antwoorden|antworten)", re.ASCII)


def judge_kind(header: Header, way: Way) -> Judgement:
    """Say what a mail with this header is, and why."""
    if way.looped:
        return Judgement(Kind.LOOP, "it carries our mark: we have forwarded it before")
    return _defined(header) or _made_up(header, way) or _returned(header, way) or _for_many(header) or _weak(header)


def may_be_bounce(header: Header) -> bool:
    """Whether a mail may be a bounce or a complaint; its reverse path is not known any more, as in a mailbox."""
    return judge_kind(header, Way(null=True)).kind in (Kind.BOUNCE, Kind.COMPLAINT)


def _defined(header: Header) -> Judgement | None:
    """What standards define: reports (RFC 6522) and Auto-Submitted (RFC 3834 5)."""
    content_type = _value(header, "content-type")
    kind = _TYPE.match(content_type)
    if kind and kind[1] == b"multipart" and kind[2] == b"report":
        found = _REPORT_TYPE.search(content_type)
        report = _REPORTS.get(found[1].decode("ascii")) if found else None
        if report is not None:
            return Judgement(*report)
    elif kind and kind[1] == b"message" and kind[2].decode("ascii") in _REPORTS:
        # Old programs send the machines' part alone.
        return Judgement(*_REPORTS[kind[2].decode("ascii")])
    submitted = _word(header, "auto-submitted")
    if submitted == b"auto-replied":
        return Judgement(Kind.AUTO_REPLY, "Auto-Submitted says auto-replied")
    if submitted not in (b"", b"no"):
        if says_away(_subject(header)):
            return Judgement(
                Kind.AUTO_REPLY, "Auto-Submitted says that a program wrote it, the subject that it answers"
            )
        return Judgement(Kind.AUTO_GENERATED, f"Auto-Submitted says {submitted.decode('ascii')}")
    return None


def _made_up(header: Header, way: Way) -> Judgement | None:
    """What programs have made up for automatic answers and for bounces."""
    present = {field.key for field in header.fields}
    for key, wanted in _ANSWERING.items():
        value = _value(header, key) if key in present else b""
        if value and (value == wanted if wanted else value not in _FALSE):
            return Judgement(Kind.AUTO_REPLY, f"its field {key} is one of automatic answers")
    if _word(header, "x-autogenerated") == b"reply":
        return Judgement(Kind.AUTO_REPLY, "its field x-autogenerated says reply")
    # Exim's, and Google's: the addresses that did not work.
    if way.null and header.first("x-failed-recipients") is not None:
        return Judgement(Kind.BOUNCE, "it lists recipients that failed")
    return None


def _returned(header: Header, way: Way) -> Judgement | None:
    """What came with the null reverse path, which nobody's own mail has (RFC 5321 4.5.5, RFC 3834 3.3)."""
    if not way.null:
        return None
    if says_away(_subject(header)):
        return Judgement(Kind.AUTO_REPLY, "null reverse path, and the subject of an automatic answer")
    if _author_local(header) in (*_MACHINES, "postmaster"):
        return Judgement(Kind.BOUNCE, "null reverse path, and a mail system is its author")
    if way.returned:
        return Judgement(Kind.BOUNCE, "it came to the return address of a mail of ours")
    if header.first("in-reply-to") is not None:
        return Judgement(Kind.AUTO_REPLY, "null reverse path, and it answers a mail")
    return Judgement(Kind.AUTO_GENERATED, "null reverse path")


def _for_many(header: Header) -> Judgement | None:
    """Lists and bulk mail (RFC 2919, RFC 2369)."""
    precedence = _word(header, "precedence")
    if precedence in _MANY:
        if says_away(_subject(header)):
            return Judgement(Kind.AUTO_REPLY, "Precedence of automatic mail, and the subject of an automatic answer")
        return Judgement(Kind.AUTO_GENERATED, f"its Precedence says that it {_MANY[precedence]}")
    if header.first("list-id") is not None:
        return Judgement(Kind.AUTO_GENERATED, "it comes through a mailing list")
    # Programs for sales put this into what people write by hand; an answer speaks for a person.
    if header.first("list-unsubscribe") is not None and header.first("in-reply-to") is None:
        return Judgement(Kind.AUTO_GENERATED, "one can unsubscribe from it", sure=False)
    return None


def _weak(header: Header) -> Judgement:
    """Signs that a person's mail may have too."""
    if _word(header, "auto-submitted") == b"no":
        return Judgement(Kind.PERSON, "Auto-Submitted says that a person wrote it")
    local = _author_local(header)
    if local in _MACHINES:
        return Judgement(Kind.BOUNCE, "a mail system is its author", sure=False)
    if says_away(_subject(header)):
        return Judgement(Kind.AUTO_REPLY, "its subject is one of automatic answers", sure=False)
    if _NOBODY.match(local):
        return Judgement(Kind.AUTO_GENERATED, "its author wants no answers", sure=False)
    return Judgement(Kind.PERSON, "nothing says that a program wrote it")


def _value(header: Header, key: str) -> bytes:
    field = header.first(key)
    return b"" if field is None else field.value[:_MOST_VALUE].lower()


def _word(header: Header, key: str) -> bytes:
    """The first word of a field's value, without what stands behind it: parameters, comments."""
    found = _WORD.match(_value(header, key))
    return found[1] if found else b""


def _subject(header: Header) -> str:
    field = header.first("subject")
    return "" if field is None else decoded(field.value)


def _author_local(header: Header) -> str:
    field = header.first("from")
    try:
        return "" if field is None else parse_authors(field.value)[0].address.local.lower()
    except AuthorError:
        return ""
