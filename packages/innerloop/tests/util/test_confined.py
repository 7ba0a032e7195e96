"""Changes of the disk through links: one inside is followed, one that leads out is an error."""

from __future__ import annotations

import functools
import os
import shutil
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from innerloop.util import confined, files
from innerloop.util.errors import UserError

pytestmark = pytest.mark.skipif(os.name == "nt", reason="makes links as POSIX has them")

Snapshot = dict[str, tuple[int, int, bytes]]


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A registered workspace beside a victim, which holds a file and a folder."""
    root = tmp_path / "workspace"
    (root / "folder").mkdir(parents=True)
    victim = tmp_path / "victim"
    (victim / "inner").mkdir(parents=True)
    (victim / "file").write_text("victim")
    (victim / "inner" / "file").write_text("victim")
    files.confine(root)
    yield root
    files.release(root)


@pytest.fixture(params=["descriptors", "paths"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of `confined`: with calls relative to a folder, and as on Windows."""
    if request.param == "paths":
        monkeypatch.setattr(confined, "RELATIVE", False)
    return str(request.param)


def snapshot(folder: Path) -> Snapshot:
    """Mode, time and content of all below the folder, and of itself."""
    found: Snapshot = {}
    for path in [folder, *folder.rglob("*")]:
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found[path.relative_to(folder).as_posix()] = (status.st_mode, status.st_mtime_ns, content)
    return found


def _another() -> Path:
    """A file elsewhere."""
    number, name = tempfile.mkstemp()
    os.close(number)
    return Path(name)


# Each changes the path, or fails.
CHANGES: dict[str, Callable[[Path], object]] = {
    "write_text": lambda path: files.write_text(path, "new"),
    "write_private": lambda path: files.write_private(path, "new"),
    "write_stream": lambda path: files.write_stream(path, [b"new"]),
    "stage and put": lambda path: files.put(files.stage(path, "new"), path),
    "copy": lambda path: files.copy(Path(__file__), path),
    "remove": files.remove,
    "remove_if_empty": files.remove_if_empty,
    "remove_tree": files.remove_tree,
    "move_into": lambda path: files.move_into(path, path.parent / "moved"),
    "move another into": lambda path: files.move_into(_another(), path),
    "rename": lambda path: files.rename(path, path.with_name("renamed")),
    "open_log": lambda path: files.open_log(path).write(b"new"),
    "make_folder": files.make_folder,
    "make_folder below": lambda path: files.make_folder(path / "made" / "deep"),
    "write below": lambda path: files.write_text(path / "made" / "deep", "new"),
    "make_link": lambda path: files.make_link(path, "target"),
    "replace_link": lambda path: files.replace_link(path, "target"),
    "locked": lambda path: files.locked(path).__enter__(),
}


def links(root: Path) -> dict[str, tuple[Path, str]]:
    """Where each link is, and its text; all lead to the victim."""
    victim = root.parent / "victim"
    return {
        "absolute folder": (root / "link", str(victim)),
        "relative folder": (root / "link", "../victim"),
        "deep relative": (root / "folder" / "link", "../../victim"),
        "folder in the victim": (root / "link", "../victim/inner"),
        "through the root again": (root / "link", f"../{root.name}/../victim"),
        "chain": (root / "link", "folder/second"),
        "root of the disk": (root / "link", "/"),
        "dangling": (root / "link", "../victim/nothing"),
        "file": (root / "link", "../victim/file"),
        "absolute file": (root / "link", str(victim / "file")),
    }


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("kind", list(links(Path("/x/y"))))
def test_no_change_leads_out(root: Path, either: str, change: str, kind: str) -> None:
    """At the link itself, and at each name below it."""
    victim = root.parent / "victim"
    link, text = links(root)[kind]
    if kind == "chain":
        (root / "folder" / "second").symlink_to(victim)
    before = snapshot(victim)
    rest = ["", "file", "inner", "inner/file", "new", "new/deep", "../victim/file"]
    if kind == "root of the disk":
        rest = [str(victim)[1:], f"{str(victim)[1:]}/file", f"{str(victim)[1:]}/new/deep"]
    for below in rest:
        if not link.is_symlink():
            link.symlink_to(text)
        try:
            CHANGES[change](link / below if below else link)
        except UserError as error:
            assert error.code in ("link-leads-out", "file-error"), error
        assert snapshot(victim) == before, below
        for path in (root / "moved", root / "renamed"):
            if path.is_symlink():
                path.unlink()


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "remove_if_empty"])
def test_the_error_names_the_link_and_where_it_leads(root: Path, either: str, change: str) -> None:
    (root / "folder" / "link").symlink_to("../../victim")
    with pytest.raises(UserError) as raised:
        CHANGES[change](root / "folder" / "link" / "inner")
    assert raised.value.code == "link-leads-out"
    assert raised.value.where == str(root / "folder" / "link")
    assert f"{confined.TRUSTED}={root.parent / 'victim'}" in raised.value.hint


