"""Maintain the lock files of this repository; innerloop/locks/README.md says when.

    python packages/innerloop/tools/locks.py freeze      write the metadata of what the locks pin
    python packages/innerloop/tools/locks.py extras      name the extras that locked packages need

Both take the lock files to work on, and without any work on all. The Python is one that has the
packages of requirements-test.txt.

Why extras matter: pip older than 23.3 treats `coverage` and `coverage[toml]` as two projects. A lock
that pins only `coverage`, while pytest-cov requires `coverage[toml]`, leaves the second one free; as
soon as a newer coverage is released, pip takes that one and stops, because the lock has no hash of
it. The same holds the other way round for a package that requires plain `coverage` and comes
earlier in the lock than `coverage[toml]`.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PACKAGE = Path(__file__).resolve().parents[1]
ROOT = PACKAGE.parents[1]
METADATA = PACKAGE / "tests/locks/requires.json"

Metadata = Mapping[str, Sequence[str]]
"""`name==version` to the Requires-Dist entries of that release."""

_HEADER = re.compile(
    r"(?P<name>[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)(?:\[(?P<extras>[a-z0-9, -]+)\])?"
    r"==(?P<version>[^\s;=]+)(?: ; (?P<marker>\S.*?))? \\"
)
_HASH = re.compile(r"    --hash=(?P<hash>sha256:[0-9a-f]{64})(?P<more> \\)?")


class LockError(Exception):
    """A lock file that cannot be read or completed; the text starts with the line's number."""


@dataclass(frozen=True, slots=True)
class Platform:
    """A Python on a machine, as environment markers see it. `python` is a full version."""

    python: str
    system: Literal["Linux", "Darwin", "Windows", "Emscripten"]
    machine: str

    def environment(self, extra: str = "") -> dict[str, str]:
        return {
            "extra": extra,
            "implementation_name": "cpython",
            "implementation_version": self.python,
            "os_name": "nt" if self.system == "Windows" else "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": self.system,
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": ".".join(self.python.split(".")[:2]),
            "sys_platform": "win32" if self.system == "Windows" else self.system.lower(),
        }

    def tags(self) -> tuple[str, ...]:
        """What pip's --platform calls this machine, newest first."""
        if self.system == "Linux":
            kinds = [f"manylinux_2_{minor}" for minor in range(34, 16, -1)] + ["manylinux2014"]
            return tuple(f"{kind}_{self.machine}" for kind in kinds)
        if self.system == "Darwin":
            return tuple(f"macosx_{major}_0_{self.machine}" for major in range(15, 10, -1))
        return ("win_amd64",) if self.system == "Windows" else ("emscripten_3_1_58_wasm32",)


# 3.11.2 is Debian 12's; some packages draw a line between it and later 3.11.
PYTHONS = ("3.11.9", "3.11.2", "3.10.12", "3.12.9", "3.13.9", "3.14.9")
MACHINES: tuple[tuple[Literal["Linux", "Darwin", "Windows"], str], ...] = (
    ("Linux", "x86_64"),
    ("Linux", "aarch64"),
    ("Darwin", "arm64"),
    ("Darwin", "x86_64"),
    ("Windows", "AMD64"),
)
PLATFORMS = tuple(Platform(python, *machine) for machine in MACHINES for python in PYTHONS)
# uv locks for it too. Nothing of this project runs there, but the metadata is frozen all the same.
EMSCRIPTEN = Platform("3.13.9", "Emscripten", "wasm32")


@dataclass(frozen=True, slots=True)
class Entry:
    """One requirement of a lock: `name[extras]==version ; marker`, then its hashes.

    `marker` is "" where the entry applies everywhere; `first` and `last` are the numbers of its
    lines, without the comments that follow.
    """

    name: str
    extras: frozenset[str]
    version: str
    marker: str
    hashes: tuple[str, ...]
    first: int
    last: int

    @property
    def release(self) -> str:
        return f"{self.name}=={self.version}"

    @property
    def form(self) -> str:
        return _form(self.name, self.extras)

    def applies(self, platform: Platform) -> bool:
        return not self.marker or _holds(self.marker, platform, "")


_Code = Literal["not-locked", "version-refused", "extra-not-locked", "plain-not-locked"]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why pip may install something else than the lock pins, or nothing; `line` is 1-based."""

    line: int
    code: _Code
    what: str

    def __str__(self) -> str:
        return f"{self.line}: {self.what} ({self.code})"


@dataclass(frozen=True, slots=True)
class _Need:
    """That a locked package requires something; `index` is the package's place among the entries."""

    index: int
    requirement: Requirement

    @property
    def name(self) -> str:
        return _canonical(self.requirement.name)

    @property
    def extras(self) -> frozenset[str]:
        return frozenset(_canonical(extra) for extra in self.requirement.extras)


