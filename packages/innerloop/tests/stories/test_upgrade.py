"""`loop upgrade` with real releases, a real index on loopback, real pip, uv and git."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from innerloop.sync.render.vscode_tasks import RUN
from innerloop.sync.render.vscode_tasks import TASKS as PALETTE
from tests import company as company_network
from tests.launcher.conftest import dependencies, wheel
from tests.releases import RELEASES, index_over, release
from tests.support import Answer, Workspace
from tests.support_terminal import Terminal

__all__ = ["dependencies", "wheel"]  # fixtures
pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(os.name == "nt", reason="the shell launcher"),
]
PIN = "scripts/loop-requirements.txt"
TASKS = ".vscode/tasks.json"
DETAIL = next(task.detail for task in PALETTE if task.label == RUN)
CLOSED = "http://127.0.0.1:9/simple"
TRAIN = "print('trained')\n"


@dataclass
class Shelf:
    """All releases, an index that has what a test puts there, and workspaces.

    `cache` is shared: the environment of a release is made once. `programs` has uv, which is
    quicker than pip. `homes`: a workspace of each release.
    """

    wheels: dict[str, Path]
    dependencies: Path
    index: Path
    url: str
    cache: Path
    base: Path
    programs: Path
    homes: Path

    def offer(self, *versions: str) -> None:
        """Have the index offer these releases and the dependencies, and nothing else."""
        for path in self.index.iterdir():
            path.unlink()
        for path in (*self.dependencies.iterdir(), *(self.wheels[v] for v in versions)):
            (self.index / path.name).symlink_to(path)

    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.programs}{os.pathsep}{os.environ['PATH']}",
            "PIP_CONFIG_FILE": os.devnull,
            "UV_NO_CONFIG": "1",
            "UV_INDEX_URL": self.url,
            "UV_CACHE_DIR": str(self.cache / "uv"),
            "INNERLOOP_CACHE": str(self.cache),
        }

    def home(self, version: str) -> Workspace:
        """A workspace of a release, to start its upgrade of others without asking the index."""
        made = Workspace(self.homes / version, self.environ())
        if not made.root.exists():
            self.offer("0.3.0", version)
            shutil.copytree(self.base, made.root, symlinks=True)
            upgrade(made, "--to", version, "--yes")
        return made

    def bring(
        self, made: Workspace, version: str, *words: str, yes: bool = True, code: int = 0
    ) -> Answer:
        """Upgrade a workspace by the launcher of another one."""
        options = ["--workspace", str(made.root), *words, *["--yes"] * yes]
        return upgrade(self.home(version), *options, code=code)

    def hold(self, made: Workspace) -> None:
        """Have a workspace of 0.3.0 hold the wheel of its tool itself."""
        (made.root / ".innerloop/wheels").mkdir()
        shutil.copy(self.wheels["0.3.0"], made.root / ".innerloop/wheels")

    def workspace(self, root: Path, *, git: bool = True) -> Workspace:
        """A copy of the workspace of 0.3.0, committed."""
        shutil.copytree(self.base, root, symlinks=True)
        if git:
            run_git(root, "init", "-q", "-b", "main")
            commit(root)
        return Workspace(root, self.environ())


def run_git(root: Path, *words: str) -> str:
    argv = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", *words]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(root: Path) -> None:
    run_git(root, "add", "-A")
    run_git(root, "commit", "-q", "-m", "as it is")


@pytest.fixture(scope="module")
def shelf(
    wheel: Path, dependencies: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("shelf")
    for name in ("wheels", "index", "bin", "homes"):
        (folder / name).mkdir()
    (folder / "bin/uv").symlink_to(Path(sys.executable).with_name("uv"))
    wheels = {
        version: release(wheel, version, folder / "wheels", edits)
        for version, edits in RELEASES.items()
    }
    with index_over(folder / "index") as url, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
            patch.delenv(name)  # the launcher takes uv where nothing tells pip of an index
        made = Shelf(
            wheels=wheels,
            dependencies=dependencies,
            index=folder / "index",
            url=url,
            cache=folder / "cache",
            base=folder / "work space é",
            programs=folder / "bin",
            homes=folder / "homes",
        )
        made.offer("0.3.0")
        _make_base(made, folder)
        yield made


def _make_base(shelf: Shelf, folder: Path) -> None:
    with zipfile.ZipFile(shelf.wheels["0.3.0"]) as archive:
        archive.extractall(folder / "tool")
    words = ["-m", "innerloop", "init", str(shelf.base), "--no-git"]
    environ = {**os.environ, **shelf.environ(), "PYTHONPATH": str(folder / "tool")}
    done = subprocess.run(
        [sys.executable, *words, "--wheel", str(shelf.wheels["0.3.0"])],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(shelf.base / ".innerloop/wheels")  # the index has it
    base = Workspace(shelf.base, shelf.environ())
    base.add("tiny", TRAIN)
    settings = base.read("pyproject.toml")
    named = settings.replace("[tool.innerloop]\n", '[tool.innerloop]\nregistry = "ghcr.io/a/b"\n')
    base.write("pyproject.toml", named)
    answer = base.loop("sync")
    assert answer.code == 0, answer.err


def tree(root: Path) -> dict[str, bytes | str]:
    """Every file and link but git's, and what is this machine's alone."""
    found: dict[str, bytes | str] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.startswith((".git/", ".innerloop/upgraded")) or name.endswith(".lock"):
            continue
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_file():
            found[name] = path.read_bytes()
    return found


def upgrade(made: Workspace, *words: str, code: int = 0, **env: str) -> Answer:
    answer = made.loop("upgrade", *words, env=env)
    assert answer.code == code, answer.out + answer.message
    return answer


def version(made: Workspace) -> str:
    return made.loop("--version").out.strip()


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_upgrade_to_the_newest_release_of_the_index(
    shelf: Shelf, tmp_path: Path, installer: str
) -> None:
    shelf.offer("0.3.0", "0.4.0")
    made = shelf.workspace(tmp_path / "ws")
    if installer == "pip":
        made.env |= {"UV_INDEX_URL": CLOSED, "PIP_INDEX_URL": shelf.url}
    answer = upgrade(made, "--yes")
    assert "innerloop 0.3.0 -> 0.4.0" in answer.out and "Tasks greet you." in answer.out
    assert "It is three." not in answer.out
    assert version(made) == "innerloop 0.4.0"
    assert '"greet"' in made.read(TASKS) and "the fourth launcher" in made.read("scripts/loop")
    assert os.access(made.root / "scripts/loop", os.X_OK)
    assert made.loop("sync", "--check").code == 0
    assert "scripts/loop upgrade --undo" in answer.out
    before = tree(made.root)
    again = upgrade(made, "--yes")
    assert "everything is up to date" in again.out and tree(made.root) == before
    assert list((shelf.cache / "upgrade").iterdir()) == []


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_upgrade_behind_a_proxy_and_an_authority_of_a_company(
    shelf: Shelf, tmp_path: Path, installer: str
) -> None:
    (tmp_path / "company").mkdir()
    company = company_network.start(tmp_path / "company")
    company.shelf = shelf.index
    shelf.offer("0.3.0", "0.4.0")
    made = shelf.workspace(tmp_path / "ws")
    made.write("ca.pem", company.ca.read_text())
    settings = made.read("pyproject.toml")
    made.write(
        "pyproject.toml",
        settings.replace("[tool.innerloop]\n", '[tool.innerloop]\nca = "ca.pem"\n'),
    )
    variable = "UV_INDEX_URL" if installer == "uv" else "PIP_INDEX_URL"
    made.env |= {
        "UV_INDEX_URL": CLOSED,
        "HTTPS_PROXY": company.proxy,
        "NO_PROXY": "",
        "no_proxy": "",
    }
    made.env |= {variable: company.index_with_login, "UV_NO_CACHE": "1", "PIP_NO_CACHE_DIR": "1"}
    answer = upgrade(made, "--yes")
    assert company.downloads >= 1 and company.relayed
    assert version(made) == "innerloop 0.4.0"
    texts = "".join(str(text) for text in tree(made.root).values())
    for secret in (company_network.PASSWORD, company_network.PROXY_PASSWORD):
        assert secret not in answer.out + answer.err + texts


def test_upgrade_over_three_releases_in_one_step_is_as_one_by_one(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.offer("0.3.0", "0.4.0", "0.5.0")
    once = shelf.workspace(tmp_path / "one" / "ws", git=False)
    stepwise = shelf.workspace(tmp_path / "two" / "ws", git=False)
    answer = upgrade(once, "--yes")
    assert "registry is now image_registry" in answer.out
    assert "Tasks greet you." in answer.out and "Images have a registry" in answer.out
    upgrade(stepwise, "--to", "0.4.0", "--yes")
    assert "\nregistry" in stepwise.read("pyproject.toml")
    upgrade(stepwise, "--yes")
    assert '\nimage_registry = "ghcr.io/a/b"\n' in once.read("pyproject.toml")
    assert tree(once.root) == tree(stepwise.root)


def test_dry_run_shows_everything_and_writes_nothing(shelf: Shelf, tmp_path: Path) -> None:
    shelf.offer("0.5.0")
    made = shelf.workspace(tmp_path / "ws")
    before = everything(made.root)
    answer = upgrade(made, "--dry-run")
    for line in (
        "innerloop 0.3.0 -> 0.5.0",
        "registry is now image_registry",
        f"update {PIN}",
        "update scripts/loop",
        "update pyproject.toml",
        f"update {TASKS}",
        "nothing was changed",
    ):
        assert line in answer.out
    assert everything(made.root) == before
    assert version(made) == "innerloop 0.3.0"
    assert list((shelf.cache / "upgrade").iterdir()) == []


def everything(root: Path) -> dict[str, tuple[bytes | str, int]]:
    """Every file, git's too, with its time."""
    return {
        path.relative_to(root).as_posix(): (
            os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else "",
            path.lstat().st_mtime_ns,
        )
        for path in root.rglob("*")
        if path.name != "sync.lock" and path.name != ".innerloop"
    }