@pytest.mark.parametrize("path", ["../victim/file", "folder/../../victim/file", "a/../../victim/x"])
def test_a_path_that_climbs_out_is_refused(root: Path, either: str, path: str) -> None:
    (root / "a").symlink_to("folder")
    before = snapshot(root.parent / "victim")
    with pytest.raises(UserError) as raised:
        files.write_text(root / path, "new")
    assert raised.value.code == "link-leads-out"
    assert snapshot(root.parent / "victim") == before


@pytest.mark.parametrize(
    "text", ["folder", "../workspace/folder", "./folder/../folder", "{root}/folder"]
)
def test_a_link_that_stays_inside_is_followed(root: Path, either: str, text: str) -> None:
    (root / "link").symlink_to(text.format(root=root))
    files.write_text(root / "link" / "new" / "file", "text")
    assert (root / "folder" / "new" / "file").read_text() == "text"
    (root / "file").symlink_to("link/new/file")
    files.write_text(root / "file", "more")
    assert (root / "folder/new/file").read_text() == "more" and (root / "file").is_symlink()
    assert files.read_own(root / "file") == "more"
    files.remove(root / "file")
    assert (root / "folder/new/file").is_file()
    files.remove_tree(root / "link")
    assert (root / "folder/new/file").is_file() and not (root / "link").is_symlink()


