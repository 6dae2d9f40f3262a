"""The demonstration: a relay beside the sandbox, real mail through both, and an account of every journey."""

from relay.sandbox.demo.show import run_demo
from relay.sandbox.demo.stage import Ports

__all__ = ["Ports", "run_demo"]
