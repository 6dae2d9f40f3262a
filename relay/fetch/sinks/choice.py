"""Which sink a company's documents go to."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from relay.clock import Clock
from relay.config.keyring import Active
from relay.config.secrets import SecretError
from relay.events import EventSink
from relay.fetch.outbox import Outbox
from relay.fetch.sinks.api import ApiSink
from relay.fetch.sinks.folder import FolderSink
from relay.fetch.sinks.mail import MailSink
from relay.fetch.sinks.offer import Sink
from relay.fetch.sinks.webhook import WebhookSink
from relay.http import HttpClient
from relay.policy.company import Company, SecretRef, SinkKind
from relay.store.spool import Spool


@dataclass(frozen=True, slots=True)
class Sinks:
    """What documents are handed on with."""

    active: Callable[[], Active]
    spool: Spool
    client: HttpClient
    clock: Clock
    events: EventSink

    def of(self, company: Company) -> Sink | None:
        """The sink of a company: its own choice, else its address, else the relay's; None when there is none."""
        active, about = self.active(), company.fast_input
        offered = active.snapshot.settings.fast_input
        kind = about.sink or (SinkKind.MAIL if about.mail_address is not None else offered.kind)
        if kind is SinkKind.MAIL:
            return MailSink(company, Outbox(self.active, self.spool, self.clock, self.events))
        if kind is SinkKind.API and offered.api is not None:
            return ApiSink(offered.api, active.keyring, self.client)
        if kind is SinkKind.WEBHOOK and offered.webhook is not None:
            return WebhookSink(offered.webhook, active.keyring, self.client, self.clock)
        return FolderSink(Path(offered.folder)) if kind is SinkKind.FOLDER and offered.folder is not None else None

    def known_by(self, company: Company) -> tuple[str, ...]:
        """Where documents of a company may go, and what we are known by there: another when that was repaired.

        Holds secrets.
        """
        active, about = self.active(), company.fast_input
        offered = active.snapshot.settings.fast_input
        urls = tuple(each.url for each in (offered.api, offered.webhook) if each is not None)
        secrets = [about.address, about.split_address]
        secrets += [] if offered.api is None else [offered.api.key, offered.api.token]
        secrets += [] if offered.webhook is None else [offered.webhook.secret]
        return (*urls, *(_text_of(active, secret) for secret in secrets if secret is not None))


def _text_of(active: Active, secret: SecretRef) -> str:
    try:
        return active.keyring.secret(secret)
    except SecretError as error:
        return str(error)
