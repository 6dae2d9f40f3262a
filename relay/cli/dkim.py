"""`relay dkim new`: a key to sign mail with, and the DNS record that belongs to it (RFC 6376 3.6)."""

import json
import os
import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from relay.cli.options import JsonOption
from relay.cli.output import print_json, say
from relay.cli.trouble import ExitCode, Failure

if TYPE_CHECKING:
    from relay.mail.dkim import PrivateKey

_STRING = 255  # octets in one string of a TXT record (RFC 1035 3.3)

dkim = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Keys to sign mail with.")


class KeyType(StrEnum):
    """Kinds of keys that DKIM knows."""

    RSA = "rsa"
    ED25519 = "ed25519"


@dkim.callback()
def _dkim() -> None:
    pass


@dkim.command("new")
def new(
    domain: Annotated[str, typer.Argument(help="The signing domain (d=).")],
    selector: Annotated[str, typer.Argument(help="The selector (s=): a name for this key, such as a date.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="The file for the private key; it must not exist.")],
    kind: Annotated[KeyType, typer.Option("--type", help="Not all hosts know ed25519 yet: use it beside rsa.")] = (
        KeyType.RSA
    ),
    bits: Annotated[int, typer.Option("--bits", min=2048, max=4096, help="The length of an RSA key.")] = 2048,
    as_json: JsonOption = False,
) -> None:
    """Make a key, and say what to publish.

    Prints the DNS record and the lines for relay.yaml; the private key is in the file only.
    """
    from relay.config.values.mail import parse_selector
    from relay.config.values.network import parse_domain
    from relay.mail.dkim import dns_record

    try:
        domain, selector = parse_domain(domain), parse_selector(selector)
    except ValueError as error:
        raise Failure(ExitCode.USAGE, f"relay: {error}") from None
    key = _generate(kind, bits)
    _write(out, key)
    name, value = f"{selector}._domainkey.{domain}", dns_record(key)
    strings = [value[start : start + _STRING] for start in range(0, len(value), _STRING)]
    if as_json:
        print_json({"key_file": str(out), "name": name, "type": "TXT", "value": value, "strings": strings})
        return
    say("# publish in the DNS")
    say(f"{name}. TXT (")
    for string in strings:
        say(f'  "{string}"')
    say(")")
    say("")
    say("# in relay.yaml, once the record can be seen")
    say("dkim:")
    say(f"  - {{domain: {domain}, selector: {selector}, key: {{file: {_quoted(str(out))}}}}}")


def _quoted(text: str) -> str:
    """`text` as YAML takes it in any place; JSON's quotes are YAML's too."""
    return text if re.fullmatch(r"[\w./][\w./-]*", text, re.ASCII) else json.dumps(text, ensure_ascii=False)


def _generate(kind: KeyType, bits: int) -> "PrivateKey":
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

    if kind is KeyType.ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, bits)


def _write(out: Path, key: "PrivateKey") -> None:
    from cryptography.hazmat.primitives import serialization

    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    try:
        # Readable by its owner from the first moment, and never in place of a key that is in use.
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Failure(ExitCode.EXISTS, f"relay: {out} exists, and may be a key in use: choose another file") from None
    except OSError as error:
        raise Failure(ExitCode.EXISTS, f"relay: {out}: {os.strerror(error.errno or 0)}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
