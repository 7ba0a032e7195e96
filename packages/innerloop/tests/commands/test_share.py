"""`loop share`: what it makes, what it refuses, what it mends.

And that the code behind the links is there in every place.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.remote.snapshot import read as read_snapshot
from innerloop.util import change_folder, files
from tests.support import Workspace

TRAIN = "from common.vision.augment import flip\nfrom common.rates import RATE\nprint(flip(RATE))\n"


@pytest.fixture
def shared(workspace: Workspace) -> Workspace:
    """Two experiments, one a level deeper, and common code of a file and a nested folder."""
    workspace.add("tiny", TRAIN)
    workspace.add("shop/churn", TRAIN)
    workspace.write("src/common/rates.py", "RATE = 7\n")
    workspace.write("src/common/vision/augment.py", "def flip(x):\n    return -x\n")
    workspace.write("src/common/vision/masks/round.py", "")
    return workspace


def link(workspace: Workspace, path: str) -> str:
    """The link's text; the test fails where it leads nowhere."""
    at = workspace.root / path
    assert at.is_symlink() and at.exists(), path
    return os.readlink(at)


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): os.readlink(path) if path.is_symlink() else ""
        for path in sorted(folder.rglob("*"))
    }


def test_files_and_folders_at_any_depth(shared: Workspace) -> None:
    one = shared.loop("share", "tiny", "rates.py", "vision/augment.py", "vision/masks")
    assert one.code == 0, one.err
    assert link(shared, "src/tiny/common/rates.py") == "../../common/rates.py"
    assert link(shared, "src/tiny/common/vision/augment.py") == "../../../common/vision/augment.py"
    assert link(shared, "src/tiny/common/vision/masks") == "../../../common/vision/masks"
    two = shared.loop("share", "churn", "src/common/vision")
    assert two.code == 0, two.err
    assert link(shared, "src/shop/churn/common/vision") == "../../../common/vision"


def test_experiment_that_is_removed_while_share_waits_is_not_made_anew(shared: Workspace) -> None:
    with files.locked(shared.root / change_folder.LOCK):
        waiting = shared.start("share", "tiny", "rates.py")
        waiting.wait_for(change_folder.WAITING)
        shutil.rmtree(shared.root / "src/tiny")
    end = waiting.end()
    assert end.code == 1 and "src/tiny no longer exists" in end.err, end
    assert not (shared.root / "src/tiny").exists()


def test_links_that_were_repaired_while_repair_waits_are_left_alone(shared: Workspace) -> None:
    assert shared.loop("share", "tiny", "rates.py").code == 0
    broken = shared.root / "src/tiny/common/rates.py"
    broken.unlink()
    broken.symlink_to("../../../common/rates.py")
    with files.locked(shared.root / change_folder.LOCK):
        waiting = shared.start("share", "--repair")
        waiting.wait_for(change_folder.WAITING)
        shutil.rmtree(shared.root / "src/tiny")
    end = waiting.end()
    assert end.code == 0 and "all links are in order" in end.out, end
    assert not (shared.root / "src/tiny").exists()


@pytest.mark.parametrize("name", ["tiny", "shop/churn"])
def test_the_code_is_there_in_a_run_and_in_what_is_uploaded(
    shared: Workspace, name: str, tmp_path: Path
) -> None:
    assert shared.loop("share", name, "rates.py", "vision/augment.py").code == 0
    run = shared.loop("run", name, "--backend", "venv")
    assert (run.code, run.out) == (0, "-7\n"), run.err
    # Azure ML uploads what a link leads to under the link's own name.
    sent = {one.name: one for one in read_snapshot(shared.root, f"src/{name}").files}
    assert {"train.py", "common/rates.py", "common/vision/augment.py"} <= set(sent)
    assert sent["common/rates.py"].source == str(shared.root / "src/common/rates.py")
    snapshot = shutil.copytree(shared.root / "src" / name, tmp_path / "snapshot", symlinks=False)
    assert not [path for path in snapshot.rglob("*") if path.is_symlink()]
    alone = subprocess.run(
        [sys.executable, "train.py"], cwd=snapshot, capture_output=True, text=True, timeout=60
    )
    assert (alone.returncode, alone.stdout) == (0, "-7\n"), alone.stderr
    assert shared.loop("check", name).code == 0


@pytest.mark.docker
@pytest.mark.parametrize("name", ["tiny", "shop/churn"])
def test_the_code_is_there_in_a_clean_container(shared: Workspace, name: str) -> None:
    assert shared.loop("share", name, "rates.py", "vision/augment.py").code == 0
    run = shared.loop("run", name, "--backend", "docker")
    assert (run.code, run.out) == (0, "-7\n"), run.err


def test_in_the_experiments_folder_its_name_is_left_away(shared: Workspace) -> None:
    here = shared.root / "src/tiny"
    assert shared.loop("share", "rates.py", cwd=here).code == 0
    # A path as the shell completes it counts from where the person stands.
    assert shared.loop("share", "../common/vision", cwd=here).code == 0
    assert tree(here / "common") == {
        "rates.py": "../../common/rates.py",
        "vision": "../../common/vision",
    }