def parse(text: str) -> tuple[Entry, ...]:
    """The entries of a lock in the form that `uv pip compile --generate-hashes` writes.

    Raises LockError where a line is anything else: an unpinned name, one without a hash, an option.
    """
    entries: list[Entry] = []
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        header = _HEADER.fullmatch(line)
        if header is None:
            raise LockError(f"{number}: expected NAME==VERSION with hashes, found: {line[:80]}")
        first, hashes, more = number, list[str](), True
        while more:
            found = _HASH.fullmatch(lines[number]) if number < len(lines) else None
            if found is None:
                raise LockError(f"{first}: {header['name']} has no list of sha256 hashes")
            hashes.append(found["hash"])
            more = found["more"] is not None
            number += 1
        extras = frozenset(re.findall(r"[^, ]+", header["extras"] or ""))
        entries.append(
            Entry(
                header["name"],
                extras,
                header["version"],
                header["marker"] or "",
                tuple(hashes),
                first,
                number,
            )
        )
    return tuple(entries)


def unfrozen(entries: Iterable[Entry], metadata: Metadata) -> list[str]:
    """The releases that are pinned and whose metadata is not frozen, each once."""
    return sorted({entry.release for entry in entries} - metadata.keys())


def problems(
    entries: Sequence[Entry], metadata: Metadata, platforms: Sequence[Platform] = PLATFORMS
) -> list[Problem]:
    """Why pip, an old one too, may stop or leave the lock once newer releases exist.

    [] if it won't.

    On each platform, everything that a locked package requires is locked at a version that the
    requirement admits, by a line of its own in the very form that is required: `name[extra]`.
    For plain `name`, a line with extras does as well if it comes before the package that asks.
    Raises LockError for a release without metadata.
    """
    _check_frozen(entries, metadata)
    found: dict[Problem, None] = {}
    for platform in platforms:
        for need in _needs(entries, metadata, platform):
            if problem := _problem(need, entries, platform):
                found[problem] = None
    return sorted(found, key=lambda problem: (problem.line, problem.what))


def _problem(need: _Need, entries: Sequence[Entry], platform: Platform) -> Problem | None:
    requirer = entries[need.index]
    name, extras = need.name, need.extras
    locked = [
        (index, entry)
        for index, entry in enumerate(entries)
        if entry.name == name and entry.applies(platform)
    ]

    def problem(line: int, code: _Code, what: str) -> Problem:
        return Problem(line, code, f"{requirer.release} requires {need.requirement}{what}")

    where = f"on Python {platform.python}, {platform.system} {platform.machine}"
    if not locked:
        return problem(requirer.first, "not-locked", f", which is not locked {where}")
    for _, entry in locked:
        if not need.requirement.specifier.contains(entry.version, prereleases=True):
            what = f", and {entry.version} is locked {where}"
            return problem(requirer.first, "version-refused", what)
    first = locked[0][1].first
    if extras and all(entry.extras != extras for _, entry in locked):
        return problem(first, "extra-not-locked", f": lock it as {_form(name, extras)}")
    if not extras and all(entry.extras and index > need.index for index, entry in locked):
        what = f", and stands before {locked[0][1].form}: lock plain {name} as well"
        return problem(first, "plain-not-locked", what)
    return None


def add_extras(text: str, metadata: Metadata) -> str:
    """The lock with a line for each form in which a locked package is required.

    Versions, hashes, markers and comments stay; what is complete stays byte for byte.
    Raises LockError for a release without metadata.
    """
    entries = parse(text)
    _check_frozen(entries, metadata)
    lines = text.splitlines(keepends=True)
    for entry, forms in reversed(_wanted(entries, metadata)):
        header = lines[entry.first - 1]
        bare = re.sub(r"^[^=]+", entry.name, header)
        block = lines[entry.first : entry.last]
        written: list[str] = []
        for extras in forms:
            written += [bare.replace(entry.name, _form(entry.name, extras), 1), *block]
        lines[entry.first - 1 : entry.last] = written
    return "".join(lines)


def _check_frozen(entries: Iterable[Entry], metadata: Metadata) -> None:
    if missing := unfrozen(entries, metadata):
        raise LockError(f"no frozen metadata of {', '.join(missing)}: run `locks.py freeze`")


