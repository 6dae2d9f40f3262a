"""What is known about accounts on companies' own servers."""

from pathlib import Path

from relay.config.keyring import Keyring
from relay.config.secrets import SecretError
from relay.policy.company import Server


def account_key(server: Server, author: str, keyring: Keyring) -> str:
    """Names a server's settings, its password and authorities included, and the author who sends there.

    It changes when any of them does.
    """
    oauth2 = server.oauth2
    secret = server.password if oauth2 is None else oauth2.refresh_token
    try:
        password = "" if secret is None else keyring.secret(secret)
    except SecretError as error:
        password = str(error)
    try:
        ca = Path(server.ca).read_text("latin-1") if server.ca is not None else ""
    except OSError as error:
        ca = str(error)
    parts: tuple[str, ...] = (
        server.host,
        str(server.port),
        server.tls,
        server.username,
        password,
        server.ca or "",
        ca,
        author,
    )
    if oauth2 is not None:
        parts += (oauth2.company, oauth2.client, oauth2.grant.value, oauth2.tenant)
    return f"account:{server.username}@{server.host}:{keyring.fingerprint(*parts)}"
