"""The ports of a person are that person's alone.

Another user of the machine and another container try every port that a command opens: the debugger,
JupyterLab's, the runs page, a model server and a job's service. The person's own client gets through.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from innerloop.docker import container_ports
from innerloop.history import report_server
from innerloop.model.container import APART, ContainerSpec, PublishedPort
from innerloop.model.run import Request
from innerloop.runner import debug
from innerloop.util import gate, peers, ports, process
from innerloop.util.errors import UserError
from tests.editor.dap import Editor
from tests.editor.f5 import own_port, started
from tests.serving.tiny import add_model, add_server
from tests.support import Workspace, docker, free_port, until

# What anybody can say to whatever listens: the debugger's first request, and one of HTTP.
REQUEST = '{"seq":1,"type":"request","command":"initialize","arguments":{"adapterID":"x"}}'
HELLO = f"Content-Length: {len(REQUEST)}\r\n\r\n{REQUEST}"
# Connects, says it, and prints what comes back within some seconds: "" when refused or closed.
STRANGER = """import socket, sys
try:
    one = socket.create_connection((sys.argv[1], int(sys.argv[2])), 2)
    one.settimeout(2)
    if sys.argv[3] == "http":
        one.sendall(b"POST /score HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 2\\r\\n\\r\\n21")
    elif sys.argv[3] == "dap":
        one.sendall(sys.argv[4].encode())
    print(repr(one.recv(4096)))
except OSError as error:
    print(type(error).__name__)
"""
RELAY = debug.PROGRAMS / "relay.py"
IMAGE = "python:3.11-slim-bookworm"
SILENCE = {"b''", "ConnectionRefusedError", "ConnectionResetError", "TimeoutError", "timeout"}
TRAIN = "import time\nprint('goes', flush=True)\ntime.sleep(600)\n"


def as_another_user(code: str, *words: str) -> str:
    """The output of a Python program of the user with UID 1000."""
    nobody_else = ["setpriv", "--reuid", "1000", "--regid", "1000", "--clear-groups"]
    done = subprocess.run(
        [*nobody_else, "/usr/bin/python3", "-I", "-c", code, *words, HELLO],
        capture_output=True,
        text=True,
        timeout=60,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def as_another_container(address: str, port: int, how: str) -> str:
    argv = ["run", "--rm", IMAGE, "python", "-c", STRANGER, address, str(port), how, HELLO]
    return docker(*argv).strip()


def tree(pid: int) -> list[int]:
    """The process and all below it, those of containers left out."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            text = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(text[1]), []).append(int(stat.parent.name))
    found, todo = [pid], [pid]
    while todo:
        below = parents.get(todo.pop(), [])
        found += below
        todo += below
    return found


def listening(table: str, inodes: set[str] | None = None) -> set[tuple[str, int]]:
    """The addresses of the listening sockets in a table of /proc/net/tcp; of these inodes only."""
    found = set()
    for line in table.splitlines():
        words = line.split()
        if len(words) > 9 and words[3] == "0A" and (inodes is None or words[9] in inodes):
            address, port = words[1].split(":")
            found.add((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16)))
    return found


def listening_of(pid: int) -> set[tuple[str, int]]:
    """All listening sockets of a process and of those below it."""
    inodes = set()
    for one in tree(pid):
        with suppress(OSError):
            for descriptor in Path(f"/proc/{one}/fd").iterdir():
                with suppress(OSError):
                    if match := re.match(r"socket:\[(\d+)\]", os.readlink(descriptor)):
                        inodes.add(match[1])
    return listening(Path("/proc/net/tcp").read_text(), inodes)