def _wanted(
    entries: Sequence[Entry], metadata: Metadata
) -> list[tuple[Entry, list[frozenset[str]]]]:
    """The entries to rewrite, in their order, each with the extras of the lines it becomes."""
    changed: list[tuple[Entry, list[frozenset[str]]]] = []
    seen: set[tuple[str, str, str]] = set()
    needs = {platform: list(_needs(entries, metadata, platform)) for platform in PLATFORMS}
    for index, entry in enumerate(entries):
        same = (entry.name, entry.version, entry.marker)
        if same in seen:
            continue
        seen.add(same)
        mine = [
            need
            for platform, all_needs in needs.items()
            if entry.applies(platform)
            for need in all_needs
            if need.name == entry.name
        ]
        there = {one.extras for one in entries if (one.name, one.version, one.marker) == same}
        missing = {need.extras for need in mine if need.extras} - there
        early = any(not need.extras and need.index < index for need in mine)
        keep = bool(entry.extras) or early or (frozenset() in there and len(there) > 1)
        plain = early and frozenset() not in there
        if missing or plain:
            forms = [frozenset[str]()] if plain else []
            forms += [entry.extras] if keep else []
            changed.append((entry, forms + sorted(missing, key=sorted)))
    return changed


def _needs(entries: Sequence[Entry], metadata: Metadata, platform: Platform) -> Iterator[_Need]:
    """What the entries that apply on the platform require there, their extras' requirements too.

    A requirement of a package on itself only switches on more extras.
    """
    applying = [(index, entry) for index, entry in enumerate(entries) if entry.applies(platform)]
    active: dict[str, set[str]] = {}
    for _, entry in applying:
        active.setdefault(entry.name, set()).update(entry.extras)
    needs: dict[tuple[int, str], _Need] = {}
    grown = True
    while grown:
        grown = False
        for index, entry in applying:
            for text in metadata[entry.release]:
                if (index, text) in needs or not _required(text, platform, active[entry.name]):
                    continue
                need = needs[index, text] = _Need(index, _requirement(text))
                extras = active.setdefault(need.name, set())
                grown = grown or not need.extras <= extras
                extras |= need.extras
    return (need for need in needs.values() if need.name != entries[need.index].name)


def _required(text: str, platform: Platform, extras: Iterable[str]) -> bool:
    marker = _marker(text)
    return not marker or any(_holds(marker, platform, extra) for extra in ("", *extras))


@functools.cache
def _marker(text: str) -> str:
    """The marker of a requirement, "" if it has none."""
    return str(_requirement(text).marker or "")


_canonical = functools.cache(canonicalize_name)


@functools.cache
def _requirement(text: str) -> Requirement:
    return Requirement(text)


@functools.cache
def _holds(marker: str, platform: Platform, extra: str) -> bool:
    return Marker(marker).evaluate(platform.environment(extra))


def _form(name: str, extras: Iterable[str]) -> str:
    listed = ", ".join(sorted(extras))  # as uv writes it
    return f"{name}[{listed}]" if listed else name


