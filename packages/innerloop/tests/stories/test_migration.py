"""A workspace that holds the tool's sources, with a team's edits, is brought to the pinned form.

By the one command that its README names: `path/to/new/scripts/loop upgrade --workspace .`.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from innerloop import __version__
from innerloop.sync.render.vscode_tasks import RUN
from innerloop.util.jsonc import parse
from tests.scaffold import archives
from tests.support import ROOT, Answer, Workspace

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.name == "nt", reason="the shell launcher"),
]


def _git(root: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "core.autocrlf=false"]
    done = subprocess.run(["git", "-C", root, *who, *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _team(folder: Path, time: str) -> Workspace:
    """The workspace as the team has it, committed, and an edit that is not."""
    texts = archives.files(f"{time}.before")
    # What the tool ignored, and the team's own conflict with what is generated now.
    texts["scripts/innerloop/__pycache__/cli.cpython-311.pyc"] = ""
    archives.unpack(texts, folder)
    for path in ("scripts/loop", "scripts/test"):
        (folder / path).chmod(0o755)
    _git(folder, "init", "--quiet")
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "-m", "ours")
    (folder / "src/churn/train.py").write_text('print("trained")\n')
    (folder / "untracked.txt").write_text("ours\n")
    return Workspace(folder)


def _upgrade(made: Workspace, *words: str) -> Answer:
    new = ROOT / "scripts/loop"
    argv = [str(new), "upgrade", "--workspace", ".", *words]
    done = subprocess.run(argv, cwd=made.root, capture_output=True, text=True, timeout=600)
    return Answer(done.returncode, done.stdout, done.stderr)


def _tree(root: Path) -> dict[str, str]:
    """Without git's own, and without what is the tool's on this machine alone."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        is_local = name.startswith(".innerloop/") and not name.endswith(("json", ".whl"))
        if path.is_file() and not name.startswith(".git/") and not is_local:
            found[name] = path.read_bytes().decode("latin-1")
    return found


@pytest.mark.parametrize("time", ["first", "middle", "last"])
def test_team_with_the_tool_in_its_tree_upgrades_to_the_pinned_form(
    time: str, tmp_path: Path, _tool: None
) -> None:
    made = _team(tmp_path / "our work é", time)
    before = _tree(made.root)
    planned = _upgrade(made, "--dry-run")
    assert planned.code in (0, 1), planned.err
    assert "delete scripts/innerloop" in planned.out + planned.err
    assert _tree(made.root) == before
    done = _upgrade(made, "--yes")
    conflicts = [line for line in done.message.splitlines() if "[generated-conflict]" in line]
    assert done.code == (1 if conflicts else 0), done.err
    assert time == "first" or all("workflows/ci.yml:" in line for line in conflicts)
    _is_of_the_team(made, before)
    version = made.loop("--version")
    assert (version.code, version.out) == (0, f"innerloop {__version__}\n"), version.err
    ran = made.loop("run", "churn", "--backend", "venv")
    assert ran.code == 0 and "trained" in ran.out, ran.err
    if not conflicts:
        assert made.loop("sync", "--check").code == 0
    # What the tool had is gone, but for the file that the team edited.
    left = [path for path in _tree(made.root) if path.startswith("scripts/innerloop/")]
    assert left == ["scripts/innerloop/errors.py"]
    undone = made.loop("upgrade", "--undo")
    assert undone.code == 0, undone.err
    after = {path: text for path, text in _tree(made.root).items() if "outputs/" not in path}
    assert after == before


def _is_of_the_team(made: Workspace, before: dict[str, str]) -> None:
    after = _tree(made.root)
    own = [path for path in before if path.startswith("src/") or "ours" in path]
    own += ["README.md", "untracked.txt"]
    assert all(after[path] == before[path] for path in own)
    text = made.read(".vscode/tasks.json")
    tasks = {task["label"]: task for task in parse(text).value["tasks"]}
    assert "// Ours: what is old, then a run of ours." in text
    assert tasks["our check"]["args"] == ["outdated", "churn"]
    assert {"our run", "our phone", RUN} <= set(tasks)
    settings = made.read("pyproject.toml")
    assert "# wider\nline-length = 120" in settings and "[tool.acme]" in settings
    assert _git(made.root, "check-ignore", "--no-index", "ours/x", "x.bak").split()
    ignored = ["git", "-C", str(made.root), "check-ignore", "--quiet", ".innerloop/state.json"]
    assert subprocess.run(ignored).returncode == 1