def test_upgrade_without_a_terminal_needs_yes(shelf: Shelf, tmp_path: Path) -> None:
    shelf.offer("0.4.0")
    made = shelf.workspace(tmp_path / "ws")
    before = tree(made.root)
    answer = upgrade(made, code=2)
    assert "[no-terminal]" in answer.message and tree(made.root) == before


def test_edits_untracked_and_dirty_files_survive(shelf: Shelf, tmp_path: Path) -> None:
    """A person's task, comment, order, own launcher, staged and untracked files."""
    made = shelf.workspace(tmp_path / "ws")
    mine = made.read(TASKS).replace(
        '"tasks": [', '"tasks": [\n    // mine\n    {"label": "my"},', 1
    )
    made.write(TASKS, mine)
    edited = made.read("scripts/test").replace("import sys\n", "import sys  # mine\n", 1)
    made.write("scripts/test", edited)
    made.write("notes.txt", "mine")
    made.write("src/tiny/train.py", "print('mine')\n")
    run_git(made.root, "add", "notes.txt")
    answer = shelf.bring(made, "0.4.0")
    assert "keep   your scripts/test as scripts/test.yours" in answer.out
    assert made.read("scripts/test.yours") == edited
    assert "the fourth" in made.read("scripts/test") and "# mine" not in made.read("scripts/test")
    assert "// mine" in made.read(TASKS) and '"my"' in made.read(TASKS)
    assert '"greet"' in made.read(TASKS)
    assert made.read("notes.txt") == "mine" and made.read("src/tiny/train.py") == "print('mine')\n"
    assert "A  notes.txt" in run_git(made.root, "status", "--porcelain")


