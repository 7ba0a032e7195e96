"""Links of data that lead out of their folder, in real containers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.engine import dev
from tests.support import Workspace

pytestmark = pytest.mark.docker

# Prints which of the files that `find -L` of the host sees can be read, and whether one can be written.
LOOK = """
import json, os, sys
found = {}
for parent, folders, names in os.walk(sys.argv[1], followlinks=True):
    for name in names:
        path = os.path.join(parent, name)
        found[os.path.relpath(path, sys.argv[1])] = open(path).read() if os.path.exists(path) else None
try:
    open(os.path.join(sys.argv[1], "disk", "new"), "w")
except OSError as error:
    found["write"] = error.errno
print(json.dumps(found))
"""
JOB = """command: python look.py ${{inputs.d}}
inputs:
  d: {type: uri_folder, path: ../../data/d}
"""
SAID = "gets more of this machine than its workspace"


@pytest.fixture
def linked(workspace: Workspace, tmp_path: Path) -> Workspace:
    """Data with links of every form to a disk outside, and to another folder of the workspace."""
    disk = tmp_path / "disk, 1"
    (disk / "deep").mkdir(parents=True)
    (disk / "deep/one").write_text("one")
    (disk / "two").write_text("two")
    (disk / "deep/back").symlink_to("../two")
    workspace.add("tiny", "", job=JOB)
    workspace.write("src/tiny/look.py", LOOK)
    workspace.write("data/d/own", "own")
    workspace.write("data/other/three", "three")
    links: dict[str, str | Path] = {
        "disk": disk, "absolute": disk / "two", "chain": "absolute", "near": "../other",
        "relative": "../other/three", "here": workspace.root / "data/d/own",
    }  # fmt: skip
    for name, text in links.items():
        (workspace.root / "data/d" / name).symlink_to(text)
    return workspace


ALL = {
    "own": "own", "disk/two": "two", "disk/deep/one": "one", "disk/deep/back": "two",
    "absolute": "two", "chain": "two", "near/three": "three", "relative": "three", "here": "own",
}  # fmt: skip


def test_run_in_docker_reads_what_links_lead_to_and_says_it(
    linked: Workspace, tmp_path: Path
) -> None:
    answer = linked.loop("run", "tiny", "--backend", "docker")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out) == {**ALL, "write": 30}  # EROFS
    assert SAID in answer.err and f"it reads {tmp_path}/disk, 1 by links in its data" in answer.err
    assert "data/other" not in answer.err and "leads nowhere" not in answer.err
    dry = linked.loop("run", "tiny", "--backend", "docker", "--dry-run", "--json")
    request = json.loads(dry.out)
    sources = {mount["source"]: mount["read_only"] for mount in request["mounts"]}
    assert sources[str(tmp_path / "disk, 1")] and sources[str(linked.root / "data/other")]
    assert any(f"beyond the workspace: it reads {tmp_path}" in note for note in request["notes"])


def test_run_on_the_host_says_it_too(linked: Workspace, tmp_path: Path) -> None:
    answer = linked.loop("run", "tiny", "--backend", "venv", "--dry-run")
    assert f"it reads {tmp_path}/disk, 1" in answer.out


def test_link_into_the_image_is_named_and_leads_to_the_image(linked: Workspace) -> None:
    (linked.root / "data/d/passwd").symlink_to("/etc/passwd")
    answer = linked.loop("run", "tiny", "--backend", "docker", "--dry-run", "--json")
    request = json.loads(answer.out)
    assert "/etc/passwd" not in {mount["source"] for mount in request["mounts"]}
    (note,) = [note for note in request["notes"] if "leads into the image" in note]
    assert note.startswith("1 link of code or data ") and "data/d/passwd to /etc/passwd" in note


def test_ten_thousand_links_are_a_few_mounts(workspace: Workspace) -> None:
    workspace.add("tiny", "", job=JOB)
    count = "import os, sys\nprint(sum(os.path.exists(e.path) for e in os.scandir(sys.argv[1])))\n"
    workspace.write("src/tiny/look.py", count)
    data = workspace.root / "data/d"
    data.mkdir(parents=True)
    for number in range(10_000):
        cached = workspace.root / f".dvc/cache/files/{number % 97:02}/{number}"
        if number < 97:
            cached.parent.mkdir(parents=True)
        cached.touch()
        (data / str(number)).symlink_to(os.path.relpath(cached, data) if number % 2 else cached)
    answer = workspace.loop("run", "tiny", "--backend", "docker")
    assert (answer.code, answer.out) == (0, "10000\n"), answer.err
    assert SAID not in answer.err


@pytest.mark.devcontainer
def test_dev_container_reads_what_links_lead_to(linked: Workspace, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    (tmp_path / "disk, 1").rename(disk)
    for name, text in {"disk": disk, "absolute": disk / "two"}.items():
        (linked.root / "data/d" / name).unlink()
        (linked.root / "data/d" / name).symlink_to(text)
    assert linked.loop("sync").code == 0
    try:
        answer = linked.loop("up", "tiny")
        assert answer.code == 0, answer.err
        assert f"the dev container of tiny {SAID}" in answer.err
        assert f"it reads {disk} by links in its data" in answer.err
        inside = linked.loop("exec", "tiny", "--", "python", "look.py", "../../data/d")
        assert json.loads(inside.out) == {**ALL, "write": 30}, inside.err
    finally:
        dev.clean(linked)
