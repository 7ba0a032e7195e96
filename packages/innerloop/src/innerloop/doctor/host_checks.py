"""Checks of this machine and this checkout: programs, disk, line endings, links."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ..history import git_state
from ..model.experiment_paths import SOURCES, ExperimentPaths
from ..model.folder_contents import FETCH, TOOL, listed, pointers_text
from ..model.paths import is_within
from ..sync import engine
from ..util import process, user_shell, venvs
from ..util.errors import UserError, join_names
from ..workspace import folder_reader, loader, submodules, text_links
from ..workspace.read_states import NOT_DATA, NOT_READ
from .checks import Checkup, Fact, State
from .docker_checks import disk_fact

# Program, state without it, use, hint.
PROGRAMS: list[tuple[str, State, str, str]] = [
    (
        "bash",
        "bad",
        "runs the job's command with the backend venv",
        "Install Git for Windows, which brings bash" if os.name == "nt" else "Install bash",
    ),
    ("git", "note", "", "Install git"),
]


def this_machine(checkup: Checkup) -> Iterator[Fact]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    yield Fact("ok", "python", f"{version} runs the tool")
    folder = venvs.cache_folder()
    if os.access(folder, os.W_OK):
        yield Fact("ok", "cache", str(folder))
    else:
        hint = "Set INNERLOOP_CACHE to another folder"
        yield Fact("bad", "cache", f"{folder} cannot be written", hint)
    yield disk_fact("disk", shutil.disk_usage(checkup.root).free, str(checkup.root))
    for program, state, use, hint in PROGRAMS:
        if path := process.which(program):
            yield Fact("ok", program, path)
        else:
            yield Fact(state, program, f"not on PATH{f' ({use})' if use else ''}", hint)


# Folders that commands write to, below the workspace's root.
WRITTEN = (".", "src", ".vscode", ".devcontainer", ".innerloop", "data", "outputs")


def this_checkout(checkup: Checkup) -> Iterator[Fact]:
    yield _permissions(checkup.root)
    yield _line_endings(checkup.root)
    yield _links(checkup.root)
    yield from _content(checkup.root)
    if _is_slow(checkup.root):
        yield Fact(
            "note",
            "file system",
            "the workspace is on the Windows disk, which is slow from Linux",
            "Clone it into WSL's own file system (~/...)",
        )


def _permissions(root: Path) -> Fact:
    """Folders that another user owns, most often a container's root."""
    folders = [name for name in WRITTEN if (root / name).is_dir()]
    wrong = [name for name in folders if not os.access(root / name, os.W_OK)]
    if not wrong:
        return Fact("ok", "permissions", "you can write in the workspace")
    names = ", ".join("the workspace" if name == "." else f"{name}/" for name in wrong)
    hint = f"{user_shell.owning(str(root))}, if it should be yours"
    return Fact("bad", "permissions", f"you cannot write in {names}", hint)


def _line_endings(root: Path) -> Fact:
    """Carriage returns in files that Linux reads: a shell takes them as part of a word."""
    wrong = [path for path in _read_by_linux(root) if b"\r\n" in _start_of(path)]
    if not wrong:
        return Fact("ok", "line endings", "LF in all files that Linux reads")
    name = wrong[0].relative_to(root).as_posix()
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    hint = (
        f"`git config core.autocrlf input`, then `git rm --cached {name}` and `git checkout {name}`"
    )
    if sys.platform != "win32":
        hint = f"`sed -i 's/\\r$//' {name}`; .gitattributes keeps it so"
    return Fact("bad", "line endings", f"{name}{more} has Windows line endings (CRLF)", hint)


