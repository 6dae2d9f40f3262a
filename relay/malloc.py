"""How the C library keeps memory, in programs that see large blocks come and go."""

import ctypes

# Parameters of glibc's mallopt(3), and what they are set to: octets, octets, and a number.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MALLOC = {_M_TRIM_THRESHOLD: 4 * 1024 * 1024, _M_MMAP_THRESHOLD: 1024 * 1024, _M_ARENA_MAX: 2}


def give_memory_back() -> None:
    """Have the C library give back what is free, before any thread or large block is there. No other library needs it.

    By itself, glibc keeps ever more for later with each large block that it has seen freed, and that for every thread.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in _MALLOC.items():
            mallopt(parameter, value)
