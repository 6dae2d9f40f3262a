"""What counts as an address or a path, and that an address read back from its own text is the same."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address, AddressError, parse_address, parse_path

ATEXT = string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~-"


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("info@bakery.example", "info", "bakery.example"),
        ("Info.Desk+tag@BAKERY.Example", "Info.Desk+tag", "bakery.example"),
        ("a@b", "a", "b"),
        ('"john doe"@x.example', "john doe", "x.example"),
        ('"plain"@x.example', "plain", "x.example"),
        ('"a\\"b\\\\c"@x.example', 'a"b\\c', "x.example"),
        ('"a@b"@x.example', "a@b", "x.example"),
        ('""@x.example', "", "x.example"),
        ("u@[192.0.2.7]", "u", "[192.0.2.7]"),
        ("u@[IPv6:2001:DB8:0::1]", "u", "[ipv6:2001:db8::1]"),
        ("jos\u00e9@caf\u00e9.example", "jos\u00e9", "caf\u00e9.example"),
        ("a@CAF\u00c9.example", "a", "caf\u00e9.example"),
        ("a@\uff45xample.test", "a", "example.test"),
        ("x" * 64 + "@y.example", "x" * 64, "y.example"),
    ],
)
def test_addresses_that_are_taken(text, local, domain):
    address = parse_address(text)
    assert (address.local, address.domain) == (local, domain)
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty address"),
        ("nobody", "no @"),
        ("@x.example", "empty local part"),
        ("a@", "empty domain"),
        (".a@x.example", "misplaced dot"),
        ("a.@x.example", "misplaced dot"),
        ("a..b@x.example", "misplaced dot"),
        ("a b@x.example", "not allowed"),
        ("(c)a@x.example", "not allowed"),
        ("a@b@x.example", "not allowed"),
        ("<a@x.example>", "not allowed"),
        ('"a"b"@x.example', "bad quoted"),
        ('"a@x.example', "bad quoted"),
        ('"a\\"@x.example', "bad quoted"),
        ("a@x..example", "bad domain"),
        ("a@.example", "bad domain"),
        ("a@x.example.", "bad domain"),
        ("a@caf\u00e9.example.", "bad domain"),
        ("a@-x.example", "bad domain"),
        ("a@x-.example", "bad domain"),
        ("a@x_y.example", "bad domain"),
        ("a@" + "x" * 64 + ".example", "bad domain"),
        ("a@caf\u00e9\u2665.example", "internationalised"),
        ("a@[192.0.2.256]", "literal"),
        ("a@[IPv6:::g]", "literal"),
        ("a@[IPv6:1::2::3]", "literal"),
        ("a@[tag:x]", "literal"),
        ("a@[192.0.2.1", "literal"),
        ("x" * 65 + "@y.example", "local part too long"),
        ("\u00e9" * 33 + "@y.example", "local part too long"),
        ("a@" + ".".join(["x" * 60] * 5), "domain too long"),
        ("a@\u00e9" + "x" * 5000, "domain too long"),
        ("a\r@x.example", "control"),
        ("a@x.example\n", "control"),
        ("a\0@x.example", "control"),
        ("a\u0085@x.example", "control"),
        ("a\u2028@x.example", "control"),
        ("a\udc80@x.example", "control"),
        ("a\x7f@x.example", "control"),
    ],
)
def test_addresses_that_are_refused(text, reason):
    with pytest.raises(AddressError, match=reason):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("<a@x.example>", Address("a", "x.example"), ""),
        ("<a@X.example> SIZE=1  BODY=7BIT ", Address("a", "x.example"), "SIZE=1  BODY=7BIT"),
        ('<"> "@x.example> SIZE=1', Address("> ", "x.example"), "SIZE=1"),
        ("<a@[192.0.2.1]>", Address("a", "[192.0.2.1]"), ""),
        ("<jos\u00e9@x.example> SMTPUTF8", Address("jos\u00e9", "x.example"), "SMTPUTF8"),
        ("<>", None, ""),
        ("<> AUTH=<>", None, "AUTH=<>"),
        ("<postmaster>", Address("postmaster", ""), ""),
        ("<PostMaster> NOTIFY=NEVER", Address("postmaster", ""), "NOTIFY=NEVER"),
    ],
)
def test_paths_that_are_taken(text, address, rest):
    assert parse_path(text, null_allowed=True) == (address, rest)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a@x.example", "angle brackets"),
        ("", "angle brackets"),
        ("<a@x.example", "angle brackets"),
        ("a@x.example>", "angle brackets"),
        (" <a@x.example>", "angle brackets"),
        ("<<a@x.example>>", "angle brackets"),
        ("<a@x.example>SIZE=1", "angle brackets"),
        ('<"a@x.example>', "angle brackets"),
        ("<@r.example:a@x.example>", "source route"),
        ("<(c)a@x.example>", "not allowed"),
        ("<a(c)@x.example>", "not allowed"),
        ("<a@x.example(c)>", "bad domain"),
        ("< a@x.example>", "not allowed"),
        ("<a@x.example >", "bad domain"),
        ("<a..b@x.example>", "misplaced dot"),
        ("<a@x.example\r>", "control"),
        ("<a@x.example> SIZE=1\n", "control"),
        ("<a@x.example>\tSIZE=1", "control"),
        ("<a\0@x.example>", "control"),
        ("<" + "a" * 65 + "@x.example>", "local part too long"),
        ("<a@" + ".".join(["x" * 63] * 4) + ">", "path too long"),
        ("<\u00e9@" + ".".join(["x" * 63] * 4) + ">", "path too long"),
        ("<>", "null path"),
    ],
)
def test_paths_that_are_refused(text, reason):
    with pytest.raises(AddressError, match=reason):
        parse_path(text, null_allowed=False)


def test_the_longest_path_is_taken():
    text = f"<{'a' * 64}@{'.'.join(['x' * 62] * 3)}.y>"
    assert len(text) == 256 + 1
    with pytest.raises(AddressError, match="path too long"):
        parse_path(text, null_allowed=False)
    assert parse_path(text.replace("<a", "<"), null_allowed=False)[0] is not None


def test_postmaster_has_no_domain_on_the_wire():
    assert str(Address("postmaster", "")) == "postmaster"


def test_what_a_peer_without_smtputf8_gets():
    address = parse_address("info@m\u00fcnchen.example")
    assert not address.is_ascii
    assert address.ascii_domain == "xn--mnchen-3ya.example"
    assert not parse_address("jos\u00e9@x.example").is_ascii
    plain = parse_address("info@x.example")
    assert plain.is_ascii
    assert plain.ascii_domain == "x.example"
    with pytest.raises(AddressError):
        _ = Address("a", "\u2665.example").ascii_domain


locals_ = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20)
labels = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12)
domains = st.lists(labels, min_size=1, max_size=4).map(".".join)


@given(locals_, domains)
def test_an_address_survives_its_own_text(local, domain):
    text = str(Address(local, domain))
    try:
        address = parse_address(text)
    except AddressError:
        # Nothing else stands in the way.
        assert len(text.encode()) > 64
        return
    assert address == Address(local, domain)
    assert parse_path(f"<{text}> X=1", null_allowed=False) == (address, "X=1")


@given(st.text(ATEXT + '@.<>"\\ ():[]\r\n\0\u00e9\u2028', max_size=40), st.booleans())
def test_no_text_breaks_the_parsers(text, bracketed):
    text = f"<{text}>" if bracketed else text
    try:
        address, rest = parse_path(text, null_allowed=True)
    except AddressError:
        return
    assert text.startswith("<")
    for part in (str(address), rest):
        assert not re.search("[\x00-\x1f\x7f]", part)


@given(st.text(st.characters(min_codepoint=0xA0, exclude_categories=("Cs",)), min_size=1, max_size=8))
def test_an_internationalised_domain_has_one_spelling(label):
    try:
        address = parse_address(f"a@{label}.example")
    except AddressError:
        return
    assert parse_address(str(address)) == address
    assert parse_address(f"a@{address.ascii_domain}").ascii_domain == address.ascii_domain
