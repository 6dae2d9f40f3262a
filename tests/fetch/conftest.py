"""A Dovecot for the tests of one process, and a house for each."""

import socket

import pytest

from relay.clock import SystemClock
from relay.store.sqlite.spool import SqliteSpool
from tests.peers.mailboxes import Mailboxes

from .fast_input import FastInputApi
from .house import House, MovingClock


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
async def mailboxes():
    async with Mailboxes(_free_port()) as running:
        yield running


@pytest.fixture
async def silent():
    """One that does not offer to say by itself when mail comes."""
    async with Mailboxes(_free_port(), more="imap_capability = IMAP4rev1 SASL-IR UIDPLUS") as running:
        yield running


@pytest.fixture
async def api():
    async with FastInputApi() as running:
        yield running


@pytest.fixture
async def house(tmp_path, mailboxes, api):
    clock = MovingClock(SystemClock())
    spool = SqliteSpool(tmp_path / "relay.db", worker="test.1.1", pid=1, clock=SystemClock())
    await spool.start()
    house = House(spool, clock, mailboxes, api, tmp_path)
    await house.look()
    yield house
    await house.fetcher.close()
    await spool.stop()
