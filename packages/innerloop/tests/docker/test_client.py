"""Which program talks to the engine, what it is, and where it finds its engine."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from innerloop.docker import client, docker_cli, engine, engine_socket
from innerloop.model.container import ContainerSpec, run_argv
from innerloop.model.settings import settings
from innerloop.util import host_gpus, process
from innerloop.util.errors import UserError
from innerloop.util.host_gpus import HostGpus

PACKAGE = Path(client.__file__).parent.parent
SHIM = '#!/bin/sh\n[ -e /etc/containers/nodocker ] || echo Emulate >&2\nexec /usr/bin/podman "$@"\n'
posix = pytest.mark.skipif(os.name == "nt", reason="stand-ins are shell scripts")


def add_program(folder: Path, name: str, text: str = "#!/bin/sh\nexit 1\n") -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return program


@pytest.fixture
def bin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder on PATH, of a workspace that the launcher belongs to."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr("sys.argv", [str(tmp_path / "ws/scripts/loop")])
    (tmp_path / "ws").mkdir()
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "CONTAINER_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "config"))
    return tmp_path / "bin"


@posix
@pytest.mark.parametrize(
    ("programs", "setting", "program", "is_installed"),
    [
        ("docker podman", "", "docker", True),
        ("podman", "", "podman", True),
        ("docker", "", "docker", True),
        ("", "", "docker", False),
        ("docker podman", "podman", "podman", True),
        ("docker podman", "docker", "docker", True),
        ("docker", "podman", "podman", False),
    ],
)
def test_client_is_the_chosen_one_else_the_one_that_is_there(
    bin: Path,
    monkeypatch: pytest.MonkeyPatch,
    programs: str,
    setting: str,
    program: str,
    is_installed: bool,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")
    for name in programs.split():
        add_program(bin, name)
    if setting:
        text = f'[tool.innerloop]\nengine = "{setting}"\n'
        (bin.parent / "ws/pyproject.toml").write_text(text)
    assert (client.program(), client.is_installed()) == (program, is_installed)
    assert docker_cli.pull("python")[0] == program
    asked = engine.ask("python")
    assert not asked.answers
    assert is_installed or f"{program.capitalize()} is not installed" == asked.why


@posix
@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("docker", "#!/bin/sh\nexit 1\n", "docker"),
        ("docker", SHIM, "podman"),
        ("docker", "\x7fELF podman", "docker"),
        ("podman", "\x7fELF", "podman"),
        ("podman-remote", "\x7fELF", "podman"),
    ],
)
def test_client_is_podman_also_by_the_name_docker(
    tmp_path: Path, name: str, text: str, kind: str
) -> None:
    program = add_program(tmp_path, name, text)
    assert client.kind_of(str(program)) == kind
    link = tmp_path / "link"
    link.symlink_to(program)
    assert client.kind_of(str(link)) == kind


@posix
@pytest.mark.parametrize(
    ("env", "current", "expected"),
    [
        ({}, None, "unix:///var/run/docker.sock"),
        ({}, "default", "unix:///var/run/docker.sock"),
        ({}, "colima", "unix:///home/me/.colima/default/docker.sock"),
        ({"DOCKER_CONTEXT": "colima"}, None, "unix:///home/me/.colima/default/docker.sock"),
        ({"DOCKER_CONTEXT": "default"}, "colima", "unix:///var/run/docker.sock"),
        ({"DOCKER_HOST": "ssh://box", "DOCKER_CONTEXT": "colima"}, None, "ssh://box"),
        ({"DOCKER_CONTEXT": "unknown"}, None, None),
    ],
)
def test_address_is_found_in_the_order_of_dockers_client(
    bin: Path,
    monkeypatch: pytest.MonkeyPatch,
    env: dict[str, str],
    current: str | None,
    expected: str | None,
) -> None:
    add_program(bin, "docker")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    meta = bin.parent / "config/contexts/meta" / hashlib.sha256(b"colima").hexdigest()
    meta.mkdir(parents=True)
    host = "unix:///home/me/.colima/default/docker.sock"
    content = {"Name": "colima", "Metadata": {}, "Endpoints": {"docker": {"Host": host}}}
    (meta / "meta.json").write_text(json.dumps(content))
    if current:
        config = {"auths": {}, "currentContext": current}
        (bin.parent / "config/config.json").write_text(json.dumps(config))
    assert client.address() == expected


@posix
def test_podman_has_no_address_unless_container_host_names_one(
    bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_program(bin, "podman")
    monkeypatch.setenv("DOCKER_HOST", "ssh://box")  # Podman does not read it
    assert (client.address(), client.socket_path()) == (None, None)
    monkeypatch.setenv("CONTAINER_HOST", "ssh://core@far/run/podman.sock")
    assert client.address() == "ssh://core@far/run/podman.sock"


@posix
def test_engine_is_described_by_two_calls(bin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count = bin.parent / "calls"
    info = '{"host":{"security":{"rootless":true}},"version":{"Version":"5.4.2"}}'
    script = f'#!/bin/sh\necho "$*" >> {count}\n[ "$1" = info ] && echo \'{info}\'\nexit 0\n'
    add_program(bin, "podman", script)
    asked = engine.ask("python", whole=True)
    assert (asked.answers, asked.facts.title) == (True, "rootless Podman 5.4.2")
    assert len(count.read_text().splitlines()) == 2


@posix
def test_engine_is_described_by_its_socket_without_a_client(
    bin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket is asked once; a second time only for what the first answer does not tell."""
    add_program(bin, "docker")
    asked: list[str] = []

    def answer(path: str, method: str, what: str) -> engine_socket.ApiAnswer:
        asked.append(what)
        value = {"ServerVersion": "4.3.1", "Rootless": True, "BuildahVersion": "1"}
        code = 200 if what == "/info" else 404
        return engine_socket.ApiAnswer(code, value, "Libpod/4.3.1 (linux)")

    monkeypatch.setattr(engine, "_ask", answer)
    monkeypatch.setattr(process, "run_together", lambda *argvs: pytest.fail(f"started {argvs}"))
    monkeypatch.setattr(host_gpus, "find", HostGpus)
    monkeypatch.setattr(client, "maps_users", lambda: False)
    monkeypatch.setattr(engine, "_owner_of", lambda path: 0)
    facts = engine.ask("python").facts
    assert (facts.title, facts.keeps_exit_codes, len(asked)) == ("Podman 4.3.1", False, 1)
    monkeypatch.setattr(engine, "_owner_of", lambda path: 1000)
    facts = engine.ask("python").facts
    assert (facts.title, len(asked)) == ("rootless Podman 4.3.1", 3)


def test_setting_names_an_engine_that_is_known() -> None:
    assert settings.of_workspace('[tool.innerloop]\nengine = "podman"', "f").engine == "podman"
    assert settings.of_workspace("", "f").engine is None
    with pytest.raises(UserError) as error:
        settings.of_workspace('[tool.innerloop]\nengine = "padman"', "pyproject.toml")
    assert (error.value.code, str(error.value.where)) == ("setting-invalid", "pyproject.toml:2")
    assert "podman" in error.value.hint


def test_run_argv_begins_with_the_client_of_the_value() -> None:
    assert run_argv(ContainerSpec("x", program="podman", init=False))[:3] == [
        "podman",
        "run",
        "--rm",
    ]
    assert run_argv(ContainerSpec("x"))[:4] == ["docker", "run", "--rm", "--init"]


# A program's name at the beginning of an argv, or one that is looked for on PATH.
LITERAL = re.compile(
    r"""(?<!Literal)[\[(]\s*["'](?:docker|podman)["']\s*,\s*["']|which\(["'](?:docker|podman)["']"""
)


def test_program_of_the_client_is_named_in_one_place() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {match[0]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for match in LITERAL.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
