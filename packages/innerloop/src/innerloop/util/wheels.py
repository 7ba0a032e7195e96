"""Locks with hashes and the wheels that they name: which one fits which system and Python.

Source: Python Packaging User Guide, "Binary distribution format" and "Platform compatibility tags".
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from . import regular_files
from .errors import UserError
from .quick_dataclasses import dataclass

# Where a workspace keeps the wheels of its tool; scripts/loop looks here first.
WHEELS = ".innerloop/wheels"
# The versions of Python that the launcher accepts.
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
_LARGEST = 500_000_000


@dataclass(frozen=True, slots=True)
class Platform:
    """A system and processor: `sys.platform` there, and the tags of its wheels, the best first."""

    name: str
    system: str
    tags: tuple[str, ...]


def _glibc(machine: str) -> tuple[str, ...]:
    """Glibc 2.17 is that of the oldest systems in use, so its wheels run everywhere."""
    old = [f"manylinux_2_17_{machine}", f"manylinux2014_{machine}"]
    if machine == "x86_64":
        old += ["manylinux_2_12_x86_64", "manylinux2010_x86_64", "manylinux_2_5_x86_64"]
        old += ["manylinux1_x86_64"]
    return (*old, *(f"manylinux_2_{minor}_{machine}" for minor in range(18, 35)))


def _macos(machine: str) -> tuple[str, ...]:
    """Newer systems run what was built for older ones, and both processors a universal wheel."""
    older = [f"macosx_10_{minor}" for minor in range(16, 8, -1)] if machine == "x86_64" else []
    systems = [*(f"macosx_{major}_0" for major in range(11, 15)), *older]
    return tuple(f"{system}_{kind}" for system in systems for kind in (machine, "universal2"))


PLATFORMS: Mapping[str, Platform] = {
    platform.name: platform
    for platform in (
        Platform("linux-x86_64", "linux", _glibc("x86_64")),
        Platform("linux-aarch64", "linux", _glibc("aarch64")),
        Platform("musl-x86_64", "linux", ("musllinux_1_1_x86_64", "musllinux_1_2_x86_64")),
        Platform("musl-aarch64", "linux", ("musllinux_1_1_aarch64", "musllinux_1_2_aarch64")),
        Platform("macos-arm64", "darwin", _macos("arm64")),
        Platform("macos-x86_64", "darwin", _macos("x86_64")),
        Platform("windows-amd64", "win32", ("win_amd64",)),
        Platform("windows-arm64", "win32", ("win_arm64",)),
    )
}


def this_platform() -> str:
    """The name of this machine's platform; "" when no wheels are known for it."""
    import platform

    machine = platform.machine().lower()
    if sys.platform == "linux":
        import sysconfig  # here: it takes long

        system = "musl" if "musl" in str(sysconfig.get_config_var("HOST_GNU_TYPE")) else "linux"
        machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    else:
        system = {"darwin": "macos", "win32": "windows"}.get(sys.platform, sys.platform)
        if system == "windows":
            machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    name = f"{system}-{machine}"
    return name if name in PLATFORMS else ""


@dataclass(frozen=True, slots=True)
class Target:
    """A platform and a version of CPython, "3.12"."""

    platform: Platform
    python: str

    @property
    def digits(self) -> str:
        return self.python.replace(".", "")

    def __str__(self) -> str:
        return f"{self.platform.name}, Python {self.python}"


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A line of a lock. `marker` is "" when the package is for every system and version."""

    name: str
    version: str
    marker: str
    hashes: frozenset[str]

    def is_for(self, target: Target) -> bool:
        """Whether the marker holds; what it says and is not known counts as true."""
        return all(_holds(clause, target) for clause in self.marker.split(" and ") if clause)


def packages(lock: str) -> list[LockedPackage]:
    """The lines of a lock, in their order."""
    found = []
    for line in re.sub(r"\\\r?\n", " ", lock).splitlines():
        match = re.match(
            r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;]+)\s*(?:;(.*?))?(?=--hash|#|\Z)", line
        )
        if match:
            hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            found.append(
                LockedPackage(normalized(match[1]), match[2], (match[3] or "").strip(), hashes)
            )
    return found


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _holds(clause: str, target: Target) -> bool:
    match = re.fullmatch(r"\s*([a-z_]+)\s*(==|!=|<|>=)\s*['\"]([^'\"]+)['\"]\s*", clause)
    if match is None:
        return True
    known = {
        "sys_platform": target.platform.system,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
    }
    variable, operator, value = match[1], match[2], match[3]
    if variable in ("python_version", "python_full_version"):
        here, there = _numbers(target.python), _numbers(value)
        return {"==": here == there, "!=": here != there, "<": here < there}.get(
            operator, here >= there
        )
    if variable not in known or operator not in ("==", "!="):
        return True
    return (known[variable] == value) == (operator == "==")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


@dataclass(frozen=True, slots=True)
class WheelName:
    """What a wheel's file name says."""

    file: str
    package: str
    version: str
    pythons: frozenset[str]
    abis: frozenset[str]
    platforms: frozenset[str]

    @property
    def is_pure(self) -> bool:
        return "any" in self.platforms and "py3" in self.pythons

    def fits(self, target: Target) -> bool:
        if not self.platforms & {"any", *target.platform.tags}:
            return False
        if "py3" in self.pythons or f"cp{target.digits}" in self.pythons:
            return True
        if "abi3" not in self.abis:
            return False
        older = {f"cp3{minor}" for minor in range(2, int(target.python.split(".")[1]) + 1)}
        return bool(self.pythons & older)


def wheel_name(file: str) -> WheelName | None:
    """None for a name that no wheel has."""
    parts = file.removesuffix(".whl").split("-")
    if not file.endswith(".whl") or len(parts) not in (5, 6):
        return None
    pythons, abis, platforms = (frozenset(part.split(".")) for part in parts[-3:])
    return WheelName(file, normalized(parts[0]), parts[1], pythons, abis, platforms)


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file and the sha256 of its content."""

    name: WheelName
    sha256: str
    size: int

    def is_of(self, package: LockedPackage) -> bool:
        return self.name.package == package.name and self.sha256 in package.hashes


def wheels_in(folder: Path) -> list[Wheel]:
    """The wheels of a folder, by name. What is no regular file, or too large, is left out."""
    import hashlib  # here: it loads OpenSSL, which is faster with large files

    found = []
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    for name in filter(None, map(wheel_name, names)):
        try:
            content = regular_files.read_bytes(folder / name.file, _LARGEST, follow=False)
        except (OSError, UserError):  # a folder, a link, a pipe: nothing that can be installed
            continue
        found.append(Wheel(name, hashlib.sha256(content).hexdigest(), len(content)))
    return found


def lacking(
    locked: Iterable[LockedPackage], there: Iterable[Wheel], target: Target
) -> list[LockedPackage]:
    """The packages that a target needs and no wheel has."""
    wheels = list(there)
    return [
        package
        for package in locked
        if package.is_for(target)
        and not any(wheel.is_of(package) and wheel.name.fits(target) for wheel in wheels)
    ]
