"""The kinds of values settings consist of: each turns what an admin writes into a value, or says what to write instead.

Never reads a file and never looks anything up.
"""
