"""What must hold between keys of relay.yaml, between it and the files it names, and between it and the companies.

In charge of cross-references only: each value for itself has been validated before. Reads the files that relay.yaml
names (certificate, keys, secrets); looks nothing up on the network. Company passwords are not read here: a wrong one
holds that company's mail and stops nobody else's.
"""

import ipaddress
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from itertools import combinations

from relay.config.compiler import CompiledSettings
from relay.config.errors import ConfigError, KeyPath, did_you_mean
from relay.config.record import sink_in, unpack
from relay.config.sealing import SealingKeys
from relay.config.secrets import SecretError, reason, resolve_bytes, sealing_keys, secret_path
from relay.config.settings import App, FastInputWebhook, Listener, MxListener, Settings, Tls, Webhook, WebListener
from relay.config.values.network import Endpoint, IPNetwork
from relay.mail.dkim import load_private_key
from relay.policy.company import Company, IdentityKind, SecretKind, SecretRef, SinkKind

Fault = tuple[KeyPath, str, str]

_LEAST_SIGNING_SECRET = 16
_LEAST_SEALING_SECRET = 32
_SEALED_MARK = f'"{SecretKind.SEALED}"'.encode()
_ALIKE = 500  # names among which the nearest is looked for
_PRIVATE = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
)


def check_settings(compiled: CompiledSettings) -> list[ConfigError]:
    """Errors between keys of relay.yaml, and in the files it names."""
    settings, document = compiled.settings, compiled.document
    checks: tuple[Callable[[Settings], Iterator[Fault]], ...] = (
        _check_listeners, _check_tls, _check_apps, _check_dkim, _check_secrets, _check_oauth2, _check_fast_input,
        _check_the_rest,
    )  # fmt: skip
    return [document.error(path, message, hint) for check in checks for path, message, hint in check(settings)]


def check_references(compiled: CompiledSettings, slugs: Mapping[str, object]) -> list[ConfigError]:
    """Errors about companies that relay.yaml names and that have no file."""
    errors = []
    for name, app in compiled.settings.apps.items():
        if app.companies == "all":
            continue
        written = compiled.document.data["apps"][name]["companies"]  # type: ignore[index, call-overload]
        for index, slug in enumerate(written):  # type: ignore[arg-type]
            if slug not in slugs:
                alike = [known for known in slugs if known[:2] == slug[:2]]
                hint = did_you_mean(slug, alike) if len(alike) <= _ALIKE else ""
                path = ("apps", name, "companies", index)
                errors.append(compiled.document.error(path, f"there is no company '{slug}'", hint))
    return errors


def misplaced(domain: str, records: Mapping[str, bytes]) -> Iterator[tuple[str, KeyPath, str, str]]:
    """Companies whose own addresses are on the alias domain: slug, key, message, hint."""
    mark = f'"{domain}"'.encode()  # a record holds domains as JSON text: a cheap look finds the few to unpack
    for slug, record in records.items():
        if mark in record:
            for path, message, hint in _check_company(unpack(slug, record), domain):
                yield slug, path, message, hint


def sinkless(settings: Settings, records: Mapping[str, bytes]) -> Iterator[tuple[str, KeyPath, str, str]]:
    """Companies that choose a sink which relay.yaml does not have: slug, key, message, hint."""
    for slug, record in records.items():
        if sink_in(record):
            kind = unpack(slug, record).fast_input.sink
            if kind not in (None, SinkKind.MAIL, *settings.fast_input.offered):
                hint = f"Write fast_input.{kind} there, or choose another sink here."
                yield slug, ("incoming", "fast_input", "sink"), f"relay.yaml has no fast_input.{kind}", hint


def sealed_in(record: bytes) -> bool:
    """Whether something in a company's record may be sealed; cheap, and right when it says no."""
    return _SEALED_MARK in record


def unopened(slug: str, record: bytes, keys: SealingKeys) -> Iterator[Fault]:
    """What of a company's sealed secrets does not open."""
    for reference in _sealed(unpack(slug, record)):
        try:
            resolve_bytes(reference, sealing=keys)
        except SecretError as error:
            hint = f"`relay seal --company {slug} --field {_field(reference)}` seals the secret again."
            yield tuple(_field(reference).split(".")), str(error).removeprefix(f"{reference}: "), hint


def named_files(settings: Settings) -> list[str]:
    """Paths of the files that relay.yaml names, whose change is a change of the configuration."""
    paths = [settings.delivery.ca] if settings.delivery.ca else []
    if settings.tls:
        paths += [settings.tls.certificate, settings.tls.key]
    hooks = [app.webhook.secret for app in settings.apps.values() if app.webhook]
    for reference in (
        *(key.key for key in settings.dkim),
        *settings.secrets.signing,
        *settings.secrets.sealing,
        *hooks,
    ):
        try:
            path = secret_path(reference)
        except SecretError:
            continue
        paths += [str(path)] if path else []
    return paths