def test_conflict_keeps_yours_and_is_in_the_index_for_a_merge_editor(
    shelf: Shelf, tmp_path: Path
) -> None:
    made = shelf.workspace(tmp_path / "ws")
    detail = DETAIL
    mine = made.read(TASKS).replace(f'"detail": "{detail}"', '"detail": "My own words"', 1)
    made.write(TASKS, mine)
    commit(made.root)
    answer = shelf.bring(made, "0.4.0", code=1)
    assert "[generated-conflict]" in answer.message and "merge editor" in answer.message
    assert "My own words" in made.read(TASKS) and '"greet"' in made.read(TASKS)
    json.loads(made.read(TASKS))
    assert f"UU {TASKS}" in run_git(made.root, "status", "--porcelain")
    base, yours, theirs = (
        run_git(made.root, "cat-file", "blob", f":{stage}:{TASKS}") for stage in (1, 2, 3)
    )
    assert yours == made.read(TASKS)
    assert base == yours.replace("My own words", detail)
    assert theirs == yours.replace("My own words", "Trains it")
    assert made.loop("sync", "--check").code == 1  # still a conflict
    path = f'tasks["{RUN}"].detail'
    taken = made.loop("sync", "--take", f"{TASKS}:{path}")
    assert taken.code == 0 and "Trains it" in made.read(TASKS), taken.err
    run_git(made.root, "add", TASKS)
    assert "UU" not in run_git(made.root, "status", "--porcelain")


