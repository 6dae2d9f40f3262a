"""Measures the relay beside Postfix, with and without OpenDKIM, on one machine: see bench/README.md."""
