"""Addresses and names that we seal: they come back as what they were, and nobody else can make one."""

from contextlib import suppress

from fuzz.pieces import Pieces
from relay.mail.address import Address, AddressError, parse_address
from relay.mail.loop import forwarded_field, was_forwarded
from relay.mail.message import parse_header
from relay.mail.seal import TokenError
from relay.mail.srs import VALID_DAYS, srs_forward, srs_reverse
from relay.mail.thread import answer_address, answered_ids, message_id_for, parse_tag, queue_id_in, split_tag
from relay.mail.verp import bounce_address, is_bounce_local, is_srs_local, parse_bounce

SEEDS = (
    b"\x00\x10\x03anna@customer.example",
    b"\x01\x00\x00SRS0=abcdefgh=ab=a.example=anna@forwarder.example",
    b"\x00\x01\x05SRS1=abcdefgh=x.example==abcdefgh=ab=a.example=anna@forwarder.example",
    b"\x00\x02\x00b+1m83n6z0e39ye9.0.aaaaaaaaaaaaaaaa@my.relay.example",
    b"\x00\x02\x00In-Reply-To: <1m83n6z0e39ye9.aaaaaaaa@my.relay.example>",
)
_DOMAIN = "my.relay.example"
_OLD, _NEW = b"an old secret", b"a new secret"
_OTHERS = (b"the secret of somebody else",)


def check(data: bytes) -> None:
    pieces = Pieces(data)
    day = 20_000 + pieces.number(2000)
    age = pieces.number(30)
    text = pieces.rest().decode("utf-8", "replace")
    _not_forged(text)
    with suppress(AddressError, TokenError):
        address = parse_address(text)
        forwarded = srs_forward(address, domain=_DOMAIN, secrets=(_OLD,), day=day)
        if address.domain != _DOMAIN:
            assert parse_address(str(forwarded)) == forwarded
            assert is_srs_local(forwarded.local)
            _comes_back(address, forwarded, day, age)
    queue_id = "".join(each for each in text if each.isascii() and (each.isalnum() or each in "_-"))[:30] or "q"
    bounce = bounce_address(queue_id, age, domain=_DOMAIN, secrets=(_OLD,))
    assert is_bounce_local(bounce.local)
    assert parse_bounce(bounce.local, secrets=(_NEW, _OLD)) == (queue_id, age)
    with suppress(TokenError):
        answer = answer_address(Address("bakery", _DOMAIN), queue_id, secrets=(_OLD,))
        assert parse_tag(split_tag(answer.local)[1], secrets=(_NEW, _OLD)) == queue_id.lower()
    name = message_id_for(queue_id, domain=_DOMAIN, secrets=(_OLD,))
    assert queue_id_in(f"<{name}>", domain=_DOMAIN, secrets=(_NEW, _OLD)) == queue_id.lower()
    header = parse_header(f"In-Reply-To: <{name}>\r\n".encode())
    assert answered_ids(header) == (f"<{name}>",)


def _comes_back(address: Address, forwarded: Address, day: int, age: int) -> None:
    lowered = srs_reverse(forwarded.local.lower(), secrets=(_NEW, _OLD), day=day)
    assert str(lowered).lower().isascii() or not address.is_ascii
    try:
        read = srs_reverse(forwarded.local, secrets=(_NEW, _OLD), day=day + age)
    except TokenError:
        assert age > VALID_DAYS
        return
    if not is_srs_local(address.local):
        assert age <= VALID_DAYS
        assert (read.local, read.domain) == (address.local, address.ascii_domain.lower())
    else:
        assert is_srs_local(read.local)


def _not_forged(text: str) -> None:
    """No example knows our secrets."""
    local = text.partition("@")[0]
    for read in (
        lambda: parse_bounce(local, secrets=_OTHERS),
        lambda: srs_reverse(local, secrets=_OTHERS, day=20_000),
        lambda: parse_tag(split_tag(local)[1], secrets=_OTHERS),
    ):
        with suppress(TokenError):
            raise AssertionError(f"forged: {read()}")
    assert queue_id_in(text, domain=_DOMAIN, secrets=_OTHERS) is None
    with suppress(ValueError):
        header = parse_header(text.encode() + b"\r\n")
        assert len(answered_ids(header)) <= 6
        assert not was_forwarded(header, "bakery", domain=_DOMAIN, secrets=_OTHERS)
        marked = header.prepend(forwarded_field("bakery", domain=_DOMAIN, secrets=(_OLD,)))
        assert was_forwarded(marked, "bakery", domain=_DOMAIN, secrets=(_NEW, _OLD))
        assert not was_forwarded(marked, "garage", domain=_DOMAIN, secrets=(_NEW, _OLD))
