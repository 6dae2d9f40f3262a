"""Account numbers as people write them are found; what only looks like one is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.iban import find_ibans, is_iban

BELGIAN = "BE71096123456769"
DUTCH = "NL91ABNA0417164300"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("IBAN: BE71 0961 2345 6769.", (BELGIAN,)),
        ("be71-0961-2345-6769", (BELGIAN,)),
        ("BE71.0961.2345.6769", (BELGIAN,)),
        ("BE71\u00a00961\u00a02345\u00a06769", (BELGIAN,)),
        ("(BE71096123456769)", (BELGIAN,)),
        (f"{BELGIAN} of {DUTCH}, {BELGIAN}", (BELGIAN, DUTCH)),
        ("NL91 ABNA 0417 1643 00 BIC ABNANL2A", (DUTCH,)),
        ("GB82 WEST 1234 5698 7654 32", ("GB82WEST12345698765432",)),
        ("DE89370400440532013000", ("DE89370400440532013000",)),
        ("BE12 BE71 0961 2345 6769", (BELGIAN,)),
        ("_BE71096123456769_", (BELGIAN,)),
        ("\u00e9BE71096123456769\u00e9", (BELGIAN,)),
        ("BE\u00a071 0961\u202f2345\u20096769", (BELGIAN,)),
        ("BE72 0961 2345 6769", ()),
        ("BE71 0961 2345 676", ()),
        ("BE71 0961 2345 67690", ()),
        ("XBE71096123456769", ()),
        ("BE71 0961  2345 6769", ()),
        ("BE71 0961\n2345 6769", ()),
        ("BE0123456789", ()),
        ("ZZ71096123456769", ()),
        ("BE", ()),
        ("", ()),
    ],
)
def test_numbers_in_text(text, found):
    assert find_ibans(text) == found


@pytest.mark.parametrize("text", ["", "BE71", "be71096123456769", "BEA1096123456769", "BE7109612345676\u0669"])
def test_what_is_none(text):
    assert not is_iban(text)


def test_of_many_numbers_the_first_count():
    numbers = [f"BE{check:02}{base:012}" for base in range(60) for check in range(2, 99)]
    valid = [number for number in numbers if is_iban(number)]
    assert find_ibans(" ".join(valid)) == tuple(valid[:20])


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_number_is_found_whatever_stands_around_it(before, after):
    assert BELGIAN in find_ibans(f"{before}\n{BELGIAN}\n{after}")


@given(st.text(max_size=300) | st.text("BENLDE0123456789 -.", max_size=300))
def test_what_is_found_is_valid(text):
    assert all(is_iban(each) for each in find_ibans(text))
