"""Whether what is published at a selector is our key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.dkim_record import publishes

OURS = "v=DKIM1; k=rsa; p=MIIBIjANBg=="


@pytest.mark.parametrize(
    "text",
    [
        OURS,
        "p=MIIBIjANBg==",
        "k=rsa;p=MIIB IjAN\tBg==;",
        "v=DKIM1; h=sha1:sha256; s=email; t=y; n=note; p=MIIBIjANBg==",
    ],
)
def test_our_key_is_known_again(text) -> None:
    assert publishes([text], OURS)


@pytest.mark.parametrize(
    "texts",
    [
        [],
        [""],
        ["v=DKIM1; k=rsa; p="],
        ["v=DKIM1; k=rsa; p=MIIBother"],
        ["v=DKIM1; k=ed25519; p=MIIBIjANBg=="],
        ["v=DKIM2; p=MIIBIjANBg=="],
        ["v=DKIM1; h=sha1; p=MIIBIjANBg=="],
        ["v=DKIM1; s=tlsrpt; p=MIIBIjANBg=="],
        [OURS, "something else"],
    ],
)
def test_anything_that_receivers_could_not_use_is_not_ours(texts) -> None:
    assert not publishes(texts, OURS)


@given(st.text())
def test_no_record_is_too_odd(text) -> None:
    assert not publishes([text], "v=DKIM1; k=rsa; p=never")
