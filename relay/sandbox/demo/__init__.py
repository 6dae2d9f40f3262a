"""The demonstration: a relay beside the sandbox, real mail through both, and an account of every journey."""

from relay.sandbox.demo.show import Ports, run_demo

__all__ = ["Ports", "run_demo"]
