"""A container in the foreground, over the engine's socket and by Docker's client: the same to see."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from innerloop.docker import attached_container, client, containers
from innerloop.docker.engine_socket import Demultiplexer
from innerloop.model.container import ContainerSpec
from innerloop.util import process
from tests.support import until
from tests.support_terminal import Terminal

# In seconds, for a machine that does much else.
PATIENCE = 240
NAME = f"innerloop-attached-{os.getpid()}"
SPEC = ContainerSpec("python:3.11-slim-bookworm", name=NAME, entrypoint="", remove=False)
SOURCES = Path(attached_container.__file__).parents[2]

# 10 MB on two streams, in turns, with all bytes, and no end of line.
PRINTS = """
import os, sys
chunk = bytes(range(256)) * 256
for number in range(80):
    for target in (1, 2):
        view = memoryview(chunk + b"%d.%d" % (target, number))
        while view:
            view = view[os.write(target, view):]
sys.exit(3)
"""
CHUNK = bytes(range(256)) * 256


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=40)), max_size=12),
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
)
def test_stream_is_taken_apart_wherever_its_chunks_end(
    parts: list[tuple[int, bytes]], sizes: list[int]
) -> None:
    stream = b"".join(
        bytes([number, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for number, data in parts
    )
    demultiplexer, found, turn = Demultiplexer(), list[tuple[int, bytes]](), 0
    while stream:
        size = sizes[turn % len(sizes)]
        found += demultiplexer.of(stream[:size])
        stream, turn = stream[size:], turn + 1
    assert joined(found) == joined(parts)


def joined(parts: list[tuple[int, bytes]]) -> list[tuple[int, int]]:
    """Each byte with its stream, in their order."""
    return [(number, byte) for number, data in parts for byte in data]


@pytest.fixture
def gone() -> Iterator[None]:
    """No container of a test is there before or after it."""
    containers.remove(NAME)
    yield
    containers.remove(NAME)


def carried_out(way: str, spec: ContainerSpec) -> int | None:
    if way == "client":
        return process.run_foreground(spec.argv)
    code = attached_container.run(spec, dict(os.environ), stop=lambda _: None)
    assert code is not None, "the client would have to start it"
    return code


@pytest.mark.docker
@pytest.mark.parametrize("way", ["socket", "client"])
def test_output_and_exit_code_are_the_programs(
    gone: None, way: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert carried_out(way, replace(SPEC, command=("python", "-c", PRINTS))) == 3
    shown = capfdbinary.readouterr()
    for target, text in ((1, shown.out), (2, shown.err)):
        assert text == b"".join(CHUNK + b"%d.%d" % (target, number) for number in range(80))
    found = containers.find(NAME)
    assert found is not None and (found.state, found.exit_code) == ("exited", 3)


@pytest.mark.docker
@pytest.mark.parametrize("way", ["socket", "client"])
def test_stdin_reaches_the_program_to_its_end(
    gone: None, way: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """And the engine removes a container that should go."""
    spec = replace(SPEC, command=("cksum",), interactive=True, remove=True)
    reading, writing = os.pipe()
    before = os.dup(0)
    os.dup2(reading, 0)
    content = CHUNK * 20

    def write() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert carried_out(way, spec) == 0
    finally:
        os.dup2(before, 0)
        os.close(reading)
        os.close(before)
        writer.join()
    assert f" {len(content)}\n".encode() in capfdbinary.readouterr().out
    assert containers.find(NAME) is None


@pytest.mark.docker
def test_output_goes_where_it_is_redirected_and_stdin_is_at_its_end(gone: None) -> None:
    shown: list[str] = []
    spec = replace(SPEC, command=("sh", "-c", "cat; printf ä; printf ö >&2"), interactive=True)
    with process.redirect_output(shown.append):
        assert carried_out("socket", spec) == 0
    assert sorted("".join(shown)) == ["ä", "ö"]


@pytest.mark.docker
@pytest.mark.parametrize(
    "changed",
    [
        replace(SPEC, image="innerloop.invalid/none"),
        replace(SPEC, entrypoint="/no/such/program", init=False),
        replace(SPEC, options=("--device", "/dev/no-such"), remove=True),
    ],
    ids=["image", "program", "device"],
)
def test_what_the_engine_refuses_is_left_to_the_client_and_leaves_nothing(
    gone: None, changed: ContainerSpec
) -> None:
    assert attached_container.run(changed, dict(os.environ), stop=lambda _: None) is None
    assert containers.find(NAME) is None


@pytest.mark.parametrize(
    "environ",
    [{name: "1"} for name in client._CLIENT_VARIABLES],
    ids=lambda environ: next(iter(environ)),
)
def test_variables_of_the_client_leave_the_container_to_it(environ: dict[str, str]) -> None:
    assert attached_container.run(SPEC, environ, stop=lambda _: None) is None
    assert not client.is_plain(environ)


def test_keys_of_its_config_leave_the_container_to_the_client(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    config = tmp_path / "config.json"
    for text, is_plain in (
        ('{"auths": {}, "currentContext": "x"}', True),
        ('{"proxies": {"default": {"httpProxy": "http://p"}}}', False),
        ('{"detachKeys": "ctrl-e,e"}', False),
        ('{"HttpHeaders": {"a": "b"}}', False),
    ):
        config.write_text(text)
        assert client.is_plain({}) is is_plain


def test_engine_that_goes_away_is_an_end_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit code is the client's, and nothing waits for ever."""
    path = str(tmp_path / "engine")
    requests: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(8)

        def serve() -> None:
            kept = []
            for answer in (
                b'HTTP/1.0 201 Created\r\n\r\n{"Id": "1"}',
                b"HTTP/1.1 101 UPGRADED\r\n\r\n\1\0\0\0\0\0\0\3abc",
                b"HTTP/1.0 200 OK\r\n\r\n",
                b"HTTP/1.0 204 No Content\r\n\r\n",
            ):
                connection, _ = listener.accept()
                requests.append(connection.recv(65536).partition(b" HTTP/")[0])
                connection.sendall(answer)
                if b"/attach" in requests[-1] or b"/wait" in requests[-1]:
                    kept.append(connection)
                else:
                    connection.close()
            for connection in kept:
                connection.close()

        engine = threading.Thread(target=serve)
        engine.start()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
        shown: list[str] = []
        with process.redirect_output(shown.append):
            code = attached_container.run(replace(SPEC, name="n"), {}, stop=lambda _: None)
        engine.join()
    assert (code, "".join(shown)) == (attached_container.LOST, "abc")
    assert requests == [
        b"POST /containers/create?name=n",
        b"POST /containers/1/attach?stream=1&stdout=1&stderr=1",
        b"POST /containers/1/wait?condition=next-exit",
        b"POST /containers/1/start",
    ]