def test_twice_is_one_sentence_and_changes_nothing(shared: Workspace) -> None:
    assert shared.loop("share", "tiny", "vision").code == 0
    before = tree(shared.root)
    for path in ("vision", "vision/augment.py"):
        again = shared.loop("share", "tiny", path)
        assert again.code == 0 and "already" in again.out
    assert tree(shared.root) == before


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing.py", "there is no src/common/nothing.py"),
        ("vision/agument.py", '"vision/augment.py"'),
        ("Rates.py", "rates.py"),
        ("../tiny/train.py", "is not in src/common"),
        (".", "[shared-code-invalid]"),
    ],
)
def test_code_that_does_not_exist_is_an_error_and_no_link_is_made(
    shared: Workspace, path: str, message: str
) -> None:
    answer = shared.loop("share", "tiny", path)
    assert answer.code in (1, 2) and message in answer.message
    assert not (shared.root / "src/tiny/common").exists()


def test_file_in_place_of_a_link_stays(shared: Workspace) -> None:
    mine = shared.write("src/tiny/common/rates.py", "RATE = 1\n")
    answer = shared.loop("share", "tiny", "rates.py")
    assert answer.code == 1 and "src/tiny/common/rates.py: " in answer.message
    assert "[path-exists]" in answer.message
    shared.write("src/tiny/common/vision/own.py", "mine")
    assert shared.loop("share", "tiny", "vision").code == 1
    assert mine.read_text() == "RATE = 1\n"
    assert shared.read("src/tiny/common/vision/own.py") == "mine"


def test_a_folder_takes_the_place_of_links_to_what_is_in_it(shared: Workspace) -> None:
    assert shared.loop("share", "tiny", "vision/augment.py").code == 0
    assert shared.loop("share", "tiny", "vision").code == 0
    assert link(shared, "src/tiny/common/vision") == "../../common/vision"


def test_remove_takes_the_link_and_empty_folders_and_no_code(shared: Workspace) -> None:
    assert shared.loop("share", "tiny", "vision/augment.py", "rates.py").code == 0
    gone = shared.loop("share", "tiny", "--remove", "vision/augment.py")
    assert gone.code == 0, gone.err
    assert tree(shared.root / "src/tiny/common") == {"rates.py": "../../common/rates.py"}
    assert (shared.root / "src/common/vision/augment.py").is_file()
    assert shared.loop("share", "tiny", "--remove", "rates.py").code == 0
    assert not (shared.root / "src/tiny/common").exists()
    other = shared.loop("share", "tiny", "--remove", "rates.py")
    assert other.code == 1 and "[not-shared]" in other.message


def test_broken_absolute_and_textual_links_are_repaired(shared: Workspace) -> None:
    common = shared.root / "src/tiny/common"
    (common / "vision").mkdir(parents=True)
    # As the template of old made it: relative to the wrong folder.
    (common / "vision/augment.py").symlink_to("../../common/vision/augment.py")
    (common / "rates.py").write_text("../../common/rates.py")
    (common / "masks").symlink_to(shared.root / "src/common/vision/masks")
    listed = shared.loop("share", "tiny", "--list", "--json")
    states = {row["link"].split("common/")[1]: row["state"] for row in json.loads(listed.out)}
    assert listed.code == 1
    assert states == {"vision/augment.py": "broken", "rates.py": "text", "masks": "absolute"}
    for place in ("venv", "docker"):
        run = shared.loop("run", "tiny", "--backend", place)
        assert run.code == 1 and "--repair" in run.message
        assert len(run.err.strip().splitlines()) == 1
    repaired = shared.loop("share", "--repair")
    assert repaired.code == 0 and repaired.out.count("repaired") == 3, repaired.err
    assert "core.symlinks" in repaired.err
    assert tree(common) == {
        "masks": "../../common/vision/masks",
        "rates.py": "../../common/rates.py",
        "vision": "",
        "vision/augment.py": "../../../common/vision/augment.py",
    }
    run = shared.loop("run", "tiny", "--backend", "venv")
    assert (run.code, run.out) == (0, "-7\n"), run.err
    assert "are in order" in shared.loop("share", "--repair").out


def test_links_that_cannot_be_repaired_are_named(shared: Workspace) -> None:
    assert shared.loop("share", "tiny", "rates.py").code == 0
    (shared.root / "src/common/rates.py").unlink()
    answer = shared.loop("share", "tiny", "--repair")
    assert answer.code == 1 and "src/tiny/common/rates.py" in answer.message
    run = shared.loop("run", "tiny", "--backend", "venv")
    assert run.code == 1 and "Restore src/common/rates.py" in run.message


def test_common_code_that_common_code_imports_is_named(shared: Workspace) -> None:
    shared.write("src/common/scores.py", "from common.rates import RATE\n")
    answer = shared.loop("share", "tiny", "scores.py")
    assert answer.code == 0 and "scripts/loop share tiny rates.py" in answer.err
    assert "imports" not in shared.loop("share", "churn", "rates.py").err


def test_without_the_right_to_make_links_it_says_what_to_do(
    shared: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Windows answers without developer mode; the disk is otherwise the real one."""
    from innerloop.util import files
    from innerloop.util.errors import UserError

    def refuse(text: str, name: str, **_: object) -> None:
        error = OSError(22, "A required privilege is not held by the client")
        setattr(error, "winerror", 1314)  # noqa: B010 - only Windows' has it
        raise error

    monkeypatch.setattr(os, "symlink", refuse)
    kept = shared.write("src/tiny/common/rates.py", "../../common/rates.py")
    with pytest.raises(UserError, match="Turn Developer Mode on"):
        files.replace_link(kept, "../../common/rates.py")
    assert kept.read_text() == "../../common/rates.py"
