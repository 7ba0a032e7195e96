"""`loop rename` renames everything that is named after an experiment; `loop remove` loses nothing."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from innerloop.scaffold import remove as removing
from innerloop.scaffold import rename as renaming
from innerloop.sync import engine
from innerloop.util import change_folder
from innerloop.workspace import loader
from tests.serving.tiny import add_server
from tests.steps import EVERY_STEP, FEWER, copies, kill, stopped_at
from tests.support import Workspace, docker

JOB = "experiment_name: old\ncommand: python train.py --epochs ${{inputs.epochs}}\ninputs: {epochs: 8}\n"
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github", "azure-devops"]\n'
GITHUB, PIPELINE = ".github/workflows/train-{}.yml", "orchestration/azure-devops/train-{}.yml"
DEV = ".devcontainer/{}/devcontainer.json"
LAUNCH, TASKS = ".vscode/launch.json", ".vscode/tasks.json"


@pytest.fixture
def used(workspace: Workspace) -> Workspace:
    """`old` beside `old_svm`, with common code, outputs, and a person's edits in generated files."""
    for name in ("old", "old_svm"):
        train = "from common.rates import RATE\nprint(RATE)\n"
        workspace.add(name, train, job=JOB, toml=SCHEDULE)
        workspace.write("src/common/rates.py", "RATE = 7\n")
        assert workspace.loop("share", name, "rates.py").code == 0
    workspace.write("outputs/old/20260101-000000-aaaa/metrics.json", "{}")
    workspace.write("README.md", "Run src/old/train.py.\n")
    dev = workspace.read(DEV.format("old"))
    workspace.write(DEV.format("old"), dev.replace("{", '{\n    "mine": true, // kept', 1))
    workspace.write(".devcontainer/old/hello.sh", "echo hello")
    launch = workspace.read(LAUNCH)
    at = launch.index('"old: train.py"')
    workspace.write(
        LAUNCH, launch[:at] + launch[at:].replace('"justMyCode": true', '"justMyCode": false', 1)
    )
    tasks = workspace.read(TASKS)
    mine = '"debug old", "detail": "Mine. It takes a while",'
    workspace.write(TASKS, tasks.replace('"debug old",', mine, 1))
    workflow = workspace.read(GITHUB.format("old"))
    workspace.write(
        GITHUB.format("old"), workflow.replace("timeout-minutes: 360", "timeout-minutes: 7")
    )
    assert workspace.loop("sync", "--check").code == 0
    return workspace


def configuration(root: Path, name: str) -> dict[str, object]:
    found = json.loads((root / LAUNCH).read_text())["configurations"]
    (one,) = [one for one in found if one["name"] == name]
    assert isinstance(one, dict)
    return one


def check_renamed(root: Path, new: str) -> None:
    slug = new.replace("/", ".")
    assert not (root / "src/old").exists() and not (root / ".devcontainer/old").exists()
    depth = "../" * (2 + new.count("/"))
    assert os.readlink(root / "src" / new / "common/rates.py") == f"{depth}common/rates.py"
    job = (root / "src" / new / "azure-ml-job.yaml").read_text()
    assert f"experiment_name: {new.replace('/', '-')}\n" in job
    dev = (root / DEV.format(slug)).read_text()
    assert dev.startswith('{\n    "mine": true, // kept') and f'"name": "{new}"' in dev
    assert f"src/{new}/environment/Dockerfile" in dev and "src/old/" not in dev
    assert (root / f".devcontainer/{slug}/hello.sh").read_text() == "echo hello"
    assert configuration(root, f"{new}: train.py")["justMyCode"] is False
    assert configuration(root, "old_svm: train.py")["justMyCode"] is True
    tasks = {one["label"]: one for one in json.loads((root / TASKS).read_text())["tasks"]}
    assert "debug old" not in tasks and tasks[f"debug {new}"]["detail"].startswith("Mine. ")
    text = (root / LAUNCH).read_text()
    assert "old: train.py" not in text and f"/src/{new}" in text and "/src/old_svm" in text
    for path, mine in ((GITHUB, "timeout-minutes: 7"), (PIPELINE, "timeoutInMinutes")):
        text = (root / path.format(slug)).read_text()
        assert mine in text and f"loop submit {new} " in text and "old" not in text
        assert not (root / path.format("old")).exists() and (root / path.format("old_svm")).exists()
    assert (root / "outputs" / slug / "20260101-000000-aaaa/metrics.json").is_file()
    assert not change_folder.is_pending(root)


