"""The kinds of values settings consist of: durations, sizes, endpoints, networks, names, references to secrets.

In charge of turning what an admin writes into a value, and of saying what to write instead when that fails.
Never reads a file and never looks anything up.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from relay.config.sealing import key_id_of
from relay.events import MAIL_EVENTS, EventType
from relay.mail.address import Address as MailAddress
from relay.mail.address import AddressError, parse_address
from relay.policy.company import SecretKind, SecretRef

Json: TypeAlias = dict[str, Any]


def wrong(message: str, hint: str = "") -> PydanticCustomError:
    """An error about one value: what is wrong, and what to write instead. To be raised inside a validator."""
    return PydanticCustomError("relay", "{message}", {"message": message, "hint": hint})


def shown(value: object) -> str:
    """`value` as a message names it: short, and recognisable as what stands in the file."""
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return "a list"
        case int() | float():
            return f"the number {str(value)[:40]}"
        case _:
            text = str(value)
            return f"'{text[:60]}{'…' if len(text) > 60 else ''}'"


def _text(value: object, example: str) -> str:
    if not isinstance(value, str):
        hint = f'Put it in quotes: "{value}".' if isinstance(value, bool | int | float) else f"For example {example}."
        raise wrong(f"{shown(value)} stands where text was expected", hint)
    return value


def _field(parse: Callable[[str], object], example: str, schema: Json) -> tuple[PlainValidator, WithJsonSchema]:
    """Validator and schema of a value that is written as text."""

    def validate(value: object) -> object:
        return parse(_text(value, example))

    return PlainValidator(validate), WithJsonSchema({"type": "string", "examples": [example], **schema})


# Durations and sizes

_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d|w)", re.ASCII)
_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_SIZE = re.compile(r"(\d{1,12})(B|KiB|MiB|GiB|kB|KB|MB|GB)", re.ASCII)
_OCTETS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9}


def parse_duration(text: str) -> float:
    """Seconds that "90s", "5m", "4h" or "5d" stand for."""
    if match := _DURATION.fullmatch(text):
        return float(match[1]) * _SECONDS[match[2]]
    raise wrong(f"{shown(text)} is not a duration", "Write a number and a unit: 500ms, 90s, 5m, 4h, 5d or 2w.")


def parse_size(text: str) -> int:
    """Octets that "35MiB" or "512KiB" stand for."""
    if match := _SIZE.fullmatch(text):
        return int(match[1]) * _OCTETS[match[2]]
    raise wrong(f"{shown(text)} is not a size", "Write a whole number and a unit: 512KiB, 35MiB or 1GiB.")


def _measure(parse: Callable[[str], float], units: str, schema: Json) -> tuple[PlainValidator, WithJsonSchema]:
    """Validator of a duration or size: never zero, and a plain number gets a hint about its missing unit."""

    def validate(value: object) -> float:
        if isinstance(value, int | float) and not isinstance(value, bool):
            choice = " or ".join(f"{value}{unit}" for unit in units.split())
            raise wrong(f"{shown(value)} has no unit", f"Write {choice}.")
        measure = parse(_text(value, f"5{units.split(maxsplit=1)[0]}"))
        if not measure:
            raise wrong(f"{shown(value)} must be more than zero")
        return measure

    return PlainValidator(validate), WithJsonSchema({"type": "string", **schema})


Duration: TypeAlias = Annotated[
    float,
    *_measure(parse_duration, "s m h", {"pattern": r"^\d+(\.\d+)?(ms|s|m|h|d|w)$", "examples": ["90s", "5m"]}),
]
Size: TypeAlias = Annotated[
    int,
    *_measure(parse_size, "KiB MiB", {"pattern": r"^\d+(B|KiB|MiB|GiB|kB|KB|MB|GB)$", "examples": ["35MiB"]}),
]


def duration(text: str, description: str) -> Any:
    """A duration's field whose default is written as in YAML."""
    return Field(default=parse_duration(text), description=description, json_schema_extra={"default": text})


def size(text: str, description: str) -> Any:
    """A size's field whose default is written as in YAML."""
    return Field(default=parse_size(text), description=description, json_schema_extra={"default": text})


# Names on the network

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An IP address (or "localhost") and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_host(text: str) -> str:
    """A host or domain name in lower case. Names in other scripts are written as A-labels (xn--…)."""
    if not text.isascii():
        raise wrong(f"{shown(text)} is not a host name in ASCII", "Write its xn-- form.")
    if len(text) > 253 or not _HOST.fullmatch(text.lower()):
        raise wrong(f"{shown(text)} is not a host name", "For example mx1.relay.example.")
    return text.lower()


