"""Commands that change files, ended at their steps on the disk in every way.

Each command runs in a process of its own with nothing of the tool replaced. An audit hook of the
interpreter counts what it does to files of the workspace and ends it there: killed, interrupted by a
signal, or refused by the system. Afterwards every file is as before the command or as after it.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import io
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from innerloop import __version__
from innerloop.cli.main import main
from innerloop.sync import engine
from innerloop.util import change_folder
from tests.steps import EVERY_STEP
from tests.support import Workspace, make_workspace

pytestmark = pytest.mark.skipif(os.name == "nt", reason="counts the steps in a forked process")

JOB = "experiment_name: old\ncommand: python train.py --epochs ${{inputs.epochs}}\ninputs: {epochs: 8}\n"
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github", "azure-devops"]\n'
RUN = "outputs/old/20260101-000000-aaaa"

COMMANDS: Mapping[str, tuple[str, ...]] = {
    "new": ("new", "shop/churn"),
    "new-from": ("new", "churn", "--from", "old"),
    "rename": ("rename", "old", "shop/fresh"),
    "remove": ("remove", "old", "--yes"),
    "share": ("share", "old", "rates.py", "tools"),
    "unshare": ("share", "old", "--remove", "names.py"),
    "repair": ("share", "--repair"),
    "sync": ("sync", "--eject", ".vscode/settings.json"),
    "clean": ("clean", "outputs", "--older-than", "0", "--yes"),
}
# What may be left in .innerloop by a command that has ended well.
KNOWN = re.compile(r"state\.json|sync\.lock|(removed|wheels)(/.*)?")
WRITING = {
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.chmod",
    "os.symlink",
    "os.link",
}
# What a full disk refuses: it still renames and removes.
GROWING = {"open", "os.mkdir", "os.symlink", "os.link"}


MEMORY = Path("/dev/shm")


@pytest.fixture(scope="module")
def quick() -> Iterator[Path]:
    """A folder where flushing to the disk takes no time, if there is one."""
    folder = Path(tempfile.mkdtemp(dir=MEMORY if MEMORY.is_dir() else None))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def scratch(quick: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir=quick))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def used(quick: Path, _tool: None) -> Workspace:
    """Two experiments with schedules, shared code, a run, and a person's edits in generated files."""
    workspace = make_workspace(quick / "used" / "work space é")
    for name in ("old", "old_svm"):
        workspace.add(name, "from common.names import NAME\nprint(NAME)\n", job=JOB, toml=SCHEDULE)
    for name in ("names.py", "rates.py", "tools/a.py"):
        workspace.write(f"src/common/{name}", "NAME = 7\n")
    (workspace.root / "src/old/common").mkdir()
    (workspace.root / "src/old/common/names.py").symlink_to("../../common/names.py")
    (workspace.root / "src/old_svm/common").mkdir()
    (workspace.root / "src/old_svm/common/rates.py").symlink_to(
        workspace.root / "src/common/rates.py"
    )
    (workspace.root / "src/old_svm/other.py").symlink_to("../old/train.py")
    workspace.write(f"{RUN}/metrics.json", "{}")
    workspace.write(f"{RUN}/.run/run.json", '{"run": "a", "exit_code": 0}')
    os.utime(workspace.root / RUN, (1, 1))
    engine.sync(workspace.root)
    launch = workspace.read(".vscode/launch.json")
    workspace.write(".vscode/launch.json", launch.replace("{", "{\n    // mine", 1))
    workspace.write(".devcontainer/old/hello.sh", "echo hello")
    assert not engine.sync(workspace.root).changes
    return workspace


def snapshot(root: Path) -> dict[str, str]:
    """Every file and link by its path: its content. Locks and times in names are left out."""
    found = {}
    for parent, folders, names in os.walk(root):
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in [*names, *links]:
            path = Path(parent, name)
            shown = re.sub(r"removed/old-[0-9-]+", "removed/old", path.relative_to(root).as_posix())
            if shown.startswith((change_folder.CHANGE, change_folder.SYNC, "scripts")):
                continue
            if shown.endswith(".lock") or "__pycache__" in shown:
                continue
            if path.is_symlink():
                found[shown] = f"-> {os.readlink(path)}".replace(str(root), "ROOT")
            else:
                found[shown] = path.read_bytes().decode("utf-8", "replace")
    return found


