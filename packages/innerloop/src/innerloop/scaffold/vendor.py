"""The pinned wheels in `.innerloop/wheels`, so that a clone needs no package index.

All wheels are fetched and checked into a folder beside first. They take their places in one change
of the workspace, which happens whole or not at all.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ..sync import engine
from ..util import files, locked_environments, network, pip, process, venvs, wheels
from ..util.cache_folder import cache_folder
from ..util.errors import UserError, join_names
from ..util.quick_dataclasses import dataclass
from ..util.undo_journal import Delete, Move
from ..util.wheels import PLATFORMS, LockedPackage, Target, Wheel
from . import workspace_template

SCRATCH = ".innerloop/vendoring"
WAITING = "innerloop: another vendor is running; waiting for it"
# What `run`, `test`, F5 and `format` need besides the tool; and what a person can ask for.
USUAL = ("debugger", "format", "pytest")
EXTRA = ("azure", "kubernetes", "mcp", "mlflow", "sweep", "tensorboard")
# Limits where the person has set none: no network is an error within seconds.
# A repository is slow to clone, and some hosts refuse it, above this size in bytes.
_LARGE = 50_000_000


@dataclass(frozen=True, slots=True)
class Selection:
    """What to vendor: names of PLATFORMS, versions of Python, names of locks besides the pin."""

    platforms: tuple[str, ...]
    pythons: tuple[str, ...] = wheels.PYTHONS
    groups: tuple[str, ...] = USUAL
    tool_only: bool = False


@dataclass(frozen=True, slots=True)
class Vendored:
    """The wheels that are there now, those that came and went, and files that are no pinned wheel."""

    wheels: tuple[Wheel, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]
    foreign: tuple[str, ...]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(wheel.size for wheel in self.wheels)


def make(root: Path, selection: Selection) -> Vendored:
    """Bring `.innerloop/wheels` in line with the pin. Nothing changes on an error or Ctrl-C."""
    locks = [_pin(root, selection.tool_only)]
    if not selection.tool_only:
        locks += [
            wheels.packages(locked_environments.lock_of(group).read_text(encoding="utf-8"))
            for group in selection.groups
        ]
    locked = _together(package for lock in locks for package in lock)
    targets = [
        Target(PLATFORMS[name], python)
        for python in _own_first(selection.pythons)
        for name in selection.platforms
    ]
    name = hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:16]
    with (
        process.signals_as_interrupts(),
        files.locked(cache_folder() / "vendor" / f"{name}.lock", waiting=WAITING),
        files.confining(root),
    ):
        scratch = root / SCRATCH
        files.remove_tree(scratch)  # of a vendor that was killed
        files.make_folder(scratch)
        try:
            there = wheels.wheels_in(root / wheels.WHEELS)
            found = _complete(root, scratch, locked, targets, there)
            return _put(root, scratch, locked, found, there, selection.tool_only)
        finally:
            files.remove_tree(scratch)


def ignored_by_git(root: Path, vendored: Vendored) -> str:
    """The rule by which git leaves the wheels out; "" if it keeps them or there is no git."""
    if process.which("git") is None or not vendored.wheels:
        return ""
    path = f"{wheels.WHEELS}/{vendored.wheels[0].name.file}"
    done = process.run(["git", "-C", str(root), "check-ignore", "--verbose", "--no-index", path])
    rule = done.out.split("\t")[0].rstrip()
    return rule if done.ok and not rule.rpartition(":")[2].startswith("!") else ""


def is_large(vendored: Vendored) -> bool:
    return vendored.size > _LARGE


def _pin(root: Path, tool_only: bool) -> list[LockedPackage]:
    text = files.read_own(root / workspace_template.PIN)
    pinned = wheels.packages(text or "")
    if tool_only:
        pinned = [package for package in pinned if package.name == "innerloop"]
    if not pinned:
        raise UserError(
            "it pins no version of innerloop" if text else "there is no pin of the tool",
            code="pin-missing",
            where=workspace_template.PIN,
            hint="This workspace runs the tool's sources" if text else "Run it in a workspace",
        )
    return pinned


def _together(packages: Iterable[LockedPackage]) -> list[LockedPackage]:
    """Each once. A version that several locks have is needed wherever one of them needs it."""
    found: dict[tuple[str, str], LockedPackage] = {}
    for package in packages:
        key = (package.name, package.version)
        other = found.get(key)
        if other is None:
            found[key] = package
        else:
            marker = package.marker if package.marker == other.marker else ""
            hashes = package.hashes | other.hashes
            found[key] = LockedPackage(package.name, package.version, marker, hashes)
    return list(found.values())


def _own_first(pythons: Sequence[str]) -> list[str]:
    """The version that runs first: what it lacks is an error soonest."""
    own = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return sorted(pythons, key=lambda python: python != own)


def _complete(
    root: Path,
    scratch: Path,
    locked: Sequence[LockedPackage],
    targets: Sequence[Target],
    there: Sequence[Wheel],
) -> list[Wheel]:
    """The wheels for all targets: those that are there, and downloaded ones in the scratch folder.

    With several targets a package's pure wheel is taken where it has one, since that fits all.
    """
    found = [wheel for wheel in there if any(wheel.is_of(package) for package in locked)]
    pip = _Pip(root, scratch)
    for group in (targets[:1], targets[1:]):
        needs = [
            (target, batch)
            for target in group
            for batch in _batches(wheels.lacking(locked, found, target))
        ]
        new = [wheel for wheels_ in pip.download_all(needs) for wheel in wheels_]
        compiled = [p for p in locked if any(w.is_of(p) and not w.name.is_pure for w in new)]
        if len(targets) > 1 and group == targets[:1]:
            pure = [wheel for wheels_ in pip.pure_of(compiled) for wheel in wheels_]
            replaced = [p for p in compiled if any(wheel.is_of(p) for wheel in pure)]
            new = [w for w in new if not any(w.is_of(p) for p in replaced)] + pure
        found += new
    return found


class _Pip:
    """Downloads wheels by the lock's hashes, some at once, each into a folder of its own."""

    def __init__(self, root: Path, scratch: Path) -> None:
        self._scratch = scratch
        self._environ = _environ(root)
        self._command: list[str] = []
        self._count = 0

    def download_all(
        self, needs: Sequence[tuple[Target, Sequence[LockedPackage]]]
    ) -> list[list[Wheel]]:
        """The wheels of the packages for each target. UserError if one is not to be had."""
        return self._together([(target, packages, True) for target, packages in needs])

    def pure_of(self, packages: Sequence[LockedPackage]) -> list[list[Wheel]]:
        """The pure wheel of each package; an empty list for one that has none."""
        return self._together([(None, [package], False) for package in packages])

    def _together(
        self, needs: Sequence[tuple[Target | None, Sequence[LockedPackage], bool]]
    ) -> list[list[Wheel]]:
        if needs and not self._command:
            self._command = _pip(self._scratch)
        first = self._count
        self._count += len(needs)
        with ThreadPoolExecutor(max_workers=4) as pool:
            jobs = [
                pool.submit(self._download, self._scratch / str(first + number), *need)
                for number, need in enumerate(needs)
            ]
            return [job.result() for job in jobs]

    def _download(
        self,
        into: Path,
        target: Target | None,
        packages: Sequence[LockedPackage],
        is_required: bool,
    ) -> list[Wheel]:
        """`target` None: what fits every one."""
        files.make_folder(into)
        lines = [
            " ".join([f"{p.name}=={p.version}", *(f"--hash=sha256:{h}" for h in sorted(p.hashes))])
            for p in packages
        ]
        files.write_text(into / "requirements.txt", "\n".join(lines) + "\n")
        argv = [*self._command, "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        argv += ["--require-hashes", "--requirement", str(into / "requirements.txt")]
        argv += ["--dest", str(into)]
        if target is None:
            argv += ["--implementation", "py", "--abi", "none", "--platform", "any"]
            argv += ["--python-version", wheels.PYTHONS[-1]]
        else:
            argv += ["--implementation", "cp", "--python-version", target.python]
            argv += [word for tag in target.platform.tags for word in ("--platform", tag)]
        done = process.run(argv, env=self._environ)
        found = wheels.wheels_in(into)
        if is_required and target is not None:
            missing = wheels.lacking(packages, found, target)
            if not done.ok or missing:
                raise _unavailable(done.out + done.err, target, missing or packages)
        return [wheel for wheel in found if any(wheel.is_of(package) for package in packages)]


def _batches(packages: Iterable[LockedPackage]) -> Iterator[list[LockedPackage]]:
    """Locks may have different versions of a package, of which pip takes one at a time."""
    left = list(packages)
    while left:
        batch = list({package.name: package for package in reversed(left)}.values())
        yield batch
        left = [package for package in left if package not in batch]


def _pip(scratch: Path) -> list[str]:
    """That of the base Python, which has the same settings in each environment of the tool."""
    return [*pip.command(venvs.base_python(), scratch), "--no-input"]


def _unavailable(output: str, target: Target, packages: Sequence[LockedPackage]) -> UserError:
    tail = "\n".join(f"    {line}" for line in output.strip().splitlines()[-8:])
    names = join_names([f"{package.name} {package.version}" for package in packages], 4)
    return UserError(
        f"no pinned wheels for {target} of: {names}\n{tail}".rstrip() + "\n ",
        code="wheel-unavailable",
        hint="Nothing was changed. Connect to a network, or configure pip's index; "
        "`--platform` and `--python` name fewer systems",
    )


def _environ(root: Path) -> dict[str, str]:
    ignored = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "PIP_REQUIRE_VIRTUALENV")
    environ = {name: value for name, value in os.environ.items() if name not in ignored}
    reach = locked_environments.reach(root)
    added = network.for_installer(reach, cache_folder(), os.environ)
    return {**pip.LIMITS, **environ, **pip.index_of_uv(environ), **added}


