"""Mailboxes of other hosts, by IMAP (RFC 3501) over TLS, without a thread for any of them.

A connection costs a few KiB while it idles, so one worker keeps thousands of them open.
"""
