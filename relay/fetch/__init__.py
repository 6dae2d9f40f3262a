"""Mailboxes of companies: what is in them, read with distrust, and handed on.

Everything that reads what strangers wrote runs in limited processes (`relay.fetch.child`); the rest of the room sees
plain values only.
"""
