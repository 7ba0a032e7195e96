"""A workspace that git checked out without links, as on Windows without Developer Mode."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.cli import main
from innerloop.workspace import text_links
from tests.engine import dev
from tests.support import Workspace, git

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="makes the links to compare with")

TRAIN = (
    "from common.rates import RATE\nfrom common.vision.augment import flip\n"
    "import os\nprint(flip(RATE))\nopen('outputs/rate', 'w').write(str(RATE))\n"
)
RATES, VISION = "src/tiny/common/rates.py", "src/tiny/common/vision"


def changed(workspace: Workspace) -> list[str]:
    return git(workspace.root, "status", "--porcelain", "--untracked-files=all").splitlines()


@pytest.fixture
def checkout(workspace: Workspace) -> Iterator[Workspace]:
    """The clone; `workspace` is its origin, with real links."""
    workspace.add("tiny", TRAIN)
    workspace.write("src/common/rates.py", "RATE = 7\n")
    workspace.write("src/common/vision/augment.py", "def flip(x):\n    return -x\n")
    workspace.write(".gitignore", "outputs/\n.innerloop/*\n!.innerloop/state.json\n__pycache__/\n")
    assert workspace.loop("share", "tiny", "rates.py", "vision").code == 0
    assert (workspace.root / VISION).is_symlink()
    git(workspace.root, "init", "-q")
    git(workspace.root, "add", "-A")
    git(workspace.root, "commit", "-qm", "all")
    cloned = workspace.root.parent / "cloned here"
    git(workspace.root, "clone", "-q", "-c", "core.symlinks=false", ".", str(cloned))
    if (cloned / "scripts").is_file():  # a link itself, in the tests' workspaces
        (cloned / "scripts").unlink()
        (cloned / "scripts").symlink_to(os.readlink(workspace.root / "scripts"))
    text_links.forget()
    yield Workspace(cloned, workspace.env)
    text_links.forget()


def test_every_command_follows_the_text_files_and_none_changes_them(
    workspace: Workspace, checkout: Workspace
) -> None:
    texts = {path: checkout.read(path) for path in (RATES, VISION)}
    assert texts == {RATES: "../../common/rates.py", VISION: "../../common/vision"}
    run = checkout.loop("run", "tiny", "--backend", "venv")
    assert (run.code, run.out) == (0, "-7\n"), run.err
    assert (checkout.outputs("tiny") / "rate").read_text() == "7"
    assert not (checkout.outputs("tiny") / "beside-outputs").exists()
    for words in (("check",), ("sync",), ("sync", "--check"), ("format",), ("list",)):
        answer = checkout.loop(*words)
        assert answer.code == 0, (words, answer)
    listed = checkout.loop("share", "tiny", "--list")
    assert listed.code == 0 and "git wrote the link as a text file" in listed.out, listed
    rows = json.loads(checkout.loop("share", "--list", "--json").out)
    assert [(one["state"], one["works"], one["target"]) for one in rows] == [
        ("text", True, "src/common/rates.py"),
        ("text", True, "src/common/vision"),
    ]
    assert "already shares" in checkout.loop("share", "tiny", "rates.py").out
    dry = json.loads(checkout.loop("run", "tiny", "--backend", "docker", "--dry-run", "--json").out)
    places = {one["target"].partition("/src/tiny/")[2] for one in dry["mounts"]}
    assert {"common/rates.py", "common/vision"} <= places
    # A position in shared code is that of the real file.
    checkout.write("src/common/rates.py", "RATE = 1 / 0\n")
    failed = checkout.loop("run", "tiny", "--backend", "venv")
    assert "src/common/rates.py:1:1: error" in failed.err, failed.err
    git(checkout.root, "checkout", "-q", "src/common/rates.py")
    assert {path: checkout.read(path) for path in texts} == texts
    assert [line for line in changed(checkout) if "common" in line] == []


def test_the_life_of_an_experiment_keeps_its_links(checkout: Workspace) -> None:
    """Each command as where no links can be made: what it writes is a text file that git knows."""
    assert checkout.loop("new", "shop/twin", "--from", "tiny").code == 0
    assert checkout.read("src/shop/twin/common/rates.py") == "../../../common/rates.py"
    assert checkout.loop("rename", "tiny", "shop/deep/tiny").code == 0
    assert checkout.read("src/shop/deep/tiny/common/vision") == "../../../../common/vision"
    for name in ("deep/tiny", "twin"):
        run = checkout.loop("run", f"shop/{name}", "--backend", "venv")
        assert (run.code, run.out) == (0, "-7\n"), run.err
    git(checkout.root, "add", "-A")
    modes = git(checkout.root, "ls-files", "-s", "src").splitlines()
    links = sorted(line.partition("\t")[2] for line in modes if line.startswith("120000"))
    assert links == [
        f"src/shop/{name}/common/{link}"
        for name in ("deep/tiny", "twin")
        for link in ("rates.py", "vision")
    ]
    assert checkout.loop("share", "twin", "--remove", "rates.py").code == 0
    checkout.write("src/shop/twin/common/rates.py", "RATE = 9\n")
    git(checkout.root, "add", "-A")
    assert git(checkout.root, "ls-files", "-s", "src/shop/twin/common/rates.py")[:3] == "100"
    repaired = checkout.loop("share", "--repair")  # this system makes links
    assert repaired.code == 0 and (checkout.root / "src/shop/twin/common/vision").is_symlink()
    assert checkout.loop("remove", "twin", "--yes").code == 0


def loop_without_links(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The command in this process, which cannot make links."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "A required privilege is not held by the client")

    monkeypatch.setattr(os, "symlink", refused)
    monkeypatch.chdir(workspace.root)
    monkeypatch.setattr(sys, "argv", [str(workspace.root / "scripts" / "loop")])
    return main.main([*words])


def test_share_writes_what_git_has_in_place_of_a_link(
    checkout: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.write("src/common/extra.py", "EXTRA = 1\n")
    assert loop_without_links(checkout, monkeypatch, "share", "tiny", "extra.py") == 0
    assert "git has src/tiny/common/extra.py as a link" in capsys.readouterr().err
    assert checkout.read("src/tiny/common/extra.py") == "../../common/extra.py"
    mode = git(checkout.root, "ls-files", "-s", "src/tiny/common/extra.py")
    assert mode.startswith("120000")
    assert loop_without_links(checkout, monkeypatch, "share", "--repair") == 0
    assert "kept src/tiny/common/extra.py -> src/common/extra.py" in capsys.readouterr().out
    assert checkout.read("src/tiny/common/extra.py") == "../../common/extra.py"
    git(checkout.root, "add", "-A")
    git(checkout.root, "commit", "-qm", "more")
    again = checkout.root.parent / "again"
    git(checkout.root, "clone", "-q", "-c", "core.symlinks=true", ".", str(again))
    assert os.readlink(again / "src/tiny/common/extra.py") == "../../common/extra.py"


def test_modules_are_imported_through_text_files_where_a_program_runs_in_place(
    checkout: Workspace, tmp_path: Path
) -> None:
    from innerloop.local import import_hook

    targets = {
        str(checkout.root / path): str(checkout.root / target)
        for path, target in text_links.targets(checkout.root).items()
    }
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden/sitecustomize.py").write_text("import sys\nsys.hidden = 'also'\n")
    others = {"PYTHONPATH": str(tmp_path / "hidden")}
    env = import_hook.variables(targets, others, str(import_hook.PROGRAMS))
    program = (
        "import sys, common.rates as r, subprocess\nfrom common.vision import augment\n"
        "print(r.RATE, augment.__file__ == sys.argv[1], r.__file__ == sys.argv[2], sys.hidden)\n"
        "print(subprocess.run([sys.executable, '-c', 'import common.rates'], check=True).returncode)"
    )
    files = [str(checkout.root / "src/common" / n) for n in ("vision/augment.py", "rates.py")]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(os.path.realpath, files)],
        cwd=checkout.root / "src/tiny",
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stdout.split()) == (0, ["7", "True", "True", "also", "0"]), done
    assert import_hook.variables({}, others, "x") == {}


@pytest.mark.docker
def test_a_clean_container_has_the_code_of_the_targets(checkout: Workspace) -> None:
    try:
        run = checkout.loop("run", "tiny", "--backend", "docker")
        assert (run.code, run.out) == (0, "-7\n"), run.err
        assert not (checkout.outputs("tiny") / "beside-outputs").exists()
        assert checkout.read(RATES) == "../../common/rates.py"
        shutil.rmtree(checkout.root / "outputs")
        one = checkout.loop(
            "terminal", "tiny", "--", "python", "-c", "import common.vision.augment"
        )
        assert one.code == 0, one.err
    finally:
        checkout.clean()


@pytest.mark.docker
@pytest.mark.devcontainer
def test_a_dev_container_has_the_targets_of_links_to_files(checkout: Workspace) -> None:
    """What a folder's text file stands for cannot be mounted on it, which is said; a run has both."""
    checkout.write("src/tiny/environment/Dockerfile", dev.THREE)
    try:
        up = checkout.loop("up", "tiny")
        assert up.code == 0, up.err
        assert f"{VISION}: a text file in place of a link" in up.err
        words = ("python", "-c", "import common.rates as r; print(r.RATE)")
        ran = checkout.loop("exec", "tiny", "--", *words, cwd=checkout.root / "src/tiny")
        assert (ran.code, ran.out) == (0, "7\n"), ran.err
        assert checkout.read(RATES) == "../../common/rates.py"
        again = checkout.loop("up", "tiny")
        assert again.code == 0 and "outdated" not in again.err, again.err
    finally:
        dev.clean(checkout)
