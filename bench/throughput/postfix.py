"""Postfix and OpenDKIM from Debian, each instance with directories, ports and settings of its own.

Postfix is set up for nothing but this work: no DNS, no TLS, no access checks, no local delivery, no header rewriting,
no limits below the load, but everything that makes its queue durable. A new connection for each delivery costs it less
here than its cache of connections, which is a process of its own. OpenDKIM signs over a Unix socket.
"""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from bench.throughput.load import DOMAIN, SELECTOR
from bench.throughput.programs import Place, Running, process, wait_for_greeting, wait_for_socket

_DELIVERIES = 20

_MAIN = """\
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {data}
mail_owner = postfix
setgid_group = postdrop
myhostname = mx1.{domain}
myorigin = {domain}
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
relayhost = [127.0.0.1]:{sink_port}
disable_dns_lookups = yes
smtp_host_lookup = native
smtpd_peername_lookup = no
smtpd_tls_security_level = none
smtp_tls_security_level = none
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_recipient_restrictions =
smtpd_client_connection_count_limit = 0
smtpd_client_event_limit_exceptions = static:all
local_header_rewrite_clients =
message_size_limit = 52428800
default_process_limit = {processes}
in_flow_delay = 0
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
initial_destination_concurrency = {deliveries}
smtp_destination_concurrency_limit = {deliveries}
smtp_destination_concurrency_failed_cohort_limit = 100
smtp_connection_cache_on_demand = no
max_idle = 300s
max_use = 100000
"""

_MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
"""

_OPENDKIM = """\
Mode s
Socket local:{socket}
Syslog no
Background no
UMask 000
Canonicalization relaxed/relaxed
SignatureAlgorithm rsa-sha256
OversignHeaders From
SigningTable refile:{directory}/signing-table
KeyTable file:{directory}/key-table
InternalHosts 127.0.0.0/8
RequireSafeKeys no
"""


class Postfix:
    """Plain Postfix, or Postfix with OpenDKIM as its milter."""

    def __init__(self, *, signs: bool) -> None:
        self.signs = signs
        self.name = "postfix+opendkim" if signs else "postfix"

    @contextlib.contextmanager
    def run(self, place: Place) -> Iterator[Running]:
        with contextlib.ExitStack() as stack:
            roots: list[int] = []
            config = _write_postfix(place)
            if self.signs:
                socket, signer = stack.enter_context(_opendkim(place))
                roots.append(signer)
                with (config / "main.cf").open("a") as main:
                    main.write(f"smtpd_milters = unix:{socket}\nmilter_default_action = tempfail\n")
            roots.append(stack.enter_context(_master(config, place)))
            yield Running(place.port, tuple(roots))


@contextlib.contextmanager
def _master(config: Path, place: Place) -> Iterator[int]:
    command = ["postfix", "-c", str(config)]
    with (place.directory / "postfix.log").open("ab") as log:
        subprocess.run([*command, "start"], check=True, stdout=log, stderr=log)
        try:
            wait_for_greeting(place.port)
            yield int((place.directory / "queue/pid/master.pid").read_text())
        finally:
            subprocess.run([*command, "stop"], check=True, stdout=log, stderr=log)


def _write_postfix(place: Place) -> Path:
    config, queue, data = (place.directory / name for name in ("postfix", "queue", "data"))
    for directory in (config, queue, data):
        directory.mkdir()
    shutil.chown(data, "postfix")
    main = _MAIN.format(
        queue=queue,
        data=data,
        domain=DOMAIN,
        sink_port=place.sink_port,
        processes=2 * place.sessions + 50,
        deliveries=_DELIVERIES,
    )
    (config / "main.cf").write_text(main)
    (config / "master.cf").write_text(_MASTER.format(port=place.port))
    return config


@contextlib.contextmanager
def _opendkim(place: Place) -> Iterator[tuple[Path, int]]:
    directory = place.directory / "opendkim"
    directory.mkdir()
    socket = directory / "socket"
    key = shutil.copy(place.signing_key, directory / "key.pem")
    (directory / "signing-table").write_text(f"* {SELECTOR}\n")
    (directory / "key-table").write_text(f"{SELECTOR} {DOMAIN}:{SELECTOR}:{key}\n")
    (directory / "opendkim.conf").write_text(_OPENDKIM.format(socket=socket, directory=directory))
    with process(["opendkim", "-f", "-x", str(directory / "opendkim.conf")], directory / "log") as signer:
        wait_for_socket(socket)
        yield socket, signer.pid