def _field(reference: SecretRef) -> str:
    return reference.place.partition("/")[2]


def _sealed(value: object) -> Iterator[SecretRef]:
    """The sealed secrets in a company, however deep they are."""
    if isinstance(value, SecretRef):
        if value.kind is SecretKind.SEALED:
            yield value
    elif is_dataclass(value):
        for each in fields(value):
            yield from _sealed(getattr(value, each.name))


def _check_company(company: Company, domain: str) -> Iterator[Fault]:
    if company.address.domain == domain:
        hint = "Write the company's own address."
        yield ("address",), f"answers would come back to us: {domain} is our alias domain", hint
    elif company.wishes != (IdentityKind.ALIAS,) and company.own_author.domain == domain:
        hint = "Write an address of the company's own, or identity: alias."
        yield ("outgoing", "from"), f"{domain} is our alias domain, not the company's own", hint


def _listeners(settings: Settings) -> Iterator[tuple[str, Listener | MxListener | WebListener]]:
    for name in ("submission", "submissions", "mx", "web"):
        listener = getattr(settings.listeners, name)
        if listener is not None:
            yield name, listener


def _check_listeners(settings: Settings) -> Iterator[Fault]:
    for (first, one), (second, other) in combinations(_listeners(settings), 2):
        if _clash(one.address, other.address):
            yield ("listeners", second, "address"), f"{first} already listens on {one.address}", "Choose another port."


def _clash(one: Endpoint, other: Endpoint) -> bool:
    if one.port != other.port:
        return False
    same_family = (":" in one.host) == (":" in other.host)
    return one.host == other.host or (same_family and bool({one.host, other.host} & {"0.0.0.0", "::"}))  # noqa: S104


def _check_tls(settings: Settings) -> Iterator[Fault]:
    if settings.tls:
        yield from _check_certificate(settings.tls)
        return
    for name, listener in _listeners(settings):
        if not isinstance(listener, WebListener) and listener.tls != "none":
            message = f"{listener.tls} needs a certificate"
            yield ("listeners", name, "tls"), message, "Write tls: {certificate: path, key: path}, or none here."


def _check_certificate(tls: Tls) -> Iterator[Fault]:
    unreadable = [fault for fault in (_unreadable(("tls", key), path) for key, path in tls) if fault]
    if unreadable:
        yield from unreadable
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=lambda: "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield ("tls", "key"), f"{tls.key} is not the key of {tls.certificate}", ""
        else:
            detail = f" ({error.reason})" if error.reason else ""
            yield ("tls", "certificate"), f"certificate and key cannot be used{detail}", "Both must be PEM files."


def _unreadable(path: KeyPath, name: str) -> Fault | None:
    try:
        with open(name, "rb") as file:  # noqa: PTH123 - the path stays as it is written
            file.read(1)
    except OSError as error:
        return path, f"{name}: {reason(error)}", ""
    return None


def _check_apps(settings: Settings) -> Iterator[Fault]:
    for name, app in settings.apps.items():
        if app.password is None and not app.networks:
            hint = "Write password: {hash: …} or networks: [10.0.0.0/8]."
            yield ("apps", name), "nothing tells this app from others: it has neither password nor networks", hint
        yield from _check_networks(name, app)
        if app.webhook:
            yield from _check_webhook(("apps", name, "webhook"), app.webhook, settings)


def _check_networks(name: str, app: App) -> Iterator[Fault]:
    for index, network in enumerate(app.networks):
        if not app.allow_public and not _is_private(network):
            message = f"{network} is not a private network: everybody in it could send as this app"
            yield ("apps", name, "networks", index), message, "If that is meant, write allow_public: true."


def _check_webhook(path: KeyPath, webhook: Webhook, settings: Settings) -> Iterator[Fault]:
    if not webhook.events:
        yield (*path, "events"), "the list is empty", "Leave the key out for all events."
    yield from _check_hook(path, webhook, settings, "events")


def _check_hook(path: KeyPath, webhook: Webhook | FastInputWebhook, settings: Settings, what: str) -> Iterator[Fault]:
    if webhook.url.startswith("http://") and not webhook.allow_private:
        message = f"without TLS everybody on the way reads the {what}"
        yield (*path, "url"), message, "Write https://, or allow_private: true for a host in your own network."
    try:
        secret = resolve_bytes(webhook.secret, sealing=sealing_keys(settings.secrets.sealing))
    except SecretError as error:
        yield (*path, "secret"), str(error), ""
        return
    if len(secret) < _LEAST_SIGNING_SECRET:
        message = f"{webhook.secret}: the secret is shorter than {_LEAST_SIGNING_SECRET} characters"
        yield (*path, "secret"), message, "`openssl rand -base64 32` makes a good one."


