"""The files of a workspace that belong to the tool, and how another version replaces them.

A file that a person edited is kept beside. It is as a version shipped it if one of the tool's
environments in the user's cache has this very text: each has the template of its version.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field
from pathlib import Path

from .. import __version__
from ..sync import three_way_text
from ..sync.render.settings_json import JOB_SCHEMA
from ..util import files, regular_files, versions
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Delete, Step, Write, WriteBytes
from ..util.wheels import WHEELS
from ..workspace import formatter_files
from . import adopted_template, init, marked_block, tool_wheel, workspace_template
from .migrations import vendored_texts
from .workspace_template import EXTENSION, PIN

LAUNCHER = "scripts/loop"
# Replaced in this order, so that the launcher and the pin, which decide who runs next, come last.
SCRIPTS = ("scripts/test.cmd", "scripts/test", "scripts/loop.cmd", LAUNCHER)
_ENTRY = late_pattern(r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]\n]*\])?==([^\s;\\]+)")
_MARKER = late_pattern(r"(<{7}|\|{7}|>{7}) .*|={7}")
_HASH = late_pattern(r"--hash=sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ToolVersion:
    """A version of the tool as a workspace is to have it.

    `pin`: the text of `scripts/loop-requirements.txt`. `template`: path -> file, as `init` writes
    it. `wheels`: what the workspace is to hold in `.innerloop/wheels`.
    """

    version: str
    pin: str
    template: Mapping[str, workspace_template.File]
    wheels: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class ToolEdits:
    """`steps` in their order. `kept`: edited file -> where the person's version is kept.

    `conflicts`: files of git that stay as they are, with the line where both sides changed them.
    """

    steps: tuple[Step, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    conflicts: Mapping[str, int] = field(default_factory=dict)


def running(home: Path, root: Path, scratch: Callable[[], Path]) -> ToolVersion:
    """The version that runs, whose launcher is in the workspace or scratch folder `home`.

    Its pin is that of `home`, if that names this version. Otherwise, when the tool runs from its
    sources or from another environment, it is made as `init` makes it, in the folder `scratch`.
    """
    template = init.template()
    text = files.read_text(home / PIN) or ""
    if version_in(text) == __version__:
        held = () if home == root else sorted((home / WHEELS).glob("*.whl"))
        return ToolVersion(__version__, text.replace("\r\n", "\n"), template, named(held, text))
    pin = tool_wheel.find(None, home, scratch())
    text = init.pin_text(template[PIN].content.decode(), pin)
    return ToolVersion(__version__, text, template, () if pin.wheel is None else (pin.wheel,))


def version_in(pin: str) -> str:
    """The version of the tool that a pin names; "" if it names none.

    Of a pin that git left in conflict, the newer one, which is what the launcher runs.
    """
    return versions.newest(*(word for name, word in _ENTRY.findall(pin) if name == "innerloop"))


def edits(root: Path, new: ToolVersion, old: str) -> ToolEdits:
    """What replaces the tool's files of a workspace that the version `old` made or upgraded."""
    shipped = tuple(_shipped())
    steps: list[Step] = []
    kept: dict[str, str] = {}
    conflicts: dict[str, int] = {}
    is_adopted = formatter_files.is_adopted(root)
    for name in () if is_adopted else marked_block.FILES:
        merged, line = _merged(root, name, new, _of_version(shipped, old, name))
        steps += [] if merged is None else [Write(name, merged)]
        conflicts |= {name: line} if line else {}
    steps += _extension_edits(root, new, old, shipped, kept)
    for name in adopted_template.SCRIPTS if is_adopted else SCRIPTS:
        here = _content(root, name)
        wanted = new.template[name].content
        if here is not None and _plain(here) == _plain(wanted):
            continue
        is_shipped = (
            here is None or _is_known(here, name, shipped) or vendored_texts.is_shipped(here)
        )
        if here is not None and not is_shipped:
            kept[name] = _free(root, name, here)
            steps.append(WriteBytes(kept[name], here))
        steps.append(WriteBytes(name, wanted, new.template[name].executable or None))
    steps += _wheel_edits(root, new)
    here = _content(root, PIN)
    if here is None or here.replace(b"\r\n", b"\n") != new.pin.encode():
        if here is not None and _is_edited(here.decode("utf-8", "replace"), new, shipped):
            kept[PIN] = _free(root, PIN, here)
            steps.append(WriteBytes(kept[PIN], here))
        steps.append(WriteBytes(PIN, new.pin.encode()))
    return ToolEdits(tuple(steps), kept, conflicts)


