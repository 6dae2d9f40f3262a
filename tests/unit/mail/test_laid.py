"""The mark of a mail that was laid into a mailbox."""

from hypothesis import given
from hypothesis import strategies as st

from relay.mail.laid import laid_mark, laid_name, read_mark


def test_a_mark_names_one_delivery_and_cannot_be_known_before():
    mark = laid_mark("id1", 0, secret=b"a")
    assert mark.startswith("id1.0.")
    assert mark == laid_mark("id1", 0, secret=b"a")
    assert len({mark, *(laid_mark(*what, secret=b"a") for what in (("id1", 1), ("id2", 0)))}) == 3
    assert laid_mark("id1", 0, secret=b"b") != mark


def test_our_own_mark_is_read_back_by_each_secret_that_may_have_sealed_it():
    mark = laid_mark("0abcdefghjkmnp", 12, secret=b"old")
    assert read_mark(mark, (b"new", b"old")) == laid_name("0abcdefghjkmnp", 12) == "0abcdefghjkmnp.12"
    assert read_mark(mark, (b"new",)) is None


@given(st.text() | st.from_regex(r"[0-9a-z]{1,40}\.[0-9]{1,6}\.[a-z2-7]{16}", fullmatch=True))
def test_no_mark_of_anybody_else_is_taken_for_ours(value):
    assert read_mark(value, (b"secret",)) is None
