"""A link at every path that a command writes, moves or deletes: the folder it leads to stays as it is.

Each action runs once to learn which paths below the workspace it changes. Then, for each name on the
way to each of them, a fresh workspace gets a link there that leads out of it, and the action runs
again. The victim that the link leads to has what the workspace had there, so that a change that
followed the link would hit something.
"""

from __future__ import annotations

import functools
import json
import os
import random
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from innerloop import __version__
from innerloop.cli import main as command_line
from innerloop.commands import notebook
from innerloop.devcontainers import state_cache
from innerloop.model.environment import Image
from innerloop.model.experiment import Experiment
from innerloop.remote import run_records, submission_store
from innerloop.remote.argo import images
from innerloop.remote.azureml import data_assets, outputs
from innerloop.remote.azureml.deploy import store
from innerloop.runner import downloads
from innerloop.runner.datasets import Dataset
from innerloop.scaffold import coverage, init
from innerloop.util import confined, files
from innerloop.util.errors import UserError
from innerloop.workspace import loader
from tests.support import Workspace, make_workspace

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes links as POSIX has them")

JOB = "command: python train.py --epochs ${{inputs.epochs}}\ninputs:\n  epochs: 8\n"
SCHEDULE = '[schedule]\ncron = "0 3 * * 1"\norchestrators = ["github", "azure-devops"]\n'
RUN = "outputs/line/20260101-000000-aaaa"
Snapshot = dict[str, tuple[int, int, bytes]]
Action = Callable[[Path], object]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Path:
    """A workspace in use: synced, with runs, shared code, jobs; and with something left to sync."""
    made = make_workspace(tmp_path_factory.mktemp("template") / "workspace")
    for name in ("line", "other", "gone"):
        made.add(name, "print(1)\n", job=JOB, toml=SCHEDULE)
    made.write("src/common/rates.py", "RATE = 1\n")
    made.write("src/common/names.py", "NAME = 1\n")
    made.write("src/line/innerloop.toml", SCHEDULE + "[data.numbers]\npath = 'data/numbers'\n")
    (made.root / "src/line/common").mkdir()
    (made.root / "src/line/common/rates.py").symlink_to("../../common/rates.py")
    (made.root / "src/other/common").mkdir()
    (made.root / "src/other/common/names.py").symlink_to("../missing/names.py")
    made.write("README.md", "see src/line\n")
    made.write("notebooks/a.ipynb", "{}")
    made.write(f"{RUN}/metrics.json", '{"loss": 1}')
    record = {
        "run": RUN[-20:],
        "experiment": "line",
        "exit_code": 0,
        "started": "2026-01-01T00:00:00Z",
    }
    made.write(f"{RUN}/.run/run.json", json.dumps(record))
    made.write(f"{RUN}/.run/log.txt", "log\n")
    assert loop("sync")(made.root) == 0
    made.write(
        "src/line/azure-ml-job.yaml", made.read("src/line/azure-ml-job.yaml").replace("8", "9")
    )
    shutil.rmtree(made.root / "src/gone")
    return made.root


def loop(*words: str) -> Action:
    """The command line in this process; its exit code."""

    def call(root: Path) -> int:
        before = sys.argv[0], os.getcwd()
        sys.argv[0] = str(root / "scripts" / "loop")
        os.chdir(root)
        try:
            return command_line.main(words)
        finally:
            sys.argv[0] = before[0]
            os.chdir(before[1])
            files.release(root)

    return call


def confining(call: Action) -> Action:
    """The same for a part of a command."""

    def confined_call(root: Path) -> object:
        files.confine(root)
        try:
            return call(root)
        finally:
            files.release(root)

    return confined_call


