"""Whether a published DKIM key record (RFC 6376 3.6.1) is the public half of a key of ours."""

from collections.abc import Sequence


def publishes(texts: Sequence[str], ours: str) -> bool:
    """Whether the TXT records of one name let receivers check signatures of the key that `ours` is the record of.

    Receivers may take any of several records, so there has to be exactly one.
    """
    if len(texts) != 1:
        return False
    found, wanted = _tags(texts[0]), _tags(ours)
    hashes = found.get("h", "sha256").split(":")
    services = found.get("s", "*").split(":")
    return (
        found.get("v", "DKIM1") == "DKIM1"
        and found.get("k", "rsa") == wanted["k"]
        and found.get("p", "") == wanted["p"]
        and "sha256" in hashes
        and ("*" in services or "email" in services)
    )


def _tags(record: str) -> dict[str, str]:
    """The tags by name; blanks never matter (they may stand anywhere in a long key)."""
    pairs = (tag.partition("=") for tag in record.split(";"))
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}
