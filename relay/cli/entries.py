"""Messages and deliveries of the spool as JSON. The names are part of what scripts rely on (docs/cli.md)."""

from relay.clock import timestamp
from relay.events import Json
from relay.store.spool import Delivery, Entry, State


def entry_as_json(entry: Entry) -> dict[str, Json]:
    """A message with its deliveries."""
    message = entry.message
    envelope = message.envelope
    return {
        "queue_id": message.queue_id,
        "origin": message.origin.value,
        "received_at": timestamp(message.received_at),
        "app": message.app,
        "peer": message.peer,
        "message_id": message.message_id,
        "reverse_path": str(envelope.reverse_path or ""),
        "envid": envelope.envid,
        "size": message.content.size,
        "deliveries": [delivery_as_json(delivery) for delivery in entry.deliveries],
    }


def delivery_as_json(delivery: Delivery) -> dict[str, Json]:
    """One recipient's row."""
    queued = delivery.state is State.QUEUED
    return {
        "number": delivery.number,
        "recipient": str(delivery.recipient.address),
        "company": delivery.company,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_attempt": timestamp(delivery.next_attempt) if queued else None,
        "last": delivery.last,
        "hold_key": delivery.hold_key,
        "worker": delivery.worker,
    }
