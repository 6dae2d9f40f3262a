"""Evidence about a company's domain for the tests of policy: everything in order, until a test says otherwise."""

from dataclasses import replace
from typing import Any

from relay.policy.dmarc import Dmarc, Policy
from relay.policy.evidence import Evidence, Finding

STUDIO = "studio.example"
YES = {name: Finding(holds=True, reason=f"{name} is there") for name in ("proof", "spf", "keys", "bounce")}
NO = {name: Finding(holds=False, reason=f"{name} is missing") for name in YES}
OPEN = {name: Finding(holds=None, reason=f"{name} cannot be looked up") for name in YES}

BARE = Evidence(
    STUDIO,
    proof=YES["proof"],
    spf=NO["spf"],
    keys=NO["keys"],
    selectors=(),
    bounce=NO["bounce"],
    bounce_organization="",
    dmarc=Dmarc(STUDIO),
)


def evidence(**changes: Any) -> Evidence:
    """BARE with changes: True, False or None for a finding, a policy and `strict` for DMARC, None for unknown DMARC."""
    findings = {name: {True: YES, False: NO, None: OPEN}[changes.pop(name)][name] for name in YES if name in changes}
    if findings.get("keys") is YES["keys"]:
        findings["selectors"] = ("s1",)  # type: ignore[assignment]
    if findings.get("bounce") is YES["bounce"]:
        changes = {"bounce_organization": STUDIO} | changes
    if "policy" in changes:
        policy = changes.pop("policy")
        strict = changes.pop("strict", False)
        dmarc = None if policy is None else Dmarc(STUDIO, Policy(policy), strict_spf=strict, found_at=STUDIO)
        changes |= {"dmarc": dmarc, "dmarc_reason": "DMARC cannot be looked up" if dmarc is None else ""}
    return replace(BARE, **findings, **changes)
