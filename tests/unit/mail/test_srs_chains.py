"""Chains of forwarders, some of them ours and some of them Mail::SRS: what bounces finds its way back, hop by hop."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.mail.address import Address, parse_address
from relay.mail.srs import srs_forward, srs_reverse

SECRET = b"what only we know"
DAY = int(time.time()) // 86400
SCRIPT = Path(__file__).parents[2] / "peers/srs.pl"
WRITER = Address("jan.peeters", "x.example")


class MailSrs:
    """Forwarders that use Mail::SRS, all with one secret."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["perl", SCRIPT, "theirs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def __call__(self, *question: str) -> Address:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(" ".join(question) + "\n")
        answer = self._process.stdout.readline().strip()
        assert not answer.startswith("ERROR"), (question, answer)
        return parse_address(answer)

    def end(self) -> None:
        with self._process:
            pass


@pytest.fixture(scope="module")
def theirs() -> Iterator[MailSrs]:
    program = MailSrs()
    yield program
    program.end()


def forward(theirs: MailSrs, address: Address, number: int, *, ours: bool) -> Address:
    domain = f"{'ours' if ours else 'theirs'}{number}.example"
    if ours:
        return srs_forward(address, domain=domain, secrets=(SECRET,), day=DAY)
    return theirs("forward", str(address), domain)


def reverse(theirs: MailSrs, address: Address) -> Address:
    if address.domain.startswith("ours"):
        return srs_reverse(address.local, secrets=(b"a newer one", SECRET), day=DAY)
    return theirs("reverse", str(address))


def bounce(theirs: MailSrs, address: Address) -> list[Address]:
    """Where a bounce goes, host after host, until it is home."""
    way = []
    while address.domain.startswith(("ours", "theirs")):
        address = reverse(theirs, address)
        way.append(address)
    return way


@pytest.mark.parametrize("ours", [(True, True, True), (True, False), (False, True), (False, True, False, True)])
def test_a_bounce_goes_by_way_of_the_first_forwarder_home(theirs, ours):
    address = WRITER
    for number, is_ours in enumerate(ours):
        address = forward(theirs, address, number, ours=is_ours)
    first = forward(theirs, WRITER, 0, ours=ours[0])
    assert address.local.startswith("SRS1")
    assert bounce(theirs, address) == [first, WRITER]


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.from_regex(r"[a-z0-9_+=.-]{0,5}[a-z]", fullmatch=True))
def test_however_many_hosts_hand_it_on_the_writer_is_found_in_two_steps(theirs, ours, local):
    local = local.strip(".").replace("..", "")
    address = writer = Address(local, "x.example")
    lengths = []
    for number, is_ours in enumerate(ours):
        address = forward(theirs, address, number, ours=is_ours)
        lengths.append(len(address.local))
    assert bounce(theirs, address)[-1] == writer
    assert len(bounce(theirs, address)) == min(len(ours), 2)
    # A chain grows no more once it has two hosts, but for what a seal of the other kind is longer.
    assert max(lengths) <= lengths[0] + len("SRS1=AAAAAAAA=theirs0.example=")
