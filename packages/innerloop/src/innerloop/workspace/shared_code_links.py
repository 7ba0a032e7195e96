"""Finds, adds, removes and repairs an experiment's links to shared code in src/common."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..model import shared_code
from ..model.experiment import Experiment
from ..model.paths import SCRATCH
from ..model.shared_code import COMMON
from ..util import files, regular_files
from ..util.errors import UserError, did_you_mean
from ..util.quick_dataclasses import dataclass
from . import text_links

# Imported where links change: every run imports this module.
if TYPE_CHECKING:
    from ..util.undo_journal import Step


@dataclass(frozen=True, slots=True)
class Share:
    """One link below an experiment's common/; both paths are relative to the root.

    `state` is "ok", "broken" (its target is missing), "absolute" (it breaks in every other clone)
    or "text" (git wrote the link as a text file). `target` is what it leads to, or should lead to;
    None if nothing in src/common fits. `works`: a run has the target's code in its place, which a
    text file has only where git's index says that it is a link.
    """

    link: str
    target: str | None
    state: Literal["ok", "broken", "absolute", "text"]
    works: bool = True

    @property
    def message(self) -> str:
        states = {
            "ok": "",
            "broken": "the link's target is missing",
            "absolute": "the link is absolute: it breaks in every other clone and container",
            "text": "git wrote the link as a text file",
        }
        return states[self.state]


def find(root: Path, folder: str) -> list[Share]:
    """All links of the experiment in that folder, sorted by path."""
    common = root / folder / "common"
    if common.is_symlink():  # a link to all of src/common, made by hand
        return [_share_of(root, folder, f"{folder}/common", os.readlink(common))]
    shares = [*_shares(root, folder, common), *_texts(root, folder)]
    return sorted(shares, key=lambda share: share.link)


def require_whole(root: Path, experiment: Experiment) -> None:
    """UserError if a link to shared code is broken: the run would fail later, with a worse message."""
    for share in find(root, experiment.folder):
        if not share.works:
            command = f"`scripts/loop share {experiment.name} --repair`"
            name = share.link.removeprefix(f"{experiment.folder}/common/")
            remove_it = f"`scripts/loop share {experiment.name} --remove {name}`"
            other = f"Restore {COMMON}/{name}, or remove the link: {remove_it}"
            raise UserError(
                share.message,
                code="shared-code-link-broken",
                where=share.link,
                hint=f"Run {command}" if share.target else other,
            )


def add(root: Path, experiment: Experiment, path: str) -> list[Step]:
    """The steps that link common/<path> of the experiment to src/common/<path>.

    To be taken one after the other. The list is empty if it is linked already. UserError if another
    file is in the way.
    """
    target = f"{COMMON}/{path}"
    _require(root, path)
    link = shared_code.link_of(experiment.folder, path)
    if _is_shared(root, link, target):
        return []
    in_the_way: list[Step] = []
    if os.path.lexists(root / link):
        in_the_way = _make_room(root, link, target)
    if (parent := _link_above(root, experiment.folder, path)) is not None:
        raise UserError(
            f"{parent} is a link itself, and its target does not contain {path}",
            code="path-exists",
            where=link,
            hint="Remove that link first",
        )
    return [*in_the_way, link_step(root, link, shared_code.link_text(link, target))]


def remove(root: Path, experiment: Experiment, path: str) -> list[Step]:
    """The steps that remove the link, and folders that are empty then. src/common keeps the code."""
    from ..util.undo_journal import Delete, DropEmpty

    link = shared_code.link_of(experiment.folder, path)
    shares = [share.link for share in find(root, experiment.folder)]
    if link not in shares:
        raise UserError(
            f"{experiment.name} has no link to {path}" + _own(root, link),
            code="not-shared",
            where=link,
            hint=did_you_mean(
                path, [share.removeprefix(f"{experiment.folder}/common/") for share in shares]
            )
            or "It has no links to shared code",
        )
    return [Delete(link), DropEmpty(posixpath.dirname(link), experiment.folder)]


def repair(root: Path, experiment: Experiment) -> tuple[list[Share], list[Share]]:
    """The links that are broken, absolute or text files.

    First those that `link_to` repairs, then those for which nothing in src/common fits.
    """
    repaired, unrepaired = [], []
    for share in find(root, experiment.folder):
        if share.state == "ok":
            continue
        if share.target is None:
            unrepaired.append(share)
        else:
            repaired.append(share)
    return repaired, unrepaired


def link_to(root: Path, share: Share) -> Step:
    """The step that makes the link anew, to its target."""
    assert share.target is not None
    return link_step(root, share.link, shared_code.link_text(share.link, share.target))


def link_step(root: Path, link: str, text: str) -> Step:
    """The step that makes a link, or the text file that git has in its place where none can be made.

    `record` then has git's index know that the file is a link.
    """
    from ..util.undo_journal import MakeLink, Write

    return MakeLink(link, text) if can_link(root) else Write(link, text)


def can_link(root: Path) -> bool:
    """Whether links can be made in the workspace.

    It is tried only where git made text files of them, and on Windows.
    """
    is_usual = os.name != "nt" and not text_links.may_be(root)
    return is_usual or files.can_link(root / SCRATCH)


def record(root: Path, steps: Iterable[Step]) -> str:
    """Have git know the links that were written as text files; a note for the person, or ""."""
    from ..util.undo_journal import Write

    texts = {step.path: step.text for step in steps if isinstance(step, Write)}
    if not texts:
        return ""
    names = ", ".join(sorted(texts))
    if text_links.record(root, texts):
        return f"this system makes no links: git has {names} as a link, and a text file is here"
    return (
        f"this system makes no links, and {names} is a text file: in a git repository, run "
        "`scripts/loop share --repair` before `git add`, which makes an ordinary file of it"
    )


def not_shared(root: Path, folder: str) -> list[str]:
    """The files and folders directly in src/common that the experiment has no link to."""
    used = {(s.target or "").removeprefix(f"{COMMON}/").split("/")[0] for s in find(root, folder)}
    return [name for name in _entries(root / COMMON) if name not in used]


def missing_imports(root: Path, experiment: Experiment, path: str) -> list[str]:
    """Shared code that src/common/<path> imports and the experiment has no link to."""
    imported: dict[str, None] = {}
    for file in _python_files(root / COMMON / path):
        own = file.relative_to(root / COMMON).as_posix()
        for module in shared_code.common_modules(files.read_text(file) or "", own):
            names = (f"{module}.py", module)
            name = next((name for name in names if (root / COMMON / name).exists()), None)
            if name is not None:
                imported[name] = None
    common = root / experiment.folder / "common"
    return [name for name in imported if not (common / name).exists()]


def _shares(root: Path, folder: str, below: Path) -> Iterator[Share]:
    try:
        entries = list(os.scandir(below))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        link = Path(entry.path).relative_to(root).as_posix()
        if entry.is_symlink():
            yield _share_of(root, folder, link, os.readlink(entry.path))
        elif entry.is_dir():
            yield from _shares(root, folder, Path(entry.path))


def _texts(root: Path, folder: str) -> Iterator[Share]:
    """The links that git wrote as text files."""
    known = text_links.below(root, f"{folder}/common")
    for link in known:
        if link.target:
            yield Share(link.path, link.target, "text")
        else:
            yield replace(_share_of(root, folder, link.path, link.text), state="text", works=False)
    others = dict(_like_texts(root, root / folder / "common"))
    for link in known:
        others.pop(link.path, None)
    # core.symlinks is true again, or git has never seen the file: it is no link, and should be one.
    for path in text_links.unlike_files(root, others):
        exists = (root / others[path]).exists()
        yield Share(path, others[path] if exists else None, "text", works=False)


def _like_texts(root: Path, below: Path) -> Iterator[tuple[str, str]]:
    """The files that look like links to shared code, each with its target."""
    try:
        entries = list(os.scandir(below))
    except OSError:
        return
    for entry in entries:
        link = Path(entry.path).relative_to(root).as_posix()
        if entry.is_dir(follow_symlinks=False):
            yield from _like_texts(root, Path(entry.path))
        elif entry.is_file(follow_symlinks=False) and entry.stat().st_size < 500:
            content = regular_files.read_or_fail(Path(entry.path)).decode("utf-8", "replace")
            if (target := shared_code.text_of_a_link(content, link)) is not None:
                yield link, target


def _share_of(root: Path, folder: str, link: str, text: str) -> Share:
    absolute = os.path.isabs(text)
    target = os.path.relpath(text, root) if absolute else shared_code.leads(link, text)
    target = target.replace("\\", "/")
    if (root / target).exists() and not (absolute and target.startswith("../")):
        return Share(link, target, "absolute" if absolute else "ok")
    targets = [path for path in shared_code.meant(link, text, folder) if (root / path).exists()]
    return Share(link, targets[0] if targets else None, "broken", works=False)


def _require(root: Path, path: str) -> None:
    """Raise UserError unless src/common/<path> exists with exactly these letters.

    What a case-insensitive disk finds does not exist on Linux or Azure ML.
    """
    folder, known = root / COMMON, ""
    for part in path.split("/"):
        names = _entries(folder)
        if part not in names:
            close = did_you_mean(known + part, [known + name for name in names])
            raise UserError(
                f"there is no {COMMON}/{path}",
                code="shared-code-missing",
                hint=close or f"Move the code to {COMMON} first",
            )
        folder, known = folder / part, f"{known}{part}/"


def _is_shared(root: Path, link: str, target: str) -> bool:
    """Whether a relative link, this one or a parent folder, leads to the target already."""
    try:
        real = os.path.realpath(root / text_links.resolve(root, link))
        is_target = real == os.path.realpath(root / target)
    except OSError:
        return False
    at = root / link
    return is_target and not (at.is_symlink() and os.path.isabs(os.readlink(at)))


def _make_room(root: Path, link: str, target: str) -> list[Step]:
    """Check that the link may replace what is at its path, and return the steps before that.

    It may replace a broken link, a link that git wrote as a text file, or a folder of links with
    the same targets, which is removed. Raises UserError for anything else.
    """
    from ..util.undo_journal import Delete

    at = root / link
    if at.is_symlink():
        text = os.readlink(at)
        if not at.exists() or os.path.isabs(text):
            return []
        raise UserError(
            f"there is already a link with this name, to {text}",
            code="path-exists",
            where=link,
            hint="Remove it first: `scripts/loop share EXP --remove PATH`",
        )
    if at.is_file():
        content = regular_files.read_or_fail(at)[:500].decode("utf-8", "replace")
        if shared_code.text_of_a_link(content, link) is not None:
            return []
    if at.is_dir() and _covered(root, at, root / target):
        return [Delete(link)]
    raise UserError(
        "there is already a file or folder with this name, which is not a link",
        code="path-exists",
        where=link,
        hint="Rename it, or move it to src/common; nothing was changed",
    )


def _covered(root: Path, folder: Path, target: Path) -> bool:
    for entry in os.scandir(folder):
        if entry.is_symlink():
            if os.path.realpath(entry.path) != os.path.realpath(target / entry.name):
                return False
        elif entry.is_dir():
            if not _covered(root, Path(entry.path), target / entry.name):
                return False
        else:
            path = Path(entry.path).relative_to(root).as_posix()
            resolved = text_links.resolve(root, path)
            if resolved == path or root / resolved != target / entry.name:
                return False
    return True


def _link_above(root: Path, folder: str, path: str) -> str | None:
    parts = path.split("/")[:-1]
    for count in range(len(parts) + 1):
        above = "/".join([folder, "common", *parts[:count]])
        if (root / above).is_symlink():
            return above
        if (root / above).is_file():
            raise UserError(
                "this is a file, but a folder is needed",
                code="path-exists",
                where=above,
                hint="Rename it, or move it into src/common",
            )
    return None


def _own(root: Path, link: str) -> str:
    return ": it is the experiment's own code" if (root / link).exists() else ""


def _python_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".py" else []
    return [
        file
        for file in sorted(path.rglob("*.py"))
        if "__pycache__" not in file.parts and file.is_file()
    ]


def _entries(folder: Path) -> list[str]:
    """The names in a folder that can be shared: no caches and no hidden files."""
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [name for name in names if not name.startswith((".", "__pycache__"))]