def writes_extension(root: Path, new: ToolVersion, old: str) -> bool:
    """Whether `edits` leaves the workspace with VS Code's extension where it may have none now."""
    steps = _extension_edits(root, new, old, tuple(_shipped()), {})
    return any(step.path == JOB_SCHEMA for step in steps if isinstance(step, WriteBytes))


def _is_known(content: bytes, name: str, shipped: tuple[_Shipped, ...]) -> bool:
    """Whether a known version shipped this file with this very text."""
    return _plain(content) in {_plain(texts[name]) for _, texts in shipped if name in texts}


def _extension_edits(
    root: Path,
    new: ToolVersion,
    old: str,
    shipped: tuple[_Shipped, ...],
    kept: dict[str, str],
) -> Iterator[Step]:
    """What replaces VS Code's extension. One that a person deleted does not come back.

    A file that the new version no longer has goes if nobody edited it.
    """
    had = {name for version, texts in shipped if version == old for name in texts}
    had = {name for name in had if name.startswith(EXTENSION)}
    there = {name for name in had if _content(root, name) is not None}
    if had and not there:
        return
    wanted = workspace_template.extension_files(new.template)
    for name in sorted({*there, *wanted}):
        here = _content(root, name)
        is_edited = here is not None and not _is_known(here, name, shipped)
        if name not in wanted:
            if not is_edited:
                yield Delete(name)
            continue
        content = new.template[name].content
        if here is not None and _plain(here) == _plain(content):
            continue
        if here is not None and is_edited:
            kept[name] = _free(root, name, here)
            yield WriteBytes(kept[name], here)
        yield WriteBytes(name, content)


def lacking_wheels(root: Path, pin: str) -> list[str]:
    """Packages of the pin that `.innerloop/wheels` has none for, where it has the others."""
    have = {_normal(path.name.split("-")[0]) for path in (root / WHEELS).glob("*.whl")}
    return [name for name, _ in _ENTRY.findall(pin) if _normal(name) not in have]


def _wheel_edits(root: Path, new: ToolVersion) -> Iterator[Step]:
    """Wheels that the pin names come; those of other versions of the same packages go."""
    pinned = {_normal(name): version for name, version in _ENTRY.findall(new.pin)}
    coming = {wheel.name for wheel in new.wheels}
    names = {_normal(wheel.name.split("-")[0]) for wheel in new.wheels}
    for path in sorted((root / WHEELS).glob("*.whl")):
        name, version = [*path.name.split("-"), ""][:2]
        is_other = pinned.get(_normal(name), version) != version
        if path.name not in coming and (is_other or _normal(name) in names & {"innerloop"}):
            yield Delete(f"{WHEELS}/{path.name}")
    for wheel in new.wheels:
        target = f"{WHEELS}/{wheel.name}"
        content = regular_files.read_or_fail(wheel)
        if _content(root, target) != content:
            yield WriteBytes(target, content)


def _merged(root: Path, name: str, new: ToolVersion, base: str | None) -> tuple[str | None, int]:
    """The text to write, None for none; and the line of a conflict, 0 for none."""
    wanted = new.template.get(name)
    try:
        yours = files.read_own(root / name)
    except UserError:
        return None, 0  # not text: the person's
    if wanted is None or yours is None or base is None:
        return None, 0
    theirs = wanted.content.decode().replace("\r\n", "\n")
    parts = [marked_block.split(text) for text in (yours, base, theirs)]
    blocks = [part.lines for part in parts if part.lines is not None]
    if len(blocks) == 3:  # what is around the block is the person's
        merged = three_way_text.merge(*blocks)
        text = marked_block.with_lines(yours, merged.text or "")
        above = parts[0].above.count("\n") + 1
    else:
        merged = three_way_text.merge(yours, base, theirs)
        text, above = merged.text or "", 0
    line = above + merged.conflicts[0].line if merged.conflicts else 0
    return (None if text == yours else text), line