def _start_of(path: Path) -> bytes:
    """The first bytes of a file; b"" for one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(100_000)
    except OSError:
        return b""


def _read_by_linux(root: Path) -> Iterator[Path]:
    patterns = [
        "scripts/loop", "scripts/test", ".devcontainer/*.sh", ".devcontainer/Dockerfile",
        "src/**/environment/*", "src/**/*.sh", "src/**/azure-ml-job.yaml",
    ]  # fmt: skip
    for pattern in patterns:
        yield from (path for path in root.glob(pattern) if path.is_file())
    for paths in _located(root):
        files = (root / path for path in (paths.job, paths.dockerfile, paths.lock) if path)
        yield from (path for path in files if path.is_file())


def _located(root: Path) -> list[ExperimentPaths]:
    """The paths of the experiments whose parts are not all below src/."""
    try:
        return [*loader.open_workspace(root).located.values()]
    except UserError:  # the check of the experiments says so
        return []


def _links(root: Path) -> Fact:
    """Links that git wrote as text files, as on systems that refuse to make links."""
    texts = text_links.below(root)
    known = {link.path for link in texts}
    broken = [link.path for link in texts if not link.target]
    others = [
        name
        for path in root.glob("src/**/common/*")
        if path.is_file()
        and not path.is_symlink()
        and path.stat().st_size < 200
        and _start_of(path).startswith(b"../")
        and (name := path.relative_to(root).as_posix()) not in known
    ]
    if bad := [*broken, *others]:
        hint = (
            "Turn Developer Mode on, `git config core.symlinks true`, then "
            "`scripts/loop share --repair`"
        )
        return Fact("bad", "symbolic links", f"git wrote {bad[0]} as a text file", hint)
    if texts:
        text = f"text files in this checkout, which every command follows: {listed(sorted(known))}"
        return Fact("ok", "symbolic links", text)
    return Fact("ok", "symbolic links", "kept by this checkout")


def _content(root: Path) -> Iterator[Fact]:
    """Files and submodules whose content is not on this machine."""
    folders = dict.fromkeys(paths.folder for paths in _located(root) if paths.folder != ".")
    for folder, skipped in (
        (SOURCES, NOT_READ),
        *((folder, NOT_READ) for folder in folders if not is_within(folder, SOURCES)),
        ("data", NOT_DATA),
    ):
        contents = folder_reader.read(root / folder, skipped)
        for kind, fetch in FETCH.items():
            if those := [one for one in contents.pointers if one.kind == kind]:
                hint = f"`{fetch}`"
                if kind == "git-lfs" and not process.which("git-lfs"):
                    hint = f"Install git-lfs, then `git lfs install` and {hint}"
                yield Fact("note", TOOL[kind], pointers_text(those, folder), hint)
        if contents.unreadable:
            names = listed([f"{folder}/{name}" for name in contents.unreadable])
            yield Fact(
                "note", "permissions", f"you cannot list {names}", "Check its owner and mode"
            )
    if names_ := submodules.missing_below(root, str(root)):
        hint = "`git submodule update --init`"
        yield Fact("note", "submodules", f"not checked out: {listed(names_)}", hint)
    try:
        git_state.read_or_fail(root)
    except UserError as error:
        yield Fact("note", "repository", error.what, error.hint)


def _is_slow(root: Path) -> bool:
    if sys.platform != "linux" or not root.as_posix().startswith("/mnt/"):
        return False
    version = Path("/proc/version")
    return version.is_file() and "microsoft" in version.read_text(errors="replace").lower()


def generated_files(checkup: Checkup) -> Iterator[Fact]:
    try:
        outcome = engine.plan(checkup.root)
    except UserError as error:
        if error.code != "state-newer":
            raise
        yield Fact("bad", "generated files", error.what, error.hint)
        return
    outdated = [change.path for change in outcome.changes]
    for problem in outcome.problems:
        if problem not in checkup.broken.values():  # the experiments' check reports these
            # In a conflict the file on disk keeps working.
            state: State = "note" if "--keep" in problem else "bad"
            hint = "`scripts/loop sync` then updates them"
            yield Fact(state, "generated files", problem, hint)
    if outdated:
        more = f" and {len(outdated) - 1} more are" if len(outdated) > 1 else " is"
        what = f"{outdated[0]}{more} outdated"
        yield Fact("note", "generated files", what, "`scripts/loop sync` updates them")
    elif not outcome.problems:
        yield Fact("ok", "generated files", "up to date with src/")


def experiments(checkup: Checkup) -> Iterator[Fact]:
    for name in checkup.workspace.experiments:
        if message := checkup.broken.get(name):
            yield Fact("bad", name, message)
    if readable := [name for name in checkup.workspace.experiments if name not in checkup.broken]:
        yield Fact("ok", "experiments", f"{join_names(readable, 8)}: their files can be read")
