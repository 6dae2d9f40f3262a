"""Rules of confirming a company's address: how often it is asked, and by what an answer is known. Pure.

The company's address gets a mail with a link and a code. Both are seals over the company, the address and a nonce that
the store keeps: another address, another company or a new nonce makes them worthless, and nothing that is stored lets
anybody confirm.
"""

from collections.abc import Sequence

from relay.mail.seal import is_sealed, seal
from relay.policy.company import Company
from relay.policy.decision import Hold

DAY = 86400.0
# Asked for by a person or an app.
_PAUSE = 60.0
_MOST_A_DAY = 5
# Guesses at one code, of 2**40.
MOST_GUESSES = 10
_LINK_LETTERS = 32
_CODE_LETTERS = 8
_MOST_DIGITS = 12
_GROUP = _CODE_LETTERS // 2
_MISREAD = str.maketrans({"0": "O", "1": "I", "8": "B", " ": None, "-": None})


def wait_before_asking(asked: Sequence[float], *, now: float, by_itself: bool) -> float:
    """How many seconds to wait before the address may be sent another mail; 0 when it may be sent one now.

    `asked` are the times at which mails were sent, oldest first. By itself the relay writes once a day; people and
    apps may ask for more, within bounds: the address may belong to somebody who never heard of us.
    """
    if not asked:
        return 0.0
    if by_itself:
        return max(asked[-1] + DAY - now, 0.0)
    recent = [at for at in asked if at > now - DAY]
    after_pause = asked[-1] + _PAUSE - now
    after_most = recent[-_MOST_A_DAY] + DAY - now if len(recent) >= _MOST_A_DAY else 0.0
    return max(after_pause, after_most, 0.0)


def link_token(secret: bytes, slug: str, address: str, nonce: str, *, expires: int) -> str:
    """What a link carries: when it ends (seconds since the epoch), and the seal."""
    return f"{expires}.{_link(secret, slug, address, nonce, expires)}"


def read_link(token: str, secrets: Sequence[bytes], slug: str, address: str, nonce: str) -> int | None:
    """When the link ends that carries `token`; None when it is not one of ours for this address."""
    digits, dot, sealed = token.partition(".")
    if not (dot and digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS):
        return None
    if len(sealed) != _LINK_LETTERS or not is_sealed(sealed, secrets, "confirm-link", slug, address, nonce, digits):
        return None
    return int(digits)


def code(secret: bytes, slug: str, address: str, nonce: str) -> str:
    """The code that can be typed instead of following the link: two groups of four letters and digits."""
    letters = seal(secret, "confirm-code", slug, address, nonce, letters=_CODE_LETTERS)
    return f"{letters[:_GROUP]}-{letters[_GROUP:]}"


def is_code(given: str, secrets: Sequence[bytes], slug: str, address: str, nonce: str) -> bool:
    """Whether `given` is the code, however it is grouped, in either case, with the usual misreadings."""
    letters = given.upper().translate(_MISREAD)
    return len(letters) == _CODE_LETTERS and is_sealed(letters, secrets, "confirm-code", slug, address, nonce)


def hold_key(company: Company) -> str:
    """What mail of a company waits for until its address is confirmed."""
    return f"address:{company.slug}:{company.address}"


def hold_unconfirmed(company: Company) -> Hold:
    """What becomes of mail of a company whose address is not confirmed."""
    reason = f"the company has not confirmed its address {company.address} yet; a mail there asks for it"
    return Hold(hold_key(company), reason, status="4.7.1")


def _link(secret: bytes, slug: str, address: str, nonce: str, expires: int) -> str:
    return seal(secret, "confirm-link", slug, address, nonce, str(expires), letters=_LINK_LETTERS)
