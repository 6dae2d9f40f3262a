"""The mark of a mail that was laid into a mailbox."""

from relay.mail.laid import laid_mark


def test_a_mark_names_one_delivery_and_cannot_be_known_before():
    mark = laid_mark("id1", 0, secret=b"a")
    assert mark.startswith("id1.0.")
    assert mark == laid_mark("id1", 0, secret=b"a")
    assert len({mark, *(laid_mark(*what, secret=b"a") for what in (("id1", 1), ("id2", 0)))}) == 3
    assert laid_mark("id1", 0, secret=b"b") != mark
