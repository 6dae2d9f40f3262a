"""Configuration: YAML files, checked as a whole, become one frozen snapshot.

`load` reads everything once, `watch` keeps a snapshot up to date, `secrets` looks a secret up when it is needed.
"""
