"""The standard library's parser of mail, with what is long and dull kept away from it: it looks at line after line.

Long runs of base64 are set aside before, each leaves one line in its place, and they are put back into the parts in
which that line is found. What comes out is what the parser alone would make of the mail, many times sooner.
"""

import re
from email.message import Message
from email.parser import BytesParser
from email.policy import Policy
from typing import Any, TypeVar

Text = TypeVar("Text", str, "str | None")

# Runs begin with base64, after which no parser looks for fields any more, and go on while nothing can be a boundary or
# another field: there is neither a hyphen nor a colon. Those are found many times sooner than what is no base64.
_RUN = re.compile(rb"^(?:[A-Za-z0-9+/]{60,998}\r?\n){16}", re.MULTILINE)
_MARK = "SetAside"
_STATUS = "message/delivery-status"
_LEFT = re.compile(rf"{_MARK}([0-9]{{1,7}})\.")


class Part(Message):
    """A part, and the only way to its text as it was read: whoever asks for it gets octets beyond ASCII decoded."""

    _payload: Any

    @property
    def octets(self) -> bytes:
        """What stands in a part without parts, as it came, whatever encoding is declared."""
        # The library's own way copies a large part once more, and again to look for octets beyond ASCII.
        return self._payload.encode("ascii", "surrogateescape") if isinstance(self._payload, str) else b""

    @property
    def is_set_aside(self) -> bool:
        """Whether runs are missing here."""
        return any(isinstance(each, str) and _MARK in each for each in (self._payload, self.preamble, self.epilogue))

    def put_back(self, runs: list[str]) -> None:
        """The runs, where they were, in this part."""
        if isinstance(self._payload, str):
            self._payload = _put_back(self._payload, runs)
        self.preamble = _put_back(self.preamble, runs)
        self.epilogue = _put_back(self.epilogue, runs)


def parse(data: bytes, policy: "Policy[Any]") -> Part:
    """Read a mail. Raises what the parser raises."""
    parser: BytesParser[Part] = BytesParser(Part, policy=policy)
    short, runs = set_aside(data)
    message = parser.parsebytes(short)
    parts = list(message.walk()) if runs else []
    # Empty lines part the blocks of a delivery status, and may have been set aside.
    if any(each.is_set_aside for part in parts if part.get_content_type() == _STATUS for each in part.walk()):
        return parser.parsebytes(data)
    for part in parts:
        part.put_back(runs)
    return message


def set_aside(data: bytes) -> tuple[bytes, list[str]]:
    """A mail with a line for each long run of base64, and the runs; as it is when it has such lines already."""
    begin = _RUN.search(data)
    if begin is None:
        return data, []
    view = memoryview(data)
    short: list[bytes] = []
    runs: list[str] = []
    at = hyphen = colon = 0
    while begin is not None:
        hyphen, colon = _next(b"-", data, begin.end(), hyphen), _next(b":", data, begin.end(), colon)
        end = data.rfind(b"\n", begin.start(), min(hyphen, colon))
        end -= data[end - 1 : end] == b"\r"  # the last line keeps its end, of which parsers think in their own way
        short += (data[at : begin.start()], f"{_MARK}{len(runs)}.".encode())
        runs.append(str(view[begin.start() : end], "ascii", "surrogateescape"))
        at = end
        begin = _RUN.search(data, at)
    short.append(data[at:])
    # What was set aside is not searched when it is put back.
    if any(_MARK.encode() in each for each in short[::2]):
        return data, []
    return b"".join(short), runs


def _next(octet: bytes, data: bytes, at: int, known: int) -> int:
    """Where the octet comes next, which may be known; the end of the data where it does not come any more."""
    if known >= at:
        return known
    found = data.find(octet, at)
    return len(data) if found < 0 else found


def _put_back(text: Text, runs: list[str]) -> Text:
    if not text or _MARK not in text:
        return text
    alone = _LEFT.fullmatch(text)
    return _LEFT.sub(lambda found: runs[int(found[1])], text) if alone is None else runs[int(alone[1])]
