"""How tokens are asked for (RFC 6749, 7521, 7523, 7636, 8628), and what issuers answer. Sends nothing."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from relay.config.secrets import resolve, resolve_bytes
from relay.config.settings import OAuthClient
from relay.facts.assertions import Statement, sign
from relay.http import HttpRequest, HttpResponse
from relay.policy.company import Grant, OAuth2
from relay.policy.issuers import in_tenant, issuer_named, scope_for
from relay.policy.refusals import Refusal, known_error

_FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MOST_TOKEN = 16 * 1024
_SHORT = 3600.0  # seconds; how long a token is taken to last when the issuer says nothing


@dataclass(frozen=True, slots=True, repr=False)
class Issued:
    """What an issuer gave. `lasts` in seconds; `refresh` is empty when the one at hand stays in use."""

    access: str
    lasts: float
    refresh: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What an issuer answered instead. `refusal` is known trouble of the account; None: try again later."""

    error: str
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Registration:
    """One of our registrations, as it is used for one account."""

    client: OAuthClient
    oauth2: OAuth2
    username: str

    @property
    def token_url(self) -> str:
        """Where tokens are issued."""
        url = self.client.token_url or issuer_named(self.client.issuer).token_url
        return in_tenant(url, self.oauth2.tenant)

    @property
    def scope(self) -> str:
        """What permission is asked for."""
        issuer = issuer_named(self.client.issuer)
        by_itself = self.oauth2.grant is not Grant.REFRESH_TOKEN
        return self.client.scope or (issuer.service_scope if by_itself else scope_for(issuer, self.oauth2.uses))

    def ask(self, refresh_token: str, *, now: float) -> HttpRequest:
        """The request for a token by the account's grant. Raises SecretError or ValueError for a missing secret."""
        match self.oauth2.grant:
            case Grant.REFRESH_TOKEN:
                form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
            case Grant.CLIENT_CREDENTIALS:
                form = {"grant_type": "client_credentials", "scope": self.scope}
            case Grant.JWT_BEARER:
                return self._post({"grant_type": _JWT_BEARER, "assertion": self._sign(self.username, now)})
        return self._post(form | self._credentials(now))

    def ask_with_code(self, code: str, verifier: str, redirect: str, *, now: float) -> HttpRequest:
        """The request that turns the code of a consent into tokens (RFC 7636 4.5). Raises as `ask`."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        return self._post(form | self._credentials(now))

    def ask_with_device(self, device_code: str, *, now: float) -> HttpRequest:
        """The request that asks whether somebody has consented by code (RFC 8628 3.4). Raises as `ask`."""
        return self._post({"grant_type": _DEVICE, "device_code": device_code} | self._credentials(now))

    def begin_device(self) -> HttpRequest | None:
        """The request for a code that a person types in (RFC 8628 3.1); None when the issuer does not do that."""
        url = self.client.device_url or issuer_named(self.client.issuer).device_url
        if not url:
            return None
        body = urlencode({"client_id": self.client.client_id, "scope": self.scope}).encode()
        return HttpRequest("POST", in_tenant(url, self.oauth2.tenant), _FORM, body)

    def consent_url(self, state: str, verifier: str, redirect: str) -> str:
        """The page where the company consents (RFC 7636 4.3); empty when the issuer has none."""
        issuer = issuer_named(self.client.issuer)
        url = self.client.authorize_url or issuer.authorize_url
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": redirect,
            "scope": self.scope,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            "login_hint": self.username,
            **dict(issuer.consent),
        }
        return f"{in_tenant(url, self.oauth2.tenant)}?{urlencode(query)}" if url else ""

    def _credentials(self, now: float) -> dict[str, str]:
        client = self.client
        named = {"client_id": client.client_id}
        if client.key is not None:
            return named | {"client_assertion_type": _ASSERTION, "client_assertion": self._sign(client.client_id, now)}
        if client.client_secret is not None:
            return named | {"client_secret": resolve(client.client_secret)}
        return named

    def _sign(self, subject: str, now: float) -> str:
        if self.client.key is None:
            raise ValueError("the registration has no key to sign with")
        scope = self.scope if self.oauth2.grant is Grant.JWT_BEARER else ""
        statement = Statement(self.client.client_id, subject, self.token_url, scope)
        return sign(statement, resolve_bytes(self.client.key), self.client.key_id, now=now)

    def _post(self, form: Mapping[str, str]) -> HttpRequest:
        return HttpRequest("POST", self.token_url, _FORM, urlencode(form).encode())


def read_answer(response: HttpResponse) -> Issued | Refused:
    """What an issuer's answer says; anything may come, and nothing raises."""
    said = read_json(response.body)
    if response.is_success:
        access, refresh = said.get("access_token"), said.get("refresh_token", "")
        if _is_token(access) and (refresh == "" or _is_token(refresh)):
            return Issued(str(access), _seconds(said.get("expires_in")), str(refresh))
        return Refused("the issuer's answer holds no token", None)
    error, description = (str(said.get(name, ""))[:500] for name in ("error", "error_description"))
    if not error or response.status == 429 or response.status >= 500:
        return Refused(f"the issuer answers {response.status} {error}".rstrip(), None)
    return Refused(error if error.isprintable() else "error", known_error(error, description))


def read_json(body: bytes) -> dict[str, Any]:
    """The object in a JSON text; an empty one when there is none."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def _is_token(value: object) -> bool:
    # RFC 6749 A.12: visible ASCII. A token with a control in it could become a second command.
    return isinstance(value, str) and 0 < len(value) <= _MOST_TOKEN and value.isascii() and value.isprintable()


def _seconds(value: object) -> float:
    try:
        seconds = float(value)  # type: ignore[arg-type]  # whatever it is, below
    except (TypeError, ValueError):
        return _SHORT
    return min(max(seconds, 0.0), 86400.0) if seconds == seconds else _SHORT  # noqa: PLR0124 -- not a number
