"""What a worker has freed goes back to the system."""

import subprocess
import sys
from pathlib import Path

import pytest

# A large block that is freed makes glibc keep up to twice as much of what is freed later, in each thread's own heap.
_THREAD = """
import threading
from relay.malloc import give_memory_back

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096

def work():
    blocks = [b"x" * 900_000 for _ in range(50)]
    blocks.clear()

{first}
before = resident()
bytearray(30 * 2**20)
thread = threading.Thread(target=work)
thread.start()
thread.join()
print(resident() - before)
"""


def growth(first: str) -> int:
    """How many octets a process has more, when a thread has used 45 MiB and freed them."""
    code = _THREAD.format(first=first)
    command = [sys.executable, "-c", code]
    said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    return int(said.stdout)


def test_what_a_thread_has_freed_goes_back_to_the_system():
    if growth("pass") < 20 * 2**20:
        pytest.fail("this C library keeps nothing by itself: the test shows nothing here")
    assert growth("give_memory_back()") < 10 * 2**20
