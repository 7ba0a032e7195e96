"""What the engine is sent to create a container: the same by us and by Docker's own client."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from innerloop.docker import containers, engine_socket
from innerloop.model.container import ContainerSpec, Mount, PublishedPort, run_argv
from innerloop.model.container_api import create_body

SPEC = ContainerSpec(
    "python:3.11-slim-bookworm",
    command=("sh", "-c", "exec \"$0\" 'ä'", "a && b"),
    name="innerloop-body-1",
    entrypoint="",
    user="1:2",
    groups=(5, 6),
    workdir="/w",
    env={"A": "1 = ä", "EMPTY": ""},
    client_env=("SECRET", "LANG_OF_NOBODY"),
    mounts=(
        Mount("/tmp", "/in", read_only=True),
        Mount("/usr", "/a,b", view="/opt", parts=("lib",)),
    ),
    labels={"innerloop.workspace": "/w", "plain": ""},
    shm_size="1.5g",
    interactive=True,
    remove=False,
)
ENVIRON = {"SECRET": "s", "OTHER": "o"}
PLAIN = ContainerSpec("python:3.11-slim-bookworm", command=("c",))

# Options of jobs and people, and those that hand GPUs over.
OPTIONS = [
    "--gpus all",
    "--gpus 2",
    "--gpus device=0",
    '--gpus "device=0,2"',
    "--runtime nvidia --gpus all",
    "--device nvidia.com/gpu=0 --device nvidia.com/gpu=1",
    "--device /dev/kfd --device /dev/dri --group-add 44",
    "--env NVIDIA_VISIBLE_DEVICES=void",
    "--network host",
    "--net=none",
    "--ipc host --shm-size 4GB --pid=host --uts host --userns host",
    "-m 64m --memory-swap 64m",
    "--memory 1.5g --memory-swap -1",
    "--cpus 1.5 --cpuset-cpus 0",
    "--ulimit nofile=10 --ulimit nofile=20:30 --ulimit core=-1:-1",
    "--cap-add sys_admin --cap-add NET_ADMIN --cap-drop mknod",
    "--cap-add all",
    "--security-opt seccomp=unconfined --security-opt no-new-privileges",
    "--privileged --read-only=true --rm",
    "--rm=false",
    "--add-host a:1.2.3.4 --add-host b=host-gateway",
    "-e A=2 --env SECRET --env NOBODYS_VARIABLE -e EMPTY=",
    "--label plain=x -l other",
    "--user 7 --hostname box",
]


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Any]]]:
    """The address of an engine that refuses each container, and the bodies that it was sent."""
    path = str(tmp_path_factory.mktemp("engine") / "s")
    kept: list[Any] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(8)

    def serve(connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                size = 0
                while header := stream.readline().strip().lower():
                    name, _, value = header.partition(b":")
                    size = int(value) if name == b"content-length" else size
                body = stream.read(size)
                creates = b"/containers/create" in line
                if creates:
                    kept.append((line.decode(), json.loads(body)))
                head = b"400 Bad Request" if creates else b"200 OK"
                content = b"" if line.startswith(b"HEAD") else b'{"message": "no"}'
                connection.sendall(
                    b"HTTP/1.1 %s\r\nApi-Version: 1.49\r\nOstype: linux\r\n"
                    b"Content-Length: %d\r\n\r\n%s" % (head, len(content), content)
                )

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    yield path, kept
    listener.close()


def said(value: Any) -> Any:
    """What a body says: in one order, and without what is empty."""
    if isinstance(value, dict):
        parts = {key: said(part) for key, part in value.items() if key != "NetworkingConfig"}
        if "Env" in parts:
            parts["Env"] = sorted(parts["Env"] or [])
        if parts.get("Ulimits"):
            parts["Ulimits"].sort(key=lambda limit: limit["Name"])
        return {key: part for key, part in parts.items() if not is_default(key, part)}
    return [said(part) for part in value] if isinstance(value, list) else value


def is_default(key: str, value: Any) -> bool:
    if key in ("Entrypoint", "ExposedPorts", "PortBindings", "5/tcp") or key in ("plain", "other"):
        return value is None or value == {}
    return value in (None, "", 0, [], {}, [0, 0])


def body_of_client(spec: ContainerSpec, bodies: tuple[str, list[Any]]) -> Any:
    path, kept = bodies
    kept.clear()
    environ = {"PATH": os.environ["PATH"], "HOME": "/nowhere", "DOCKER_HOST": f"unix://{path}"}
    argv = run_argv(spec)
    done = subprocess.run(
        argv, env=environ | ENVIRON, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert kept, done.stderr
    return kept[-1]


@pytest.mark.docker
@pytest.mark.parametrize(
    "spec",
    [
        SPEC,
        PLAIN,
        replace(PLAIN, entrypoint="/x", init=False, groups=(1,), name="n"),
        replace(PLAIN, ports=(PublishedPort(1, 2), PublishedPort(3, 4, gated=True)), apart=False),
        replace(PLAIN, ports=(PublishedPort(1, 2),)),
        *(replace(SPEC, options=tuple(text.split())) for text in OPTIONS),
        *(replace(PLAIN, devices=tuple(text.split())) for text in OPTIONS[:8]),
    ],
    ids=lambda spec: " ".join((*spec.devices, *spec.options)),
)
def test_body_says_what_the_client_says(spec: ContainerSpec, bodies: tuple[str, list[Any]]) -> None:
    target, theirs = body_of_client(spec, bodies)
    assert ("?name=" in target) == bool(spec.name)
    ours = create_body(spec, ENVIRON)
    assert said(ours) == said(theirs)


@pytest.mark.parametrize(
    "options",
    [
        "--mount type=volume,source=a,target=/b",
        "-v /a:/b",
        "--env-file x",
        "--name other",
        "--platform linux/arm64",
        "--network name=a,alias=b",
        "--network a --network b",
        "--security-opt seccomp=profile.json",
        "--device /dev/a:/dev/b:r",
        "--gpus all,capabilities=utility",
        "--cpus 1/2",
        "--shm-size 1x",
        "--ulimit nofile",
        "--cap-add ALL --cap-add CHOWN",
        "--cap-add CHOWN --cap-drop CHOWN",
        "--privileged=maybe",
        "--read-only=",
        "-m=1g",
        "-itd",
        "--env =x",
        "--cpus",
        "word",
    ],
)
def test_what_is_not_understood_is_the_clients(options: str) -> None:
    words = tuple(options.split())
    assert create_body(replace(SPEC, options=words), ENVIRON) is None
    assert create_body(replace(SPEC, devices=words), ENVIRON) is None


def test_detached_container_is_the_clients() -> None:
    assert create_body(replace(SPEC, detach=True), ENVIRON) is None


@pytest.mark.docker
@pytest.mark.parametrize(
    "spec",
    [
        replace(SPEC, client_env=("SECRET",), mounts=SPEC.mounts[:1]),
        replace(PLAIN, name="innerloop-body-2", ports=(PublishedPort(1, 2),), apart=False),
        replace(PLAIN, name="innerloop-body-3", options=tuple(" ".join(OPTIONS[10:16]).split())),
    ],
    ids=["all", "port", "options"],
)
def test_engine_describes_the_container_of_both_ways_alike(spec: ContainerSpec) -> None:
    socket_path = "/var/run/docker.sock"
    described: list[Any] = []
    create: Sequence[str] = ["docker", "create", *run_argv(spec)[2:]]
    for by_socket in (True, False):
        containers.remove(spec.name)
        try:
            if by_socket:
                target = f"/containers/create?name={spec.name}"
                body = create_body(spec, ENVIRON)
                answer = engine_socket.request(socket_path, "POST", target, body, timeout=60)
                assert answer.code == 201, answer.value
            else:
                subprocess.run(create, env=os.environ | ENVIRON, check=True, capture_output=True)
            found = engine_socket.request(
                socket_path, "GET", f"/containers/{spec.name}/json", timeout=60
            ).value
            id = found["Id"]
            described.append(json.loads(json.dumps(found).replace(id, "ID").replace(id[:12], "ID")))
        finally:
            containers.remove(spec.name)
    for value in described:
        for key in ("Created", "GraphDriver"):
            value.pop(key)
    ours, theirs = map(said, described)
    assert ours == theirs


def test_mount_with_a_comma_needs_no_quotes_here() -> None:
    spec = replace(PLAIN, mounts=(Mount('/a,"b', "/t", read_only=True),))
    body = create_body(spec, {})
    assert body is not None
    mount = {"Type": "bind", "Source": '/a,"b', "Target": "/t", "ReadOnly": True}
    assert body["HostConfig"]["Mounts"] == [mount]
