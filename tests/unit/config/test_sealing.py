import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.sealing import SealingError, SealingKeys, key_id_of, place_of

OLD, NEW = b"an old secret that is long enough, surely", b"a new secret that is long enough, surely"
HERE = place_of("studio-noord", "outgoing.server.password")


@given(st.binary(max_size=2000), st.text(st.characters(codec="utf-8"), max_size=100))
def test_what_is_sealed_opens_again_at_its_place(secret, place) -> None:
    keys = SealingKeys([NEW])
    sealed = keys.seal(secret, place)
    assert keys.open(sealed, place) == secret
    assert key_id_of(sealed) == keys.first


@pytest.mark.parametrize(
    "there",
    [
        place_of("bakkerij-peeters", "outgoing.server.password"),
        place_of("studio-noord", "outgoing.server.username"),
        place_of("", "studio-noord/outgoing.server.password"),
    ],
)
def test_what_is_sealed_for_one_place_opens_at_no_other(there) -> None:
    keys = SealingKeys([NEW])
    with pytest.raises(SealingError, match="sealed for another place, or is damaged"):
        keys.open(keys.seal(b"geheim", HERE), there)


def test_the_first_key_seals_and_all_open() -> None:
    before, during, after = SealingKeys([OLD]), SealingKeys([NEW, OLD]), SealingKeys([NEW])
    sealed = before.seal(b"geheim", HERE)
    assert during.open(sealed, HERE) == b"geheim"
    again = during.seal(b"geheim", HERE)
    assert key_id_of(again) == during.first == after.first
    assert after.open(again, HERE) == b"geheim"
    with pytest.raises(SealingError, match=f"sealed with the key {before.first}, which is not"):
        after.open(sealed, HERE)


def test_without_keys_nothing_is_sealed() -> None:
    assert (SealingKeys().first, SealingKeys().ids) == (None, ())
    with pytest.raises(SealingError, match=r"secrets\.sealing is not set"):
        SealingKeys().seal(b"geheim", HERE)


def test_the_same_secret_never_looks_the_same_twice() -> None:
    keys = SealingKeys([NEW])
    assert keys.seal(b"geheim", HERE) != keys.seal(b"geheim", HERE)


SEALED = SealingKeys([NEW]).seal(b"geheim", HERE)


@given(st.data())
def test_a_value_that_was_touched_does_not_open(data) -> None:
    keys, sealed = SealingKeys([NEW]), SEALED
    at = data.draw(st.integers(0, len(sealed) - 2))  # the very last letter may hold bits that nobody reads
    letter = data.draw(st.sampled_from("abcXYZ019_-.").filter(lambda letter: letter != sealed[at]))
    with pytest.raises(SealingError):
        keys.open(sealed[:at] + letter + sealed[at + 1 :], HERE)


@given(st.text(max_size=200))
def test_whatever_text_stands_there_is_opened_or_refused(text) -> None:
    with pytest.raises(SealingError):
        SealingKeys([NEW]).open(text, HERE)


def test_keys_show_nothing_of_themselves() -> None:
    keys = SealingKeys([NEW])
    assert NEW.decode() not in repr(keys)
    assert len(keys.first or "") == 8
