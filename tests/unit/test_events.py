"""One list of events for all who speak of them."""

import re
from pathlib import Path

from relay.events import EventType


def test_the_supervisor_which_loads_nothing_says_only_what_is_on_the_list():
    """It cannot import the list: a parent of little memory is what it is for."""
    program = (Path(__file__).parents[2] / "relay" / "supervisor.py").read_text(encoding="utf-8")
    words = set(re.findall(r'_say\("([a-z-]+)"', program))
    assert words == {EventType.WORKER_DIED.value, EventType.WORKER_SILENT.value}
