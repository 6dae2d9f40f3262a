"""Issuers of OAuth2 tokens that everybody uses: where they are asked, and for what.

In charge of the addresses and scopes of Google and Microsoft. What a registration says for itself goes before.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issuer:
    """Where to ask an issuer; an empty URL means that it does not do that.

    `scope` is for a person's consent to send, `read_scope` to read the mailbox, `service_scope` for a registration that
    acts by itself; `consent` are parameters of the page where people consent. `imap` is the only server for reading
    that its tokens are for.
    """

    token_url: str = ""
    authorize_url: str = ""
    device_url: str = ""
    scope: str = ""
    read_scope: str = ""
    service_scope: str = ""
    consent: tuple[tuple[str, str], ...] = ()
    imap: str = ""


_MICROSOFT = "https://login.microsoftonline.com/{tenant}/oauth2/v2.0"
_ISSUERS = {
    "google": Issuer(
        token_url="https://oauth2.googleapis.com/token",  # noqa: S106 -- an address
        authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
        # Google gives no permission for mail by device code.
        scope="https://mail.google.com/",
        read_scope="https://mail.google.com/",
        service_scope="https://mail.google.com/",
        consent=(("access_type", "offline"), ("prompt", "consent")),
        imap="imap.gmail.com",
    ),
    "microsoft": Issuer(
        token_url=f"{_MICROSOFT}/token",
        authorize_url=f"{_MICROSOFT}/authorize",
        device_url=f"{_MICROSOFT}/devicecode",
        scope="https://outlook.office.com/SMTP.Send offline_access",
        read_scope="https://outlook.office.com/IMAP.AccessAsUser.All offline_access",
        service_scope="https://outlook.office365.com/.default",
        consent=(("prompt", "select_account"),),
        imap="outlook.office365.com",
    ),
}


def issuer_named(name: str | None) -> Issuer:
    """The issuer of that name; one without any address for None or an unknown name."""
    return _ISSUERS.get(name or "", Issuer())


def scope_for(issuer: Issuer, uses: str) -> str:
    """What permission a person is asked for to "send", to "read" or "both"."""
    wanted = {"send": issuer.scope, "read": issuer.read_scope}.get(uses, f"{issuer.scope} {issuer.read_scope}")
    return " ".join(dict.fromkeys(wanted.split()))


def in_tenant(url: str, tenant: str) -> str:
    """The URL for an organisation's directory; Microsoft takes any organisation without one."""
    return url.replace("{tenant}", tenant or "organizations")