def test_conflict_settled_in_the_merge_editor_is_none_for_sync(
    shelf: Shelf, tmp_path: Path
) -> None:
    made = _in_conflict(shelf, tmp_path / "ws")
    shelf.bring(made, "0.4.0", code=1)
    made.write(TASKS, run_git(made.root, "cat-file", "blob", f":3:{TASKS}"))
    run_git(made.root, "add", TASKS)
    assert made.loop("sync").code == 0
    assert made.loop("sync", "--check").code == 0


def _in_conflict(shelf: Shelf, root: Path) -> Workspace:
    made = shelf.workspace(root)
    detail = DETAIL
    made.write(TASKS, made.read(TASKS).replace(f'"detail": "{detail}"', '"detail": "Mine"', 1))
    commit(made.root)
    return made


def test_conflict_in_a_file_with_staged_changes_leaves_the_index(
    shelf: Shelf, tmp_path: Path
) -> None:
    """What is staged is in no file, so it would be lost."""
    made = _in_conflict(shelf, tmp_path / "ws")
    text = made.read(TASKS)
    made.write(TASKS, text.replace('"Mine"', '"Staged"'))
    run_git(made.root, "add", TASKS)
    made.write(TASKS, text)
    answer = shelf.bring(made, "0.4.0", code=1)
    assert "[generated-conflict]" in answer.message and "merge editor" not in answer.message
    assert "Staged" in run_git(made.root, "cat-file", "blob", f":0:{TASKS}")


def test_workspace_below_the_root_of_its_repository_shows_conflicts(
    shelf: Shelf, tmp_path: Path
) -> None:
    (tmp_path / "mono").mkdir()
    run_git(tmp_path / "mono", "init", "-q")
    made = shelf.workspace(tmp_path / "mono" / "ml é", git=False)
    text = made.read(TASKS)
    detail = DETAIL
    made.write(TASKS, text.replace(f'"detail": "{detail}"', '"detail": "Mine"', 1))
    commit(made.root)
    shelf.bring(made, "0.4.0", code=1)
    assert "Trains it" in run_git(made.root, "cat-file", "blob", f":3:./{TASKS}")
    upgrade(made, "--undo")
    assert "Mine" in run_git(made.root, "cat-file", "blob", f":0:./{TASKS}")
    assert run_git(made.root, "status", "--porcelain") == ""


def test_undo_gives_back_every_byte_and_git_s_index(shelf: Shelf, tmp_path: Path) -> None:
    made = _in_conflict(shelf, tmp_path / "ws")
    made.write("scripts/test", made.read("scripts/test") + "# mine\n")
    before = tree(made.root)
    shelf.bring(made, "0.5.0", code=1)
    assert version(made) == "innerloop 0.5.0"
    answer = upgrade(made, "--undo")
    assert "0.3.0" in answer.out
    assert tree(made.root) == before and version(made) == "innerloop 0.3.0"
    assert run_git(made.root, "status", "--porcelain") == " M scripts/test\n"
    assert made.loop("sync", "--check").code == 0  # the edit was no conflict then
    assert "[upgrade-undo-refused]" in upgrade(made, "--undo", code=1).message


