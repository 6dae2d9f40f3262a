"""Whether the chain of ARC sets of a mail holds (RFC 8617 5.2), and whether somebody we trust vouches for the author.

The chain's structure is `relay.mail.arc_chain`; keys and message signatures are judged as those of DKIM are.
"""

from collections.abc import Collection

from relay.authn.dkim import Bodies, Keys, judge, usable_key
from relay.mail.arc_chain import ArcSet, oldest_pass, results_payload, seal_text
from relay.mail.authentication_results import says_dmarc_passes
from relay.mail.dkim_key import PublicKey
from relay.mail.dkim_signature import SignedText
from relay.policy.authentication import ArcFinding, Result


def key_names(sets: tuple[ArcSet, ...]) -> list[str]:
    """Where the keys of the chain are."""
    return [name for each in sets for name in (each.message.key_name, each.seal.key_name)]


def judge_chain(sets: tuple[ArcSet, ...], text: SignedText, bodies: Bodies, keys: Keys) -> ArcFinding:
    """The verdict for a chain whose structure is right; one without sets is none at all."""
    if not sets:
        return ArcFinding()
    # RFC 8617 5.2: only the newest message signature has to hold; older ones tell how far back nothing was changed.
    newest = judge(sets[-1].message, text, bodies, keys, 0.0)
    if newest.result is not Result.PASS:
        result = Result.TEMPERROR if newest.result is Result.TEMPERROR else Result.FAIL
        return ArcFinding(result, reason=f"set {len(sets)}: {newest.reason}")
    for count in range(len(sets), 0, -1):
        seal = sets[count - 1].seal
        key = usable_key(keys[seal.key_name], seal.algorithm)
        if not isinstance(key, PublicKey):
            result, reason = key
            return ArcFinding(result if result is Result.TEMPERROR else Result.FAIL, reason=f"seal {count}: {reason}")
        if not key.has_signed(seal_text(sets[:count]), seal.octets):
            return ArcFinding(Result.FAIL, reason=f"seal {count} does not hold")
    older = [judge(each.message, text, bodies, keys, 0.0).result is Result.PASS for each in sets[:-1]]
    sealers = tuple(each.seal.domain for each in sets)
    return ArcFinding(Result.PASS, sealers, oldest_pass([*older, True]))


def vouching_sealer(sets: tuple[ArcSet, ...], author: str, trusted: Collection[str]) -> str:
    """The trusted sealer that saw DMARC pass for `author`, in a chain that holds; empty when there is none.

    A seal says only what its maker says. So the chain is believed from its newest set back, as far as those who
    sealed it are trusted, and no further.
    """
    for each in reversed(sets):
        if each.seal.domain not in trusted:
            return ""
        if says_dmarc_passes(results_payload(each.results), author):
            return each.seal.domain
    return ""
