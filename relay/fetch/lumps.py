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


class _Part(Message):
    """A part, and the only way to its text as it was read: whoever asks for it gets octets beyond ASCII decoded."""

    _payload: Any

    def put_back(self, runs: list[str]) -> None:
        """The runs, where they were, in this part."""
        if isinstance(self._payload, str):
            self._payload = _put_back(self._payload, runs)
        self.preamble = _put_back(self.preamble, runs)
        self.epilogue = _put_back(self.epilogue, runs)


def parse(data: bytes, policy: "Policy[Any]") -> "Message[str, str]":
    """Read a mail. Raises what the parser raises."""
    short, runs = set_aside(data)
    message: _Part = BytesParser(_Part, policy=policy).parsebytes(short)
    for part in message.walk() if runs else ():
        part.put_back(runs)
    return message


def set_aside(data: bytes) -> tuple[bytes, list[str]]:
    """A mail with a line for each long run of base64, and the runs; as it is when it has such lines already."""
    begin = None if _MARK.encode() in data else _RUN.search(data)
    if begin is None:
        return data, []
    # Where what is not dull begins is found many times sooner so than by a pattern.
    others, view = data.translate(_OTHER), memoryview(data)
    pieces: list[bytes] = []
    runs: list[str] = []
    at = 0
    while begin is not None:
        stop = others.find(b"\1", begin.end())
        end = data.rfind(b"\n", begin.start(), len(data) if stop < 0 else stop)
        end -= data[end - 1 : end] == b"\r"  # the last line keeps its end, of which parsers think in their own way
        pieces += (data[at : begin.start()], f"{_MARK}{len(runs)}.".encode())
        runs.append(str(view[begin.start() : end], "ascii"))
        at = end
        begin = _RUN.search(data, at)
    return b"".join((*pieces, data[at:])), runs


def _put_back(text: Text, runs: list[str]) -> Text:
    if not text or _MARK not in text:
        return text
    alone = _LEFT.fullmatch(text)
    return _LEFT.sub(lambda found: runs[int(found[1])], text) if alone is None else runs[int(alone[1])]
