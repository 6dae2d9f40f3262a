"""Checks passwords without stopping the worker: argon2 runs in a thread, a few at a time."""

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_AT_ONCE = 2
_REMEMBERED = 1024


class Logins:
    """Checks logins for one worker. Good ones are remembered as keyed digests that die with the process."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._decoy = self._hasher.hash(secrets.token_hex(16))
        self._key = secrets.token_bytes(32)
        self._good: OrderedDict[bytes, None] = OrderedDict()
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def check(self, username: str, password: str, known: str | None) -> bool:
        """Whether `password` fits the argon2 hash `known`; None (no such user) takes as long and says no."""
        digest = self._digest(username, password, known or self._decoy)
        if digest in self._good:
            self._good.move_to_end(digest)
            return True
        async with self._turns:
            fits = await asyncio.to_thread(self._verify, known or self._decoy, password)
        if known is None or not fits:
            return False
        self._good[digest] = None
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        return True

    def _digest(self, username: str, password: str, known: str) -> bytes:
        message = f"{username}\0{password}\0{known}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, message, hashlib.sha256)

    def _verify(self, known: str, password: str) -> bool:
        try:
            return self._hasher.verify(known, password.encode("utf-8", "surrogateescape"))
        except (VerificationError, InvalidHashError):
            return False
