"""An answer is tied to its mail: by names that we gave, that nobody can make up, and by the names that others gave."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address, parse_address
from relay.mail.message import parse_header
from relay.mail.thread import (
    SENT,
    TokenError,
    answer_address,
    answered_ids,
    message_id_for,
    parse_tag,
    queue_id_in,
    sent_field,
    split_tag,
)

SECRETS = [b"current", b"former"]
DOMAIN = "relay.example"
BAKERY = Address("bakery", DOMAIN)

queue_ids = st.text(string.ascii_letters + string.digits + "-_", min_size=1, max_size=30)


@given(queue_ids)
def test_what_we_gave_a_mail_names_it_again(queue_id):
    message_id = message_id_for(queue_id, domain=DOMAIN, secrets=SECRETS)
    address = answer_address(BAKERY, queue_id, secrets=SECRETS)

    assert queue_id_in(f"<{message_id}>", domain=DOMAIN, secrets=SECRETS) == queue_id.lower()
    assert queue_id_in(f"<{message_id.upper()}>", domain=DOMAIN, secrets=SECRETS) == queue_id.lower()
    assert parse_address(str(address)) == address
    base, tag = split_tag(address.local.upper())
    assert (base, parse_tag(tag, secrets=SECRETS)) == ("BAKERY", queue_id.lower())


@given(queue_ids)
def test_the_mark_of_a_mail_whose_bounces_go_elsewhere_names_it(queue_id):
    header = parse_header(sent_field(queue_id, domain=DOMAIN, secrets=SECRETS))
    mark = header.first(SENT).value.decode()

    assert queue_id_in(mark.strip(), domain=DOMAIN, secrets=SECRETS) == queue_id.lower()


def test_secrets_change_over_time():
    old = answer_address(BAKERY, "q1", secrets=[b"former"])
    assert parse_tag(split_tag(old.local)[1], secrets=SECRETS) == "q1"
    with pytest.raises(TokenError):
        parse_tag(split_tag(old.local)[1], secrets=[b"current"])


@given(st.text(max_size=64) | st.from_regex(r"[A-Za-z0-9]{1,9}\.[a-z2-7]{8}", fullmatch=True))
def test_nobody_makes_up_a_tag(tag):
    with pytest.raises(TokenError):
        parse_tag(tag, secrets=SECRETS)
    assert queue_id_in(f"<{tag}@{DOMAIN}>", domain=DOMAIN, secrets=SECRETS) is None


def test_names_at_other_domains_are_not_ours():
    ours = message_id_for("q1", domain=DOMAIN, secrets=SECRETS)
    assert queue_id_in(f"<{ours}.evil>", domain=DOMAIN, secrets=SECRETS) is None
    assert queue_id_in("", domain=DOMAIN, secrets=SECRETS) is None


def test_a_long_alias_gets_no_tag():
    with pytest.raises(TokenError, match="too long"):
        answer_address(Address("a" * 50, DOMAIN), "0" * 14, secrets=SECRETS)


def ids(**fields: str) -> tuple[str, ...]:
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()]
    return answered_ids(parse_header("".join(lines).encode()))


def test_the_nearest_mail_comes_first_then_the_one_that_began_the_thread():
    assert ids(references="<1@a> <2@a> <3@a>", in_reply_to="<3@a>") == ("<3@a>", "<1@a>", "<2@a>")


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Your mail <1@a> of Monday", ("<1@a>",)),
        ("<1@a><2@a>", ("<1@a>", "<2@a>")),
        ("1@a", ()),
        ("<1 2@a>", ()),
        ("<@a> <1@> <>", ()),
        ("", ()),
    ],
)
def test_names_as_programs_write_them(value, found):
    assert ids(in_reply_to=value) == found


def test_of_a_long_thread_a_few_are_looked_at():
    assert len(ids(references=" ".join(f"<{number}@a>" for number in range(1000)))) == 6


@given(st.binary(max_size=500).map(lambda value: value.translate(None, b"\r\n")))
def test_whatever_stands_there_is_read(value):
    assert len(answered_ids(parse_header(b"References: " + value + b"\r\n"))) <= 6


@pytest.mark.parametrize("piece", [b"<", b"<a@", b"<a@b", b"@", b"<a@b@", b"> <"])
def test_repetitions_cost_little(piece):
    assert answered_ids(parse_header(b"References: " + piece * (200_000 // len(piece)) + b"\r\n")) is not None
