"""Lines of locks, markers, and which wheel fits which system and Python."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from innerloop.util import locked_environments, wheels
from innerloop.util.wheels import PLATFORMS, PYTHONS, LockedPackage, Target, wheel_name
from tests.support import ROOT

A, B = "a" * 64, "b" * 64
LINUX, WINDOWS = PLATFORMS["linux-x86_64"], PLATFORMS["windows-amd64"]


def test_packages_of_a_lock_have_versions_markers_and_hashes() -> None:
    lock = f"""# how it was made
Py_YAML.x==6.0.3 \\
    --hash=sha256:{A} \\
    --hash=sha256:{B}
    # via innerloop
coverage[toml]==7.1 ; python_full_version < '3.11' \\
    --hash=sha256:{A}
colorama==0.4.6 ; sys_platform == 'win32' --hash=sha256:{B}
"""
    assert wheels.packages(lock) == wheels.packages(lock.replace("\n", "\r\n"))
    assert wheels.packages(lock) == [
        LockedPackage("py-yaml-x", "6.0.3", "", frozenset({A, B})),
        LockedPackage("coverage", "7.1", "python_full_version < '3.11'", frozenset({A})),
        LockedPackage("colorama", "0.4.6", "sys_platform == 'win32'", frozenset({B})),
    ]


@pytest.mark.parametrize(
    "group", ["azure", "debugger", "format", "kubernetes", "mcp", "pytest", ""]
)
def test_packages_of_every_lock_of_the_tool_are_read_whole(group: str) -> None:
    lock = locked_environments.lock_of(group) if group else ROOT / "scripts/loop-requirements.txt"
    text = lock.read_text(encoding="utf-8")
    found = wheels.packages(text)
    assert len(found) == sum(
        "==" in line and line[0] not in " #" for line in text.split("\n") if line
    )
    assert sum(len(package.hashes) for package in found) == text.count("--hash=sha256:")
    for target in (
        Target(platform, python) for platform in PLATFORMS.values() for python in PYTHONS
    ):
        needed = [name for name, _ in {(p.name, p.version) for p in found if p.is_for(target)}]
        assert len(set(needed)) == len(needed), target  # markers tell versions of a package apart


@pytest.mark.parametrize(
    ("marker", "python", "platform", "expected"),
    [
        ("python_full_version < '3.11'", "3.10", LINUX, True),
        ("python_full_version < '3.11'", "3.11", LINUX, False),
        ("python_full_version >= '3.11'", "3.14", LINUX, True),
        ("python_version < '3.9'", "3.10", LINUX, False),
        ("sys_platform == 'win32'", "3.12", WINDOWS, True),
        ("sys_platform == 'win32'", "3.12", LINUX, False),
        ("sys_platform != 'win32' and python_version >= '3.12'", "3.12", LINUX, True),
        ("platform_python_implementation != 'PyPy'", "3.12", LINUX, True),
        ("implementation_name == 'pypy'", "3.12", LINUX, False),
        ("os_name == 'whatever'", "3.12", LINUX, True),  # unknown: one wheel too many is no fault
    ],
)
def test_marker_decides_for_a_target(
    marker: str, python: str, platform: wheels.Platform, expected: bool
) -> None:
    package = LockedPackage("p", "1", marker, frozenset())
    assert package.is_for(Target(platform, python)) == expected


@pytest.mark.parametrize(
    ("file", "target", "expected"),
    [
        ("a-1-py3-none-any.whl", Target(LINUX, "3.10"), True),
        ("a-1-py2.py3-none-any.whl", Target(WINDOWS, "3.14"), True),
        ("a-1-py2-none-any.whl", Target(LINUX, "3.12"), False),
        ("a-1-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", Target(LINUX, "3.12"), True),
        ("a-1-cp312-cp312-manylinux_2_17_x86_64.whl", Target(LINUX, "3.11"), False),
        ("a-1-cp312-cp312-manylinux_2_17_aarch64.whl", Target(LINUX, "3.12"), False),
        ("a-1-cp312-cp312-win_amd64.whl", Target(WINDOWS, "3.12"), True),
        ("a-1-cp312-cp312-win_amd64.whl", Target(LINUX, "3.12"), False),
        ("a-1-cp39-abi3-manylinux_2_28_x86_64.whl", Target(LINUX, "3.13"), True),
        ("a-1-cp313-abi3-manylinux_2_28_x86_64.whl", Target(LINUX, "3.12"), False),
        ("a-1-cp310-cp310-macosx_10_9_x86_64.whl", Target(PLATFORMS["macos-x86_64"], "3.10"), True),
        ("a-1-cp310-cp310-macosx_11_0_universal2.whl", Target(PLATFORMS["macos-arm64"], "3.10"), True),
        ("a-1-cp310-cp310-macosx_10_9_x86_64.whl", Target(PLATFORMS["macos-arm64"], "3.10"), False),
        ("a-1-cp310-cp310-musllinux_1_2_x86_64.whl", Target(LINUX, "3.10"), False),
        ("a-1-1build-py3-none-any.whl", Target(LINUX, "3.10"), True),
    ],
)  # fmt: skip
def test_wheel_fits_by_its_tags(file: str, target: Target, expected: bool) -> None:
    name = wheel_name(file)
    assert name is not None and name.fits(target) == expected


@pytest.mark.parametrize("file", ["a.whl", "a-1.tar.gz", "a-1-py3-none.whl", "README.md", ".whl"])
def test_wheel_name_of_another_file_is_none(file: str) -> None:
    assert wheel_name(file) is None


def test_wheels_of_a_folder_leave_out_what_is_no_file(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a-1-py3-none-any.whl", "w"):
        pass
    (tmp_path / "b-1-py3-none-any.whl").mkdir()
    (tmp_path / "c-1-py3-none-any.whl").symlink_to(tmp_path / "a-1-py3-none-any.whl")
    (tmp_path / "README.md").write_text("")
    assert [wheel.name.package for wheel in wheels.wheels_in(tmp_path)] == ["a"]
    assert wheels.wheels_in(tmp_path / "absent") == []


def test_this_platform_is_a_known_one() -> None:
    name = wheels.this_platform()
    assert name in PLATFORMS
    assert PLATFORMS[name].system == sys.platform