def lock_files(root: Path = ROOT) -> list[Path]:
    """Every lock file in the repository, new and uncommitted ones too, but for broken examples."""
    listed = subprocess.run(
        [
            "git",
            "-c",
            f"safe.directory={root}",
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = [name for name in listed.split("\0") if name.endswith(".txt")]
    return [
        root / name
        for name in sorted(set(names))
        if not name.startswith("packages/innerloop/tests/") and _is_lock(root / name)
    ]


def _is_lock(path: Path) -> bool:
    if not path.is_file():
        return False
    named = "requirements" in path.name or path.parent.name == "locks"
    return named or "--hash=sha256:" in path.read_text(encoding="utf-8")


def read(path: Path) -> tuple[Entry, ...]:
    """The entries of a lock file; a LockError names the file too."""
    try:
        return parse(path.read_text(encoding="utf-8"))
    except LockError as error:
        raise LockError(f"{path}:{error}") from None


def load_metadata(path: Path = METADATA) -> dict[str, list[str]]:
    """The frozen metadata; {} before it was first written."""
    if not path.exists():
        return {}
    loaded: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def freeze(entries: Sequence[Entry], frozen: Metadata) -> dict[str, list[str]]:
    """The metadata of all pinned releases: what is frozen already, the rest from pip's index.

    A release's files may differ in their metadata only by platform, and markers then say so: one
    file of those whose hashes are locked is read. Raises LockError where pip finds none.
    """
    result = {
        release: list(frozen[release])
        for release in {entry.release for entry in entries} & frozen.keys()
    }
    hashes: dict[str, set[str]] = {}
    for entry in entries:
        hashes.setdefault(entry.release, set()).update(entry.hashes)
    with tempfile.TemporaryDirectory() as folder:
        python = python_with(Path(folder), "pip")  # the newest needs no whole wheels for metadata
        for platform in (*PLATFORMS, EMSCRIPTEN):
            applying = [entry for entry in entries if entry.applies(platform)]
            while batch := _batch(applying, result):
                answered = _ask(python, platform, batch, hashes)
                result |= answered
                if not answered.keys() & set(batch):
                    break
    if missing := unfrozen(entries, result):
        raise LockError(f"pip finds no file of {', '.join(missing)}")
    return dict(sorted(result.items()))


def _batch(entries: Iterable[Entry], known: Metadata) -> list[str]:
    """One release of each name whose metadata is not known yet: pip takes one of each at a time."""
    batch = {entry.name: entry.release for entry in entries if entry.release not in known}
    return sorted(batch.values())


def _ask(
    python: str,
    platform: Platform,
    releases: Sequence[str],
    hashes: Mapping[str, set[str]],
) -> dict[str, list[str]]:
    """The metadata of those of the releases that have a wheel for the platform."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        argv = [python, "-m", "pip", "install", "--quiet", "--dry-run", "--no-deps"]
        argv += ["--ignore-installed", "--use-feature=fast-deps", "--report", str(report)]
        argv += ["--only-binary=:all:", "--target", folder, "--python-version", platform.python]
        argv += [word for tag in platform.tags() for word in ("--platform", tag)]
        done = subprocess.run([*argv, *releases], capture_output=True, text=True)
        if done.returncode and len(releases) > 1:
            half = len(releases) // 2
            return _ask(python, platform, releases[:half], hashes) | _ask(
                python, platform, releases[half:], hashes
            )
        if done.returncode:
            return {}
        answered: dict[str, list[str]] = {}
        for item in json.loads(report.read_text(encoding="utf-8"))["install"]:
            metadata = item["metadata"]
            release = f"{canonicalize_name(metadata['name'])}=={metadata['version']}"
            found = item["download_info"]["archive_info"].get("hashes", {}).get("sha256")
            if found and f"sha256:{found}" not in hashes[release]:
                raise LockError(f"{release}: the file that pip finds is not one that is locked")
            answered[release] = metadata.get("requires_dist", [])
        return answered


def python_with(folder: Path, pip: str) -> str:
    """The Python of an environment in the folder, which is made and gets this pip: `pip==23.0.1`."""
    base = getattr(sys, "_base_executable", "") or sys.executable
    python = str(folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python"))
    subprocess.run([base, "-m", "venv", "--without-pip", str(folder)], check=True)
    # The base's own pip, if it has one of 22.3 or newer: ensurepip takes longer than all the rest.
    beside = [base, "-m", "pip", "--python", python]
    if subprocess.run([*beside, "install", "--quiet", pip], capture_output=True).returncode:
        subprocess.run([python, "-m", "ensurepip"], check=True, capture_output=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--upgrade", pip], check=True)
    return python


def main(words: Sequence[str] | None = None) -> int:
    """Run a command line; 1 with a message on stderr where a lock cannot be read or completed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("command", choices=("freeze", "extras"))
    parser.add_argument("locks", nargs="*", type=Path, metavar="LOCK", help="(default: all)")
    args = parser.parse_args(words)
    try:
        if args.command == "freeze":
            _freeze(args.locks)
        else:
            for path in args.locks or lock_files():
                _add_extras(path)
    except LockError as error:
        print(f"locks: {error}", file=sys.stderr)
        return 1
    return 0


def _freeze(paths: Sequence[Path]) -> None:
    entries = [entry for path in {*lock_files(), *paths} for entry in read(path)]
    frozen = freeze(entries, load_metadata())
    text = json.dumps(frozen, indent=1, sort_keys=True) + "\n"
    METADATA.write_text(text, encoding="utf-8", newline="\n")


def _add_extras(path: Path) -> None:
    before = path.read_bytes().decode("utf-8")
    try:
        after = add_extras(before, load_metadata())
    except LockError as error:
        raise LockError(f"{path}:{error}") from None
    if after != before:
        path.write_bytes(after.encode("utf-8"))
        print(f"{path}: extras added")


if __name__ == "__main__":
    sys.exit(main())
