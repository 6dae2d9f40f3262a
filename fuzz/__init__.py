"""Octets that nobody means well with, thrown at everything that reads what strangers write. See README.md."""
