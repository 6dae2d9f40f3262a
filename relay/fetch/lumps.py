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

# Runs hold nothing that a parser of mail looks for: no boundary, no field, nothing but base64 and ends of lines.
_RUN = re.compile(rb"^(?:[A-Za-z0-9+/]{60,998}\r?\n){16}", re.MULTILINE)
_DULL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\r\n"
_OTHER = bytes(each not in _DULL for each in range(256))
_MARK = "SetAside"
_LEFT = re.compile(rf"{_MARK}([0-9]{{1,7}})\.")


class Part(Message):
    """A part, and the only way to its text as it was read: whoever asks for it gets octets beyond ASCII decoded."""

    _payload: Any

    @property
    def octets(self) -> bytes:
        """What stands in a part without parts, as it came, whatever encoding is declared."""
        # The library's own way copies a large part once more, and again to look for octets beyond ASCII.
        return self._payload.encode("ascii", "surrogateescape") if isinstance(self._payload, str) else b""

    def put_back(self, runs: list[str]) -> None:
        """The runs, where they were, in this part."""
        if isinstance(self._payload, str):
            self._payload = _put_back(self._payload, runs)
        self.preamble = _put_back(self.preamble, runs)
        self.epilogue = _put_back(self.epilogue, runs)


def parse(data: bytes, policy: "Policy[Any]") -> Part:
    """Read a mail. Raises what the parser raises."""
    short, runs = set_aside(data)
    message: Part = BytesParser(Part, policy=policy).parsebytes(short)
    for part in message.walk() if runs else ():
        part.put_back(runs)
    return message


def set_aside(data: bytes) -> tuple[bytes, list[str]]:
    """A mail with a line for each long run of base64, and the runs; as it is when it has such lines already."""
    begin = _RUN.search(data)
    if begin is None:
        return data, []
    # Where what is not dull begins is found many times sooner so than by a pattern.
    others, view = data.translate(_OTHER), memoryview(data)
    short: list[bytes] = []
    runs: list[str] = []
    at = 0
    while begin is not None:
        stop = others.find(b"\1", begin.end())
        end = data.rfind(b"\n", begin.start(), len(data) if stop < 0 else stop)
        end -= data[end - 1 : end] == b"\r"  # the last line keeps its end, of which parsers think in their own way
        short += (data[at : begin.start()], f"{_MARK}{len(runs)}.".encode())
        runs.append(str(view[begin.start() : end], "ascii"))
        at = end
        begin = _RUN.search(data, at)
    short.append(data[at:])
    # Our lines have a full stop, which is not base64: what was set aside holds none.
    if any(_MARK.encode() in each for each in short[::2]):
        return data, []
    return b"".join(short), runs


def _put_back(text: Text, runs: list[str]) -> Text:
    if not text or _MARK not in text:
        return text
    alone = _LEFT.fullmatch(text)
    return _LEFT.sub(lambda found: runs[int(found[1])], text) if alone is None else runs[int(alone[1])]
