"""Sinks: whoever takes documents out of mailboxes, behind one protocol (`relay.fetch.sinks.offer`)."""