def parse_domain(text: str) -> str:
    """As `parse_host`, with at least two labels and no IP address."""
    name = parse_host(text)
    if "." not in name or name.rpartition(".")[2].isdigit():
        raise wrong(f"{shown(text)} is not a full domain name", "For example my.relay.example.")
    return name


def parse_target(text: str) -> str:
    """A host to connect to: a name or an IP address (no brackets)."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return parse_host(text)


def parse_endpoint(text: str) -> Endpoint:
    """An endpoint such as "127.0.0.1:25", "[::1]:25" or "localhost:25"."""
    hint = "Write host:port, for example 127.0.0.1:2525 or [::1]:2525."
    host, colon, port = text.rpartition(":")
    if not colon or not re.fullmatch(r"\d{1,5}", port, re.ASCII) or not 0 < int(port) < 65536:
        raise wrong(f"{shown(text)} has no port between 1 and 65535", hint)
    bracketed = host.startswith("[") and host.endswith("]")
    if host == "localhost":
        return Endpoint(host, int(port))
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
    except ValueError:
        raise wrong(f"{shown(host)} is not an IP address", hint) from None
    if (address.version == 6) is not bracketed:
        raise wrong(f"{shown(text)}: an IPv6 address stands in brackets, an IPv4 address does not", hint)
    return Endpoint(str(address), int(port))


def parse_name_server(text: str) -> Endpoint:
    """As `parse_endpoint`; a bare IP address means port 53."""
    try:
        return Endpoint(str(ipaddress.ip_address(text)), 53)
    except ValueError:
        return parse_endpoint(text)


_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*", re.ASCII)


def parse_selector(text: str) -> str:
    """A DKIM selector: one or more labels (RFC 6376 3.1)."""
    if len(text) > 63 or not _HOST.fullmatch(text):
        raise wrong(f"{shown(text)} is not a selector", "Use small letters, digits and '-', for example s1.")
    return text


def parse_tenant(text: str) -> str:
    """A directory of an issuer of tokens, by its id or a domain of its own; it becomes part of a URL."""
    if len(text) > 255 or not _TENANT.fullmatch(text):
        raise wrong(f"{shown(text)} is not a directory", "Write its id, or a domain such as studio-noord.example.")
    return text


IPNetwork: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
IPAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_network(text: str) -> IPNetwork:
    """A network in CIDR notation, or a single address."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise wrong(f"{shown(text)} is not a network", "For example 10.0.0.0/8 or fd00::/8.") from None
    raise wrong(f"{shown(text)} has bits set behind its prefix", f"Did you mean {network}?")


