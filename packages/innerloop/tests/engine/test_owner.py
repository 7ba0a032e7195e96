"""What a run writes belongs to the person who started it."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Workspace, make_workspace, remove_behind

pytestmark = [pytest.mark.docker, pytest.mark.person]

PERSON = 1000
SOCKET = Path("/var/run/docker.sock")
WRITES = """
import os, pathlib
pathlib.Path("outputs/deep").mkdir()
pathlib.Path("outputs/deep/model.bin").write_text("x")
pathlib.Path.home().joinpath("cache").write_text("a home that can be written")
print(os.getuid(), os.getgid())
"""


@pytest.fixture(scope="module")
def cache() -> Iterator[Path]:
    """The tool's own environment is made once for all of them."""
    folder = Path(tempfile.mkdtemp(prefix="innerloop-cache-"))
    os.chown(folder, PERSON, PERSON)
    yield folder
    remove_behind(folder)


@pytest.fixture
def theirs(cache: Path) -> Iterator[Workspace]:
    """A workspace of the user with UID 1000, with a copy of scripts/ they can read."""
    home = Path(tempfile.mkdtemp(prefix="innerloop-person-"))
    made = make_workspace(home / "their work", share_scripts=False, copy_source=True)
    made.env = {
        "HOME": str(home),
        "INNERLOOP_CACHE": str(cache),
        # Python and uv under root's home are not theirs to start.
        "PATH": "/usr/local/bin:/usr/bin:/bin",
    }
    made.add("tiny", WRITES)
    for path in (home, *home.rglob("*")):
        os.chown(path, PERSON, PERSON, follow_symlinks=False)
    yield made
    made.clean()
    remove_behind(home)


def test_outputs_are_the_persons(theirs: Workspace) -> None:
    # In the group of the engine's socket, as after `usermod -aG docker`.
    group = str(SOCKET.stat().st_gid)
    become = ["setpriv", f"--reuid={PERSON}", f"--regid={PERSON}", f"--groups={PERSON},{group}"]
    answer = theirs.loop("run", "tiny", "--backend", "docker", prefix=become)
    assert answer.code == 0, answer.err
    assert answer.out == f"{PERSON} {PERSON}\n"
    folder = theirs.outputs("tiny")
    for path in (folder, *folder.rglob("*"), folder.parent, folder.parent.parent):
        assert path.stat().st_uid == PERSON, path
    assert stat.S_ISREG((folder / "deep" / "model.bin").stat().st_mode)
    others = [path for path in theirs.root.rglob("*") if path.lstat().st_uid != PERSON]
    assert others == []


BESIDE = """
import os, pathlib
pathlib.Path("logs").mkdir()
pathlib.Path("logs/a").write_text("a")
pathlib.Path("mine").write_text(pathlib.Path("roots.txt").read_text())
pathlib.Path("outputs/x").write_text("x")
"""


def as_person() -> list[str]:
    group = str(SOCKET.stat().st_gid)
    return ["setpriv", f"--reuid={PERSON}", f"--regid={PERSON}", f"--groups={PERSON},{group}"]


def test_files_beside_outputs_are_the_persons_also_next_to_files_of_root(theirs: Workspace) -> None:
    (theirs.root / "src/tiny/train.py").write_text(BESIDE)
    roots = theirs.write("src/tiny/roots.txt", "root's")
    roots.chmod(0o644)
    answer = theirs.loop("run", "tiny", "--backend", "docker", prefix=as_person())
    assert answer.code == 0, answer.err
    beside = theirs.outputs("tiny") / "beside-outputs"
    assert (beside / "mine").read_text() == "root's" and (beside / "logs/a").read_text() == "a"
    assert {path.stat().st_uid for path in beside.rglob("*")} == {PERSON}
    assert roots.read_text() == "root's" and sorted(os.listdir(beside)) == ["logs", "mine"]
    assert not list((theirs.root / ".innerloop").glob("scratch/*"))


def test_files_that_a_containers_root_wrote_are_named(theirs: Workspace) -> None:
    """The job chooses root by itself: what cannot be moved away is not lost, and said."""
    (theirs.root / "src/tiny/train.py").write_text(BESIDE)
    theirs.write("src/tiny/roots.txt", "")
    job = theirs.root / "src/tiny/azure-ml-job.yaml"
    job.write_text(f"{job.read_text()}resources: {{docker_args: --user root}}\n")
    answer = theirs.loop("run", "tiny", "--backend", "docker", prefix=as_person())
    assert answer.code == 0, answer.err
    (left,) = (theirs.root / ".innerloop").glob("scratch/tiny/*")
    assert (left / "logs/a").read_text() == "a"
    assert "sudo chown" in answer.err and "scratch/tiny" in answer.err
    assert (theirs.outputs("tiny") / "beside-outputs/mine").exists()


def test_without_access_to_the_socket_it_is_said(theirs: Workspace) -> None:
    become = ["setpriv", f"--reuid={PERSON}", f"--regid={PERSON}", "--clear-groups"]
    answer = theirs.loop("run", "tiny", "--backend", "docker", prefix=become)
    assert answer.code == 1
    assert "has no access to its engine" in answer.message


def test_folders_that_are_roots_are_named(theirs: Workspace) -> None:
    """As a container's root leaves them behind.

    A sentence says whose they are, and doctor how to get them back.
    """
    become = ["setpriv", f"--reuid={PERSON}", f"--regid={PERSON}", "--clear-groups"]
    for name in (".innerloop/scratch", ".vscode"):
        theirs.write(f"{name}/x.json", "{}")
        os.chown(theirs.root / name, 0, 0)
    os.chown(theirs.root / ".innerloop", PERSON, PERSON)
    tested = theirs.loop("test", "tiny", "--backend", "venv", prefix=become)
    assert tested.code == 1
    assert "cannot write it: permission denied. Check its owner and permissions" in tested.message
    made = theirs.loop("new", "churn", prefix=become)
    assert made.code == 1 and ".vscode" in made.message and "permission denied" in made.message
    assert not (theirs.root / "src/churn").exists()
    told = json.loads(theirs.loop("doctor", "--json", prefix=become).out)
    (fact,) = [one for one in told if one["name"] == "permissions"]
    assert (fact["state"], fact["what"]) == ("bad", "you cannot write in .vscode/")
    assert "chown" in fact["hint"]
