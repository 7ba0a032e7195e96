"""What the folders of code and data hold besides ordinary files.

Pointers of git LFS and the like, links that lead out, entries that are no files, names that the
service or another system cannot have, and scripts that Linux does not start.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence

from ...util import user_shell
from ...util.errors import UserError
from ...util.position import Position
from ..folder_contents import (
    FETCH,
    FolderContents,
    Pointer,
    count_links,
    listed,
    pointers_text,
)
from ..ignore_file import IgnoreRules
from ..jobs.job import Job
from ..portable_names import clashes, storage_problem, windows_problem
from .code_rules import rules_of
from .file_rules import below, is_local, script_paths
from .finding import ERROR, INFO, WARNING, Files, Finding
from .reference_rules import where_in_command


def check_contents(job: Job, files: Files) -> Iterator[Finding]:
    """Findings of the code and of each data input; none where the view of files cannot read them."""
    contents: Callable[[str], FolderContents] | None = getattr(files, "contents", None)
    if contents is None:
        return
    code = below(job, job.code) if job.code and is_local(job.code) else None
    if code is not None and not code.startswith(("../", "/")) and files.is_dir(code):
        yield from _code(job, code, contents(code), files)
    for name, input_ in job.inputs.items():
        if input_.kind != "data" or not input_.path or not is_local(input_.path):
            continue
        path = below(job, input_.path)
        if "${{" in input_.path or not files.exists(path):
            continue
        yield from _data(job, name, path, contents(path), files)


def _code(job: Job, code: str, contents: FolderContents, files: Files) -> Iterator[Finding]:
    sent = _not_ignored(code, files)
    at = job.where("code")
    for those, hint in _by_kind(contents.pointers, sent):
        yield Finding(at, pointers_text(those, code), hint, "pointer-in-code", WARNING)
    yield from _submodules(at, code, files)
    yield from _specials(code, contents, sent)
    yield from _names(code, contents, sent)
    yield from _portable(at, code, contents)
    yield from _scripts(job, code, files)


def _data(
    job: Job, name: str, path: str, contents: FolderContents, files: Files
) -> Iterator[Finding]:
    at = job.where("inputs", name, "path")
    sent = _not_ignored(path, files)
    for those, hint in _by_kind(contents.pointers, sent):
        severity = WARNING if those[0].path else ERROR
        yield Finding(
            at,
            pointers_text(those, path),
            hint,
            "git-lfs-pointer" if those[0].kind == "git-lfs" else "data-not-fetched",
            severity,
        )
        if severity is ERROR:
            return
    yield from _submodules(at, path, files)
    yield from _specials(path, contents, sent)
    yield from _names(path, contents, sent)
    yield from _links(at, path, contents, files)


Sent = Callable[[str], bool]


def _not_ignored(folder: str, files: Files) -> Sent:
    try:
        rules = rules_of(folder, files) if files.is_dir(folder) else IgnoreRules()
    except UserError:
        rules = IgnoreRules()  # reported with the ignored files
    if not rules.rules:
        return lambda path: True
    return lambda path: rules.excluding_rule(path) is None


def _by_kind(pointers: Sequence[Pointer], sent: Sent) -> Iterator[tuple[list[Pointer], str]]:
    """The pointers of each tool that are sent, and what fetches their content."""
    for kind, fetch in FETCH.items():
        those = [one for one in pointers if one.kind == kind and (not one.path or sent(one.path))]
        if those:
            yield those, f"Fetch it with `{fetch}`"


def _submodules(at: Position, path: str, files: Files) -> Iterator[Finding]:
    missing: Callable[[str], Sequence[str]] | None = getattr(files, "missing_submodules", None)
    names = missing(path) if missing is not None else ()
    if names:
        is_one = len(names) == 1
        verb = "is a submodule that is" if is_one else "are submodules that are"
        yield Finding(
            at,
            f"{listed(names)} {verb} not checked out",
            f"Fetch it with `git submodule update --init {names[0]}`",
            "submodule-missing",
            WARNING,
        )


def _specials(folder: str, contents: FolderContents, sent: Sent) -> Iterator[Finding]:
    for special in contents.specials[:3]:
        if sent(special.path):
            yield Finding(
                Position(posixpath.normpath(f"{folder}/{special.path}"), 1, 1),
                f"this is {special.kind}: an upload would wait for it",
                "Move it away, or exclude it in .amlignore",
                "file-not-regular",
                WARNING,
            )


def _names(folder: str, contents: FolderContents, sent: Sent) -> Iterator[Finding]:
    """Names that the upload refuses: the first of each kind."""
    seen = set()
    for name in contents.names:
        problem = storage_problem(name)
        if problem and problem not in seen and sent(name):
            seen.add(problem)
            yield Finding(
                Position(f"{folder}/{name}", 1, 1),
                f"the file cannot be uploaded: {problem}",
                "Rename it, or exclude it in .amlignore",
                "name-refused-by-storage",
                WARNING,
            )


def _portable(at: Position, code: str, contents: FolderContents) -> Iterator[Finding]:
    names = [name for name in contents.names if windows_problem(name)]
    if names:
        yield Finding(
            at,
            f"Windows cannot have {listed([f'{code}/{name}' for name in names])}: "
            f"{windows_problem(names[0])}",
            "Rename it, if somebody checks this out on Windows",
            "name-not-portable",
            INFO,
        )
    for one, other in list(clashes(contents.names))[:3]:
        yield Finding(
            at,
            f"{code}/{one} and {code}/{other} are one file on Windows and macOS",
            "Rename one of them",
            "name-not-portable",
            INFO,
        )


def _links(at: Position, path: str, contents: FolderContents, files: Files) -> Iterator[Finding]:
    annexed = {pointer.path for pointer in contents.pointers if pointer.kind == "git-annex"}
    for state, what in (
        ("broken", "nowhere: an upload fails"),
        ("circular", "back to a folder above: an upload never ends"),
    ):
        names = [
            f"{path}/{link.path}"
            for link in contents.links
            if link.state == state and link.path not in annexed
        ]
        if names:
            yield Finding(
                at,
                f"{count_links(len(names))} {what} ({listed(names)})",
                "Remove them, or exclude them in .amlignore",
                "link-broken" if state == "broken" else "link-cyclic",
                WARNING,
            )
    leads_out: Callable[[str], bool] | None = getattr(files, "is_outside", None)
    if leads_out is None:
        return
    outside = [link for link in contents.links_in("outside") if leads_out(link.target)]
    if outside:
        names = [f"{path}/{link.path} to {link.target}" for link in outside]
        yield Finding(
            at,
            f"{count_links(len(names))} out of the workspace ({listed(names)}): a run mounts the "
            "targets for reading, an upload sends them, and an editor's dev container does not have "
            "them",
            "Put the files themselves there if others need them",
            "link-leads-out",
            INFO,
        )


# --- scripts that the command starts ---------------------------------------------------------------


def _scripts(job: Job, code: str, files: Files) -> Iterator[Finding]:
    """Scripts with Windows line ends, or without the executable bit, which Linux does not start."""
    start_of: Callable[[str], bytes] | None = getattr(files, "start_of", None)
    is_executable: Callable[[str], bool] | None = getattr(files, "is_executable", None)
    if start_of is None:
        return
    for written, path, by in script_paths(job, code):
        if not files.exists(path) or files.is_dir(path):
            continue
        start = start_of(path)
        is_started = by == ""
        position = where_in_command(job, written)
        first = start.split(b"\n", 1)[0]
        is_shell = by == "shell" or re.search(rb"^#!.*\b(?:ba|da|z|k)?sh\b", first) is not None
        if first.endswith(b"\r") and (is_shell or (is_started and first.startswith(b"#!"))):
            yield Finding(
                position,
                f"{path} has Windows line ends (CRLF), which no shell of Linux understands",
                f"Save it with LF, and add a line `{posixpath.basename(path)} text eol=lf` to "
                ".gitattributes",
                "script-crlf",
                WARNING,
            )
        elif is_started and is_executable is not None and not is_executable(path):
            yield Finding(
                position,
                f"{path} is not executable: a run here ends with 126",
                f"{user_shell.executable(path)}; or start it with its interpreter: "
                f"`bash {written.removeprefix('./')}`",
                "script-not-executable",
                WARNING,
            )
