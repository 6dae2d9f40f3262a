"""What the relay tells the outside about itself: one log line and one count for every event.

In charge of the metrics; the only importer of prometheus_client. Metrics are shared by the
workers of one machine through files in PROMETHEUS_MULTIPROC_DIR, which the supervisor sets.
"""

import logging

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from relay.events import Event, EventType

_LEVELS = {EventType.FAULT: logging.ERROR, EventType.RELOAD_FAILED: logging.ERROR}
_WARNINGS = {
    EventType.HELD,
    EventType.SUSPICIOUS,
    EventType.PARKED,
    EventType.MAILBOX_FAILED,
    EventType.EXPIRED,
    EventType.LOGIN_FAILED,
    EventType.LOGIN_LOCKED,
    EventType.TAKEN_OVER,
    EventType.DOMAIN_AT_RISK,
    EventType.DOMAIN_LOST,
    EventType.WEBHOOK_FAILING,
    EventType.WEBHOOK_GONE,
}
_AGES = (0.1, 0.5, 1, 5, 30, 60, 300, 1800, 7200, 43200, 172800)


class Journal:
    """Keeps `events.EventSink` for one worker."""

    def __init__(self) -> None:
        self._log = structlog.get_logger("relay")
        registry = CollectorRegistry()
        self._events = Counter("relay_events_total", "Events by type.", ["type"], registry=registry)
        self._ages = Histogram(
            "relay_delivery_seconds", "From acceptance to delivery.", buckets=_AGES, registry=registry
        )
        self._queue = Gauge(
            "relay_queue_deliveries",
            "Deliveries that are not done.",
            ["state"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._broken = Gauge(
            "relay_config_broken",
            "1 while the files on disk are wrong and the last good state is kept.",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._certificate = Gauge(
            "relay_certificate_expires",
            "When the listeners' certificate expires, in seconds since the epoch.",
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._by_type = {kind: self._events.labels(kind.value) for kind in EventType}
        self._broken.set(0)

    def emit(self, event: Event) -> None:
        """See EventSink.emit."""
        self._by_type[event.type].inc()
        if event.type is EventType.DELIVERED:
            self._ages.observe(float(str(event.data.get("seconds", 0))))
        words = {"queue_id": event.queue_id, "delivery": event.number} if event.queue_id else {}
        level = _LEVELS.get(event.type, logging.WARNING if event.type in _WARNINGS else logging.INFO)
        self._log.log(level, event.type.value, **words, **event.data)

    def queue_holds(self, state: str, count: int) -> None:
        """Note how many deliveries are in a state."""
        self._queue.labels(state).set(count)

    def config_is_broken(self, *, broken: bool) -> None:
        """Note whether the files on disk are wrong."""
        self._broken.set(int(broken))

    def certificate_ends(self, until: float) -> None:
        """Note when the certificate of the listeners expires."""
        self._certificate.set(until)


def metrics_page() -> bytes:
    """The metrics of all workers of this machine in the text format of Prometheus."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