@pytest.mark.parametrize("new", ["fresh", "shop/fresh"])
def test_everything_that_is_named_after_it_follows(used: Workspace, new: str) -> None:
    answer = used.loop("rename", "old", new)
    assert answer.code == 0, answer.err
    assert "README.md:1: this still names src/old" in answer.message
    check_renamed(used.root, new)
    assert used.loop("sync", "--check").code == 0
    assert new in used.read(".vscode/tasks.json") and '"old"' not in used.read(".vscode/tasks.json")
    run = used.loop("run", new, "--backend", "venv")
    assert (run.code, run.out) == (0, "7\n"), run.err
    back = used.loop("rename", new, "old")
    assert back.code == 0, back.err
    assert not (used.root / "src/shop").exists()
    assert used.loop("sync", "--check").code == 0


def test_its_server_follows(workspace: Workspace) -> None:
    add_server(workspace, "quill")
    file = "deploy/blue-deployment.yaml"
    text = workspace.read(f"src/quill/{file}").replace("line", "quill")
    workspace.write(f"src/quill/{file}", text)
    assert workspace.loop("sync").code == 0
    answer = workspace.loop("rename", "quill", "shop/fresh")
    assert answer.code == 0, answer.err
    moved = workspace.read(f"src/shop/fresh/{file}")
    assert "endpoint_name: shop-fresh\n" in moved and "model: azureml:shop-fresh@latest\n" in moved
    found = configuration(workspace.root, "shop/fresh: a request to its server")
    assert found["preLaunchTask"] == "debug the server of shop/fresh"
    for text in (workspace.read(LAUNCH), workspace.read(TASKS)):
        assert "quill" not in text
    assert workspace.loop("sync", "--check").code == 0
    copied = workspace.loop("new", "other", "--from", "shop/fresh")
    assert copied.code == 0, copied.err
    assert "endpoint_name: other\n" in workspace.read(f"src/other/{file}")
    assert workspace.loop("check", "other").code == 0
    removed = workspace.loop("remove", "shop/fresh", "--yes")
    assert removed.code == 0, removed.err
    assert "fresh" not in workspace.read(LAUNCH) + workspace.read(TASKS)


@pytest.mark.parametrize("new", ["old_svm", "Fresh", "old/deep", "common"])
def test_invalid_name_changes_nothing(used: Workspace, new: str) -> None:
    before = {path: path.stat().st_mtime_ns for path in used.root.rglob("*") if path.is_file()}
    answer = used.loop("rename", "old", new)
    assert answer.code in (1, 2) and len(answer.message.splitlines()) == 1
    after = {path: path.stat().st_mtime_ns for path in used.root.rglob("*") if path.is_file()}
    assert {p for p in before if before[p] != after.get(p)} == set()
    assert not change_folder.is_pending(used.root)


def test_another_experiments_link_into_it_follows(used: Workspace) -> None:
    (used.root / "src/old_svm/train_other.py").symlink_to("../old/train.py")
    assert used.loop("rename", "old", "shop/fresh").code == 0
    assert os.readlink(used.root / "src/old_svm/train_other.py") == "../shop/fresh/train.py"


@pytest.mark.skipif(os.name == "nt", reason="counts the steps in a forked process")
@EVERY_STEP
def test_killed_at_any_step_the_next_sync_undoes_it_or_it_is_done(
    used: Workspace, tmp_path: Path, every: bool
) -> None:
    ends = set()
    for number, root in copies(used.root, tmp_path / "copies", every=every):

        def rename(root: Path = root) -> None:
            renaming.carry_out(loader.open_workspace(root), "old", "shop/fresh")

        code = stopped_at(root, number, kill, rename)
        ends.add(code)
        engine.sync(root)
        if (root / "src/old").exists():
            assert (
                not (root / "src/shop").exists() and (root / ".devcontainer/old/hello.sh").is_file()
            )
            rename()
        check_renamed(root, "shop/fresh")
        if code == FEWER:
            break
    assert ends == {-signal.SIGKILL, FEWER} and number > 20


