"""The receiving edge: SMTP sessions that ask a Gate. The only importer of aiosmtpd."""

from relay.smtpd.balanced import Balanced
from relay.smtpd.listener import Server, listen, log_failure
from relay.smtpd.tls import TlsMode

__all__ = ["Balanced", "Server", "TlsMode", "listen", "log_failure"]
