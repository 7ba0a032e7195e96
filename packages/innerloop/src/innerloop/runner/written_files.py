"""What a run wrote beside ./outputs, in one line: Azure ML would not keep it.

New files of the working directory are in `beside-outputs` of the run's folder, on every backend (see
`local/code_view`). What changed in the code folder while the run went on is found by the files' times
and names, whoever changed it: the program, or the person.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..model.paths import BESIDE
from ..util import user_shell
from ..util.printable import one_line
from ..util.quick_dataclasses import dataclass

if TYPE_CHECKING:
    from ..model.run import Run

__all__ = ["BESIDE", "Before", "before", "before_in", "changes", "line", "line_of_parts"]

# A code folder of more files is not looked through: that would take longer than a start should.
MOST = 20_000
# Files that tools leave beside the code, and folders of environments and repositories.
_UNSAID = {
    "outputs", "__pycache__", ".git", ".hg", ".innerloop", "node_modules", ".DS_Store",
    ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".venv", ".pixi",
    "__pypackages__",
}  # fmt: skip
_MOST_NAMES = 5
# The clock of a file system is this much behind, in seconds.
_COARSE = 0.02


@dataclass(frozen=True, slots=True)
class Before:
    """The files of the code folder before a run, relative to it; None if there are too many."""

    code: str
    names: frozenset[str] | None
    since: float


def before(run: Run, now: float) -> Before | None:
    """`now` is the time in seconds since the epoch. None for a run without a code folder."""
    if not run.has_code_folder or run.code is None:
        return None
    return before_in(run.code, now)


def before_in(folder: str, now: float) -> Before:
    """The same for any folder."""
    names = [path for path, _ in _walk(folder)]
    return Before(folder, frozenset(names) if len(names) <= MOST else None, now - _COARSE)


def changes(root: str, state: Before) -> str:
    """What is new, changed and gone in the folder since; "" if nothing is, or it has too many files."""
    return "; ".join(_changes(root, state, state.names)) if state.names is not None else ""


def line(run: Run, state: Before | None) -> str:
    """The line; "" if nothing was written there."""
    parts = []
    folder = Path(run.workspace.root, run.outputs, BESIDE)
    if beside := [path for path, _ in _walk(str(folder), unsaid=frozenset())]:
        parts.append(
            f"the program wrote {_shown(beside)} beside ./outputs, where Azure ML keeps nothing: in "
            f"{run.outputs}/{BESIDE}/"
        )
    if state is not None and (changed := changes(run.workspace.root, state)):
        parts.append(changed)
    return "; ".join(parts)


def line_of_parts(root: Path, folder: str) -> str:
    """The line for the steps or trials of a larger run in `folder`; "" if none wrote anything there."""
    counts = {}
    for depth in ("*", "*/*"):
        for beside in sorted((root / folder).glob(f"{depth}/{BESIDE}")):
            part = beside.parent.relative_to(root / folder).as_posix()
            counts[part] = sum(1 for _ in _walk(str(beside), unsaid=frozenset()))
    if not counts:
        return ""
    shown = ", ".join(f"{part} ({count})" for part, count in list(counts.items())[:_MOST_NAMES])
    rest = len(counts) - _MOST_NAMES
    more = f" and {rest} more" if rest > 0 else ""
    return (
        f"files were written beside ./outputs, where Azure ML keeps nothing, by {shown}{more}: in "
        f"{folder}/<name>/{BESIDE}/"
    )


def _changes(root: str, state: Before, names: frozenset[str]) -> Iterator[str]:
    """What is new, changed and gone in the code folder."""
    found = dict(_walk(state.code))
    if len(found) > MOST:
        return
    changed = [path for path in found if path in names and _is_since(found[path], state.since)]
    new = [path for path in found if path not in names]
    gone = [path for path in names if path not in found]
    words = [
        f"{word} {_shown(paths)}"
        for word, paths in (("new", new), ("changed", changed), ("removed", gone))
        if paths
    ]
    if words:
        code = os.path.relpath(state.code, root).replace("\\", "/")
        yield f"in {code} while it ran: {', '.join(words)}"
    foreign = sum(_is_of_another_user(found[path]) for path in (*new, *changed))
    if foreign:
        yield f"{foreign} of them belong to another user ({user_shell.owning(code)})"


def _is_since(entry: os.DirEntry[str], since: float) -> bool:
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_mtime >= since
    return False


def _is_of_another_user(entry: os.DirEntry[str]) -> bool:
    if not hasattr(os, "geteuid") or os.geteuid() == 0:
        return False
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_uid != os.geteuid()
    return False


def _shown(paths: Iterable[str]) -> str:
    """`lightning_logs/ (12 files), best.ckpt and 3 more`: by the first part of each path."""
    files_in = Counter(path.split("/")[0] for path in paths if "/" in path)
    plain = [path for path in paths if "/" not in path]
    names = [
        f"{one_line(name)}/ ({count} {'file' if count == 1 else 'files'})"
        for name, count in sorted(files_in.items())
    ]
    names += map(one_line, sorted(plain))
    shown = ", ".join(names[:_MOST_NAMES])
    rest = len(names) - _MOST_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown


def _walk(
    root: str, *, unsaid: frozenset[str] | set[str] = _UNSAID
) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """The files below a folder, with "/"; at most one more than MOST. No link is followed."""
    todo = [(root, "")]
    count = 0
    while todo and count <= MOST:
        folder, prefix = todo.pop()
        with suppress(OSError), os.scandir(folder) as entries:
            listed = list(entries)
            if prefix and unsaid and any(entry.name == "pyvenv.cfg" for entry in listed):
                continue
            for entry in listed:
                if entry.name in unsaid or (unsaid and entry.name.endswith((".egg-info", ".pyc"))):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    todo.append((entry.path, f"{prefix}{entry.name}/"))
                    continue
                count += 1
                yield f"{prefix}{entry.name}", entry