# Carries out a container, whose name and further fields are its arguments.
CARRIES_OUT = """
import os, sys
from dataclasses import replace
sys.path[:0] = [SOURCES, TESTS]
from innerloop.docker import attached_container, containers
from tests.docker.test_attached_container import SPEC
spec = replace(SPEC, name=sys.argv[1], **eval(sys.argv[2]))
stop = lambda seconds: containers.stop(spec.name, seconds)
sys.exit(attached_container.run(spec, dict(os.environ), stop=stop))
"""


def program(**changes: object) -> list[str]:
    tests = Path(__file__).parents[2]
    text = CARRIES_OUT.replace("SOURCES", repr(str(SOURCES))).replace("TESTS", repr(str(tests)))
    return [sys.executable, "-c", text, NAME, repr(changes)]


@pytest.mark.docker
def test_killed_command_leaves_no_container_that_should_go(gone: None) -> None:
    waits = "echo at work; read line; echo over"
    argv = program(command=("sh", "-c", waits), interactive=True, remove=True)
    child = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"at work\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert until(lambda: containers.find(NAME) is None, PATIENCE)  # the end of its stdin


ON_A_TERMINAL = """
import os, signal, sys
def say(*words):  # not by print, which a signal may come into
    os.write(1, (" ".join(map(str, words)) + ".").encode())
def resized(*_):
    say("now", *os.get_terminal_size())
signal.signal(signal.SIGWINCH, resized)
say("first", os.isatty(0), os.isatty(1))
if os.get_terminal_size() == (70, 21):
    resized()
try:
    while True:
        say("read", input())
except KeyboardInterrupt:
    sys.exit(5)
"""


@pytest.mark.docker
def test_terminal_is_the_persons_with_its_keys_and_its_size(gone: None, tmp_path: Path) -> None:
    import fcntl
    import struct
    import termios

    command = ("python", "-c", ON_A_TERMINAL)
    terminal = Terminal(program(command=command, interactive=True, terminal=True), tmp_path)
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("4H", 21, 70, 0, 0))
    terminal.wait_for("first True True.", PATIENCE)
    terminal.wait_for("now 70 21.", PATIENCE)
    terminal.type("a line\r")
    terminal.wait_for("read a line.", PATIENCE)
    fcntl.ioctl(terminal.master, termios.TIOCSWINSZ, struct.pack("4H", 22, 71, 0, 0))
    terminal.wait_for("now 71 22.", PATIENCE)
    terminal.type("\x03")
    assert terminal.end(PATIENCE) == 5
