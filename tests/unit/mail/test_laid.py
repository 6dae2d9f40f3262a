"""The mark of a mail that was laid into a mailbox."""

from relay.mail.laid import laid_mark


def test_a_mark_names_one_delivery_and_cannot_be_known_before():
    mark = laid_mark("id1", 0, secrets=[b"a", b"b"])
    assert mark.startswith("id1.0.")
    assert mark == laid_mark("id1", 0, secrets=[b"a"])
    assert len({mark, *(laid_mark(*what, secrets=[b"a"]) for what in (("id1", 1), ("id2", 0)))}) == 3
    assert laid_mark("id1", 0, secrets=[b"b"]) != mark
