"""`loop list`, `check` and `sync` replay their output while nothing that they read has changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from innerloop.cli import output_cache
from innerloop.model.lint.code_rules import LARGE
from innerloop.sync import engine
from innerloop.util import regular_files
from innerloop.util.cache_folder import SETTLED_NS
from innerloop.workspace import read_states
from innerloop.workspace.folder_reader import MOST_OPENED_ALIKE
from innerloop.workspace.loader import WorkspaceFiles
from tests.changing_files import programs_that_change_before_a_glimpse
from tests.support import Answer, Workspace

JOB = "inputs:\n  images:\n    type: uri_folder\n    path: ../../data/pictures\n"


@pytest.fixture
def cached(workspace: Workspace) -> Workspace:
    """Its own cache with the tool's environment in it, and files that are not brand-new."""
    cache = workspace.root / ".innerloop" / "cache"
    cache.mkdir(parents=True)
    (cache / "tool").symlink_to(Path(os.environ["INNERLOOP_CACHE"]) / "tool")
    workspace.env["INNERLOOP_CACHE"] = str(cache)
    workspace.add("tiny", "import sys\n", job=JOB)
    return workspace


def settled(workspace: Workspace, command: str) -> Answer:
    """The command's answer, after which there is an entry."""
    if command == "sync":
        workspace.loop(command)  # the first one writes, and keeps nothing
        assert not entries(workspace, command)
    time.sleep(0.15)
    answer = workspace.loop(command)
    assert entries(workspace, command), answer.err
    return answer


def entries(workspace: Workspace, command: str) -> list[Path]:
    return [*Path(workspace.env["INNERLOOP_CACHE"]).glob(f"output/*-{command}.json")]


def replays(workspace: Workspace, command: str) -> bool:
    """Whether the next call prints the entry, which is marked for that."""
    (path,) = entries(workspace, command)
    text = path.read_text()
    path.write_text(text.replace('"output": "', '"output": "REPLAYED '))
    answer = workspace.loop(command)
    if not answer.out.startswith("REPLAYED "):
        return False
    path.write_text(text)
    return True


@pytest.mark.parametrize("command", ["list", "check", "sync"])
def test_unchanged_workspace_replays_output_and_exit_code(cached: Workspace, command: str) -> None:
    first = settled(cached, command)
    assert replays(cached, command)
    again = cached.loop(command)
    assert (again.code, again.out, again.err) == (first.code, first.out, first.err)


def rewrite_in_place(workspace: Workspace) -> None:
    path = workspace.root / "src/tiny/azure-ml-job.yaml"
    before = path.stat()
    path.write_text(path.read_text().replace("train.py", "trein.py"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Workspace], object]] = {
    "same size and time": rewrite_in_place,
    "new experiment": lambda workspace: workspace.add("other", ""),
    "removed file": lambda workspace: (workspace.root / "src/tiny/train.py").unlink(),
    "settings": lambda workspace: workspace.write("pyproject.toml", "[tool.innerloop]\n"),
    "data outside of src": lambda workspace: workspace.write("data/pictures/one.png", ""),
    "link": lambda workspace: (workspace.root / "src/tiny/link").symlink_to("train.py"),
}


EDITS: dict[str, Callable[[Workspace], object]] = {
    "a program": lambda workspace: workspace.write("src/tiny/train.py", PROGRAM * 2),
    "shared code": lambda workspace: workspace.write("src/common/more.py", PROGRAM * 2),
    "a module": lambda workspace: workspace.write("src/tiny/parts/one.py", PROGRAM * 2),
    "a second name": lambda workspace: os.link(
        workspace.root / "src/tiny/train.py", workspace.root / "name"
    ),
}
PROGRAM = "import sys\n" + "print(1)  # a line of a program\n" * 200


@pytest.mark.parametrize("command", ["list", "check", "sync"])
def test_an_edit_of_a_program_replays(cached: Workspace, command: str) -> None:
    for path in ("src/tiny/train.py", "src/common/more.py", "src/tiny/parts/one.py"):
        cached.write(path, PROGRAM)
    settled(cached, command)
    for edit in EDITS.values():
        edit(cached)
        assert replays(cached, command)
    cached.write("src/tiny/train.py", "/annex/objects/SHA256E-s1\n")  # its content is elsewhere
    assert not replays(cached, command)


