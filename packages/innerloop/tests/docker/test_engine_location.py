"""Where an engine is, by what it answers and by its address. Real ones: tests/engine."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from innerloop.docker import engine_location

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in for docker is a shell script")

INFO = '{"OperatingSystem":"Debian","ServerVersion":"1"}'
NOT_SEEN = "invalid mount config for type bind: bind source path does not exist: /x"
NO_IMAGE = "No such image: innerloop.invalid/none:latest"
# An engine that sees this machine's files.
SEES = f'test -e "$source" && echo "{NO_IMAGE}" >&2 || echo "{NOT_SEEN}" >&2'


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    (tmp_path / "work, space").mkdir()
    return tmp_path / "work, space"


def client(root: Path, create: str, context: str = "") -> None:
    """A client in front of an engine that answers `create` in this way."""
    program = root.parent / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"""#!/bin/sh
case $1 in
info) echo '{INFO}' ;;
context) echo '"{context}"' ;;
create)
  source=$(echo "$5" | sed 's/.*source=//; s/"*,target=.*//')
  {create}
  exit 1 ;;
*) exit 1 ;;
esac
""")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(
    ("address", "create", "is_elsewhere"),
    [
        ("ssh://box", SEES, False),  # a machine that has these very files
        ("tcp://build:2375", SEES, False),  # a service beside a CI job
        ("tcp://127.0.0.1:2375", SEES, False),
        ("ssh://box", f'echo "{NOT_SEEN}" >&2', True),
        ("tcp://localhost:2375", f'echo "{NOT_SEEN}" >&2', True),
        ("unix:///run/user/1000/docker.sock", SEES, False),
        ("unix:///home/me/.colima/docker.sock", f'echo "{NOT_SEEN}" >&2', True),
        ("npipe:////./pipe/docker", 'echo "The path is not shared from the host" >&2', True),
        # The same folder there, without the file that is only here.
        (
            "ssh://box",
            f'test -d "$source" && echo "{NO_IMAGE}" >&2 || echo "{NOT_SEEN}" >&2',
            True,
        ),
        # An engine that looks for the image first, and a client that knows no --pull.
        ("ssh://box", f'echo "{NO_IMAGE}" >&2', True),
        ("tcp://[::1]:2375", f'echo "{NO_IMAGE}" >&2', False),
        ("unix:///run/podman.sock", f'echo "{NO_IMAGE}" >&2', False),
        ("unix:///run/x.sock", 'echo "unknown flag: --pull" >&2', False),
    ],
)
@pytest.mark.parametrize("by_context", [False, True])
def test_engine_is_elsewhere_if_it_does_not_see_a_file_of_the_workspace(
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    address: str,
    create: str,
    is_elsewhere: bool,
    by_context: bool,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "" if by_context else address)
    if by_context:
        monkeypatch.setenv("DOCKER_CONTEXT", "far")
    client(root, create, context=address if by_context else "unix:///unused")
    facts = engine_location.ask("image", str(root))
    assert facts.is_elsewhere is is_elsewhere
    assert facts.answers is not is_elsewhere
    assert not is_elsewhere or (
        address in facts.why and engine_location.unavailable(facts).code == "engine-elsewhere"
    )
    assert list(root.iterdir()) == []


def test_the_address_is_shown_without_its_password(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://me:hunter2@box")
    client(root, f'echo "{NOT_SEEN}" >&2')
    facts = engine_location.ask("image", str(root))
    assert "(ssh://me@box)" in facts.why and "hunter2" not in facts.why + facts.hint
