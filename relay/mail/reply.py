"""SMTP replies: a basic code, an enhanced code and one line of text that always belong together.

In charge of RFC 5321 4.2 and RFC 3463/2034. Never decides what a reply means for a delivery (that is policy).
"""

import re
from dataclasses import dataclass

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
        if not 200 <= self.code <= 599:
            raise ValueError(f"reply code {self.code} is not between 200 and 599")
        if self.enhanced:
            if not _ENHANCED.fullmatch(self.enhanced):
                raise ValueError(f"{self.enhanced!r} is not an enhanced code")
            if int(self.enhanced[0]) != self.code // 100:
                raise ValueError(f"enhanced code {self.enhanced} does not belong to {self.code}")
        if _CONTROLS.search(self.text):
            raise ValueError("control character in the text of a reply")

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)

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
    lines = _LINE_END.split(text)
    found = _LEADING_ENHANCED.match(lines[0].lstrip())
    enhanced = found[1] if found and int(found[1][0]) == code // 100 else ""
    words = [_without(line.strip(), enhanced) for line in lines]
    joined = _CONTROLS.sub(" ", " ".join(word for word in words if word)).strip()
    return Reply(code, enhanced, joined)


def _without(line: str, enhanced: str) -> str:
    if not enhanced or not line.startswith(enhanced):
        return line
    rest = line[len(enhanced) :]
    return rest.lstrip() if not rest or rest[0].isspace() else line
