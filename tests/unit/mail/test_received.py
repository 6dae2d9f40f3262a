"""Trace fields say how a message came, and nothing that the peer could use to write fields of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address
from relay.mail.message import parse_header
from relay.mail.received import Hop, count_received, protocol_name, received_field


def test_all_that_is_known_is_said():
    hop = Hop("app.example", "192.0.2.1", "mx1.relay.example", "ESMTPSA", "Q1", 0.0, Address("a", "x.example"))
    assert parse_header(received_field(hop)).fields[0].value == (
        b"from app.example ([192.0.2.1]) by mx1.relay.example with ESMTPSA id Q1 for <a@x.example>;"
        b" Thu, 01 Jan 1970 00:00:00 +0000"
    )


@pytest.mark.parametrize(
    ("helo", "peer", "start"),
    [
        ("[192.0.2.1]", "2001:db8::1", b"from [192.0.2.1] ([IPv6:2001:db8::1]) by mx"),
        ("[IPv6:2001:db8::1]", "", b"from [IPv6:2001:db8::1] by mx"),
        ("x\r\nBcc: y", "nowhere", b"from unknown (unknown) by mx"),
        ("a (b)", "", b"from unknown by mx"),
        ("caf\u00e9", "", b"from unknown by mx"),
        ("", "", b"from unknown by mx"),
        ("under_score.example", "", b"from under_score.example by mx"),
    ],
)
def test_what_the_peer_said_is_checked(helo, peer, start):
    field = received_field(Hop(helo, peer, "mx", "ESMTP", "Q1", 0.0))
    assert parse_header(field).fields[0].value.startswith(start)


@given(st.text(max_size=300), st.text(max_size=50))
def test_it_is_always_one_field(helo, peer):
    field = received_field(Hop(helo, peer, "mx", "ESMTP", "Q1", 0.0))
    assert len(parse_header(field).fields) == 1
    assert max(map(len, field.split(b"\r\n"))) <= 998


@pytest.mark.parametrize(
    ("facts", "name"),
    [
        ({"extended": False}, "SMTP"),
        ({}, "ESMTP"),
        ({"tls": True}, "ESMTPS"),
        ({"authenticated": True}, "ESMTPA"),
        ({"tls": True, "authenticated": True}, "ESMTPSA"),
        ({"utf8": True}, "UTF8SMTP"),
        ({"tls": True, "authenticated": True, "utf8": True}, "UTF8SMTPSA"),
    ],
)
def test_protocol_names(facts, name):
    assert protocol_name(**facts) == name


def test_hops_are_counted():
    assert count_received(parse_header(b"Received: a\r\nA: b\r\nRECEIVED: c\r\n")) == 2
    assert count_received(parse_header(b"A: b\r\n")) == 0