def _is_edited(pin: str, new: ToolVersion, shipped: tuple[_Shipped, ...]) -> bool:
    """Whether a person put something into the pin that no version has.

    Other versions and hashes of the same packages are none of that: an update by a robot.
    """
    lines = {line.strip() for line in _clean(new.pin)}
    for _, texts in shipped:
        lines |= {line.strip() for line in _clean(texts.get(PIN, b"").decode("utf-8", "replace"))}
    lines |= {line.strip() for line in init.PIN_COMMENT.splitlines()}
    return any(line.strip() not in lines for line in _clean(pin))


def _clean(pin: str) -> Iterator[str]:
    """The lines of a pin without versions, hashes and markers of a git conflict."""
    for line in pin.replace("\r\n", "\n").splitlines():
        plain = _ENTRY.sub(r"\1==", _HASH.sub("", line)).strip(" \\\t")
        if plain and not _MARKER.fullmatch(line):
            yield plain


# A version, and the content of the tool's files as its environment has them.
_Shipped = tuple[str, Mapping[str, bytes]]


def _shipped() -> Iterator[_Shipped]:
    """Of each environment of the tool in the cache, and of the version that runs."""
    own = init.template()
    yield __version__, {name: own[name].content for name in _tools_of(own)}
    folder = cache_folder() / "tool"
    for pattern in ("*/lib/python*/site-packages", "*/Lib/site-packages"):
        for packages in sorted(folder.glob(f"{pattern}/innerloop-*.dist-info")):
            version = packages.name.removesuffix(".dist-info").partition("-")[2]
            yield version, _texts(packages.parent / "innerloop")


def _tools_of(names: Iterable[str]) -> tuple[str, ...]:
    return (
        *SCRIPTS,
        *workspace_template.extension_files(names),
        *marked_block.FILES,
        PIN,
    )


def _texts(package: Path) -> dict[str, bytes]:
    found = {}
    try:
        copies = json.loads((package / workspace_template.DATA).read_text("utf-8"))["copies"]
        template = package / workspace_template.FOLDER
        below = (path.relative_to(template).as_posix() for path in template.rglob("*"))
        for name in _tools_of({*copies, *below}):
            path = template / copies.get(name, name)
            if path.is_file():
                found[name] = regular_files.read_bytes(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}  # half removed, say
    return found


def _of_version(shipped: tuple[_Shipped, ...], version: str, name: str) -> str | None:
    for known, texts in shipped:
        if known == version and name in texts:
            return texts[name].decode("utf-8", "replace").replace("\r\n", "\n")
    return None


def named(wheels: tuple[Path, ...] | list[Path], pin: str) -> tuple[Path, ...]:
    pinned = {(_normal(name), version) for name, version in _ENTRY.findall(pin)}
    parts = [(wheel, wheel.name.split("-")) for wheel in wheels]
    return tuple(w for w, words in parts if (_normal(words[0]), words[1]) in pinned)


def _normal(name: str) -> str:
    """A package's name as PEP 503 compares it."""
    return re.sub("[-_.]+", "-", name).lower()


def _content(root: Path, name: str) -> bytes | None:
    """A file's bytes; None if there is none. UserError if it cannot be read, or is a link."""
    try:
        return regular_files.read_bytes(root / name, follow=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise files.cannot("read", root / name, error) from error


def _plain(content: bytes) -> bytes:
    return content.replace(b"\r", b"")


def _free(root: Path, name: str, content: bytes) -> str:
    """A path beside a file that is free, or has this content already."""
    number = 1
    while True:
        path = f"{name}.yours" + (f"-{number}" if number > 1 else "")
        if not os.path.lexists(root / path) or _content(root, path) == content:
            return path
        number += 1