@dataclass
class Fault:
    """Called at each step; `at` is the one at which it strikes. `steps` counts all of them."""

    root: Path
    at: int
    kind: str
    steps: int = field(default=0)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in WRITING:
            return
        if not self._is_below(event, args):
            return
        if event == "open" and not args[2] & (os.O_WRONLY | os.O_RDWR):
            return
        self.steps += 1
        self.strike(event)

    def _is_below(self, event: str, args: tuple[Any, ...]) -> bool:
        """Whether it changes something below the root.

        The tool names entries relative to folders that it has opened. The event of `open` does not
        tell which: then it counts as well.
        """
        has_two = event in ("os.symlink", "os.link")
        position = str(args[1] if has_two else args[0] if args else "")
        if os.path.isabs(position):
            return position.startswith(str(self.root))
        if event == "open" or not os.path.isdir("/proc/self/fd"):
            return True
        return os.path.realpath(f"/proc/self/fd/{args[-1]}").startswith(str(self.root))

    def strike(self, event: str) -> None:
        if self.kind == "full" and self.steps >= self.at and event in GROWING:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if self.steps != self.at:
            return
        if self.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.kind in ("SIGINT", "SIGTERM"):
            os.kill(os.getpid(), getattr(signal, self.kind))
        elif self.kind in ("EROFS", "EACCES", "EMFILE", "EIO"):
            number = getattr(errno, self.kind)
            raise OSError(number, os.strerror(number))


@dataclass(frozen=True)
class End:
    """How a command ended in its process: code < 0 is a signal; `steps` is 0 after a kill."""

    code: int
    steps: int
    text: str