def parse_ip(text: str) -> IPAddress:
    """One IPv4 or IPv6 address."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise wrong(f"{shown(text)} is not an IP address", "For example 203.0.113.7 or 2001:db8::7.") from None


def parse_public_url(text: str) -> str:
    """Where people and apps reach our pages: https, or http on this machine alone. Without the slash at its end."""
    example = "For example https://mail.relay.example."
    try:
        url = urlsplit(text)
        host, _ = url.hostname or "", url.port
    except ValueError:
        raise wrong(f"{shown(text)} is not the address of a web site", example) from None
    if not (host and text.isascii() and text.isprintable() and " " not in text) or url.scheme not in ("http", "https"):
        raise wrong(f"{shown(text)} is not the address of a web site", example)
    if url.query or url.fragment or url.username is not None:
        raise wrong(f"{shown(text)} has more in it than a host and a path", example)
    if url.scheme == "http" and not _is_this_machine(host):
        raise wrong(f"{shown(text)}: links in mail need TLS", f"Write https://{host}, and let a proxy speak TLS.")
    return text.rstrip("/")


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Selector: TypeAlias = Annotated[str, *_field(parse_selector, "s1", {"maxLength": 63})]
Tenant: TypeAlias = Annotated[str, *_field(parse_tenant, "studio-noord.example", {"maxLength": 255})]
HostName: TypeAlias = Annotated[str, *_field(parse_host, "mx1.relay.example", {"format": "hostname"})]
DomainName: TypeAlias = Annotated[str, *_field(parse_domain, "my.relay.example", {"format": "hostname"})]
TargetHost: TypeAlias = Annotated[str, *_field(parse_target, "smtp.relay.example", {})]
Listening: TypeAlias = Annotated[Endpoint, *_field(parse_endpoint, "127.0.0.1:2525", {})]
NameServer: TypeAlias = Annotated[Endpoint, *_field(parse_name_server, "127.0.0.1:5353", {})]
PublicUrl: TypeAlias = Annotated[str, *_field(parse_public_url, "https://mail.relay.example", {"format": "uri"})]
Network: TypeAlias = Annotated[IPNetwork, *_field(parse_network, "10.0.0.0/8", {})]
SendingAddress: TypeAlias = Annotated[IPAddress, *_field(parse_ip, "203.0.113.7", {})]
Port: TypeAlias = Annotated[int, Field(ge=1, le=65535)]

# Mail

_ALIAS = re.compile(r"[a-z0-9](?:[a-z0-9_-]|\.(?!\.)){0,62}(?<!\.)|[a-z0-9]", re.IGNORECASE | re.ASCII)
_RESERVED = (
    *("postmaster", "abuse", "mailer-daemon", "hostmaster", "notices", "reports"),
    *("noreply", "no-reply", "fast-input"),
)
_RESERVED_STARTS = ("srs0", "srs1", "b+")


def parse_mailbox(text: str) -> MailAddress:
    """A bare address such as info@bakkerij-peeters.example, with a domain name (no address literal)."""
    try:
        address = parse_address(text)
    except AddressError as error:
        raise wrong(f"{shown(text)} is not an e-mail address: {error}", "For example info@company.example.") from None
    if address.domain.startswith("["):
        raise wrong(f"{shown(text)} has an IP address for a domain", "Write the domain's name.")
    return address


def parse_alias(text: str) -> str:
    """A local part on the alias domain that is easy to say, and that the relay does not need for itself."""
    folded = text.lower()
    if folded in _RESERVED or folded.startswith(_RESERVED_STARTS):
        raise wrong(f"{shown(text)} is reserved for the relay itself", "Choose another alias.")
    if not _ALIAS.fullmatch(text):
        raise wrong(
            f"{shown(text)} cannot be an alias",
            "Use up to 63 letters, digits, '-', '_' and single dots, beginning with a letter or digit.",
        )
    return text


def parse_line(text: str) -> str:
    """Text on one line that can stand in a header field and on a page."""
    if not text.strip() or text != text.strip():
        raise wrong("this must not be empty, nor begin or end with a space")
    if not text.isprintable():
        raise wrong("this has a line break or another control character in it", "Write it on one line.")
    if len(text) > 500:
        raise wrong(f"this has {len(text)} characters; 500 are allowed")
    return text


MailboxAddress: TypeAlias = Annotated[MailAddress, *_field(parse_mailbox, "info@company.example", {"format": "email"})]
Alias: TypeAlias = Annotated[str, *_field(parse_alias, "bakkerij-peeters", {"maxLength": 63})]
Line: TypeAlias = Annotated[str, *_field(parse_line, "Bakkerij Peeters BV", {"minLength": 1, "maxLength": 500})]

# Secrets and files

_SECRET_NAMES: dict[SecretKind, tuple[re.Pattern[str], str]] = {
    SecretKind.ENV: (re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), "RELAY_SECRET"),
    SecretKind.FILE: (re.compile(r"[^\0\r\n]+"), "/etc/relay/secret"),
    SecretKind.CREDENTIAL: (re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"), "signing-secret"),
}
_WHERE_KEPT = "Write {env: NAME}, {file: path} or {credential: name}."
_OR_SEALED = "Write {env: NAME}, {file: path}, {credential: name}, or what `relay seal` prints."


def parse_secret(value: object) -> SecretRef:
    """A reference to a secret. A secret written in place is refused without being repeated in the message."""
    if not isinstance(value, dict) or len(value) != 1:
        raise wrong("a secret is not written here: say where it is kept", _WHERE_KEPT)
    ((kind, name),) = value.items()
    if kind not in [known.value for known in _SECRET_NAMES]:
        raise wrong(f"{shown(kind)} is not one of env, file, credential", _WHERE_KEPT)
    pattern, example = _SECRET_NAMES[SecretKind(kind)]
    if not isinstance(name, str) or not pattern.fullmatch(name):
        raise wrong(f"this is not a name for '{kind}'", f"For example {{{kind}: {example}}}.")
    return SecretRef(SecretKind(kind), name)


def parse_sealable(value: object) -> SecretRef:
    """As `parse_secret`, for secrets that may also be sealed in place. Whether one opens is not asked here."""
    if not isinstance(value, dict) or list(value) != [SecretKind.SEALED.value]:
        if not isinstance(value, dict) or len(value) != 1:
            raise wrong("a secret is not written here: say where it is kept", _OR_SEALED)
        return parse_secret(value)
    sealed = value[SecretKind.SEALED.value]
    if not isinstance(sealed, str) or key_id_of(sealed) is None:
        raise wrong("this is not what `relay seal` prints", "Seal the secret again, and paste the whole line.")
    return SecretRef(SecretKind.SEALED, sealed)


def _secret_schema(*, sealable: bool) -> Json:
    sealed = {"type": "string", "description": "What `relay seal` prints for this company and key."}
    return {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
        "properties": {
            "env": {"type": "string", "description": "Name of an environment variable."},
            "file": {"type": "string", "description": "Path of a file; the last line break is left off."},
            "credential": {"type": "string", "description": "Name of a systemd credential (LoadCredential=)."},
            **({"sealed": sealed} if sealable else {}),
        },
    }


def parse_store(text: str) -> str:
    """Where state is kept: "sqlite:" and a path."""
    scheme, _, path = text.partition(":")
    if scheme != "sqlite" or not path or "\0" in path:
        raise wrong(f"{shown(text)} is not a store", "Write sqlite: and a path, for example sqlite:var/relay.db.")
    return text


def parse_file(text: str) -> str:
    """Path of a file, relative to the working directory unless it is absolute."""
    if not text.strip() or "\0" in text:
        raise wrong("this is not the path of a file")
    return text


def parse_password_hash(text: str) -> str:
    """An argon2 hash in PHC format. The message never repeats what stands in the file: it may be a password."""
    if not re.fullmatch(r"\$argon2(id|i|d)\$v=\d+\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+", text):
        raise wrong("this is not an argon2 hash", "`relay app password` prints one.")
    return text


def parse_app_name(text: str) -> str:
    """The name an app logs in with."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}", text):
        raise wrong(f"{shown(text)} is not a name for an app", "Use up to 64 letters, digits, '.', '_', '@' and '-'.")
    return text