def test_a_folder_that_becomes_a_large_one_is_checked(cached: Workspace) -> None:
    """`check` measures its files, and opens none of them."""
    path = cached.root / "src" / "tiny" / "model.bin"
    sizes = (LARGE // 2, LARGE - 10_000, LARGE, LARGE + 1)
    sparse(path, sizes[0])
    settled(cached, "check")
    sparse(path, sizes[1])
    assert replays(cached, "check")
    for size in sizes[2:]:
        sparse(path, size)
        answer = settled(cached, "check")
        assert "code-large" in answer.out and f"{size}"[:3] in answer.out


def test_a_file_that_is_opened_in_the_place_of_another_is_checked(cached: Workspace) -> None:
    """Of many small files alike some are opened; one that is small no more leaves its turn."""
    for number in range(MOST_OPENED_ALIKE):
        cached.write(f"src/tiny/parts/a{number:03}.py", "import sys\n" + "print(1)\n" * 20)
    pointer = (
        "version https://git-lfs.github.com/spec/v1\noid sha256:" + "ab" * 32 + "\nsize 12345\n"
    )
    cached.write("src/tiny/parts/last.py", pointer)
    assert "pointer-in-code" not in settled(cached, "check").out
    cached.write("src/tiny/parts/a000.py", PROGRAM)
    assert "pointer-in-code" in cached.loop("check").out


@pytest.mark.parametrize("command", ["list", "check", "sync"])
def test_a_job_below_a_link_in_the_place_of_src_is_read(cached: Workspace, command: str) -> None:
    (cached.root / "src").rename(cached.root / "code")
    (cached.root / "src").symlink_to("code")
    settled(cached, command)
    with (cached.root / "src/tiny/azure-ml-job.yaml").open("a") as file:
        file.write("display_name: another\n")
    assert not replays(cached, command)


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.write(b"first line\n")
        file.truncate(size)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_any_change_runs_the_command(
    cached: Workspace, change: Callable[[Workspace], object]
) -> None:
    settled(cached, "check")
    change(cached)
    assert not replays(cached, "check")


def test_check_reports_data_that_appears_or_goes(cached: Workspace) -> None:
    without = settled(cached, "check")
    cached.write("data/pictures/one.png", "")
    assert settled(cached, "check").out != without.out
    (cached.root / "data/pictures/one.png").unlink()
    (cached.root / "data/pictures").rmdir()
    assert cached.loop("check").out == without.out


CHANGES_OF_DATA: dict[str, Callable[[Path], object]] = {
    "a new file": lambda data: (data / "a/two.png").write_text("2"),
    "another text": lambda data: (data / "a/one.png").write_text("2"),
    "removed": lambda data: (data / "a/one.png").unlink(),
    "a pointer": lambda data: (data / "b.bin").write_text("/annex/objects/SHA256E-s1\n"),
    "a link": lambda data: (data / "b.bin").symlink_to("a/one.png"),
    "no folder": shutil.rmtree,
    "a file in its place": lambda data: put_file(data),
}


def put_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


@pytest.mark.parametrize("change", CHANGES_OF_DATA.values(), ids=CHANGES_OF_DATA)
def test_check_of_a_job_with_data_replays_until_they_change(
    cached: Workspace, change: Callable[[Path], object]
) -> None:
    cached.write("data/pictures/a/one.png", "1")
    settled(cached, "check")
    assert replays(cached, "check")
    change(cached.root / "data" / "pictures")
    assert not replays(cached, "check")


def test_data_of_too_many_files_are_looked_at_each_time(
    in_process: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(40):
        (in_process / "data/pictures").mkdir(parents=True, exist_ok=True)
        (in_process / f"data/pictures/{number}.png").touch()

    def look() -> int:
        WorkspaceFiles.searched.add("data/pictures")
        return 0

    keep(in_process, look)
    monkeypatch.setattr(read_states, "MOST_ROWS", 30)
    assert runs(in_process, look) and runs(in_process, look)


def test_variables_are_part_of_the_entry(cached: Workspace) -> None:
    settled(cached, "list")
    inside = cached.loop("list", env={"INNERLOOP_EXPERIMENT": "tiny"})
    assert "in-container" in inside.out
    assert "in-container" not in cached.loop("list").out


def test_links_out_of_src_and_unreadable_entries_are_not_trusted(cached: Workspace) -> None:
    settled(cached, "check")
    (path,) = entries(cached, "check")
    path.write_text('{"key": 1}')
    assert cached.loop("check").out and replays(cached, "check")
    path.unlink()
    (cached.root / "elsewhere").mkdir()
    (cached.root / "src/tiny/away").symlink_to(cached.root / "elsewhere")
    time.sleep(0.15)
    cached.loop("check")
    assert not entries(cached, "check")


@pytest.fixture
def in_process(workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A workspace whose files are generated, for caching in this process."""
    cache = tmp_path / "cache"
    monkeypatch.setenv("INNERLOOP_CACHE", str(cache))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("GIT_CONFIG")]:
        monkeypatch.delenv(name)  # with settings of unknown files nothing is kept
    monkeypatch.setattr(output_cache, "SETTLED_NS", 0)
    monkeypatch.setattr(read_states, "PACKAGE", cache)  # as installed: its files do not count
    for name in ("consulted", "places", "searched", "measured", "uncacheable"):
        monkeypatch.setattr(WorkspaceFiles, name, set())
    monkeypatch.setattr(regular_files, "texts_read", set())
    workspace.add("tiny", "import sys\n", job=JOB)
    subprocess.run(["git", "init", "--quiet", "--template=", str(workspace.root)], check=True)
    (workspace.root / "scripts").unlink()  # the repository's own: files here are changed
    workspace.write("scripts/loop-requirements.txt", "innerloop==1\n")
    engine.sync(workspace.root)
    WorkspaceFiles.uncacheable.clear()
    return workspace.root


def runs(root: Path, run: Callable[[], int] = lambda: 0) -> bool:
    """Whether a sync runs: nothing of it is replayed."""
    called = []

    def note() -> int:
        called.append(1)
        return run()

    output_cache.replay_or_run(root, ["sync"], note)
    return bool(called)


def keep(root: Path, run: Callable[[], int] = lambda: 0) -> None:
    """Run until an answer is kept: that of files which have just changed is not."""
    assert runs(root, run)
    for _ in range(1200):
        if not runs(root, run):
            return
        time.sleep(0.05)
    raise AssertionError("nothing is kept")


def sync(root: Path) -> int:
    assert not engine.sync(root).changes
    return 0


def link_folder(path: Path) -> None:
    """The same files, by a link in the place of their folder."""
    path.parent.rename(path.parent.with_name("moved"))
    path.parent.symlink_to("moved")


def link_file(path: Path) -> None:
    other = path.with_name("moved")
    path.rename(other)
    path.symlink_to(other)


def put_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def keep_time_and_size(path: Path) -> None:
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # until the next clock tick
        path.write_bytes(path.read_bytes().swapcase())
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES_OF_A_FILE: dict[str, Callable[[Path], object]] = {
    "content": keep_time_and_size,
    "mode": lambda path: path.chmod(path.stat().st_mode ^ 0o100),
    "removed": lambda path: path.unlink(),
    "link": link_file,
    "link in the place of its folder": link_folder,
    "folder in its place": put_folder,
}


def paths_of(entry: Path, root: Path) -> Iterator[str]:
    """The files of a workspace that an entry depends on, outside of src/."""
    for path in json.loads(entry.read_bytes())["elsewhere"]:
        if not os.path.isabs(path):
            yield path


@pytest.mark.skipif(os.name == "nt", reason="links and modes of POSIX")
def test_sync_runs_after_any_change_of_a_file_that_it_reads_or_writes(
    in_process: Path, tmp_path: Path
) -> None:
    keep(in_process, lambda: sync(in_process))
    (entry,) = (tmp_path / "cache" / "output").glob("*-sync.json")
    paths = [path for path in paths_of(entry, in_process) if (in_process / path).is_file()]
    assert {".vscode/tasks.json", ".innerloop/state.json", "AGENTS.md"} <= set(paths)
    kept = tmp_path / "kept"
    in_process.rename(kept)
    for path in paths:
        for kind, change in CHANGES_OF_A_FILE.items():
            if "/" not in path and "its folder" in kind:
                continue
            shutil.copytree(kept, in_process, symlinks=True)
            keep(in_process)
            change(in_process / path)
            assert runs(in_process), (path, kind)
            shutil.rmtree(in_process)


@pytest.mark.parametrize(
    "path",
    [
        ".devcontainer.json",
        ".git/MERGE_HEAD",
        ".git/rebase-merge/onto",
        ".devcontainer/new/devcontainer.json",
        "src/other/environment/Dockerfile",
    ],
)
def test_sync_runs_after_a_file_appears_that_it_looks_for(in_process: Path, path: str) -> None:
    keep(in_process, lambda: sync(in_process))
    if path == ".devcontainer/new/devcontainer.json":  # not one that a sync makes
        (in_process / path).parent.mkdir(parents=True)
        (in_process / path).write_text("{}")
        assert not runs(in_process)
        return
    (in_process / path).parent.mkdir(parents=True, exist_ok=True)
    (in_process / path).write_text("{}")
    assert runs(in_process)


def test_sync_runs_where_its_lock_or_the_repository_is_gone(in_process: Path) -> None:
    keep(in_process, lambda: sync(in_process))
    (in_process / engine.LOCK).unlink()
    keep(in_process, lambda: sync(in_process))
    shutil.rmtree(in_process / ".git")
    assert runs(in_process)


def test_sync_that_changes_something_is_not_kept(in_process: Path) -> None:
    def change() -> int:
        assert engine.sync(in_process).changes
        return 0

    shutil.copytree(in_process / "src" / "tiny", in_process / "src" / "other")
    assert runs(in_process, change) and runs(in_process)


def test_sync_in_an_unfinished_merge_is_not_kept(in_process: Path) -> None:
    (in_process / ".git" / "MERGE_HEAD").write_text("0" * 40)
    assert runs(in_process, lambda: sync(in_process)) and runs(in_process)


def test_file_that_changes_while_a_command_runs_is_not_kept(in_process: Path) -> None:
    def edited_meanwhile() -> int:
        sync(in_process)
        time.sleep(0.02)  # a clock tick of the file system
        (in_process / "AGENTS.md").write_text("edited")
        return 0

    assert runs(in_process, edited_meanwhile) and runs(in_process)


def test_program_that_changes_while_an_answer_is_kept(
    in_process: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with programs_that_change_before_a_glimpse(monkeypatch):
        assert runs(in_process, lambda: sync(in_process))
    assert runs(in_process)


OPENED = """
import json, os, sys
root, command, seen, glimpsed = sys.argv[1], sys.argv[2], [], []
from innerloop.cli.main import main
def note(event, args):
    if event in ("open", "os.scandir"):
        frame, names = sys._getframe(1), set()
        while frame is not None:
            names.add(frame.f_code.co_name)
            frame = frame.f_back
        (glimpsed if names & {"_kind", "start_of", "glimpse"} else seen).append(str(args[0]))
sys.addaudithook(note)
sys.argv = [os.path.join(root, "scripts", "loop"), command]
code = main([command])
print(json.dumps([code, seen, glimpsed]))
"""


def opened_by(root: Path, command: str) -> tuple[list[str], list[str]]:
    """The paths that a command opens, and those of files that it takes a glimpse of."""
    argv = [sys.executable, "-c", OPENED, str(root), command]
    package = Path(engine.__file__).parent.parent
    env = {**os.environ, "PYTHONPATH": str(package.parent)}
    done = subprocess.run(argv, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    code, seen, glimpsed = json.loads(done.stdout.splitlines()[-1])
    assert code == (1 if command == "check" else 0)  # there are no data
    return seen, glimpsed


@pytest.mark.parametrize("command", ["list", "check", "sync"])
def test_text_that_a_command_opens_below_src_is_not_unread(
    in_process: Path, tmp_path: Path, command: str
) -> None:
    code = in_process / "src" / "tiny"
    job = JOB.replace("inputs:", "command: ./run.sh && python train.py ${{inputs.images}}\ninputs:")
    (code / "other.yaml").write_text((code / "azure-ml-job.yaml").read_text() + job)
    for name in ("run.sh", "one.ipynb", "conda.yaml", ".amlignore", "conf.json", "parts.py"):
        (code / name).write_text("#!/bin/sh\n" + "# a line of a file\n" * 300)
    engine.sync(in_process)
    time.sleep(SETTLED_NS / 1e9 * 1.5)
    seen, glimpsed = opened_by(in_process, command)
    (entry,) = (tmp_path / "cache" / "output").glob(f"*-{command}.json")
    unread = {row[0] for row, _ in json.loads(entry.read_bytes())["unread"]["files"]}
    assert {"src/tiny/train.py", "src/tiny/parts.py"} <= unread
    opened = {os.path.relpath(os.path.realpath(path), in_process) for path in seen}
    assert opened & {"src/tiny/azure-ml-job.yaml"} and not opened & unread
    assert {os.path.relpath(path, in_process) for path in glimpsed} >= unread


def test_sync_opens_nothing_that_an_entry_does_not_name(in_process: Path, tmp_path: Path) -> None:
    """By its name alone: generated files are opened relative to their folders."""
    keep(in_process, lambda: sync(in_process))
    (entry,) = (tmp_path / "cache" / "output").glob("*-sync.json")
    kept = json.loads(entry.read_bytes())
    rows = (str(row[0]) for row in (*kept["rows"], *(row for row, _ in kept["unread"]["files"])))
    known = {os.path.basename(path) for path in (*kept["elsewhere"], *kept["places"], *rows)}
    known |= {"src", "changing", "writing", in_process.name}  # what a kill left is looked for first
    shutil.rmtree(tmp_path / "cache")
    seen, glimpsed = opened_by(in_process, "sync")
    seen += glimpsed
    package = str(Path(engine.__file__).parent.parent)
    libraries = (sys.base_prefix, sys.prefix, package, str(tmp_path / "cache"))
    opened = {path for path in seen if not path.startswith(libraries) and not path.isdigit()}
    assert "tasks.json" in {os.path.basename(path) for path in opened}
    unknown = {
        path for path in opened if os.path.basename(path) not in known and "-sync.json" not in path
    }
    assert not unknown
