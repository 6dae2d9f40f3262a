"""What Billit's interface means by its answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.upload import Answer, Verdict, idempotency_key, read_answer


def test_a_bare_number_is_the_upload() -> None:
    assert read_answer(200, b" 4711\n") == Answer(Verdict.TAKEN, "taken", upload=4711)
    assert read_answer(201, b'{"not": "a number"}') == Answer(Verdict.TAKEN, "taken")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (409, Verdict.KNOWN),
        (401, Verdict.ACCESS),
        (403, Verdict.ACCESS),
        (429, Verdict.LATER),
        (503, Verdict.LATER),
        (202, Verdict.TAKEN),
        (204, Verdict.TAKEN),
        (404, Verdict.ACCESS),
        (410, Verdict.ACCESS),
        (400, Verdict.REFUSED),
        (413, Verdict.REFUSED),
        (500, Verdict.FAULT),
        (302, Verdict.FAULT),
    ],
)
def test_every_status_has_its_meaning(status: int, verdict: Verdict) -> None:
    assert read_answer(status, b"").verdict is verdict


@pytest.mark.parametrize("verdict", Verdict)
def test_what_is_there_already_is_as_good_as_taken(verdict: Verdict) -> None:
    assert Answer(verdict, "").is_taken is (verdict in (Verdict.TAKEN, Verdict.KNOWN))


def test_errors_are_told_in_one_line() -> None:
    body = b'{"errors":[{"Code":"Invalid Filename","Description":"no dots"},{"Code":"Empty","Description":null}]}'
    assert read_answer(400, body).text == "refused (HTTP 400): Invalid Filename: no dots; Empty: "
    assert read_answer(400, b'{"errors":[]}').text == "refused (HTTP 400): without a reason"
    assert read_answer(400, b"<html>").text == "refused (HTTP 400): without a reason that can be read"


@pytest.mark.parametrize(("asked", "pause"), [("30", 30.0), ("999999", 3600.0), ("soon", 0.0), ("", 0.0), ("-1", 0.0)])
def test_a_pause_that_is_asked_for_is_kept_within_reason(asked: str, pause: float) -> None:
    assert read_answer(429, b"", asked).pause == pause


def test_a_key_names_one_document_of_one_company() -> None:
    key = idempotency_key("bakery", "abc")
    assert key.isalnum()
    assert key == idempotency_key("bakery", "abc")
    assert len({key, idempotency_key("bakery", "abd"), idempotency_key("garage", "abc")}) == 3


@given(status=st.integers(100, 599), body=st.binary(max_size=300), pause=st.text(max_size=20))
def test_no_answer_raises_anything(status: int, body: bytes, pause: str) -> None:
    assert read_answer(status, body, pause).text
