"""The links through which an experiment uses code of src/common: found, made, taken away, mended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..model import shared_code
from ..model.experiment import Experiment
from ..model.shared_code import COMMON
from ..util import files
from ..util.errors import UserError, did_you_mean


@dataclass(frozen=True, slots=True)
class Share:
    """One link below an experiment's common/; both paths are relative to the root. `state` is
    "ok", "broken" (it leads nowhere), "absolute" (it breaks in every other clone), or "text" (git
    wrote a file with the link's text in it). `target` is what it leads to, or should; None when
    nothing in src/common fits."""

    link: str
    target: str | None
    state: str

    @property
    def message(self) -> str:
        states = {
            "ok": "",
            "broken": "the link leads nowhere",
            "absolute": "the link is absolute: it breaks in every other clone and container",
            "text": "git wrote a text file in place of the link",
        }
        return states[self.state]


def found(root: Path, folder: str) -> list[Share]:
    """All shares of the experiment in that folder, sorted by path."""
    common = root / folder / "common"
    if common.is_symlink():  # somebody shares all of src/common by hand
        return [_share_of(root, folder, f"{folder}/common", os.readlink(common))]
    return sorted(_shares(root, folder, common), key=lambda share: share.link)


def require_whole(root: Path, experiment: Experiment) -> None:
    """A `Mistake` when the experiment's common code is not all there: it would fail later, and
    with worse words."""
    for share in found(root, experiment.folder):
        if share.state in ("broken", "text"):
            command = f"`scripts/loop share {experiment.name} --repair`"
            name = share.link.removeprefix(f"{experiment.folder}/common/")
            other = f"Restore {COMMON}/{name}, or take it away (`dependency --remove`)"
            raise UserError(
                share.message, where=share.link, hint=f"Run {command}" if share.target else other
            )


def add(root: Path, experiment: Experiment, path: str) -> bool:
    """Links common/<path> of the experiment to src/common/<path>; False when it is there already.
    Whatever stands in the way stays, and is a `Mistake`."""
    target = f"{COMMON}/{path}"
    _require(root, path)
    link = shared_code.link_of(experiment.folder, path)
    if _is_shared(root, link, target):
        return False
    text = shared_code.link_text(link, target)
    if os.path.lexists(root / link):
        _make_room(root, link, target)
    if (parent := _link_above(root, experiment.folder, path)) is not None:
        raise UserError(
            f"{parent} is a link itself, and {path} is not in what it leads to",
            where=link,
            hint="Remove that link first",
        )
    files.replace_link(root / link, text)
    return True


def remove(root: Path, experiment: Experiment, path: str) -> None:
    """Takes the link away, and folders that are empty then; src/common keeps the code."""
    link = shared_code.link_of(experiment.folder, path)
    shares = [share.link for share in found(root, experiment.folder)]
    if link not in shares:
        raise UserError(
            f"{experiment.name} does not share {path}" + _own(root, link),
            where=link,
            hint=did_you_mean(
                path, [one.removeprefix(f"{experiment.folder}/common/") for one in shares]
            )
            or "It shares nothing",
        )
    files.remove(root / link)
    parent = (root / link).parent
    while parent != root / experiment.folder and not any(os.scandir(parent)):
        files.remove_if_empty(parent)
        parent = parent.parent


def repair(root: Path, experiment: Experiment) -> tuple[list[Share], list[Share]]:
    """Makes again what is broken, absolute or a text; returns what was mended, and what could not
    be, since nothing in src/common fits."""
    mended, left = [], []
    for share in found(root, experiment.folder):
        if share.state == "ok":
            continue
        if share.target is None:
            left.append(share)
        else:
            files.replace_link(root / share.link, shared_code.link_text(share.link, share.target))
            mended.append(share)
    return mended, left


def not_shared(root: Path, folder: str) -> list[str]:
    """The files and folders directly in src/common of which the experiment uses nothing."""
    used = {(s.target or "").removeprefix(f"{COMMON}/").split("/")[0] for s in found(root, folder)}
    return [name for name in _entries(root / COMMON) if name not in used]


def lacking(root: Path, experiment: Experiment, path: str) -> list[str]:
    """Pieces of common code that src/common/<path> imports and the experiment does not share."""
    wanted: dict[str, None] = {}
    for file in _python_files(root / COMMON / path):
        own = file.relative_to(root / COMMON).as_posix()
        for module in shared_code.common_modules(files.read_text(file) or "", own):
            piece = next((p for p in (f"{module}.py", module) if _has(root / COMMON, p)), None)
            if piece is not None:
                wanted[piece] = None
    there = root / experiment.folder / "common"
    return [piece for piece in wanted if not (there / piece).exists()]


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
        elif entry.is_file() and entry.stat().st_size < 500:
            content = Path(entry.path).read_bytes().decode("utf-8", "replace")
            if (target := shared_code.text_of_a_link(content, link)) is not None:
                yield Share(link, target if (root / target).exists() else None, "text")


def _share_of(root: Path, folder: str, link: str, text: str) -> Share:
    absolute = os.path.isabs(text)
    target = os.path.relpath(text, root) if absolute else shared_code.leads(link, text)
    target = target.replace("\\", "/")
    if (root / target).exists() and not (absolute and target.startswith("../")):
        return Share(link, target, "absolute" if absolute else "ok")
    fits = [one for one in shared_code.meant(link, text, folder) if (root / one).exists()]
    return Share(link, fits[0] if fits else None, "broken")


def _require(root: Path, path: str) -> None:
    """The piece is there, in exactly these letters: what only a case-insensitive disk finds is
    not there on Linux, nor on Azure ML."""
    folder, known = root / COMMON, ""
    for part in path.split("/"):
        names = _entries(folder)
        if part not in names:
            close = did_you_mean(known + part, [known + name for name in names])
            raise UserError(
                f"there is no {COMMON}/{path}",
                hint=close or f"Put the code that experiments share into {COMMON}",
            )
        folder, known = folder / part, f"{known}{part}/"


def _is_shared(root: Path, link: str, target: str) -> bool:
    """Whether a relative link, here or further up, leads there already."""
    try:
        there = os.path.realpath(root / link) == os.path.realpath(root / target)
    except OSError:
        return False
    at = root / link
    return there and not (at.is_symlink() and os.path.isabs(os.readlink(at)))


def _make_room(root: Path, link: str, target: str) -> None:
    """A broken link, git's text for one, and a folder of links that the new link covers may go:
    nothing is lost with them. Anything else stays."""
    at = root / link
    if at.is_symlink():
        text = os.readlink(at)
        if not at.exists() or os.path.isabs(text):
            return
        raise UserError(
            f"there is a link of that name already, to {text}",
            where=link,
            hint="Take it away first (`scripts/loop share EXP --remove PATH`)",
        )
    if at.is_file():
        content = at.read_bytes()[:500].decode("utf-8", "replace")
        if shared_code.text_of_a_link(content, link) is not None:
            return
    if at.is_dir() and _covered(root, at, root / target):
        files.remove_tree(at)
        return
    raise UserError(
        "there is something of that name already, which is no link",
        where=link,
        hint="Give it another name, or move it into src/common; nothing was changed",
    )


def _covered(root: Path, folder: Path, target: Path) -> bool:
    for entry in os.scandir(folder):
        if entry.is_symlink():
            if os.path.realpath(entry.path) != os.path.realpath(target / entry.name):
                return False
        elif not entry.is_dir() or not _covered(root, Path(entry.path), target / entry.name):
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
                "this is a file, so nothing can stand below it",
                where=above,
                hint="Rename it, or move it into src/common",
            )
    return None


def _own(root: Path, link: str) -> str:
    return ": that is its own code, not a link" if (root / link).exists() else ""


def _python_files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.suffix == ".py" else []
    return [one for one in sorted(path.rglob("*.py")) if "__pycache__" not in one.parts]


def _has(folder: Path, path: str) -> bool:
    return (folder / path).exists()


def _entries(folder: Path) -> list[str]:
    """What can be shared: no caches, and not the tests of common code, which follow by
    themselves."""
    try:
        names = sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [name for name in names if not name.startswith((".", "__pycache__"))]