def test_remove_asks_first(used: Workspace) -> None:
    answer = used.loop("remove", "old")
    assert answer.code == 2 and "--yes" in answer.message
    assert "src/old and .devcontainer/old" in answer.out and "outputs/old/" in answer.out
    for word, gone in (("n\n", False), ("y\n", True)):
        master, slave = pty.openpty()
        os.write(master, word.encode())
        done = subprocess.run(
            [used.root / "scripts/loop", "remove", "old"], stdin=slave, capture_output=True
        )
        os.close(master)
        os.close(slave)
        assert done.returncode == 0, done.stderr
        assert (used.root / "src/old").exists() is not gone


def test_remove_keeps_data_and_outputs_and_can_be_undone(used: Workspace) -> None:
    git = ["git", "-C", str(used.root)]
    subprocess.run([*git, "init", "-q"], check=True)
    used.write("data/numbers/a.csv", "1")
    (used.root / "src/old_svm/train_other.py").symlink_to("../old/train.py")
    answer = used.loop("remove", "old", "--yes")
    assert answer.code == 0, answer.err
    assert "not committed" in answer.out and "src/old_svm/train_other.py" in answer.out
    assert not (used.root / "src/old").exists() and not (used.root / ".devcontainer/old").exists()
    assert "debug old" not in used.read(TASKS).replace("debug old_svm", "")
    assert "old: train.py" not in used.read(LAUNCH) and "old_svm: train.py" in used.read(LAUNCH)
    assert (used.root / "data/numbers/a.csv").is_file()
    assert (used.root / "outputs/old/20260101-000000-aaaa/metrics.json").is_file()
    assert used.loop("sync", "--check").code == 0
    assert not (used.root / GITHUB.format("old")).exists()
    for line in answer.out.partition("To restore it:\n")[2].splitlines():
        subprocess.run(line, shell=True, cwd=used.root, check=True)
    assert '"mine": true, // kept' in used.read(DEV.format("old"))
    assert "timeout-minutes: 7" in used.read(GITHUB.format("old"))
    run = used.loop("run", "old", "--backend", "venv")
    assert (run.code, run.out) == (0, "7\n"), run.err


@pytest.mark.skipif(os.name == "nt", reason="counts the steps in a forked process")
@EVERY_STEP
def test_removal_killed_at_any_step_is_undone_or_done_without_a_conflict(
    used: Workspace, tmp_path: Path, every: bool
) -> None:
    """What a person changed in the experiment's entries neither stays nor conflicts."""
    ends = set()
    for number, root in copies(used.root, tmp_path / "copies", every=every):

        def remove(root: Path = root) -> None:
            workspace = loader.open_workspace(root)
            removing.carry_out(root, removing.plan(workspace, "old"))

        code = stopped_at(root, number, kill, remove)
        ends.add(code)
        engine.sync(root)
        if (root / "src/old").exists():
            assert '"mine": true, // kept' in (root / DEV.format("old")).read_text()
            remove()
        (kept,) = (root / removing.REMOVED).iterdir()
        assert '"mine": true, // kept' in (kept / "devcontainer/devcontainer.json").read_text()
        assert "timeout-minutes: 7" in (kept / GITHUB.format("old")).read_text()
        assert '"Mine. ' in (kept / "tasks.json").read_text()
        assert not (root / GITHUB.format("old")).exists() and not (root / "src/old").exists()
        for file in (LAUNCH, TASKS):
            text = (root / file).read_text()
            own = {"Mine. ", "src/old/", '"old"', '"old: ', '"debug old"'}
            assert not [part for part in own if part in text], number
        outcome = engine.plan(root)
        assert (outcome.changes, outcome.problems, outcome.state) == ((), (), None), number
        assert not change_folder.is_pending(root)
        shutil.rmtree(root)
        if code == FEWER:
            break
    assert ends == {-signal.SIGKILL, FEWER} and number > 15


@pytest.mark.docker
def test_images_are_named_and_a_running_container_stops_it(workspace: Workspace) -> None:
    workspace.add("old", "import time; print('up', flush=True); time.sleep(600)")
    run = workspace.start("run", "old", "--backend", "docker")
    run.wait_for("up")
    (container,) = workspace.containers()
    for words in (("remove", "old", "--yes"), ("rename", "old", "fresh")):
        answer = workspace.loop(*words)
        assert answer.code == 1 and container in answer.message
        assert (workspace.root / "src/old").is_dir()
    docker("kill", container)
    run.end()
    answer = workspace.loop("remove", "old", "--yes")
    assert answer.code == 0 and f"docker rmi {workspace.images()[0]}" in answer.out
