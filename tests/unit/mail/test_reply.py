"""Replies: codes that belong together, one line, whatever the peer said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.reply import Reply, parse_reply


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (Reply(550, "5.1.1", "No such user"), "550 5.1.1 No such user"),
        (Reply(354, "", "Go ahead"), "354 Go ahead"),
        (Reply(250, "2.0.0", ""), "250 2.0.0"),
        (Reply(220, "", ""), "220"),
    ],
)
def test_the_line(reply, line):
    assert str(reply) == line


@pytest.mark.parametrize(
    ("code", "enhanced", "text"),
    [
        (199, "", ""),
        (600, "", ""),
        (550, "4.1.1", ""),
        (250, "5.0.0", ""),
        (354, "3.0.0", ""),
        (550, "5.1", ""),
        (550, "5.1.1234", ""),
        (550, "5.1.1", "two\nlines"),
        (550, "5.1.1", "two\rlines"),
        (550, "5.1.1", "nul\0"),
    ],
)
def test_replies_that_cannot_be(code, enhanced, text):
    with pytest.raises(ValueError):
        Reply(code, enhanced, text)


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (250, (True, False, False)),
        (354, (True, False, False)),
        (421, (False, True, False)),
        (499, (False, True, False)),
        (500, (False, False, True)),
        (599, (False, False, True)),
    ],
)
def test_the_first_digit_decides(code, verdict):
    reply = Reply(code, "", "")
    assert (reply.is_positive, reply.is_temporary, reply.is_permanent) == verdict


@pytest.mark.parametrize(
    ("code", "text", "reply"),
    [
        (550, "5.1.1 No such user", Reply(550, "5.1.1", "No such user")),
        (550, "5.1.1", Reply(550, "5.1.1", "")),
        (550, " 5.1.1\tNo", Reply(550, "5.1.1", "No")),
        (250, "2.0.0 Ok: queued as 2.0.0", Reply(250, "2.0.0", "Ok: queued as 2.0.0")),
        (550, "5.7.1 line one\n5.7.1 line two\r\n5.7.1", Reply(550, "5.7.1", "line one line two")),
        (550, "5.7.1 one\n5.7.10 two", Reply(550, "5.7.1", "one 5.7.10 two")),
        (550, "4.1.1 wrong class", Reply(550, "", "4.1.1 wrong class")),
        (354, "go\x07on", Reply(354, "", "go on")),
        (550, "5.1.1.1 address", Reply(550, "", "5.1.1.1 address")),
        (550, "", Reply(550, "", "")),
    ],
)
def test_what_a_peer_said(code, text, reply):
    assert parse_reply(code, text) == reply


def test_a_code_that_is_none():
    with pytest.raises(ValueError):
        parse_reply(-1, "")


@given(st.integers(200, 599), st.text())
def test_whatever_a_peer_says_becomes_one_line(code, text):
    reply = parse_reply(code, text)
    assert len(str(reply).splitlines()) == 1
    assert parse_reply(code, str(reply)[4:]) == reply or reply.text.startswith(("2.", "4.", "5."))
