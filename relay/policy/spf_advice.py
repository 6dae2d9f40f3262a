"""What is wrong with a domain's SPF record, and the exact record to publish in its place. Pure.

Whether a record passes is for `relay.authn.spf` to say; how many look-ups its terms cost, for `relay.authn.spf_costs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from relay.policy.spf_reading import Term, read_record, spf_like

MOST_LOOKUPS = 10  # RFC 7208 4.6.4
MOST_VOIDS = 2
STRING = 255  # octets in one string of a TXT record (RFC 1035 3.3)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one term makes a receiver look up: questions, and those among them that find nothing."""

    lookups: int
    voids: int = 0


@dataclass(frozen=True, slots=True)
class SpfAdvice:
    """What to publish, and what is wrong with what is there, in sentences. `is_right`: nothing needs to change."""

    publish: str
    remarks: tuple[str, ...]
    is_right: bool

    @property
    def strings(self) -> tuple[str, ...]:
        """The record as the strings of one TXT record, as they have to be cut."""
        return tuple(self.publish[start : start + STRING] for start in range(0, len(self.publish), STRING))


def advise_spf(texts: Sequence[str], include: str, costs: Mapping[str, Cost] | None = None) -> SpfAdvice:
    """Look over the TXT records of a domain that should contain `include`.

    `costs` are what terms of the records cost, by their text; a term that is not there costs what it says by itself.
    """
    records = spf_like(texts)
    wanted = Term("include", include, f"include:{include}")
    if not records:
        told = "there is no SPF record; name all other servers that send for the domain in it, too"
        return SpfAdvice(f"v=spf1 {wanted.text}", (told,), is_right=False)
    readings = [read_record(record, include) for record in records]
    remarks = [remark for reading in readings for remark in reading.remarks]
    if len(records) > 1:
        remarks.append(f"there are {len(records)} SPF records, which makes all of them void: put them into one")
    terms = [term for reading in readings for term in reading.terms]
    if wanted not in terms:
        remarks.append(f"{wanted.text} is missing")
    publish, more = _merge(wanted, terms)
    remarks += more
    is_right = not remarks
    remarks += _look_for_habits(terms)
    remarks += _count([wanted, *(term for term in terms if term != wanted)], costs or {})
    return SpfAdvice(records[0] if is_right else publish, tuple(remarks), is_right)


def _merge(wanted: Term, terms: Sequence[Term]) -> tuple[str, list[str]]:
    """One record of all terms: ours first, everything once, `all` last."""
    remarks = []
    ends = [term for term in terms if term.name == "all"]
    first = next((place for place, term in enumerate(terms) if term.name == "all"), len(terms))
    late = [term.text for term in terms[first + 1 :] if term.name != "all" and not term.is_modifier]
    if late:
        remarks.append(f"what stands behind '{terms[first].text}' counts for nothing: {', '.join(late)}")
    texts = [term.text for term in terms if term.name != "all" and not term.is_modifier]
    modifiers = [term.text for term in terms if term.is_modifier]
    if ends:
        modifiers = [text for text in modifiers if not text.startswith("redirect")]
        end = min((term.text for term in ends), key=lambda text: "-~?+a".index(text[0]))
        if any(term.text in ("all", "+all") for term in ends):
            remarks.append(f"'{ends[0].text}' lets everybody in the world send for the domain: write ~all")
            end = "~all" if end in ("all", "+all") else end
        modifiers = [end, *modifiers]
    return " ".join(dict.fromkeys(["v=spf1", wanted.text, *texts, *modifiers])), remarks


def _look_for_habits(terms: Sequence[Term]) -> list[str]:
    """What works, and should not be done."""
    return ["'ptr' is slow, and many receivers ignore it (RFC 7208 5.5)"] if any(t.name == "ptr" for t in terms) else []


def _count(terms: Sequence[Term], costs: Mapping[str, Cost]) -> list[str]:
    """Whether receivers would give up, and what to take out."""
    # Equal terms are written once in what is published.
    spent = {term.text: costs.get(term.text, Cost(1)) for term in terms if term.is_costly}
    remarks = []
    lookups = sum(cost.lookups for cost in spent.values())
    others = {text: cost for text, cost in spent.items() if text != terms[0].text}
    if lookups > MOST_LOOKUPS:
        listed = ", ".join(f"{text} ({cost.lookups})" for text, cost in spent.items())
        enough = {text: cost for text, cost in others.items() if cost.lookups >= lookups - MOST_LOOKUPS}
        drop = (
            min(enough, key=lambda text: enough[text].lookups)
            if enough
            else max(others, key=lambda text: others[text].lookups)
        )
        remarks.append(
            f"it takes {lookups} look-ups of {MOST_LOOKUPS}, and receivers give up: {listed}; "
            f"take out {drop}, or put its addresses in its place"
        )
    voids = [text for text, cost in spent.items() if cost.voids]
    if sum(spent[text].voids for text in voids) > MOST_VOIDS:
        remarks.append(
            f"more than {MOST_VOIDS} look-ups find nothing, and receivers give up: take out {', '.join(voids)}"
        )
    elif voids:
        remarks.append(f"what {', '.join(voids)} names does not exist: take it out")
    return remarks