def load_handshake() -> Any:
    file = debug.PROGRAMS / "startup" / "innerloop_handshake.py"
    spec = importlib.util.spec_from_file_location("innerloop_handshake", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def address_of(container: str) -> str:
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return docker("inspect", "--format", form, container).strip()


# --- who is at the other end ------------------------------------------------------------------


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        yield one


@pytest.mark.skipif(sys.platform != "linux", reason="the tables of Linux")
def test_this_machine_knows_who_connects() -> None:
    assert peers.why_unknown() == ""


def test_an_own_connection_is_ours_by_ipv4_and_by_a_mapped_address(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
        with socket.socket(family) as one:
            try:
                one.connect((address, port))
            except OSError:
                assert family == socket.AF_INET6  # a machine without IPv6
                continue
            with listener.accept()[0] as accepted:
                assert peers.of(accepted).is_ours


@pytest.mark.person
def test_a_connection_of_another_user_is_not_ours(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    code = f"import socket; one = socket.create_connection(('127.0.0.1', {port})); one.recv(1)"
    thread = threading.Thread(target=as_another_user, args=(code,))
    thread.start()
    with listener.accept()[0] as accepted:
        peer = peers.of(accepted)
    thread.join()
    assert not peer.is_ours and "user" in peer.name


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_socket_that_its_owner_has_closed_is_nobodys(listener: socket.socket, how: str) -> None:
    """The kernel lists it as root's, while what it has sent can still be read."""
    one = socket.create_connection(listener.getsockname())
    one.sendall(b"payload")
    if how == "reset":
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    one.close()
    with listener.accept()[0] as accepted:
        assert peers.of(accepted) == peers.UNKNOWN


@pytest.mark.skipif(os.name == "nt", reason="the stand-in is a shell script")
def test_lsof_names_an_own_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS: its `lsof` lists the sockets of this user's processes; a stand-in prints what it would."""
    program = tmp_path / "lsof"
    program.write_text("#!/bin/sh\nprintf 'p1\\nf3\\nn127.0.0.1:50001->127.0.0.1:24000\\n'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert peers._on_macos(50001, 24000).is_ours
    assert not peers._on_macos(50001, 24001).is_ours
    assert not peers._on_macos(5000, 24000).is_ours


# --- the gate ---------------------------------------------------------------------------------


@pytest.fixture
def behind() -> Iterator[tuple[int, list[bytes]]]:
    """A port that answers what it hears, and what it has heard."""
    heard: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        with connection:
            while data := connection.recv(65536):
                heard.append(data)
                connection.sendall(data)

    def accept(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=server.accept()[:1], daemon=True).start()

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        threading.Thread(target=accept, args=(server,), daemon=True).start()
        yield server.getsockname()[1], heard


@pytest.fixture
def guarded(behind: tuple[int, list[bytes]]) -> Iterator[tuple[int, list[str]]]:
    """The port of a gate before `behind`, and what it has said."""
    relay = gate.RelayCommand([sys.executable, "-I", str(RELAY), str(behind[0])], {})
    port, said = free_port(), list[str]()
    with gate.opened(port, relay, "it", said.append):
        yield port, said


def echoed(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as one:
        one.sendall(data)
        back = b""
        while len(back) < len(data) and (chunk := one.recv(65536)):
            back += chunk
    return back


def test_own_clients_pass_the_gate_at_once_and_with_much(guarded: tuple[int, list[str]]) -> None:
    port, said = guarded
    data = [os.urandom(size) for size in (1, 65536, 3_000_000)]
    answers: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda i=i: answers.__setitem__(i, echoed(port, data[i])))
        for i in range(len(data))
    ]
    with socket.create_connection(("127.0.0.1", port)) as idle:  # and one that never reads
        idle.sendall(os.urandom(100_000))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert [answers.get(i) for i in range(len(data))] == data and said == []


@pytest.mark.person
def test_the_gate_refuses_another_user(
    guarded: tuple[int, list[str]], behind: tuple[int, list[bytes]]
) -> None:
    port, said = guarded
    assert echoed(port, b"own") == b"own"
    assert as_another_user(STRANGER, "127.0.0.1", str(port), "dap") in SILENCE
    assert as_another_user(STRANGER, "127.0.0.1", str(port), "") in SILENCE
    hurry = f"""import socket
for _ in range(50):
    one = socket.create_connection(("127.0.0.1", {port}))
    one.sendall(b"evil")
    one.close()
"""
    as_another_user(hurry)
    assert echoed(port, b"own again") == b"own again"
    assert b"".join(behind[1]) == b"ownown again"
    lines = [line for line in said if "the user" in line]
    assert len(lines) == 1 and f"127.0.0.1:{port} is yours alone" in lines[0], said


def test_a_gate_that_cannot_tell_users_apart_does_not_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(peers, "of", lambda _: peers.UNKNOWN)
    with pytest.raises(UserError) as caught:
        gate.require_peers("the debugger")
    assert caught.value.code == "port-unprotected" and gate.OPEN_PORTS in caught.value.hint
    monkeypatch.setenv(gate.OPEN_PORTS, "1")
    gate.require_peers("the debugger")


def test_a_taken_port_is_an_error(listener: socket.socket) -> None:
    relay = gate.RelayCommand([sys.executable, "-c", ""], {})
    opening = gate.opened(listener.getsockname()[1], relay, "it", print)
    with pytest.raises(UserError) as caught, opening:
        pass
    assert caught.value.code == "port-taken"


# --- the debugger -----------------------------------------------------------------------------


@pytest.fixture
def editors() -> Iterator[list[Editor]]:
    made: list[Editor] = []
    yield made
    for editor in made:
        editor.close()


def debugged(workspace: Workspace, editors: list[Editor], command: str, engine: bool) -> Editor:
    workspace.add("line", TRAIN, job=f"command: {command}\n")
    own_port(workspace, "line")
    assert workspace.loop("sync").code == 0
    return started(workspace, editors, engine=engine)


def ports_of(editor: Editor) -> tuple[int, int]:
    """The editor's port and the adapter's."""
    port = int(editor.configuration["connect"]["port"])
    settings = rf'"port": (\d+), "shown": "127\.0\.0\.1:{port}"'
    (inner,) = set(re.findall(settings, all_commands()))
    return port, int(inner)


def all_commands() -> str:
    """Every argv of this machine, as any user can read it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
    return "\n".join(found)


def it_stops_for_its_own_editor(workspace: Workspace, editor: Editor) -> None:
    stops = {workspace.root / "src/line/train.py": [2]}
    editor.attach(stops)
    train = editor.next_process(stops)
    thread = train.stopped()
    assert train.evaluate("6 * 7", thread) == "42"
    train.go_on(thread)


@pytest.mark.docker
@pytest.mark.person
@pytest.mark.parametrize("network", ["", "host", "none"])
def test_nobody_else_reaches_the_debugger_of_a_container(
    workspace: Workspace, editors: list[Editor], network: str
) -> None:
    option = f"\nresources: {{docker_args: --network {network}}}" if network else ""
    editor = debugged(workspace, editors, f"sh -c 'python train.py'{option}", engine=True)
    assert editor.process is not None
    port, inner = ports_of(editor)
    (container,) = workspace.containers()
    # One socket of ours on the machine; in the container only what asks for the secret.
    assert listening_of(editor.process.pid) == {("127.0.0.1", port)}
    assert docker("port", container) == ""
    inside = listening(docker("exec", container, "cat", "/proc/net/tcp"))
    assert inside == {("127.0.0.1", inner)} if network != "host" else ("127.0.0.1", inner) in inside
    (secret,) = re.findall(rf"{debug.SECRET}=(\w+)", docker("inspect", container))
    assert secret not in all_commands() and secret not in editor.text
    assert as_another_user(STRANGER, "127.0.0.1", str(port), "dap") in SILENCE
    if network == "host":
        assert "Content-Length" not in as_another_user(STRANGER, "127.0.0.1", str(inner), "dap")
    elif not network:
        for there in (port, inner):
            assert as_another_user(STRANGER, address_of(container), str(there), "dap") in SILENCE
            assert as_another_container(address_of(container), there, "dap") in SILENCE
        assert as_another_container("172.17.0.1", port, "dap") in SILENCE
    it_stops_for_its_own_editor(workspace, editor)
    assert "the user" in editor.text and "is yours alone" in editor.text


# The variables of all processes that can be read, but for those in containers, of other tests.
ENVIRONS = """import glob, os
for process in glob.glob("/proc/[0-9]*"):
    try:
        if os.readlink(process + "/ns/pid") == os.readlink("/proc/self/ns/pid"):
            print(open(process + "/environ").read())
    except OSError:
        pass
"""


@pytest.mark.person
def test_nobody_else_reaches_the_debugger_of_a_cached_environment(
    workspace: Workspace, editors: list[Editor]
) -> None:
    editor = debugged(workspace, editors, "sh -c 'python train.py'", engine=False)
    assert editor.process is not None
    port, inner = ports_of(editor)
    both = {("127.0.0.1", port), ("127.0.0.1", inner)}
    assert listening_of(editor.process.pid) == both
    assert as_another_user(STRANGER, "127.0.0.1", str(port), "dap") in SILENCE
    assert "Content-Length" not in as_another_user(STRANGER, "127.0.0.1", str(inner), "dap")
    assert debug.SECRET not in as_another_user(ENVIRONS)
    it_stops_for_its_own_editor(workspace, editor)
    assert listening_of(editor.process.pid) == both  # the debugged process has none of its own
    shown = workspace.loop(
        "run", "line", "--debug", "--dry-run", "--json", env={"DOCKER_HOST": "x"}
    )
    assert debug.SECRET not in shown.out


def test_each_end_of_the_debuggers_connection_proves_itself(listener: socket.socket) -> None:
    handshake = load_handshake()
    port = listener.getsockname()[1]
    for wrong in ("0" * 64, "", "0"):
        answers: list[BaseException] = []

        def connect(secret: str = wrong, answers: list[BaseException] = answers) -> None:
            try:
                handshake.connect(port, secret, handshake.PROCESS)
            except (OSError, ValueError) as error:
                answers.append(error)

        thread = threading.Thread(target=connect)
        thread.start()
        with listener.accept()[0] as accepted, pytest.raises(OSError):
            handshake.accept(accepted, "1" * 64)
        thread.join(15)
        assert isinstance(answers[0], OSError)


def test_a_connection_that_replays_what_it_is_sent_is_refused(listener: socket.socket) -> None:
    """An end that does not know the secret answers with the other's own numbers."""
    handshake = load_handshake()
    secret = "a" * 64

    def replay() -> None:
        with socket.create_connection(listener.getsockname()) as one:
            one.sendall(b"E" + b"n" * 32)
            theirs = one.recv(64)
            with suppress(OSError):
                one.sendall(theirs[32:])

    thread = threading.Thread(target=replay)
    thread.start()
    with listener.accept()[0] as accepted, pytest.raises(handshake.Refused):
        handshake.accept(accepted, secret)
    thread.join(5)


# --- model servers and services of jobs -------------------------------------------------------


def request_with(*options: str) -> Request:
    ports = (PublishedPort(free_port(), 5000, gated=True), PublishedPort(1, 2))
    container = ContainerSpec(image="i:1", name="x", ports=ports, options=options)
    return Request("line", "docker", "", "", "", container=container)


@pytest.mark.parametrize(
    ("options", "environ", "python", "said", "published"),
    [
        (("--network", "host"), "", "/bin/python", "network host", 1),
        ((), "1", "/bin/python", "INNERLOOP_OPEN_PORTS is set", 2),
        ((), "", "", "i:1 has no Python", 2),
        ((), "", "/bin/python", "", 1),
    ],
)
def test_a_port_without_a_gate_is_said(
    options: tuple[str, ...],
    environ: str,
    python: str,
    said: str,
    published: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(argv: Sequence[str], **_: object) -> process.CompletedCommand:
        return process.CompletedCommand(0, python if "command -v" in " ".join(argv) else "x", "")

    monkeypatch.setenv(gate.OPEN_PORTS, environ)
    monkeypatch.setattr(process, "run", run)
    monkeypatch.setattr(peers, "why_unknown", lambda: "")
    asked = request_with(*options)
    with container_ports.opened(asked) as request:
        assert request.argv.count("--publish") == published
        assert (APART in request.argv) is ("host" not in options)
    text = capsys.readouterr().err
    assert ("is open to every user of this machine" in text) is bool(said) and said in text


def test_an_engine_without_such_networks_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = process.CompletedCommand(125, "", "Error: unsupported bridge network option")
    monkeypatch.setattr(process, "run", lambda *_, **__: failed)
    request = container_ports.with_network(request_with())
    assert APART not in request.argv
    assert "unsupported bridge network option" in capsys.readouterr().err


def post(port: int) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/score", body="21")
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.docker
@pytest.mark.person
def test_nobody_else_reaches_a_model_server(workspace: Workspace) -> None:
    add_server(workspace)
    add_model(workspace)
    port = free_port()
    serving = workspace.start("serve", "line", "--port", str(port))
    serving.wait_for("is served at")
    (container,) = workspace.containers()
    assert docker("port", container) == ""
    assert as_another_user(STRANGER, "127.0.0.1", str(port), "http") in SILENCE
    assert as_another_container(address_of(container), 5000, "http") in SILENCE
    assert as_another_container("172.17.0.1", port, "http") in SILENCE
    assert post(port) == (200, '{"answer": 42, "word": "hello"}')
    called = workspace.loop("invoke", "line")
    assert called.code == 0 and json.loads(called.out)["answer"] == 42, called.err
    serving.interrupt_group()
    assert serving.end(40).code == 130
    assert "is yours alone: refused the user" in serving.text
    assert workspace.containers() == []
    # In the background there is no gate: it is said, and other containers are kept out all the same.
    answer = workspace.loop("serve", "line", "--port", str(port), "--detach")
    assert answer.code == 0 and "every user of this machine" in answer.err, answer.err
    (container,) = workspace.containers()
    assert as_another_container(address_of(container), 5000, "http") in SILENCE
    assert post(port)[0] == 200
    assert workspace.loop("serve", "line", "--stop").code == 0


@pytest.mark.docker
@pytest.mark.person
def test_nobody_else_reaches_a_service_of_a_job(workspace: Workspace) -> None:
    service = "services: {web: {type: custom, port: 4321}}\n"
    workspace.add("line", TRAIN, job=f"command: python -m http.server 4321\n{service}")
    run = workspace.start("run", "line", "--backend", "docker")
    run.wait_for("answers at http://127.0.0.1:", 120)
    port = int(run.text.split("answers at http://127.0.0.1:")[1].split(",")[0])
    assert until(lambda: status_of(port) == 200, 30), run.text
    (container,) = workspace.containers()
    assert APART in docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container)
    assert as_another_user(STRANGER, "127.0.0.1", str(port), "http") in SILENCE
    assert as_another_container(address_of(container), 4321, "http") in SILENCE
    run.interrupt_group()
    assert run.end(40).code == 130


def status_of(port: int) -> int:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0


# --- the runs page ----------------------------------------------------------------------------


@pytest.fixture
def page() -> Iterator[int]:
    answer = report_server.Answer(b"<p>curves</p>", "text/html")
    site = {"runs.html": lambda query: answer}
    with report_server.server_of(site, "/s3cret/") as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


@pytest.mark.parametrize(
    ("path", "host", "status"),
    [
        ("/s3cret/runs.html", "127.0.0.1:1", 200),
        ("/s3cret/runs.html?x=1", "localhost", 200),
        ("/s3cret/runs.html", "[::1]:80", 200),
        ("/s3cret/runs.html", "name-8080.app.github.dev", 200),
        ("/s3cret/runs.html", "evil.example:80", 403),
        ("/s3cret/runs.html", "app.github.dev.evil.example", 403),
        ("/s3cret/runs.html", "", 403),
        ("/", "localhost", 404),
        ("/s3cret/", "localhost", 404),
        ("/s3cre/runs.html", "localhost", 404),
        ("/s3cret/runs.html/", "localhost", 404),
        ("/s3cret/../runs.html", "localhost", 404),
        ("/s3cret/line/20260101-a/.run/log.txt", "localhost", 404),
        ("/s3cret/%72uns.html", "localhost", 404),
    ],
)
def test_the_runs_page_needs_its_address(page: int, path: str, host: str, status: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", page, timeout=10)
    connection.putrequest("GET", path, skip_host=True)
    connection.putheader("Host", host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    assert (answer.status, b"curves" in body) == (status, status == 200)


def test_the_runs_page_is_all_that_is_served(workspace: Workspace) -> None:
    workspace.add("line", "")
    add_model(workspace)
    codespace = {"CODESPACES": "true", "CODESPACE_NAME": "box", ports.DOMAIN: "app.github.dev"}
    shown = workspace.start("runs", "--open", env=codespace)
    shown.wait_for("Ctrl-C ends it")
    found = re.search(r"READY https://box-(\d+)\.app\.github\.dev(/\S+) \(forwarded", shown.text)
    assert found is not None, shown.text
    port, path = int(found[1]), found[2]
    assert f"from http://127.0.0.1:{port};" in shown.text
    assert get(port, path)[0] == 200 and re.fullmatch(r"/[\w-]{43}/runs.html", path)
    for other in ("/", "/runs.html", "/line/20260101-a/.run/run.json", path + "/../.."):
        assert get(port, other)[0] == 404
    shown.interrupt_group()
    assert shown.end(20).code == 130


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read()
