import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.busy import MOST_PAUSE, Busy, read_busy


@pytest.mark.parametrize(
    ("said", "busy"),
    [
        ("Request is throttled. Suggested Backoff Time: 92000 milliseconds", Busy(92.0)),
        ("throttled, Suggested Backoff Time: 999999999 milliseconds", Busy(MOST_PAUSE)),
        ("[ALERT] Too many simultaneous connections. (Failure)", Busy(300.0, crowded=True)),
        ("[LIMIT] Connection refused", Busy(300.0, crowded=True)),
        ("[THROTTLED] slow down", Busy(300.0)),
        ("[UNAVAILABLE] Temporary authentication failure.", Busy(60.0)),
        ("[INUSE] the mailbox is locked", Busy(60.0)),
        ("User is authenticated but not connected.", Busy(60.0)),
        ("[OVERQUOTA] Account exceeded command or bandwidth limits", Busy(3600.0)),
        ("[AUTHENTICATIONFAILED] try again", None),
        ("[ALERT] Invalid credentials (Failure)", None),
        ("LOGIN failed.", None),
        ("", None),
    ],
)
def test_a_server_that_wants_peace_is_understood(said, busy):
    assert read_busy(said) == busy


@given(st.text())
def test_whatever_a_server_says_a_pause_is_bounded(said):
    busy = read_busy(said)
    assert busy is None or 0 <= busy.pause <= MOST_PAUSE