def parse_companies(value: object) -> Literal["all"] | frozenset[str]:
    """Either "all" or a list of slugs."""
    hint = "Write all, or a list of companies' file names without .yaml: [one-company, other-company]."
    if value == "all":
        return "all"
    if not isinstance(value, list):
        raise wrong(f"{shown(value)} is not a list of companies", hint)
    for slug in value:
        if not isinstance(slug, str):
            raise wrong(f"{shown(slug)} is not the name of a company", hint)
    if not value:
        raise wrong("the list of companies is empty", hint)
    return frozenset(value)


def parse_web_address(text: str) -> str:
    """A URL to send to: http or https, with a host, without a login or a fragment. The message never repeats it."""
    try:
        url = urlsplit(text)
        good = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good or not text.isprintable() or " " in text:
        raise wrong("this is not a URL", "For example https://app.example/relay-events.")
    if "@" in url.netloc or url.fragment:
        raise wrong("a URL here has no login and no fragment (#)", "The secret says who we are.")
    return text


def parse_mail_event(text: str) -> EventType:
    """An event that apps are told about."""
    for kind in MAIL_EVENTS:
        if text == kind.value:
            return kind
    words = [kind.value for kind in MAIL_EVENTS]
    raise wrong(f"{shown(text)} is not one of {', '.join(words)}")


AppName: TypeAlias = Annotated[str, *_field(parse_app_name, "billit-web", {"maxLength": 64})]
Secret: TypeAlias = Annotated[SecretRef, PlainValidator(parse_secret), WithJsonSchema(_secret_schema(sealable=False))]
SealableSecret: TypeAlias = Annotated[
    SecretRef, PlainValidator(parse_sealable), WithJsonSchema(_secret_schema(sealable=True))
]
WebAddress: TypeAlias = Annotated[
    str, *_field(parse_web_address, "https://app.example/relay-events", {"format": "uri", "pattern": "^https?://"})
]
MailEvent: TypeAlias = Annotated[
    EventType, *_field(parse_mail_event, "delivered", {"enum": [kind.value for kind in MAIL_EVENTS]})
]
StoreUrl: TypeAlias = Annotated[str, *_field(parse_store, "sqlite:var/relay.db", {"pattern": "^sqlite:.+"})]
FilePath: TypeAlias = Annotated[str, *_field(parse_file, "/etc/relay/tls/fullchain.pem", {"minLength": 1})]
PasswordHash: TypeAlias = Annotated[str, *_field(parse_password_hash, "$argon2id$…", {"pattern": r"^\$argon2"})]
Companies: TypeAlias = Annotated[
    Literal["all"] | frozenset[str],
    PlainValidator(parse_companies),
    WithJsonSchema(
        {
            "anyOf": [
                {"const": "all"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True},
            ]
        }
    ),
]
