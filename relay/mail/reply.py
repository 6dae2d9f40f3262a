"""SMTP replies: a basic code, an enhanced code and one line of text that always belong together.

In charge of RFC 5321 4.2 and RFC 3463/2034. Never decides what a reply means for a delivery (that is policy).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_LEADING_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:[ \t]+|$)")
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply. `str()` is its line without the line end.

    Raises ValueError for a code outside 200 to 599, an enhanced code of another class than the code's,
    and a text with control characters: a reply can never become two lines.
    """

    code: int
    enhanced: str
    text: str

    def __post_init__(self) -> None:
        _check_codes(self.code, self.enhanced)
        # No control character is printable, so most texts need no search.
        if not self.text.isprintable() and _CONTROLS.search(self.text):
            raise ValueError("control character in the text of a reply")

    def __str__(self) -> str:
        codes = f"{self.code} {self.enhanced}" if self.enhanced else str(self.code)
        return f"{codes} {self.text}" if self.text else codes

    @property
    def is_positive(self) -> bool:
        """2xx and 3xx: the peer agrees, so far."""
        return self.code < 400

    @property
    def is_temporary(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500


def parse_reply(code: int, text: str) -> Reply:
    """Make a Reply of what a peer said, however it said it.

    Lines are joined by blanks, an enhanced code is taken off each line that repeats it, one that contradicts
    the basic code stays in the text, controls become blanks. Raises ValueError for a code outside 200 to 599.
    """
    if text.isprintable():
        # One line without controls, as nearly all replies are.
        enhanced = _leading_enhanced(code, text)
        return Reply(code, enhanced, _without(text.strip(), enhanced))
    lines = _LINE_END.split(text)
    enhanced = _leading_enhanced(code, lines[0])
    words = [_without(line.strip(), enhanced) for line in lines]
    joined = _CONTROLS.sub(" ", " ".join(word for word in words if word)).strip()
    return Reply(code, enhanced, joined)


def _leading_enhanced(code: int, line: str) -> str:
    """The enhanced code that the line begins with, if it is one of the code's class."""
    found = _LEADING_ENHANCED.match(line.lstrip())
    return found[1] if found and int(found[1][0]) == code // 100 else ""


@lru_cache(maxsize=512)
def _check_codes(code: int, enhanced: str) -> None:
    if not 200 <= code <= 599:
        raise ValueError(f"reply code {code} is not between 200 and 599")
    if enhanced:
        if not _ENHANCED.fullmatch(enhanced):
            raise ValueError(f"{enhanced!r} is not an enhanced code")
        if int(enhanced[0]) != code // 100:
            raise ValueError(f"enhanced code {enhanced} does not belong to {code}")


def _without(line: str, enhanced: str) -> str:
    if not enhanced or not line.startswith(enhanced):
        return line
    rest = line[len(enhanced) :]
    return rest.lstrip() if not rest or rest[0].isspace() else line
