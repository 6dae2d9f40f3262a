"""The installed program: relay and sandbox side by side, configured as shipped, and questions beside them."""

import asyncio
import json
import random
import re
import shutil
import signal
import smtplib
import socket
import ssl
import sys
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

SHIPPED = Path(__file__).parents[2] / "config"
RELAY = str(Path(sys.executable).with_name("relay"))
PORTS = (2587, 2465, 2525, 8025, 2053, 2625, 2526, 2993, 2880)


@pytest.fixture
def shipped(tmp_path):
    """The shipped configuration in a place of its own, on free ports; answers which port became which."""
    shutil.copytree(SHIPPED, tmp_path / "config")
    ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))
    any_port = re.compile(r"\b({})\b".format("|".join(map(str, PORTS))))
    for file in (tmp_path / "config").rglob("*.yaml"):
        text = any_port.sub(lambda found: str(ports[int(found[0])]), file.read_text())
        file.write_text(text.replace("format: console", "format: json").replace("required: true", "required: false"))
    return tmp_path, ports


def _free_ports(count):
    """Ports that nobody has now, and that no outgoing connection takes in the meantime: those begin at 32768."""
    found = set()
    while len(found) < count:
        port = random.randint(20000, 32000)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)), socket.create_server(("127.0.10.1", port)):
            found.add(port)
    return found


async def _relay(folder, *arguments):
    process = await asyncio.create_subprocess_exec(
        RELAY, *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def _running(folder, *arguments):
    """A command that runs until told; it ends with 0 when it is."""
    process = await asyncio.create_subprocess_exec(
        RELAY, *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
        assert process.returncode == 0, err.decode()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def _logged(process, event):
    """The next line of the log about this event."""
    while line := await process.stderr.readline():
        if json.loads(line)["event"] == event:
            return json.loads(line)
    raise AssertionError(f"the log ended before {event}")


def _submit(folder, port, to):
    context = ssl.create_default_context(cafile=str(folder / "var/demo/ca.pem"))
    with smtplib.SMTP("localhost", port) as client:
        client.starttls(context=context)
        client.login("billit-web", "demo-only-password")
        assert client.mail("bakkerij-peeters@my.relay.example")[0] == 250
        assert client.rcpt(to)[0] == 250
        date = "Mon, 23 Nov 2026 07:00:00 +0000"
        text = f"From: Bakkerij <bakkerij-peeters@my.relay.example>\nTo: {to}\nDate: {date}\nSubject: x\n\nhello\n"
        code, reply = client.data(text)
        assert code == 250, reply
        return reply.decode().rpartition(" ")[2]


async def test_a_mail_can_be_followed_beside_the_running_relay(shipped):
    folder, ports = shipped
    async with _running(folder, "sandbox", "--json") as sandbox:
        world = json.loads(await sandbox.stdout.readline())
        assert world["dns"] == f"127.0.0.1:{ports[2053]}"
        assert {host["temperament"] for host in world["hosts"]} >= {"friendly", "picky", "greylisting", "full", "busy"}
        assert (await _relay(folder, "check"))[0] == 0
        async with _running(folder, "serve") as serve:
            await _logged(serve, "started")
            queue_id = await asyncio.to_thread(_submit, folder, ports[2587], "an@klant.example")
            arrived = json.loads(await sandbox.stdout.readline())
            assert (arrived["host"], arrived["reply"][:3]) == ("mx.klant.example", "250")
            await _logged(serve, "delivered")

            code, out, _ = await _relay(folder, "trace", queue_id, "--json")
            (journey,) = json.loads(out)
            assert code == 0
            assert journey["deliveries"][0]["state"] == "delivered"
            assert [event["type"] for event in journey["events"]] == ["received", "delivered"]

            held = await asyncio.to_thread(_submit, folder, ports[2587], "an@grijs.example")
            await _logged(serve, "deferred")
            code, out, _ = await _relay(folder, "queue", "list", "--json")
            assert [row["queue_id"] for row in json.loads(out)] == [held]
            assert (await _relay(folder, "queue", "hold", held))[:2] == (0, "1 delivery held\n")
            assert (await _relay(folder, "queue", "release", held))[:2] == (0, "1 delivery released\n")
            assert json.loads(await sandbox.stdout.readline())["host"] == "mx.grijs.example"

            code, out, _ = await _relay(folder, "status", "--json")
            status = json.loads(out)
            assert (code, status["healthy"]) == (0, True)
            assert {worker["companies"] for worker in status["workers"]} == {4}

            code, _, err = await _relay(folder, "serve")
            assert (code, err) == (
                69,
                "relay: another relay is working on var/relay.db; stop it first, or give this one its own store\n",
            )
        code, out, _ = await _relay(folder, "status")
        assert code == 1
        assert "no worker is alive" in out


async def test_serving_needs_a_good_configuration(shipped):
    folder, _ = shipped
    code, out, err = await _relay(folder, "serve")
    assert (code, out) == (78, "")
    assert len(err.splitlines()) == 7
    assert all("the file does not exist" in line for line in err.splitlines())


async def test_preparing_makes_what_is_missing_and_nothing_else(shipped):
    folder, _ = shipped
    code, out, _ = await _relay(folder, "sandbox", "prepare", "--json")
    assert code == 0
    made = json.loads(out)["made"]
    assert "var/demo/ca.pem" in made
    before = {file: file.read_bytes() for file in (folder / "var/demo").iterdir()}
    assert (await _relay(folder, "check"))[0] == 0
    assert (await _relay(folder, "sandbox", "prepare"))[:2] == (0, "all there in var/demo\n")
    assert {file: file.read_bytes() for file in (folder / "var/demo").iterdir()} == before


async def test_a_taken_port_is_told_in_one_line(shipped):
    folder, ports = shipped
    await _relay(folder, "sandbox", "prepare")
    with socket.create_server(("127.0.0.1", ports[2525])):
        code, _, err = await _relay(folder, "serve")
        assert (code, err) == (
            69,
            f"relay: listeners.mx: cannot listen on 127.0.0.1:{ports[2525]}: Address already in use\n",
        )
    with socket.create_server(("127.0.0.1", ports[2053])):
        code, _, err = await _relay(folder, "sandbox")
        assert code == 69
        assert err.startswith("relay: the sandbox cannot start: ")
        code, _, err = await _relay(folder, "sandbox", "demo", "--exit")
        assert (code, err.count("\n")) == (69, 1)
        assert err.startswith("relay: the demonstration cannot start: ")
        assert err.endswith("address already in use; is another one running?\n")


async def test_a_configuration_without_a_sandbox_is_told_apart(shipped):
    folder, _ = shipped
    file = folder / "config/relay.yaml"
    await _relay(folder, "sandbox", "prepare")
    text = file.read_text()
    start = text.index("  servers:")
    file.write_text(text[:start] + text[text.index("\n", start) + 1 :])
    code, _, err = await _relay(folder, "sandbox")
    assert (code, err.count("\n")) == (78, 1)
    assert "is not made for the sandbox" in err
