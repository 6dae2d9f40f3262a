"""A domain's standing as JSON, the form in which the store keeps it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from relay.events import Json
from relay.policy.dmarc import Dmarc, Policy
from relay.policy.evidence import Evidence, Finding
from relay.policy.standing import Standing, State


def standing_as_json(standing: Standing) -> dict[str, Json]:
    """What `read_standing` makes the same standing of."""
    written: dict[str, Json] = asdict(standing)
    return written


def read_standing(written: Mapping[str, Any]) -> Standing:
    """The standing that `standing_as_json` wrote."""
    given: dict[str, Any] = dict(written["evidence"])
    for name in ("proof", "spf", "keys", "bounce"):
        given[name] = Finding(**given[name])
    given["selectors"] = tuple(given["selectors"])
    dmarc = given["dmarc"]
    given["dmarc"] = None if dmarc is None else Dmarc(**(dmarc | {"policy": Policy(dmarc["policy"])}))
    return Standing(State(written["state"]), written["since"], Evidence(**given))
