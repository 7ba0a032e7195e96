"""`loop new`: what it makes and what it refuses; killed at any moment it leaves nothing half made."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from innerloop.scaffold import create
from innerloop.workspace import loader
from tests.steps import EVERY_STEP, FEWER, copies, kill, stopped_at
from tests.support import Workspace


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_from_the_template_it_is_green_at_once(workspace: Workspace) -> None:
    made = workspace.loop("new", "search/ranking")
    assert (made.code, made.out) == (0, "Run it: scripts/loop run search/ranking\n"), made.err
    assert (workspace.root / ".devcontainer/search.ranking/devcontainer.json").is_file()
    assert workspace.loop("check", "ranking").code == 0
    assert workspace.loop("sync", "--check").code == 0
    run = workspace.loop("run", "ranking", "--backend", "venv")
    assert run.code == 0 and "slope" in run.out, run.err
    assert "experiment_name: search-ranking\n" in workspace.read(
        "src/search/ranking/azure-ml-job.yaml"
    )
    for path in (workspace.root / "src").rglob("*"):
        assert not path.is_file() or "experiment_name_here" not in path.read_text(), path


def test_twice_is_an_error_and_changes_nothing(workspace: Workspace) -> None:
    assert workspace.loop("new", "churn").code == 0
    workspace.write("src/churn/train.py", "mine")
    before = names(workspace.root)
    again = workspace.loop("new", "churn")
    assert again.code == 1 and "nothing was changed" in again.message
    assert len(again.err.splitlines()) == 1 and "src/churn" in again.err
    assert names(workspace.root) == before and workspace.read("src/churn/train.py") == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny/deep", "[experiment-nested]"),
        ("shop", "[experiment-nested]"),
        ("TINY", 'Write "tiny" [experiment-name-invalid]'),
        ("old", "[experiment-name-taken]"),
        ("search/x", "[experiment-name-taken]"),
        ("notes/line", "src/notes: this is not a folder [path-exists]"),
        ("empty", "src/empty: something with this name exists"),
        ("../outside", "Begin with a letter [experiment-name-invalid]"),
    ],
)
def test_names_that_are_not_free(workspace: Workspace, name: str, message: str) -> None:
    for made in ("tiny", "shop/churn", "OLD"):
        workspace.add(made, "")
    workspace.write("src/notes", "a file")
    for folder in ("empty", "Search"):
        (workspace.root / "src" / folder).mkdir()
    before = names(workspace.root)
    answer = workspace.loop("new", name)
    assert answer.code in (1, 2) and message in answer.message
    assert names(workspace.root) == before


def test_from_another_experiment(workspace: Workspace) -> None:
    folder = workspace.add(
        "old",
        "from common.rates import RATE\nold = RATE\nprint(old)\n",
        job="experiment_name: old\n",
    )
    workspace.write("src/common/rates.py", "RATE = 7\n")
    workspace.write("src/old/README.md", "# old\nSee src/old/train.py, not src/old_svm.\n")
    workspace.write("src/old/outputs/model.bin", "large")
    workspace.write("src/old/__pycache__/x.pyc", "")
    (folder / "picture.png").write_bytes(b"\x89PNG\xff\xfe src/old")
    script = workspace.write("src/old/run.sh", "cd src/old\n")
    script.chmod(0o755)
    (folder / "latest").symlink_to("train.py")
    assert workspace.loop("share", "old", "rates.py").code == 0
    made = workspace.loop("new", "shop/second", "--from", "old")
    assert made.code == 0, made.err
    second = workspace.root / "src/shop/second"
    assert os.readlink(second / "common/rates.py") == "../../../common/rates.py"
    assert os.readlink(second / "latest") == "train.py"
    assert (second / "picture.png").read_bytes() == (folder / "picture.png").read_bytes()
    assert (second / "run.sh").read_text() == "cd src/shop/second\n"
    assert os.access(second / "run.sh", os.X_OK)
    assert not (second / "outputs").exists() and not (second / "__pycache__").exists()
    assert (second / "train.py").read_text() == (folder / "train.py").read_text()
    assert "experiment_name: shop-second\n" in (second / "azure-ml-job.yaml").read_text()
    assert (second / "README.md").read_text() == (
        "# shop/second\nSee src/shop/second/train.py, not src/old_svm.\n"
    )
    run = workspace.loop("run", "second", "--backend", "venv")
    assert (run.code, run.out) == (0, "7\n"), run.err


@pytest.mark.skipif(os.name == "nt", reason="counts the steps in a forked process")
@pytest.mark.parametrize("name", ["churn", "shop/churn"])
@EVERY_STEP
def test_killed_at_any_step_there_is_all_of_it_or_nothing(
    workspace: Workspace, name: str, tmp_path: Path, every: bool
) -> None:
    workspace.add("tiny", "")
    ends = set()
    for number, root in copies(workspace.root, tmp_path / "copies", every=every):

        def make(root: Path = root) -> None:
            create.create_experiment(loader.open_workspace(root), name, None)

        code = stopped_at(root, number, kill, make)
        ends.add(code)
        whole = loader.open_workspace(root).experiments == tuple(sorted(("tiny", name)))
        if whole:
            files = [path for path in names(root / "src" / name) if "." in path]
            assert len(files) == len([p for p in names(create.TEMPLATE) if "." in p]), number
        else:
            assert names(root / "src") == names(workspace.root / "src"), number
            make()  # and the next one is not in its way
            assert loader.open_workspace(root).experiments == tuple(sorted(("tiny", name)))
            assert names(root / ".innerloop") == ["state.json", "sync.lock"]
        if code == FEWER:
            break
    assert ends == {-signal.SIGKILL, FEWER} and number > 15
