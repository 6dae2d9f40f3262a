"""The addresses that take reports about mail: `reports@` for ourselves, `reports+<alias>@` for a company."""

from relay.mail.address import Address

_LOCAL = "reports"


def reported_alias(local: str) -> str | None:
    """Whose reports an address of ours takes: an alias, "" for ourselves, None when it takes none."""
    name, plus, alias = local.lower().partition("+")
    return alias if name == _LOCAL and bool(alias) == bool(plus) else None


def report_address(alias: str, domain: str) -> Address:
    """Where reports about a company's domain go."""
    return Address(f"{_LOCAL}+{alias}" if alias else _LOCAL, domain)
