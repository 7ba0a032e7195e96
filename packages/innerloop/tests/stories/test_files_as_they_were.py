"""What a sync leaves of a file beside its text: mode, link, owner's protection; and two at once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, Workspace

JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"
LAUNCH = ".vscode/launch.json"


@pytest.fixture
def synced(workspace: Workspace) -> Workspace:
    workspace.add("line", "print(1)\n", job=JOB)
    assert workspace.loop("sync").code == 0
    workspace.add("line", "print(1)\n", job=JOB.replace("8", "3"))
    return workspace


@pytest.mark.skipif(os.name == "nt", reason="modes are those of POSIX")
def test_a_mode_is_kept(synced: Workspace) -> None:
    (synced.root / LAUNCH).chmod(0o640)
    assert synced.loop("sync").code == 0
    assert '"3"' in synced.read(LAUNCH)
    assert (synced.root / LAUNCH).stat().st_mode & 0o7777 == 0o640


@pytest.mark.parametrize("linked", [LAUNCH, ".vscode"])
def test_a_link_stays_a_link_and_its_target_is_written(
    synced: Workspace, tmp_path: Path, linked: str
) -> None:
    real = tmp_path / "dotfiles" / Path(linked).name
    real.parent.mkdir()
    shutil.move(synced.root / linked, real)
    (synced.root / linked).symlink_to(real)
    refused = synced.loop("sync")
    assert refused.code == 1 and "[link-leads-out]" in refused.message
    trusted = {"INNERLOOP_TRUSTED_FOLDERS": str(tmp_path / "dotfiles")}
    assert synced.loop("sync", env=trusted).code == 0
    assert (synced.root / linked).is_symlink()
    assert '"3"' in synced.read(LAUNCH)
    assert [path.name for path in real.parent.iterdir()] == [real.name]


def test_a_link_to_another_disk(synced: Workspace) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == synced.root.stat().st_dev:
        assert sys.platform != "linux"
        return
    folder = other / f"innerloop-{os.getpid()}"
    shutil.copytree(synced.root / ".vscode", folder)
    shutil.rmtree(synced.root / ".vscode")
    (synced.root / ".vscode").symlink_to(folder)
    try:
        before = sorted(path.name for path in folder.iterdir())
        assert synced.loop("sync", env={"INNERLOOP_TRUSTED_FOLDERS": str(folder)}).code == 0
        assert '"3"' in synced.read(LAUNCH)
        assert sorted(path.name for path in folder.iterdir()) == before
    finally:
        shutil.rmtree(folder)


@pytest.mark.person
def test_a_read_only_file_is_named_and_nothing_is_changed(synced: Workspace) -> None:
    shutil.rmtree(synced.root / "src" / "line")
    synced.add("other", "print(1)\n", job=JOB)
    (synced.root / LAUNCH).chmod(0o444)
    before = texts(synced)
    answer = as_person(synced)
    assert answer.returncode == 1
    assert f"{LAUNCH}: cannot write it: the file is read-only" in answer.stderr
    assert texts(synced) == before
    (synced.root / LAUNCH).chmod(0o644)
    assert as_person(synced).returncode == 0
    assert '"other: train.py"' in synced.read(LAUNCH)


def texts(workspace: Workspace) -> dict[str, str]:
    folders = (".vscode", ".devcontainer", ".innerloop")
    found = [p for f in folders for p in (workspace.root / f).rglob("*") if p.is_file()]
    return {path.relative_to(workspace.root).as_posix(): path.read_text() for path in found}


def as_person(workspace: Workspace) -> subprocess.CompletedProcess[str]:
    """`loop sync` by the user with UID 1000, whose workspace it is; root may write anything.

    It is started as a module, since the tool's environment may lie where that user cannot look.
    """
    home = workspace.root.parents[2] / "person"
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(ROOT / "packages/innerloop/src/innerloop", home / "scripts" / "innerloop")
    code = "import sys; from innerloop.sync import engine; from pathlib import Path\n"
    code += "from innerloop.util.errors import UserError\n"
    code += "try: engine.sync(Path(sys.argv[1]))\n"
    code += "except UserError as error: sys.exit(error.message())\n"
    for folder in (home, workspace.root):
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 1000, 1000, follow_symlinks=False)
    for parent in workspace.root.parents:
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(0o755)
    packages = home / "packages"
    import yaml

    shutil.copytree(Path(yaml.__file__).parent, packages / "yaml")
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{home / 'scripts'}:{packages}"}
    become = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
    return subprocess.run(
        [*become, "/usr/bin/python3", "-c", code, str(workspace.root)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_two_at_once_end_as_one(synced: Workspace) -> None:
    for number in range(20):
        synced.add(f"line{number}", "print(1)\n", job=JOB)
    started = [synced.start("sync") for _ in range(4)]
    assert [one.end().code for one in started] == [0, 0, 0, 0]
    assert synced.loop("sync", "--check").code == 0
    names = [one["name"] for one in json.loads(synced.read(LAUNCH))["configurations"]]
    assert len(names) == len(set(names)) and "line19: train.py" in names
