"""How many connections are kept to each host, and who has to do without one for a while.

Kept by each worker for itself. They have their limit in the configuration; a host that finds them too many anyway gets
fewer.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from relay.config.settings import Mailboxes

_WITHOUT = 86400.0
_MOST_REMEMBERED = 10_000


class Hosts:
    """The connections of one worker; `most_watched` is how many it may keep open altogether."""

    def __init__(self, settings: Callable[[], Mailboxes], most_watched: int) -> None:
        self._settings = settings
        self._most_watched = most_watched
        self._watched: dict[str, dict[str, Callable[[], None]]] = {}
        self._count = 0
        self._without: dict[str, float] = {}

    def may_watch(self, host: str, slug: str, now: float) -> bool:
        """Whether the connection to that mailbox may stay open."""
        if self._count >= self._most_watched or now < self._without.get(slug, 0.0):
            return False
        return len(self._watched.get(host, ())) < self._settings().idle_per_host

    @contextmanager
    def watching(self, host: str, slug: str, end: Callable[[], None]) -> Iterator[None]:
        """A mailbox on that host is watched; `end` makes an end of that."""
        watched = self._watched.setdefault(host, {})
        watched[slug] = end
        self._count += 1
        try:
            yield
        finally:
            self._count -= 1
            if watched.get(slug) == end:  # otherwise it is watched anew meanwhile
                del watched[slug]
            if not watched:
                self._watched.pop(host, None)

    def crowded(self, host: str, slug: str, now: float) -> None:
        """The host has too many connections, for that mailbox or altogether: there are two fewer for a day."""
        if len(self._without) > _MOST_REMEMBERED:
            self._without.clear()
        self._without[slug] = now + _WITHOUT
        for other, end in self._watched.get(host, {}).items():
            self._without[other] = now + _WITHOUT
            end()
            return
