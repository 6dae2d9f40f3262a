"""Hostile input for minutes, and what an honest client notices of it. See bench/README.md."""
