"""The vocabulary of mail: addresses, envelopes, replies, header fields, signatures and reports.

Everything here is pure: no input or output, no clock, no randomness. Times, identifiers and secrets are passed in.
"""
