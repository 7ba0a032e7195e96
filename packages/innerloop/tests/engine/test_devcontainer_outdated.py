"""A dev container that is older than what it was made from says so, file by file."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Iterator

import pytest

from tests.engine import dev
from tests.support import TINY, Workspace, until

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer]

OLDER = "the dev container is outdated: environment/Dockerfile changed, "
CHANGED = f"tiny: {OLDER}environment/new.txt is new, environment/requirements.txt was removed"


@pytest.fixture
def opened(workspace: Workspace) -> Iterator[Workspace]:
    workspace.add("tiny", "print('hello')")
    assert workspace.loop("sync").code == 0
    yield workspace
    dev.clean(workspace)


def age(workspace: Workspace) -> None:
    workspace.write("src/tiny/environment/Dockerfile", TINY + "ENV A=1\n")
    workspace.write("src/tiny/environment/new.txt", "")
    (workspace.root / "src/tiny/environment/requirements.txt").unlink()


def test_up_exec_and_stale_say_what_changed(opened: Workspace) -> None:
    first = dev.up(opened)
    assert first["outdated"] == []
    assert opened.loop("outdated", "--check").out == ""
    age(opened)
    up = opened.loop("up", "tiny", "--json")
    assert json.loads(up.out)["outdated"] == [
        "environment/Dockerfile changed",
        "environment/new.txt is new",
        "environment/requirements.txt was removed",
    ]
    assert json.loads(up.out)["container"] == first["container"]
    assert "loop up tiny --rebuild" in up.err
    executed = opened.loop("exec", "tiny", "--", "echo", "ran")
    assert (executed.code, executed.out) == (0, "ran\n")
    assert CHANGED in executed.err
    told = opened.loop("outdated", "--check")
    assert told.code == 1
    assert CHANGED in told.out and "the image is outdated" in told.out
    assert {one["kind"] for one in json.loads(opened.loop("outdated", "--json").out)} == {
        "container",
        "image",
    }
    again = dev.up(opened, "tiny", "--rebuild")
    assert (again["how"], again["outdated"]) == ("created", [])
    assert opened.loop("outdated", "--check").out == ""


def test_the_code_and_the_editors_part_make_nothing_stale(opened: Workspace) -> None:
    dev.up(opened)
    opened.write("src/tiny/train.py", "print('changed')")
    path = ".devcontainer/tiny/devcontainer.json"
    value = json.loads(opened.read(path))
    value["customizations"]["vscode"]["extensions"].append("a.b")
    opened.write(path, "// mine\n" + json.dumps(value))
    assert dev.up(opened)["outdated"] == []
    value["containerEnv"]["MINE"] = "1"
    value["mounts"] = []
    opened.write(path, json.dumps(value))
    assert dev.up(opened)["outdated"] == [f"{path} changed (containerEnv, mounts)"]


def test_a_switch_of_branches_is_noticed(opened: Workspace) -> None:
    def git(*words: str) -> None:
        who = ["-c", "user.name=a", "-c", "user.email=b"]
        subprocess.run(["git", *who, *words], cwd=opened.root, check=True, capture_output=True)

    opened.write(".gitignore", "/.innerloop/*\n!/.innerloop/state.json\n")
    git("init", "-q", "-b", "main")
    git("add", "-A")
    git("commit", "-qm", "first")
    git("switch", "-qc", "other")
    opened.write("src/tiny/environment/Dockerfile", TINY + "ENV A=1\n")
    git("commit", "-qam", "second")
    git("switch", "-q", "main")
    dev.up(opened)
    git("switch", "-q", "other")
    assert "environment/Dockerfile changed" in opened.loop("outdated").out
    git("switch", "-q", "main")
    assert opened.loop("outdated").out == ""


def test_a_container_that_vs_code_made_says_it_too(opened: Workspace) -> None:
    """It carries no label of ours: what it was made from is in its user's home."""
    assert dev.bare(opened, "up").code == 0
    assert opened.loop("outdated").out == ""
    assert opened.loop("exec", "tiny", "--", "true").err == ""
    age(opened)
    assert CHANGED in opened.loop("exec", "tiny", "--", "true").err
    path = ".devcontainer/tiny/devcontainer.json"
    value = json.loads(opened.read(path))
    opened.write(path, json.dumps({**value, "init": True}))
    assert dev.up(opened)["outdated"][-1] == f"{path} changed (init)"
    renewed = dev.up(opened, "tiny", "--rebuild")
    assert (renewed["how"], renewed["outdated"]) == ("created", [])
    assert len(dev.containers(opened)) == 1


def test_a_run_says_what_it_builds_again_for(opened: Workspace) -> None:
    assert opened.loop("run", "tiny", "--backend", "docker").code == 0
    age(opened)
    answer = opened.loop("run", "tiny", "--backend", "docker")
    assert (answer.code, answer.out) == (0, "hello\n")
    assert (
        "changed since the last build: environment/Dockerfile changed, environment/new.txt is new"
        in answer.err
    )


def test_inside_the_container_it_is_said_too(opened: Workspace) -> None:
    """As in VS Code's own terminal: from the files that the container keeps in its user's home."""
    dev.up(opened)
    inside = {"INNERLOOP_EXPERIMENT": "tiny", "HOME": str(opened.root / "home")}
    for name in ("environment.sha256", "devcontainer.json"):
        kept = opened.loop("exec", "tiny", "--", "sh", "-c", f"cat ~/.innerloop/{name}")
        opened.write(f"home/.innerloop/{name}", kept.out)
    quiet = opened.loop("run", "tiny", "--backend", "in-container", env=inside)
    assert quiet.code == 0 and "older" not in quiet.err, quiet.err
    age(opened)
    answer = opened.loop("run", "tiny", "--backend", "in-container", env=inside)
    assert (answer.code, answer.out) == (0, "hello\n")
    assert CHANGED in answer.err
    assert CHANGED in opened.loop("outdated", env=inside).out


def test_a_person_is_asked_and_gets_a_new_one(opened: Workspace) -> None:
    first = dev.up(opened)
    age(opened)
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [str(opened.root / "scripts/loop"), "up", "tiny"],
        cwd=opened.root,
        env={**{k: v for k, v in os.environ.items() if k != "CI"}, **opened.env},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    seen = b""
    try:
        while b"[y/N]" not in seen:
            seen += os.read(ours, 4096)
        os.write(ours, b"y\n")
        until(lambda: _drained(ours) and child.poll() is not None, 60)
    finally:
        child.kill()
        os.close(ours)
    assert child.wait() == 0
    (made,) = dev.containers(opened)
    assert made["Id"] != first["container"]


def _drained(number: int) -> bool:
    """A program blocks when nobody reads its terminal."""
    import select

    while select.select([number], [], [], 0)[0]:
        try:
            if not os.read(number, 4096):
                break
        except OSError:
            break
    return True