class Answers:
    """A service's client that downloads two files."""

    def ask_with_progress(self, verb: str, *_: Any, into: str, **__: Any) -> dict[str, Any]:
        for name in ("artifacts/outputs/model/weights", "artifacts/user_logs/log.txt"):
            path = Path(into, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("downloaded")
        if verb == "download":
            return {"name": "job", "status": "Completed"}
        return {"name": "numbers", "version": "1", "type": "uri_folder", "path": ""}


JOB_RECORD = submission_store.SubmittedJob(
    "job1", "line", "line", "src/line/azure-ml-job.yaml", {}, "sent", "f", "2026-01-01T00:00:00Z"
)
DEPLOYMENT = store.DeploymentRecord("e", "d", "f", "line", {}, store.MAKING, "2026-01-01")
REPORTS = coverage.CoverageRequest(
    cast(Experiment, SimpleNamespace(name="line", slug="line", folder="src/line", links=())),
    coverage=True,
    junit=True,
)


def _junit(root: Path) -> None:
    coverage.prepare(root, REPORTS)
    (root / REPORTS.folder / coverage.junit_file(0)).write_text("<x/>")
    list(coverage.collect(root, REPORTS, root / "reports" / "junit.xml"))


def _notebook(root: Path) -> None:
    with notebook._prepared(root, "outputs/line/new/a", "{}"):
        pass


def _stage(root: Path) -> None:
    code = SimpleNamespace(files=[SimpleNamespace(name="a/b.py", source=str(root / "README.md"))])
    image = images.RunImage("", "", "t", cast("Image", None), cast("Any", code))
    images._stage(image, root / ".innerloop/scratch/line/image-t")


def _fetch(root: Path) -> None:
    url = (root / "README.md").as_uri()
    dataset = Dataset(str(root / "data/web/readme.md"), False, url=url)
    downloads.fetch(dataset, "uri_file", lambda _: None)


ACTIONS: dict[str, Action] = {
    "sync": loop("sync"),
    "sync --eject": loop("sync", "--eject", ".vscode/tasks.json"),
    "sync --take": loop("sync", "--take", ".vscode/settings.json:."),
    "new": loop("new", "fresh"),
    "new in a domain": loop("new", "shop/fresh"),
    "new --from": loop("new", "fresh", "--from", "line"),
    "rename": loop("rename", "line", "shop/fresh"),
    "remove": loop("remove", "line", "--yes"),
    "share": loop("share", "other", "rates.py"),
    "share --remove": loop("share", "line", "rates.py", "--remove"),
    "share --repair": loop("share", "other", "--repair"),
    "clean outputs": loop("clean", "outputs", "--older-than", "0", "--yes"),
    "runs --page": loop("runs", "--page"),
    "run": loop("run", "line", "--backend", "venv"),
    "notebook": confining(_notebook),
    "submit": confining(lambda root: submission_store.write(root, JOB_RECORD, "patch")),
    "record of a job": confining(lambda root: run_records.write_record(root, JOB_RECORD, 0, 1.0)),
    "deploy": confining(lambda root: store.write(root, DEPLOYMENT, "patch")),
    "download": confining(
        lambda root: outputs.download(root, "job1", f"{RUN}-x", cast("Any", None), cast("Any", Answers()))
    ),
    "data get": confining(
        lambda root: data_assets.download(
            root, data_assets.parse("numbers"), None, cast("Any", None), cast("Any", Answers())
        )
    ),
    "download by a run": confining(_fetch),
    "test --coverage": confining(_junit),
    "submit to a cluster": confining(_stage),
    "up": confining(lambda root: state_cache.write(root, "line", state_cache.Note("c", "u", "/w"))),
}  # fmt: skip


def snapshot(folder: Path) -> Snapshot:
    """Mode, time and content of the folder and of all below it."""
    found: Snapshot = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[path.relative_to(folder).as_posix()] = (status.st_mode, status.st_mtime_ns, content)
    return found


@contextmanager
def recording(root: Path, found: set[str]) -> Iterator[None]:
    """Within, every path below the root that the door changes is added to `found`."""
    original = confined.place

    def place(path: Any, **options: Any) -> Any:
        if Path(path).is_relative_to(root) and Path(path) != root:
            found.add(Path(path).relative_to(root).as_posix())
        return original(path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "place", place)
        yield


def changed_by(action: Action, template: Path, folder: Path) -> list[str]:
    """The paths that the action changes at each run, and the names on the way to them."""
    runs: list[set[str]] = []
    for number in range(2):
        root = copied(template, folder / f"learn{number}")
        found: set[str] = set()
        with recording(root, found):
            action(root)
        runs.append(found)
    both = runs[0] & runs[1]
    assert both, "the action changes nothing"
    names = {path for one in both for path in [one, *map(str, Path(one).parents)]} - {"."}
    return sorted(names)


def copied(template: Path, folder: Path) -> Path:
    root = folder / "workspace"
    shutil.copytree(template, root, symlinks=True)
    (folder / "victim").mkdir()
    return root


def some(paths: list[str], most: int, seed: str) -> list[str]:
    """At most so many of the paths: those with the fewest names first half, the rest by chance."""
    by_depth = sorted(paths, key=lambda path: (path.count("/"), path))
    first, rest = by_depth[: most // 2], by_depth[most // 2 :]
    return [*first, *random.Random(seed).sample(rest, min(len(rest), most - len(first)))]


KINDS = ["absolute", "relative", "chain", "dangling", "another"]


def plant(root: Path, path: str, kind: str) -> None:
    """A link at the path, to a victim that has what was there (or to nothing, or something else)."""
    at, victim = root / path, root.parent / "victim"
    target = victim / "taken"
    at.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(at):
        shutil.move(at, target)
    elif kind != "dangling":
        target.mkdir()
    if kind == "dangling":
        target = victim / "nothing"
    elif kind == "another":
        target = victim / "other"
        target.mkdir()
        (target / "file").write_text("other")
    if kind == "chain":
        (victim / "second").symlink_to(target)
        target = victim / "second"
    at.symlink_to(os.path.relpath(target, at.parent) if kind == "relative" else target)


def attack(action: Action, root: Path) -> None:
    """The victim is the same afterwards, and the end is an exit code or one error."""
    victim = root.parent / "victim"
    before = snapshot(victim)
    with suppress(UserError):
        action(root)
    assert snapshot(victim) == before


@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_changes_behind_a_link(name: str, template: Path, tmp_path: Path) -> None:
    """At names on the way to each path, one kind of link, in turn; those of a seed."""
    paths = changed_by(ACTIONS[name], template, tmp_path)
    for number, path in enumerate(some(paths, 6, seed=name)):
        root = copied(template, tmp_path / str(number))
        plant(root, path, KINDS[number % len(KINDS)])
        attack(ACTIONS[name], root)
        shutil.rmtree(tmp_path / str(number))


@pytest.mark.nightly
@pytest.mark.parametrize("name", ACTIONS)
def test_nothing_changes_behind_any_link(name: str, template: Path, tmp_path: Path) -> None:
    """At each name on the way to each path, each kind of link."""
    for number, path in enumerate(changed_by(ACTIONS[name], template, tmp_path)):
        for kind in KINDS:
            root = copied(template, tmp_path / f"{number}{kind}")
            plant(root, path, kind)
            attack(ACTIONS[name], root)
            shutil.rmtree(root.parent)


_at_step: list[Callable[[], None]] = []


def _count(event: str, _: tuple[object, ...]) -> None:
    if _at_step and event in (
        "open",
        "os.rename",
        "os.remove",
        "os.mkdir",
        "os.rmdir",
        "os.symlink",
    ):
        _at_step[0]()


@functools.cache
def _listen() -> None:
    """A hook cannot be taken back, so it does nothing while the list is empty."""
    sys.addaudithook(_count)


SWAPS = {
    "sync": [".vscode", ".github", ".innerloop", ".innerloop/writing"],
    "rename": ["src", "src/line", ".innerloop"],
    "remove": ["src", ".devcontainer", ".innerloop"],
    "clean outputs": ["outputs", "outputs/line"],
    "new": ["src", ".innerloop/creating"],
}


@pytest.mark.parametrize("name", SWAPS)
def test_nothing_changes_behind_a_link_that_is_swapped_in_meanwhile(
    name: str, template: Path, tmp_path: Path
) -> None:
    """At a step on the disk, a folder moves aside and a link takes its name."""
    _swap_at(range(40, 200, 120), name, template, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("name", SWAPS)
def test_nothing_changes_behind_a_link_that_is_swapped_in_at_any_step(
    name: str, template: Path, tmp_path: Path
) -> None:
    _swap_at(range(1, 400, 7), name, template, tmp_path)


def _swap_at(at_steps: range, name: str, template: Path, tmp_path: Path) -> None:
    _listen()
    for path in SWAPS[name]:
        for at_step in at_steps:
            root = copied(template, tmp_path / f"{path.replace('/', '_')}-{at_step}")
            victim = root.parent / "victim"
            # The same as in the workspace: a change that follows the link finds what it looks for.
            if (root / path).is_dir():
                shutil.copytree(root / path, victim / "taken", symlinks=True)
            else:
                (victim / "taken").mkdir()
            steps = 0

            def step(root: Path = root, at_step: int = at_step, path: str = path) -> None:
                nonlocal steps
                if threading.current_thread() is not threading.main_thread():
                    return
                steps += 1
                if steps >= at_step and (root / path).is_dir():
                    _at_step.clear()
                    os.rename(root / path, root.parent / "aside")
                    (root / path).symlink_to(root.parent / "victim" / "taken")

            _at_step.append(step)
            try:
                attack(ACTIONS[name], root)
            finally:
                _at_step.clear()
            shutil.rmtree(root.parent)


def test_a_workspace_is_made_beside_a_link_that_was_there(template: Path, tmp_path: Path) -> None:
    """`init` into a link, and beside a guess of its temporary folder."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "made").symlink_to(victim)
    for number in (os.getpid(), os.getpid() + 1):
        (tmp_path / f".made.new-{number}").symlink_to(victim)
    before = snapshot(victim)
    wheel = tmp_path / f"innerloop-{__version__}-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    with pytest.raises(UserError) as refused:
        init.make(init.NewWorkspace(tmp_path / "made", wheel=wheel, git=False))
    assert refused.value.code == "path-exists"
    assert snapshot(victim) == before


def test_outputs_on_another_disk_need_the_persons_word(
    template: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = copied(template, tmp_path)
    disk = tmp_path / "disk"
    shutil.move(root / "outputs", disk)
    (root / "outputs").symlink_to(disk)
    assert loop("runs", "--page")(root) == 1
    error = capsys.readouterr().err
    assert "[link-leads-out]" in error and f"{confined.TRUSTED}={disk}" in error
    monkeypatch.setenv(confined.TRUSTED, str(disk))
    assert loop("runs", "--page")(root) == 0
    assert (disk / "runs.html").is_file()
    assert loop("clean", "outputs", "--older-than", "0", "--yes")(root) == 0
    assert not (disk / "line").exists()


def test_a_workspace_that_is_reached_through_a_link_works(template: Path, tmp_path: Path) -> None:
    root = copied(template, tmp_path / "real")
    (tmp_path / "link").symlink_to(root)
    workspace = Workspace(tmp_path / "link")
    answer = workspace.loop("sync")
    assert answer.code == 0, answer.err
    assert loader.open_workspace(root).experiments == ("line", "other")


def test_reports_and_formatters_do_not_follow_links(template: Path, tmp_path: Path) -> None:
    """Of programs that write by themselves: a link below their folder, and their folder itself."""
    root = copied(template, tmp_path)
    victim = root.parent / "victim"
    (victim / "a.py").write_text("x = {  'a':1 }\n")
    (root / "outputs/line/coverage/deep").mkdir(parents=True)
    (root / "outputs/line/coverage/style.css").symlink_to(victim / "a.py")
    (root / "outputs/line/coverage/deep/link").symlink_to(victim)
    (root / "outputs/line/coverage/kept.html").write_text("kept")
    before = snapshot(victim)
    confining(lambda root: coverage.prepare(root, REPORTS))(root)
    assert not (root / "outputs/line/coverage/style.css").is_symlink()
    assert not (root / "outputs/line/coverage/deep/link").is_symlink()
    assert (root / "outputs/line/coverage/kept.html").is_file()
    (root / "notebooks/hidden").mkdir()
    for name in ("notebooks/b.py", "notebooks/.c.py", "notebooks/hidden/d.py", "src/line/.hidden"):
        (root / name).symlink_to(victim if name.endswith("hidden") else victim / "a.py")
    assert loop("format")(root) == 0
    shutil.rmtree(root / "notebooks")
    (root / "notebooks").symlink_to(victim)
    assert loop("format")(root) == 1
    assert snapshot(victim) == before


@pytest.mark.parametrize("folder", ["changing", "writing", "creating"])
def test_a_folder_of_the_tool_that_is_a_link_inside_costs_no_file(
    template: Path, tmp_path: Path, folder: str
) -> None:
    """A stranger's journal behind a link would have all that is beside it swept as leftovers."""
    root = copied(template, tmp_path)
    for name in ("committed.jsonl", "journal.jsonl", "journal.json"):
        (root / "src" / name).write_text('{"do": "begin", "what": "x"}\n')
    (root / ".innerloop" / folder).symlink_to("../src")
    before = snapshot(root / "src")
    for words in (("sync",), ("sync", "--check"), ("new", "fresh"), ("remove", "line", "--yes")):
        with suppress(UserError):
            loop(*words)(root)
        left = snapshot(root / "src")
        kept = {path for path in before if not path.startswith("line")} - {"."}
        assert {path: left.get(path) for path in kept} == {path: before[path] for path in kept}
