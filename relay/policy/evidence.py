"""What a company's domain publishes about us, as far as it is known; `relay.authn.own_domain` looks it up. Pure."""

from dataclasses import dataclass, replace

from relay.policy.dmarc import Dmarc


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that was looked for: it holds, or not, or (None) cannot be known now. `reason` in plain words."""

    holds: bool | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that decides whether receivers believe mail from `domain` (ASCII labels) that leaves our hosts.

    `proof`: this company controls the domain. `spf`: the domain authorizes all our sending addresses. `keys`: keys of
    ours are published there, by `selectors`. `bounce`: bounce.<domain> brings mail to us and authorizes us, and
    belongs to `bounce_organization`. `dmarc`: what the domain asks of receivers, None while that is not known.
    """

    domain: str
    proof: Finding
    spf: Finding
    keys: Finding
    selectors: tuple[str, ...]
    bounce: Finding
    bounce_organization: str
    dmarc: Dmarc | None
    dmarc_reason: str = ""


def bounce_domain(domain: str) -> str:
    """Where the company may let bounces of its own domain go: a name below it that leads to us."""
    return f"bounce.{domain}"


def merge(before: Evidence | None, now: Evidence) -> Evidence:
    """`now`, with what was known `before` in the place of what could not be looked up this time."""
    if before is None or before.domain != now.domain:
        return now
    merged = now
    if now.proof.holds is None:
        merged = replace(merged, proof=before.proof)
    if now.spf.holds is None:
        merged = replace(merged, spf=before.spf)
    if now.keys.holds is None:
        merged = replace(merged, keys=before.keys, selectors=before.selectors)
    if now.bounce.holds is None:
        merged = replace(merged, bounce=before.bounce, bounce_organization=before.bounce_organization)
    if now.dmarc is None:
        merged = replace(merged, dmarc=before.dmarc, dmarc_reason=before.dmarc_reason)
    return merged
