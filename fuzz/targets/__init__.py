"""One module a target: `SEEDS` to begin with, and `check(data)`, which raises when the relay does wrong with it."""
