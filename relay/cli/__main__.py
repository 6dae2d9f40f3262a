"""`python -m relay.cli` is `relay`."""

from relay.cli.program import main

if __name__ == "__main__":
    main()
