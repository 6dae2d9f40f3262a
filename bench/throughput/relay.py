"""The relay as it is installed beside this Python, with its shipped defaults wherever the load allows."""

import contextlib
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.throughput.load import COMPANIES, DOMAIN, SELECTOR
from bench.throughput.programs import Place, Running, process, wait_for_greeting

_SETTINGS = """\
hostname: mx1.{domain}
domain: {domain}
postmaster: postmaster@operator.example
store: sqlite:{directory}/relay.db
sending_addresses: ["192.0.2.1"]
listeners:
  submission: {{address: "127.0.0.1:{port}", tls: none}}
apps:
  bench:
    networks: ["127.0.0.0/8"]
    companies: all
dkim:
  - {{domain: {domain}, selector: {selector}, key: {{file: {key}}}}}
verification: {{required: false}}
secrets:
  signing:
    - {{file: {directory}/signing-secret}}
dns:
  servers: ["127.0.0.1:9"]
  timeout: 1s
limits:
  message_size: 50MiB
  connections_per_peer: {connections}
delivery:
  smarthost: {{host: 127.0.0.1, port: {sink_port}, tls: none}}
log:
  level: warning
"""

_COMPANY = """\
name: Company {number:02}
address: invoices@company-{number:02}.example
alias: company-{number:02}
"""


class Relay:
    """`relay serve` doing its whole job: durable, rewritten to the alias, signed, handed to the sink as smarthost."""

    name = "relay"
    signs = True

    @contextlib.contextmanager
    def run(self, place: Place) -> Iterator[Running]:
        settings = _write_config(place)
        command = [str(Path(sys.executable).parent / "relay"), "serve", "--config", str(settings)]
        with process(command, place.directory / "relay.log", cwd=place.directory) as server:
            wait_for_greeting(place.port)
            yield Running(place.port, (server.pid,))


def _write_config(place: Place) -> Path:
    directory = place.directory
    (directory / "companies").mkdir()
    for number in range(COMPANIES):
        (directory / f"companies/company-{number:02}.yaml").write_text(_COMPANY.format(number=number))
    secret = directory / "signing-secret"
    secret.touch(mode=0o600)
    secret.write_text(secrets.token_hex(32) + "\n")
    settings = directory / "relay.yaml"
    text = _SETTINGS.format(
        domain=DOMAIN,
        selector=SELECTOR,
        directory=directory,
        port=place.port,
        sink_port=place.sink_port,
        key=place.signing_key,
        connections=2 * place.sessions + 50,
    )
    settings.write_text(text)
    return settings