def test_undo_after_an_edit_names_the_file_and_changes_nothing(
    shelf: Shelf, tmp_path: Path
) -> None:
    made = shelf.workspace(tmp_path / "ws")
    shelf.bring(made, "0.4.0")
    made.write(TASKS, made.read(TASKS).replace('"greet"', '"mine"'))
    made.write("scripts/loop.cmd", "mine")
    before = tree(made.root)
    answer = upgrade(made, "--undo", code=1)
    assert TASKS in answer.message and "--to 0.3.0" in answer.message
    assert tree(made.root) == before


def test_undo_refused_names_a_version_that_no_index_has_and_the_upgrade_to_it_works(
    shelf: Shelf, tmp_path: Path
) -> None:
    """The workspace held the wheel of the older version itself."""
    shelf.offer()
    made = shelf.workspace(tmp_path / 'a "quoted" é', git=False)
    shelf.hold(made)
    upgrade(made, "--to", str(shelf.wheels["0.4.0"]), "--yes")
    mine = '"tasks": [\n    // mine\n    {"label": "my"},'
    made.write(TASKS, made.read(TASKS).replace('"tasks": [', mine, 1))
    answer = upgrade(made, "--undo", code=1)
    assert "`scripts/loop upgrade --to 0.3.0`" in answer.message
    upgrade(made, "--to", "0.3.0", "--yes")
    assert version(made) == "innerloop 0.3.0" and "// mine" in made.read(TASKS)
    held = [path.name for path in (made.root / ".innerloop/wheels").iterdir()]
    assert held == [shelf.wheels["0.3.0"].name]
    assert made.loop("sync", "--check").code == 0


@pytest.mark.parametrize("fault", ["other wheel", "link", "record"])
def test_upgrade_takes_no_replaced_wheel_that_is_not_the_one_of_the_old_pin(
    shelf: Shelf, tmp_path: Path, fault: str
) -> None:
    shelf.offer()
    made = shelf.workspace(tmp_path / "ws", git=False)
    shelf.hold(made)
    upgrade(made, "--to", str(shelf.wheels["0.4.0"]), "--yes")
    kept = made.root / ".innerloop/upgraded"
    (wheel,) = [path for path in kept.iterdir() if path.read_bytes()[:2] == b"PK"]
    if fault == "other wheel":
        wheel.write_bytes(shelf.wheels["0.5.0"].read_bytes())
    elif fault == "link":
        wheel.unlink()
        wheel.symlink_to(shelf.wheels["0.3.0"])
    else:
        (kept / "record.json").write_text("{")
    before = tree(made.root)
    answer = upgrade(made, "--to", "0.3.0", "--yes", code=1)
    assert "[upgrade-unavailable]" in answer.message and tree(made.root) == before