def loop(
    root: Path, words: tuple[str, ...], at: int = 0, kind: str = "", path: str = "/nowhere"
) -> End:
    """Run `loop WORDS` in a forked process, with the fault at its at-th step (0: none).

    `path` is its PATH: by default without docker and git, which are not what is tested.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        code, fault, out = 70, Fault(root, at, kind), io.StringIO()
        try:
            os.chdir(root)
            os.environ["PATH"] = path
            sys.argv[0] = str(root / "scripts" / "loop")
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
                if at:
                    sys.addaudithook(fault)
                code = main(words)
        except BaseException as error:  # a traceback of the tool
            out.write(f"TRACEBACK {type(error).__name__}: {error}")
            code = 70
        finally:
            fault.kind = ""
            os.write(writing, f"{fault.steps}\n{out.getvalue()}".encode()[:60_000])
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        steps, _, text = pipe.read().decode().partition("\n")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return End(code, int(steps or 0), text)


@dataclass(frozen=True)
class Campaign:
    """One command on one workspace: what is there before and after it, and its number of steps."""

    words: tuple[str, ...]
    origin: Path
    folder: Path
    before: Mapping[str, str]
    after: Mapping[str, str]
    steps: int

    def copy(self) -> Path:
        target = self.folder / "copy" / "work space é"
        shutil.rmtree(target.parent, ignore_errors=True)
        return self.copy_to(target)

    def copy_to(self, target: Path) -> Path:
        shutil.copytree(self.origin, target, symlinks=True, dirs_exist_ok=True)
        absolute = target / "src/old_svm/common/rates.py"
        if absolute.is_symlink():
            absolute.unlink()
            absolute.symlink_to(target / "src/common/rates.py")
        return target

    def require_old_or_new(self, root: Path, case: object) -> bool:
        """Whether it is new."""
        found = snapshot(root)
        if found not in (self.before, self.after):
            parts = {
                name: {path for path in {*found, *side} if found.get(path) != side.get(path)}
                for name, side in (("before", self.before), ("after", self.after))
            }
            raise AssertionError(f"{case}: neither old nor new: {parts}")
        return found == self.after


def require_clean(root: Path, case: object) -> None:
    """Nothing of an interrupted command is left."""
    assert not change_folder.is_pending(root), case
    own = [
        path.relative_to(root / ".innerloop").as_posix()
        for path in (root / ".innerloop").rglob("*")
    ]
    assert not [name for name in own if not KNOWN.fullmatch(name)], (case, own)
    hidden = [path for path in root.rglob(".*.*") if re.search(r"\.[0-9a-z_]{8,16}$", path.name)]
    allowed = {".gitignore", ".dockerignore"}
    assert not [path for path in hidden if path.name not in allowed], (case, hidden)


# The same for every kind of end: made once for each workspace and command.
_WHOLE: dict[tuple[Path, tuple[str, ...]], tuple[Mapping[str, str], Mapping[str, str], int]] = {}


def campaign(used: Workspace, folder: Path, words: tuple[str, ...]) -> Campaign:
    key = (used.root, words)
    if key not in _WHOLE:
        draft = Campaign(words, used.root, folder, {}, {}, 0)
        whole = draft.copy()
        before = snapshot(whole)
        end = loop(whole, words, at=10**9)
        assert end.code == 0, end.text
        after = snapshot(whole)
        assert before != after
        _WHOLE[key] = before, after, end.steps
    return Campaign(words, used.root, folder, *_WHOLE[key])


def sampled(steps: int, most: int, seed: str, every: bool = False) -> list[int]:
    """Step numbers: the first, and others drawn by a fixed seed; or `every` one."""
    if every or steps <= most:
        return [*range(1, steps + 1)]
    return sorted({1, *random.Random(seed).sample(range(2, steps + 1), most - 1)})


@EVERY_STEP
@pytest.mark.parametrize("name", COMMANDS)
def test_killed_command_is_undone_or_done_by_the_next_one(
    used: Workspace, scratch: Path, name: str, every: bool
) -> None:
    whole = campaign(used, scratch, COMMANDS[name])
    # Any command that changes the workspace may come next. Each changes nothing by itself here.
    following = itertools.cycle([("sync",), ("share", "--repair"), ("share", "nobody", "x.py")])
    ends = set()
    for at in sampled(whole.steps, 10, name, every):
        root = whole.copy()
        end = loop(root, whole.words, at, "kill")
        ends.add(end.code)
        words = ("sync",) if name in ("repair", "sync") else next(following)
        again = loop(root, words)
        assert "TRACEBACK" not in again.text, (at, again.text)
        is_new = whole.require_old_or_new(_unrepaired(whole, root), (at, words))
        require_clean(root, (at, words))
        outcome = engine.plan(root)
        assert not outcome.changes and outcome.state is None, (at, outcome)
        if not is_new and at % 4 == 0:  # and what was undone can be done
            assert loop(root, whole.words).code == 0
            assert snapshot(root) == whole.after, at
    assert ends == {-signal.SIGKILL}


def _unrepaired(whole: Campaign, root: Path) -> Path:
    """`share --repair` made an absolute link relative: it is made absolute again."""
    link = root / "src/old_svm/common/rates.py"
    if whole.words != COMMANDS["repair"] and link.is_symlink():
        link.unlink()
        link.symlink_to(root / "src/common/rates.py")
    return root


@EVERY_STEP
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("kind", ["full", "EROFS", "EACCES", "EMFILE", "SIGINT", "SIGTERM"])
def test_refused_or_interrupted_command_leaves_old_or_new_and_nothing_else(
    used: Workspace, scratch: Path, name: str, kind: str, every: bool
) -> None:
    whole = campaign(used, scratch, COMMANDS[name])
    codes = {"SIGINT": {0, 130}, "SIGTERM": {0, 143}}.get(kind, {0, 1})
    for at in sampled(whole.steps, 2, f"{name} {kind}", every):
        root = whole.copy()
        end = loop(root, whole.words, at, kind)
        case = (at, end)
        if end.code == -signal.SIGTERM:  # before the command has begun to change anything
            assert snapshot(root) == whole.before
            continue
        assert end.code in codes and "TRACEBACK" not in end.text, case
        is_new = whole.require_old_or_new(root, case)
        if end.code == 1:
            assert not is_new, case
            assert len(re.findall(r"cannot [a-z]+ it: ", end.text)) == 1, case
        if kind not in ("EROFS", "EACCES", "EMFILE") or end.code:
            require_clean(root, case)  # else it may have been the sweep that was refused
        assert loop(root, ("sync",)).code == 0
        whole.require_old_or_new(root, case)
        require_clean(root, case)


WHEEL = f"innerloop-{__version__}-py3-none-any.whl"


@EVERY_STEP
@pytest.mark.parametrize("kind", ["kill", "full", "SIGTERM"])
def test_init_that_ends_at_any_step_makes_the_workspace_or_leaves_nothing(
    scratch: Path, _tool: None, kind: str, every: bool
) -> None:
    (scratch / "parts").mkdir()
    wheel = scratch / "parts" / WHEEL
    wheel.write_bytes(b"wheel")
    root = scratch / "empty" / "work space é"
    words = ("init", str(root / "deep" / "ws"), "--wheel", str(wheel), "--no-git")
    root.mkdir(parents=True)
    end = loop(root, words, 10**9)
    assert end.code == 0, end.text
    whole = snapshot(root)
    assert "deep/ws/pyproject.toml" in whole
    for at in sampled(end.steps, 5, f"init {kind}", every):
        shutil.rmtree(root)
        root.mkdir()
        ended = loop(root, words, at, kind)
        assert ended.code in {"kill": {-9}, "full": {0, 1}, "SIGTERM": {143, -15}}[kind], ended
        if kind == "kill":
            assert loop(root, words).code in (0, 1)  # 1: it was there already
            assert snapshot(root) == whole, at
            assert [path.name for path in (root / "deep").iterdir()] == ["ws"]
        else:  # an interruption may come just after the last step
            assert (ended.code != 0 and not [*root.iterdir()]) or snapshot(root) == whole, ended


@EVERY_STEP
@pytest.mark.parametrize("kind", ["kill", "full", "SIGTERM"])
def test_init_in_a_folder_that_was_there_makes_the_workspace_or_restores_it(
    scratch: Path, _tool: None, kind: str, every: bool
) -> None:
    """As in the clone of a new repository: the folder itself and what is in it stay."""
    wheel = scratch / WHEEL
    wheel.write_bytes(b"wheel")
    root = scratch / "work space é"
    words = ("init", ".", "--wheel", str(wheel), "--example", "tiny", "--no-git")

    def begin() -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        (root / "README.md").write_text("mine")
        (root / ".gitignore").write_text("*.log")

    begin()
    before = snapshot(root)
    end = loop(root, words, 10**9)
    assert end.code == 0, end.text
    whole = snapshot(root)
    for at in sampled(end.steps, 5, f"init here {kind}", every):
        begin()
        ended = loop(root, words, at, kind)
        assert ended.code in {"kill": {-9}, "full": {0, 1}, "SIGTERM": {143, -15}}[kind], ended
        if kind == "kill":
            assert loop(root, words).code in (0, 1)  # 1: it was there already
            assert loop(root, ("sync",)).code == 0
            assert snapshot(root) == whole, at
            require_clean(root, at)
        else:  # an interruption may come just after the last step
            assert snapshot(root) in (before, whole), ended
            assert snapshot(root) == whole or not (root / ".innerloop").exists(), ended


@EVERY_STEP
@pytest.mark.parametrize("kind", ["kill", "full", "SIGTERM"])
def test_leave_that_ends_at_any_step_can_be_repeated_or_has_changed_nothing(
    scratch: Path, _tool: None, kind: str, every: bool
) -> None:
    wheel = scratch / WHEEL
    wheel.write_bytes(b"wheel")
    made, root = scratch / "made", scratch / "work space é"
    made.mkdir()
    (made / ".gitignore").write_text("*.log")
    words = ("init", ".", "--wheel", str(wheel), "--example", "tiny", "--no-git")
    assert loop(made, words).code == 0
    assert loop(made, ("new", "churn")).code == 0
    launch = made / ".vscode/launch.json"
    launch.write_text(launch.read_text().replace("{", "{\n    // mine", 1))

    def begin() -> None:
        shutil.rmtree(root, ignore_errors=True)
        shutil.copytree(made, root, symlinks=True)

    begin()
    before = everything(root)
    end = loop(root, ("leave", "--yes"), 10**9)
    assert end.code == 0, end.text
    after = everything(root)
    assert not (root / ".innerloop").exists() and not (root / "scripts").exists()
    for at in sampled(end.steps, 3, f"leave {kind}", every):
        begin()
        ended = loop(root, ("leave", "--yes"), at, kind)
        assert "TRACEBACK" not in ended.text
        launcher = {path for path in everything(root) if path.startswith("scripts/loop")}
        # Whoever finds the launcher can go on; without it, nothing but its pin is left.
        if "scripts/loop" in launcher:
            again = loop(root, ("leave", "--yes"))
            assert again.code == 0, (at, again)
        else:
            assert launcher <= {"scripts/loop-requirements.txt"}, at
            (root / "scripts/loop-requirements.txt").unlink(missing_ok=True)
            (root / "scripts").rmdir() if (root / "scripts").exists() else None
        assert everything(root) == after, (at, ended)
    assert before != after


def everything(root: Path) -> dict[str, bytes]:
    """Every file, the tool's and those of a change as well; not locks."""
    found = [path for path in root.rglob("*") if path.is_file() and path.suffix != ".lock"]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in found}


