"""Whether the signatures of a mail hold (DKIM), as far as the DNS says now.

In charge of asking for keys and of the verdict for each signature. What a
signature says of itself is `relay.mail.dkim_signature`, keys are `relay.mail.dkim_key`. RFC 6376 6.1, RFC 8301.
"""

import asyncio
import base64
from collections.abc import Mapping, Sequence

from relay.authn.settled import Question
from relay.dns import Answer, Resolver, Status
from relay.mail.body_forms import BodyForm, BodySeen
from relay.mail.dkim_key import PublicKey, Unusable, read_key
from relay.mail.dkim_signature import Algorithm, Signature, SignatureError, SignedText
from relay.policy.authentication import DkimFinding, Result

MOST_RECORDS = 3  # of one name that are tried: RFC 6376 3.6.2.2 leaves it open which of several counts

Keys = Mapping[str, Answer[bytes]]
Bodies = Mapping[BodyForm, BodySeen]


def ask_key(name: str, resolver: Resolver, *, time_limit: float) -> Question[Answer[bytes]]:
    """The answer for a name at which a key is said to be; one that takes longer (in seconds) is a temporary one."""
    return resolver.known_txt(name) or _find_key(name, resolver, time_limit)


async def _find_key(name: str, resolver: Resolver, time_limit: float) -> Answer[bytes]:
    try:
        async with asyncio.timeout(time_limit):
            return await resolver.lookup_txt(name)
    except TimeoutError:
        return Answer(Status.TEMPORARY, (), 0.0, reason=f"no answer in time for {name}")


def judge_all(
    signatures: Sequence[Signature | SignatureError], text: SignedText, bodies: Bodies, keys: Keys, now: float
) -> tuple[DkimFinding, ...]:
    """The verdict for each, in the same order."""
    return tuple(
        DkimFinding(Result.PERMERROR, each.domain, each.selector, reason=str(each))
        if isinstance(each, SignatureError)
        else judge(each, text, bodies, keys, now)
        for each in signatures
    )


def judge(signature: Signature, text: SignedText, bodies: Bodies, keys: Keys, now: float) -> DkimFinding:
    """The verdict for one; `now` is in seconds since the epoch."""
    result, reason = _judge(signature, text, bodies, keys[signature.key_name], now)
    return DkimFinding(result, signature.domain, signature.selector, signature.algorithm, signature.mark, reason)


def _judge(
    signature: Signature, text: SignedText, bodies: Bodies, answer: Answer[bytes], now: float
) -> tuple[Result, str]:
    key = usable_key(answer, signature.algorithm)
    if not isinstance(key, PublicKey):
        return key
    if not key.allows(signature.identity, signature.domain):
        return Result.PERMERROR, "the key is not for this identity"
    result, reason = _compare(signature, text, bodies, key, now)
    if result is Result.FAIL and key.testing:
        reason += "; its owner is testing"
    return result, reason


def _compare(signature: Signature, text: SignedText, bodies: Bodies, key: PublicKey, now: float) -> tuple[Result, str]:
    if signature.expires is not None and signature.expires < now:
        return Result.FAIL, "the signature has expired"
    body = bodies.get(signature.body_form)
    if body is None:
        return Result.POLICY, "more ways to read the body are asked for than are tried"
    if body.falls_short:
        return Result.FAIL, "the body is shorter than what was signed"
    if body.digest != base64.b64encode(signature.body_hash).decode("ascii"):
        return Result.FAIL, "the body was changed"
    return _compare_header(signature, text, key, covers=body.covers)


def _compare_header(signature: Signature, text: SignedText, key: PublicKey, *, covers: bool) -> tuple[Result, str]:
    if not key.has_signed(text.of(signature), signature.octets):
        return Result.FAIL, "the header was changed, or the signature is not of this key"
    if not text.covers_author(signature):
        return Result.POLICY, "the signature leaves out a From field"
    if not covers:
        return Result.POLICY, "the signature does not cover the whole body"
    return Result.PASS, ""


def usable_key(answer: Answer[bytes], algorithm: Algorithm) -> PublicKey | tuple[Result, str]:
    """The first key that signatures of this kind can be made with, or what it means that there is none."""
    if answer.status is Status.TEMPORARY:
        return Result.TEMPERROR, f"the key cannot be looked up now: {answer.reason}"
    verdict = Result.PERMERROR, "there is no key"
    for record in answer.records[:MOST_RECORDS]:
        key = read_key(record)
        if isinstance(key, Unusable):
            verdict = Result.FAIL if key.weak else Result.PERMERROR, key.reason
        elif key.fits(algorithm):
            return key
        else:
            verdict = Result.PERMERROR, "the key is of another kind than the signature"
    return verdict