def test_undo_dry_run_says_what_is_restored_and_what_is_removed(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.offer()
    made = shelf.workspace(tmp_path / "ws", git=False)
    shelf.hold(made)
    made.write("scripts/test", "mine\n")
    before = tree(made.root)
    upgrade(made, "--to", str(shelf.wheels["0.4.0"]), "--yes")
    after = tree(made.root)
    lines = upgrade(made, "--undo", "--dry-run").out.splitlines()
    assert tree(made.root) == after
    gone, changed = set(after) - set(before), {p for p in before if before[p] != after.get(p)}
    assert {line for line in lines if " remove " in line} == {f"would remove {p}" for p in gone}
    assert {line for line in lines if " restore " in line} == {
        f"would restore {p}" for p in changed
    }


def test_undo_of_a_foreign_record_changes_nothing(shelf: Shelf, tmp_path: Path) -> None:
    made = shelf.workspace(tmp_path / "ws", git=False)
    (tmp_path / "victim").write_text("hers")
    (tmp_path / "key").write_text("secret")
    made.write(".innerloop/upgraded/1", "mine")
    for path, kept in (
        ("../victim", ".innerloop/upgraded/1"),
        (str(tmp_path / "victim"), ".innerloop/upgraded/1"),
        (".git/hooks/post-commit", ".innerloop/upgraded/1"),
        ("src/a", "../key"),
        ("src/a", ".innerloop/upgraded/../../../key"),
    ):
        step = {"do": "write", "path": path, "kept": kept, "link": "", "after": ""}
        record = {"old": "0.3.0", "new": "0.4.0", "steps": [step]}
        made.write(".innerloop/upgraded/record.json", json.dumps(record))
        answer = upgrade(made, "--undo", code=1)
        assert "[upgrade-record-invalid]" in answer.message
    assert (tmp_path / "victim").read_text() == "hers" and not (made.root / "src/a").exists()


def test_downgrade_goes_back_and_an_older_tool_refuses_by_itself(
    shelf: Shelf, tmp_path: Path
) -> None:
    shelf.offer("0.3.0", "0.4.0")
    made = shelf.workspace(tmp_path / "ws", git=False)
    older = shelf.workspace(tmp_path / "older", git=False)
    before = tree(made.root)
    upgrade(made, "--yes")
    refused = older.loop("upgrade", "--workspace", str(made.root), "--yes")
    assert refused.code == 1 and "[state-newer]" in refused.message
    answer = upgrade(made, "--to", "0.3.0", "--yes")
    assert "innerloop 0.4.0 -> 0.3.0" in answer.out
    assert tree(made.root) == before and version(made) == "innerloop 0.3.0"


def test_pin_that_a_robot_changed_alone_is_completed(shelf: Shelf, tmp_path: Path) -> None:
    whole = shelf.home("0.5.0")
    shelf.offer("0.3.0", "0.5.0")
    made = shelf.workspace(tmp_path / "robot" / "ws", git=False)
    made.write(PIN, whole.read(PIN))
    listed = made.loop("list")
    assert listed.code == 1 and "`scripts/loop upgrade`" in listed.message
    answer = upgrade(made, "--yes")
    assert "registry is now image_registry" in answer.out
    assert tree(made.root) == tree(whole.root)


def test_check_tells_by_its_exit_code(shelf: Shelf, tmp_path: Path) -> None:
    made = shelf.workspace(tmp_path / "ws", git=False)
    before = tree(made.root)
    shelf.offer("0.3.0")
    assert "is up to date" in upgrade(made, "--check").out
    shelf.offer("0.3.0", "0.4.0")
    assert "0.4.0 is available" in upgrade(made, "--check", code=2).out
    closed = upgrade(made, "--check", code=1, UV_INDEX_URL=CLOSED)
    assert "[upgrade-unavailable]" in closed.message
    assert tree(made.root) == before


@pytest.mark.parametrize("installer", ["uv", "pip"])
@pytest.mark.parametrize("fault", ["no network", "no package", "wrong hash", "no version", "torn"])
def test_release_that_cannot_be_had_changes_nothing(
    shelf: Shelf, tmp_path: Path, fault: str, installer: str
) -> None:
    made = shelf.workspace(tmp_path / "ws", git=False)
    before = everything(made.root)
    shelf.offer("0.3.0", "0.4.0")
    words, env = ["--to", "0.4.0", "--yes"], {}
    if installer == "pip":
        env = {"UV_INDEX_URL": CLOSED, "PIP_INDEX_URL": shelf.url}
    name = shelf.wheels["0.4.0"].name
    if fault == "no network":
        env["UV_INDEX_URL"] = env["PIP_INDEX_URL"] = CLOSED
    elif fault == "no package":
        shelf.offer()
    elif fault == "no version":
        words[1] = "0.9.9"
    elif fault == "wrong hash":
        (shelf.index / f"{name}.sha256").write_text("0" * 64)
    else:
        (shelf.index / name).unlink()
        (shelf.index / name).write_bytes(shelf.wheels["0.4.0"].read_bytes()[:50_000])
    answer = upgrade(made, *words, code=1, **env)
    assert "[upgrade-unavailable]" in answer.message or "[wheel-invalid]" in answer.message
    assert everything(made.root) == before and version(made) == "innerloop 0.3.0"
    assert list((shelf.cache / "upgrade").iterdir()) == []


@pytest.mark.parametrize("text", ["garbage", ""])
def test_upgrade_with_a_damaged_record_says_to_sync_first(
    shelf: Shelf, tmp_path: Path, text: str
) -> None:
    made = shelf.workspace(tmp_path / "ws", git=False)
    made.write(".innerloop/state.json", text)
    before = everything(made.root)
    answer = upgrade(made, "--to", str(shelf.wheels["0.4.0"]), "--yes", code=1)
    assert "[state-damaged]" in answer.message and "`scripts/loop sync`" in answer.message
    assert everything(made.root) == before
    assert made.loop("sync").code == 0
    answer = upgrade(made, "--to", str(shelf.wheels["0.4.0"]), "--dry-run")
    assert "[generated-conflict]" not in answer.message


def test_dependencies_without_a_network_change_nothing(shelf: Shelf, tmp_path: Path) -> None:
    """The wheel is a file, and what it needs cannot be had: no older environment stands in."""
    made = shelf.workspace(tmp_path / "ws", git=False)
    before = everything(made.root)
    cache = tmp_path / "cache"
    for info in (shelf.cache / "tool").glob("*/lib/*/site-packages/innerloop-0.3.0.dist-info"):
        shutil.copytree(info.parents[3], cache / "tool" / info.parents[3].name, symlinks=True)
    assert made.loop("list", env={"INNERLOOP_CACHE": str(cache)}).message == ""
    env = {"UV_INDEX_URL": CLOSED, "UV_CACHE_DIR": str(cache), "INNERLOOP_CACHE": str(cache)}
    answer = upgrade(made, "--to", str(shelf.wheels["0.4.0"]), "--dry-run", code=1, **env)
    assert "[upgrade-unavailable]" in answer.message
    assert everything(made.root) == before


def test_folder_of_wheels_upgrades_without_an_index_and_is_held(
    shelf: Shelf, tmp_path: Path
) -> None:
    folder = tmp_path / "wheels"
    shutil.copytree(shelf.dependencies, folder)
    for version in ("0.3.0", "0.5.0", "0.4.0"):
        shutil.copy(shelf.wheels[version], folder)
    made = shelf.workspace(tmp_path / "ws")
    made.env["UV_INDEX_URL"] = CLOSED
    upgrade(made, "--to", str(folder), "--yes")
    held = {path.name for path in (made.root / ".innerloop/wheels").iterdir()}
    wanted = {path.name for path in shelf.dependencies.iterdir()}
    assert held == {shelf.wheels["0.5.0"].name, *wanted} and len(held) > 3
    upgrade(made, "--undo")
    assert not list((made.root / ".innerloop").glob("wheels/*"))


def test_wheel_replaces_the_one_that_the_workspace_holds(shelf: Shelf, tmp_path: Path) -> None:
    shelf.offer("0.3.0", "0.4.0")
    made = shelf.workspace(tmp_path / "ws")
    upgrade(made, "--to", str(shelf.wheels["0.4.0"]), "--yes")
    held = made.root / ".innerloop/wheels"
    assert [path.name for path in held.iterdir()] == [shelf.wheels["0.4.0"].name]
    shelf.offer("0.5.0")  # from the index: the workspace goes on to hold its tool
    upgrade(made, "--yes")
    assert [path.name for path in held.iterdir()] == [shelf.wheels["0.5.0"].name]


def test_settings_in_conflict_are_one_error_before_anything(shelf: Shelf, tmp_path: Path) -> None:
    shelf.offer("0.4.0")
    made = shelf.workspace(tmp_path / "ws")
    text = made.read("pyproject.toml")
    made.write("pyproject.toml", f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n")
    before = everything(made.root)
    answer = upgrade(made, "--yes", code=1)
    assert "pyproject.toml:1" in answer.message
    assert everything(made.root) == before


def test_upgrade_of_the_tool_s_own_sources_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "packages/innerloop/src").mkdir(parents=True)
    answer = workspace.loop("upgrade", "--yes")
    assert answer.code == 1 and "[upgrade-of-sources]" in answer.message


def test_options_that_exclude_each_other_are_a_wrong_command_line(workspace: Workspace) -> None:
    answer = workspace.loop("upgrade", "--check", "--undo")
    assert answer.code == 2 and "[options-exclusive]" in answer.message
    answer = workspace.loop("upgrade", "--to", "nothing such")
    assert answer.code == 2 and "[upgrade-target]" in answer.message


KILLER = """
import os, signal, sys
name, pinned, home, root = sys.argv[1:5]
def hook(event, args):
    if event == "os.rename" and os.path.basename(str(args[1])) == name:
        with open(root + "/scripts/loop-requirements.txt") as pin:
            if f"innerloop=={pinned} " in pin.read():
                os.kill(os.getpid(), signal.SIGKILL)
from innerloop.sync.render.vscode_tasks import RUN
from innerloop.sync.render.vscode_tasks import TASKS as PALETTE
from innerloop.__main__ import start
sys.addaudithook(hook)
sys.argv[0] = home + "/scripts/loop"
start(["upgrade", "--workspace", root, "--yes"])
"""


@pytest.mark.parametrize(
    ("before_file", "who_undoes"),
    [("tasks.json", "0.3.0"), ("loop-requirements.txt", "0.3.0"), ("committed.jsonl", "0.5.0")],
)
def test_killed_upgrade_is_undone_by_the_version_that_the_pin_names(
    shelf: Shelf, tmp_path: Path, before_file: str, who_undoes: str
) -> None:
    home = shelf.home("0.5.0")
    (python,) = (
        info.parents[3] / "bin/python"
        for info in (shelf.cache / "tool").glob("*/lib/*/site-packages/innerloop-0.5.0.dist-info")
    )
    made = shelf.workspace(tmp_path / "ws", git=False)
    before = tree(made.root)
    words = [str(python), "-I", "-c", KILLER, before_file, who_undoes]
    words += [str(home.root), str(made.root)]
    environ = {**os.environ, **made.env}
    done = subprocess.run(words, env=environ, capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    assert version(made) == f"innerloop {who_undoes}"
    assert "was interrupted" in made.loop("list").message
    if who_undoes == "0.5.0":
        answer = upgrade(made, "--undo", code=1)  # any command that may write
        assert "undid the upgrade to innerloop 0.5.0" in answer.message
    else:
        assert "undid the upgrade to innerloop 0.5.0" in made.loop("sync").message
    assert tree(made.root) == before


def test_question_on_a_terminal_is_answered_once(shelf: Shelf, tmp_path: Path) -> None:
    shelf.offer("0.3.0", "0.4.0")
    made = shelf.workspace(tmp_path / "ws", git=False)
    before = tree(made.root)
    for word, expected in (("n", "innerloop 0.3.0"), ("y", "innerloop 0.4.0")):
        terminal = Terminal([made.root / "scripts/loop", "upgrade"], made.root, made.env)
        shown = terminal.wait_for("Upgrade to 0.4.0? [y/N]", 300)
        assert f"update {PIN}" in shown
        assert tree(made.root) == before
        terminal.type(f"{word}\n")
        assert terminal.end(300) == 0
        assert version(made) == expected


def test_experiments_of_the_template_get_its_newer_files_if_asked(
    shelf: Shelf, tmp_path: Path
) -> None:
    made = shelf.workspace(tmp_path / "ws", git=False)
    for name in ("as_made", "edited", "contrary"):
        assert made.loop("new", name).code == 0
    ignored = made.read("src/as_made/.amlignore")
    made.write("src/edited/.amlignore", "mine/\n" + ignored)
    made.write("src/contrary/.amlignore", ignored + "mine/\n")
    before = tree(made.root)
    shelf.bring(made, "0.5.0")
    assert made.read("src/as_made/.amlignore") == ignored
    upgrade(made, "--undo")
    assert tree(made.root) == before
    shown = shelf.bring(made, "0.5.0", "--dry-run", "--experiments", yes=False)
    assert "update src/as_made/.amlignore" in shown.out and tree(made.root) == before
    answer = shelf.bring(made, "0.5.0", "--experiments", code=1)
    assert "src/contrary/.amlignore" in answer.message and "[template-conflict]" in answer.message
    assert made.read("src/as_made/.amlignore") == ignored + "fifth/\n"
    assert made.read("src/edited/.amlignore") == "mine/\n" + ignored + "fifth/\n"
    assert made.read("src/contrary/.amlignore") == ignored + "mine/\n"
    after = tree(made.root)
    again = shelf.bring(made, "0.5.0", "--experiments", code=1)
    assert again.out.endswith("left to you\n")
    assert tree(made.root) == after
    assert made.loop("sync", "--check").code == 0
    upgrade(made, "--undo")
    assert tree(made.root) == before