@pytest.mark.parametrize(
    ("link", "text"),
    [
        (".vscode", "folder"), (".vscode/tasks.json", "../folder/file"), (".vscode", "missing"),
        (".github/workflows", "../.git/hooks"), (".vscode/tasks.json", "../.git/hooks/post-checkout"),
    ],
)  # fmt: skip
def test_a_generated_file_is_not_written_through_a_link_inside(
    root: Path, either: str, link: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line of the record and a link would have it written over any file of the workspace."""
    (root / ".git/hooks").mkdir(parents=True)
    (root / "folder/file").write_text("mine")
    (root / link).parent.mkdir(exist_ok=True)
    (root / link).symlink_to(text)
    path = root / link if link.endswith(".json") else root / link / "tasks.json"
    before = snapshot(root)
    for change in (
        lambda: files.put(files.stage(path, "new", plain=True), path, plain=True),
        lambda: files.stage(path, "new", root / "folder", plain=True),
    ):
        with pytest.raises(UserError) as raised:
            change()
        assert raised.value.code == "generated-through-link", raised.value
        assert raised.value.where == str(root / link)
    assert snapshot(root) == before
    monkeypatch.setenv(confined.TRUSTED, str(root / "folder"))
    if text.startswith(("folder", "../folder")):
        files.put(files.stage(path, "new", plain=True), path, plain=True)
        assert path.read_text() == "new"


def test_parent_names_count_after_the_links_before_them(root: Path, either: str) -> None:
    (root / "folder" / "deep").mkdir()
    (root / "link").symlink_to("folder/deep")
    files.write_text(root / "link" / ".." / "file", "text")
    assert (root / "folder" / "file").read_text() == "text"


def test_endless_links_are_an_error(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    with pytest.raises(UserError) as raised:
        files.write_text(root / "a" / "file", "text")
    assert raised.value.code == "file-error"


def test_the_root_is_known_by_its_other_names(root: Path, either: str) -> None:
    """A path that reaches the workspace through a link of the person is confined, too."""
    alias = root.parent / "alias"
    alias.symlink_to(root)
    (root / "link").symlink_to("../victim")
    files.write_text(alias / "folder" / "file", "text")
    with pytest.raises(UserError) as raised:
        files.write_text(alias / "link" / "file", "text")
    assert raised.value.code == "link-leads-out"
    (root / "absolute").symlink_to(alias / "folder")
    files.write_text(root / "absolute" / "second", "text")
    assert (root / "folder" / "second").is_file()


def test_links_may_lead_into_trusted_folders(
    root: Path, either: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk, other = root.parent / "disk", root.parent / "other"
    (disk / "results").mkdir(parents=True)
    other.mkdir()
    monkeypatch.setenv(confined.TRUSTED, os.pathsep.join(["relative", str(disk), str(other)]))
    (root / "outputs").symlink_to(disk / "results")
    files.write_text(root / "outputs" / "a" / "file", "text")
    assert (disk / "results" / "a" / "file").read_text() == "text"
    (disk / "results" / "b").symlink_to("../../other")
    files.write_text(root / "outputs" / "b" / "file", "text")
    assert (other / "file").read_text() == "text"
    (disk / "results" / "c").symlink_to("../../victim")
    with pytest.raises(UserError) as raised:
        files.write_text(root / "outputs" / "c" / "file", "text")
    assert raised.value.code == "link-leads-out"
    files.remove_tree(root / "outputs" / "a")
    assert not (disk / "results" / "a").exists() and (other / "file").is_file()


def test_a_tree_is_removed_without_following_its_links(root: Path, either: str) -> None:
    before = snapshot(root.parent / "victim")
    tree = root / "tree"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "file").write_text("x")
    (tree / "a" / "b" / "folder").symlink_to("../../../../victim")
    (tree / "file").symlink_to("../../victim/file")
    files.remove_tree(tree)
    assert not tree.exists() and snapshot(root.parent / "victim") == before


def test_a_tree_deeper_than_there_are_descriptors_ends_without_a_traceback(root: Path) -> None:
    at = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("deep", dir_fd=at)
        below = os.open("deep", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    files.remove_tree(root / "deep")
    assert not (root / "deep").exists()


def test_a_move_to_another_disk_copies_links_as_links(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: confined.Place, target: confined.Place) -> None:
        raise OSError(18, "Invalid cross-device link")  # EXDEV

    tree = root / "tree"
    (tree / "a").mkdir(parents=True)
    (tree / "a" / "program").write_text("x")
    (tree / "a" / "program").chmod(0o755)
    (tree / "link").symlink_to("../../victim")
    before = snapshot(root.parent / "victim")
    monkeypatch.setattr(confined.Place, "rename", refuse)
    files.move_into(tree, root / "moved")
    assert not tree.exists() and (root / "moved/tree/link").is_symlink()
    assert (root / "moved/tree/a/program").stat().st_mode & 0o777 == 0o755
    assert snapshot(root.parent / "victim") == before


_STEPS = ("open", "os.")
_at_step: list[Callable[[], None]] = []


def _count(event: str, _: tuple[object, ...]) -> None:
    if _at_step and event.startswith(_STEPS):
        _at_step[0]()


@functools.cache
def _listen() -> None:
    """A hook cannot be taken back, so it does nothing while the list is empty."""
    sys.addaudithook(_count)


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_that_is_swapped_for_a_link_at_any_step(
    root: Path, tmp_path: Path, change: str
) -> None:
    """Before each call on the disk that a change makes, its folder moves and a link takes its name."""
    victim = root.parent / "victim"
    before = snapshot(victim)
    at, aside = root / "at", root / "aside"
    _listen()
    most = 0
    for name in ("file", "inner", "inner/file", "new"):
        for swapped_at in range(1, 60):
            shutil.rmtree(at, ignore_errors=True)
            shutil.rmtree(aside, ignore_errors=True)
            (at / "inner").mkdir(parents=True)
            for file in ("file", "inner/file"):
                (at / file).write_text("text")
            steps = 0

            def step(swapped_at: int = swapped_at) -> None:
                nonlocal steps
                steps += 1
                if steps == swapped_at:
                    _at_step.clear()
                    os.rename(at, aside)
                    at.symlink_to(victim)

            _at_step.append(step)
            try:
                with suppress(UserError):
                    CHANGES[change](at / name)
            finally:
                _at_step.clear()
            assert snapshot(victim) == before, (name, swapped_at)
            if not at.is_symlink():
                most = max(most, swapped_at)
                break
            at.unlink()
    assert most > 2


RACES = ["write_text", "write_stream", "stage and put", "remove", "remove_tree", "rename", "make_folder below", "open_log", "make_link", "move_into"]  # fmt: skip


@pytest.mark.parametrize("change", RACES)
def test_a_folder_that_is_swapped_for_a_link_meanwhile(root: Path, change: str) -> None:
    """A thread swaps a folder for a link to the victim in a loop: no change arrives there."""
    victim = root.parent / "victim"
    before = snapshot(victim)
    at, aside = root / "at", root / "aside"
    done = threading.Event()
    swaps: list[int] = []

    def swap() -> None:
        """The folder moves aside, and a link takes its name; and back. The tool may interfere."""
        while not done.is_set():
            for path in (at, aside):
                path.unlink() if path.is_symlink() else shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):
                (at / "inner").mkdir(parents=True)
                for _ in range(20):
                    os.rename(at, aside)
                    at.symlink_to(victim)
                    swaps.append(1)
                    time.sleep(0.0005)
                    at.unlink()
                    os.rename(aside, at)

    thread = threading.Thread(target=swap)
    thread.start()
    refused = 0
    try:
        number, end, latest = 0, time.monotonic() + 3, time.monotonic() + 30
        while (
            number < 100
            or (refused < 3 and time.monotonic() < end)
            or (not swaps and time.monotonic() < latest)
        ):
            number += 1
            time.sleep(0.0001)  # the other thread's turn: a change may make the folder again
            name = ("file", "inner/file", f"new{number}", "inner")[number % 4]
            try:
                CHANGES[change](at / name)
            except UserError as error:
                assert error.code in ("link-leads-out", "file-error")
                refused += error.code == "link-leads-out"
    finally:
        done.set()
        thread.join()
    assert snapshot(victim) == before
    assert swaps, "the link was never there"


def test_what_the_tool_keeps_for_itself_is_private(root: Path) -> None:
    files.write_text(root / ".innerloop" / "jobs" / "a" / "job.json", "{}")
    files.write_text(root / ".innerloop" / "state.json", "[]")
    files.write_text(root / "outputs/e/r/.run/run.json", "{}")
    files.open_log(root / "outputs/e/r/.run/log.txt").close()
    files.write_text(root / "outputs/e/r/metrics.json", "{}")
    with files.locked(root / ".innerloop" / "sync.lock"):
        pass
    files.make_folder(root / ".innerloop" / "scratch" / "view")
    umask = os.umask(0)
    os.umask(umask)
    usual, folder = 0o666 & ~umask, 0o777 & ~umask
    modes = {
        ".innerloop": folder, ".innerloop/state.json": usual, ".innerloop/sync.lock": 0o600,
        ".innerloop/jobs": 0o700, ".innerloop/jobs/a": 0o700, ".innerloop/jobs/a/job.json": 0o600,
        ".innerloop/scratch": 0o700, ".innerloop/scratch/view": folder,
        "outputs/e/r": folder, "outputs/e/r/metrics.json": usual, "outputs/e/r/.run": 0o700,
        "outputs/e/r/.run/run.json": 0o600, "outputs/e/r/.run/log.txt": 0o600,
    }  # fmt: skip
    assert {path: (root / path).stat().st_mode & 0o777 for path in modes} == modes


def test_what_was_open_to_others_is_closed_at_the_next_write(root: Path) -> None:
    path = root / "outputs/e/r/.run/run.json"
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    for opened in (path, path.parent):
        opened.chmod(0o777)
    log = path.with_name("log.txt")
    log.write_text("old")
    files.write_text(path, "{}")
    files.open_log(log).close()
    for closed, mode in ((path, 0o600), (log, 0o600), (path.parent, 0o700)):
        assert closed.stat().st_mode & 0o777 == mode


def test_a_file_keeps_its_mode_unless_it_is_private(root: Path) -> None:
    (root / "file").write_text("a")
    (root / "file").chmod(0o640)
    files.write_text(root / "file", "b")
    assert (root / "file").stat().st_mode & 0o777 == 0o640
    (root / "file").chmod(0o755)
    files.copy(root / "file", root / "copy")
    assert (root / "copy").stat().st_mode & 0o777 == 0o755


def test_temporary_names_cannot_be_guessed(root: Path) -> None:
    names = {files.stage(root / "file", "text").name for _ in range(50)}
    assert len(names) == 50 and all(len(name) == len(".file.") + 16 for name in names)


def test_a_private_folder_of_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed where it has its usual place; one that INNERLOOP_CACHE names stays as it is."""
    monkeypatch.delenv("INNERLOOP_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = tmp_path / "innerloop"
    files.write_text(cache / "output" / "a.json", "{}")
    modes = [
        path.stat().st_mode & 0o777 for path in (cache, cache / "output", cache / "output/a.json")
    ]
    assert modes == [0o700, 0o700, 0o600]
    cache.chmod(0o755)
    files.write_text(cache / "output" / "a.json", "{}")
    assert cache.stat().st_mode & 0o777 == 0o700
    cache.chmod(0o755)
    monkeypatch.setenv("INNERLOOP_CACHE", str(cache))
    files.write_text(cache / "ca" / "a.pem", "", readable=True)
    assert cache.stat().st_mode & 0o777 == 0o755
    assert (cache / "ca" / "a.pem").stat().st_mode & 0o044 == 0o044