def _is_private(network: IPNetwork) -> bool:
    # ipaddress's own is_private takes 0.0.0.0/0 for private, as both its ends are reserved addresses.
    return any(network.version == known.version and network.subnet_of(known) for known in _PRIVATE)  # type: ignore[arg-type]


def _check_dkim(settings: Settings) -> Iterator[Fault]:
    taken: set[tuple[str, str]] = set()
    delegated: set[str] = set()
    for index, key in enumerate(settings.dkim):
        if key.delegated and key.selector in delegated:
            message = f"{key.selector} is delegated twice: a company's domain has one record of that name"
            yield ("dkim", index, "selector"), message, "Give each delegated key a selector of its own."
        if key.delegated:
            delegated.add(key.selector)
        if (key.domain, key.selector) in taken:
            yield ("dkim", index, "selector"), f"{key.selector} of {key.domain} stands here twice", ""
        taken.add((key.domain, key.selector))
        secret = _secret(("dkim", index, "key"), key.key)
        if isinstance(secret, bytes):
            try:
                load_private_key(secret)
            except ValueError as error:
                message = f"{key.key} is not a key to sign with: {error}"
                yield ("dkim", index, "key"), message, "`relay dkim new` makes one."
        else:
            yield secret


def _check_secrets(settings: Settings) -> Iterator[Fault]:
    secrets = settings.secrets
    for name, references, least in (
        ("signing", secrets.signing, _LEAST_SIGNING_SECRET),
        ("sealing", secrets.sealing, _LEAST_SEALING_SECRET),
    ):
        for index, reference in enumerate(references):
            path = ("secrets", name, index)
            secret = _secret(path, reference)
            if not isinstance(secret, bytes):
                yield secret
            elif len(secret) < least:
                hint = "`openssl rand -base64 32` makes a good one."
                yield path, f"{reference}: the secret is shorter than {least} characters", hint


def _check_oauth2(settings: Settings) -> Iterator[Fault]:
    if settings.oauth2 and not settings.secrets.sealing:
        hint = "Write secrets.sealing: tokens are kept sealed."
        yield ("oauth2",), "tokens cannot be kept without a secret to seal them with", hint
    for name, client in settings.oauth2.items():
        path = ("oauth2", name)
        if client.issuer is None and client.token_url is None:
            yield path, "it is not said where tokens are issued", "Write issuer or token_url."
        if client.client_secret is not None and client.key is not None:
            yield path, "a registration has either a client_secret or a key", "Leave one of them out."


def _secret(path: KeyPath, reference: SecretRef) -> bytes | Fault:
    try:
        return resolve_bytes(reference)
    except SecretError as error:
        return path, str(error), ""


def _check_fast_input(settings: Settings) -> Iterator[Fault]:
    about, api = settings.fast_input, settings.fast_input.api
    if about.sink is not None and about.sink not in about.offered:
        yield ("fast_input", "sink"), f"there is no {about.sink} here", f"Write fast_input.{about.sink} as well."
    if about.sink is None and len(about.offered) > 1:
        message = f"of {' and '.join(about.offered)}, one is for companies that choose none"
        yield ("fast_input",), message, f"Write sink: {about.offered[0]}, or leave the others out."
    if about.webhook is not None:
        yield from _check_hook(("fast_input", "webhook"), about.webhook, settings, "documents")
    if api is not None and (api.key is None) == (api.token is None):
        yield ("fast_input", "api"), "one of key and token says who we are", "Write key: {env: BILLIT_API_KEY}."


def _check_the_rest(settings: Settings) -> Iterator[Fault]:
    if settings.postmaster.domain == settings.domain:
        hint = "Write an address outside our alias domain."
        yield ("postmaster",), f"mail for the postmaster would come back to us: {settings.domain} is ours", hint
    web = settings.listeners.web
    if settings.verification.required and (web is None or web.public_url is None):
        message = "companies confirm their addresses on a page of ours, and nothing says where people reach it"
        hint = "Write listeners: {web: {address: …, public_url: https://…}}, or verification: {required: false}."
        yield ("listeners", "web"), message, hint
    if settings.limits.receiving_bytes < settings.limits.message_size:
        yield ("limits", "receiving_bytes"), "this is less than limits.message_size: no large mail would ever fit", ""
    if settings.delivery.ca:
        yield from _check_authorities(settings.delivery.ca)


def _check_authorities(name: str) -> Iterator[Fault]:
    path = ("delivery", "ca")
    if fault := _unreadable(path, name):
        yield fault
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(name)
    except ssl.SSLError:
        yield path, f"{name} holds no certificates in PEM form", ""


def clashes(aliases: Mapping[str, str]) -> Iterable[tuple[str, str, str]]:
    """Companies whose alias another one has too: slug, the other's slug, alias."""
    owners: dict[str, str] = {}
    for slug in sorted(aliases):
        alias = aliases[slug]
        if alias in owners:
            yield slug, owners[alias], alias
        else:
            owners[alias] = slug