def _put(
    root: Path,
    scratch: Path,
    locked: Sequence[LockedPackage],
    found: Sequence[Wheel],
    there: Sequence[Wheel],
    tool_only: bool,
) -> Vendored:
    """Move the new wheels in, and those out that are pinned no more."""
    wanted = {wheel.name.file: wheel for wheel in found}
    # Locks of other commands keep their wheels, so that `--with azure` is asked for once.
    known = _known_names(root)
    old = {wheel.name.file for wheel in there if wheel.name.package in known}
    if not tool_only:
        kept = _all_locked(root)
        wanted |= {w.name.file: w for w in there if any(w.is_of(package) for package in kept)}
    removed = sorted(
        wheel.name.file
        for wheel in there
        if wheel.name.file in old and wanted.get(wheel.name.file) != wheel
    )
    sources = {path.name: path for path in scratch.glob("*/*.whl")}
    added = sorted(name for name, wheel in wanted.items() if wheel not in there)
    foreign = sorted(wheel.name.file for wheel in there if wheel.name.file not in {*old, *wanted})
    if added or removed:
        with engine.change(root, "the vendoring of wheels") as current:
            current.carry_out([Delete(f"{wheels.WHEELS}/{name}") for name in removed])
            current.carry_out(
                [
                    Move(sources[name].relative_to(root).as_posix(), f"{wheels.WHEELS}/{name}")
                    for name in added
                ]
            )
    result = tuple(wanted[name] for name in sorted(wanted))
    return Vendored(result, tuple(added), tuple(removed), tuple(foreign))


def _all_locked(root: Path) -> list[LockedPackage]:
    text = files.read_own(root / workspace_template.PIN) or ""
    locks = [locked_environments.lock_of(group) for group in (*USUAL, *EXTRA)]
    texts = [text, *(lock.read_text(encoding="utf-8") for lock in locks)]
    return [package for lock in texts for package in wheels.packages(lock)]


def _known_names(root: Path) -> set[str]:
    return {"innerloop", *(package.name for package in _all_locked(root))}


def describe(selection: Selection, vendored: Vendored) -> str:
    """One line: what is there, how large, for what."""
    count = len(vendored.wheels)
    there = f"{wheels.WHEELS}: {count} wheel{'s' * (count != 1)}, {vendored.size / 1e6:.1f} MB"
    if selection.tool_only:
        return f"{there}: the tool alone, and an index has the rest"
    pythons = selection.pythons
    versions = pythons[0] if len(pythons) == 1 else f"{pythons[0]} to {pythons[-1]}"
    return f"{there}; complete for {join_names(list(selection.platforms))}, Python {versions}"
