import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy import bearer


def test_both_mechanisms_say_who_and_with_what_token():
    google = base64.b64decode(bearer.first_response("XOAUTH2", "a@own.example", "h", 1, "t"))
    assert google == b"user=a@own.example\x01auth=Bearer t\x01\x01"
    standard = base64.b64decode(bearer.first_response("OAUTHBEARER", "a@own.example", "h", 1, "t"))
    assert standard == b"n,a=a@own.example,\x01host=h\x01port=1\x01auth=Bearer t\x01\x01"


def test_a_challenge_says_what_is_wrong():
    said = {"status": "400", "schemes": "bearer", "error": "invalid_token"}
    assert (
        bearer.read_challenge(base64.b64encode(json.dumps(said).encode()).decode()) == "status 400, error invalid_token"
    )


def test_names_with_signs_of_their_own_are_written_out():
    first = bearer.first_response("OAUTHBEARER", "a=b,c@own.example", "smtp.own.example", 587, "t")
    said = base64.b64decode(first).decode()
    assert said.startswith("n,a=a=3Db=2Cc@own.example,\x01")


@pytest.mark.parametrize("text", ["", "%%%", "W10=", "bm8=", base64.b64encode(b'{"status": "a\\u0007"}').decode()])
def test_challenges_that_say_nothing(text):
    assert bearer.read_challenge(text) == ""


@given(st.text(), st.binary())
def test_no_challenge_makes_trouble(text, octets):
    assert bearer.read_challenge(text).isprintable()
    assert bearer.read_challenge(base64.b64encode(octets).decode()).isprintable()