@pytest.mark.nightly
@pytest.mark.network
@pytest.mark.parametrize("kind", ["kill", "full", "SIGINT", "SIGTERM"])
def test_format_that_ends_at_any_step_formats_all_files_or_none(
    used: Workspace, scratch: Path, kind: str
) -> None:
    unformatted = scratch / "unformatted"
    shutil.copytree(used.root, unformatted, symlinks=True)
    for name in ("a.py", "b.py"):
        (unformatted / "src" / "old" / name).write_text("import sys,os\nx = {  'a':1 }\n")
    whole = campaign(Workspace(unformatted), scratch, ("format",))
    for at in range(1, whole.steps + 1):
        root = whole.copy()
        ended = loop(root, whole.words, at, kind)
        assert "TRACEBACK" not in ended.text
        if kind == "kill":
            assert loop(root, ("sync",)).code == 0
        whole.require_old_or_new(_unrepaired(whole, root), (at, ended))
        require_clean(root, (at, ended))


def on_mounts(call: Callable[[], None]) -> None:
    """Run `call` in a process whose mounts nobody else sees. Needs root."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        text = ""
        try:
            clone_newns = 0x00020000
            assert ctypes.CDLL(None, use_errno=True).unshare(clone_newns) == 0
            run("mount", "--make-rprivate", "/")
            call()
        except BaseException:
            text = traceback.format_exc()
        finally:
            os.write(writing, text.encode()[-60_000:])
            os._exit(1 if text else 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read().decode()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert (code, text) == (0, ""), text


def run(*argv: object) -> None:
    subprocess.run([str(word) for word in argv], check=True, capture_output=True)


@contextlib.contextmanager
def tmpfs(folder: Path, options: str = "size=64m") -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder)
    try:
        yield
    finally:
        run("umount", "--lazy", folder)


@EVERY_STEP
@pytest.mark.mounts
@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("lacking", ["space", "inodes"])
def test_disk_without_space_or_inodes_leaves_the_workspace_as_it_was(
    used: Workspace, scratch: Path, name: str, lacking: str, every: bool
) -> None:
    whole = campaign(used, scratch, COMMANDS[name])
    ends: set[int] = set()

    def fill(disk: Path, free: int) -> None:
        """Leave that many pages or inodes free; a page holds 4 kB."""
        fillers = disk / "fillers"
        fillers.mkdir()
        if lacking == "inodes":
            for number in range(os.statvfs(disk).f_ffree - free):
                (fillers / str(number)).touch()
        else:
            state = os.statvfs(disk)
            with (fillers / "filler").open("wb") as file:
                for _ in range(state.f_bfree - free):
                    file.write(bytes(state.f_frsize))

    def meet() -> None:
        disk = scratch / "disk"
        for free in range(60) if every else (0, 4):
            with tmpfs(disk, "size=2m,nr_inodes=400"):
                root = whole.copy_to(disk / "work space é")
                fill(disk, free)
                ended = loop(root, whole.words)
                is_new = whole.require_old_or_new(root, (free, ended))
                assert "TRACEBACK" not in ended.text and (ended.code == 0) == is_new, (free, ended)
                if ended.code:
                    assert len(re.findall(r"cannot [a-z]+ it", ended.text)) == 1, (free, ended)
                    require_clean(root, (free, ended))
                shutil.rmtree(disk / "fillers")
                if not is_new:
                    assert loop(root, whole.words).code == 0
                    assert snapshot(root) == whole.after
                ends.add(ended.code)
        assert 1 in ends or name in ("clean", "unshare"), ends

    on_mounts(meet)


@pytest.mark.mounts
def test_read_only_disk_is_one_error_and_reading_works(used: Workspace, scratch: Path) -> None:
    def meet() -> None:
        with tmpfs(scratch / "disk"):
            root = Campaign((), used.root, scratch, {}, {}, 0).copy_to(scratch / "disk" / "ws")
            before = snapshot(root)
            run("mount", "-o", "remount,ro", scratch / "disk")
            for name, words in COMMANDS.items():
                ended = loop(root, words)
                assert ended.code == 1 and "TRACEBACK" not in ended.text, (name, ended)
                assert "read-only" in ended.text.lower() or name == "clean", (name, ended)
                assert snapshot(root) == before, name
            for words in (("list",), ("sync", "--check"), ("share", "old", "--list")):
                assert loop(root, words).code == 0, words

    on_mounts(meet)


@EVERY_STEP
@pytest.mark.mounts
@pytest.mark.parametrize("name", ["new", "rename", "remove", "share", "clean"])
@pytest.mark.parametrize("mounted", [".innerloop", "outputs"])
def test_killed_command_across_two_disks_is_undone_or_done(
    used: Workspace, scratch: Path, name: str, mounted: str, every: bool
) -> None:
    whole = campaign(used, scratch, COMMANDS[name])

    def meet() -> None:
        root = scratch / "two" / "work space é"
        with tmpfs(root / mounted):
            whole.copy_to(root)
            end = loop(root, whole.words, 10**9)
            assert end.code == 0, end
            assert snapshot(root) == whole.after
            require_clean(root, end)
        shutil.rmtree(root, ignore_errors=True)
        for kind, codes in (("kill", {-9}), ("full", {0, 1}), ("SIGTERM", {0, -15, 143})):
            for at in sampled(end.steps, 3, f"{name} {kind} {mounted}", every):
                with tmpfs(root / mounted):
                    whole.copy_to(root)
                    ended = loop(root, whole.words, at, kind)
                    assert ended.code in codes, (at, ended)
                    if kind == "kill":
                        assert loop(root, ("sync",)).code == 0
                    whole.require_old_or_new(root, (at, kind, ended))
                    require_clean(root, (at, kind, ended))
                shutil.rmtree(root, ignore_errors=True)

    on_mounts(meet)


def test_commands_that_read_say_that_a_change_was_interrupted(
    used: Workspace, scratch: Path
) -> None:
    whole = campaign(used, scratch, COMMANDS["rename"])
    root = whole.copy()
    assert loop(root, whole.words, whole.steps // 2, "kill").code == -signal.SIGKILL
    found = snapshot(root)
    for words in (("list",), ("check",), ("list", "--json")):
        answer = loop(root, words)
        assert "the rename of old to shop/fresh was interrupted" in answer.text, answer
    assert loop(root, ("sync", "--check")).code == 1
    assert snapshot(root) == found
    assert "undid the rename of old to shop/fresh" in loop(root, ("run", "nobody")).text
    assert snapshot(root) == whole.before
    assert "interrupted" not in loop(root, ("list",)).text


@pytest.mark.parametrize("number", range(4))
def test_commands_at_once_leave_what_one_after_the_other_leaves(
    used: Workspace, scratch: Path, number: int
) -> None:
    pairs = [("rename", "new"), ("remove", "rename"), ("new", "new"), ("share", "remove")]
    root = Campaign((), used.root, scratch, {}, {}, 0).copy()
    ends: list[int] = []
    threads = [
        threading.Thread(target=lambda w=words: ends.append(loop(root, w).code))
        for words in (COMMANDS[name] for name in pairs[number])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ends) <= {0, 1, 2} and 0 in ends, ends
    require_clean(root, ends)
    outcome = engine.plan(root)
    assert not outcome.changes and outcome.state is None and not outcome.problems, outcome
    homes = [(root / "src" / name).exists() for name in ("old", "shop/fresh")]
    assert sum(homes) == (0 if (root / ".innerloop/removed").exists() else 1)


@EVERY_STEP
def test_sync_of_a_merge_in_conflict_that_is_killed_is_completed_once(
    used: Workspace, scratch: Path, every: bool
) -> None:
    root = Campaign((), used.root, scratch, {}, {}, 0).copy_to(scratch / "merged" / "ws")
    (scratch / "bin").mkdir()
    (scratch / "bin/git").symlink_to(shutil.which("git") or "")
    path = str(scratch / "bin")

    def git(*words: str) -> int:
        name = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(["git", *name, *words], cwd=root, capture_output=True)
        return done.returncode

    def commit(experiment: str, comment: str) -> None:
        assert loop(root, ("new", experiment), path=path).code == 0
        launch = root / ".vscode/launch.json"
        launch.write_text(launch.read_text().replace("// mine", f"// {comment}"))
        assert git("add", "-A") == 0 and git("commit", "-qm", experiment) == 0

    (root / ".gitignore").write_text("/scripts\n/.innerloop/*\n!/.innerloop/state.json\n")
    (root / ".gitattributes").write_text(".innerloop/state.json merge=union\n")
    assert git("init", "-q", "-b", "main") == 0 and git("add", "-A") == 0
    assert git("commit", "-qm", "first") == 0 and git("checkout", "-qb", "theirs") == 0
    commit("beta", "mine")
    assert git("checkout", "-q", "main") == 0
    commit("alpha", "ours")
    assert git("merge", "-q", "theirs") == 1
    assert "<<<<<<<" in (root / ".vscode/launch.json").read_text()

    whole = root.parent / "whole"
    shutil.copytree(root, whole, symlinks=True)
    end = loop(whole, ("sync",), 10**9, path=path)
    expected = generated(whole)
    assert "<<<<<<<" not in "".join(expected.values()) and "alpha: train.py" in str(expected)
    for at in sampled(end.steps, 3, "merge", every):
        copy = root.parent / "copy"
        shutil.copytree(root, copy, symlinks=True)
        assert loop(copy, ("sync",), at, "kill", path=path).code == -signal.SIGKILL
        assert loop(copy, ("sync",), path=path).code == end.code
        assert generated(copy) == expected, at
        assert "would" not in loop(copy, ("sync", "--check"), path=path).text, at
        require_clean(copy, at)
        shutil.rmtree(copy)


def generated(root: Path) -> dict[str, str]:
    folders = (".vscode/", ".devcontainer/", ".github/", "orchestration/", ".innerloop/state")
    return {name: text for name, text in snapshot(root).items() if name.startswith(folders)}
