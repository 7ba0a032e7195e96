"""Bytecode that a new environment takes from those beside it."""

from __future__ import annotations

import base64
import hashlib
import os
import py_compile
import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.util import bytecode, venvs

PLACE = "Lib/site-packages" if os.name == "nt" else "lib/python3.11/site-packages"
TEXT = "def where():\n    return where.__code__.co_filename\n"
TIME = 1_500_000_000


def environment(
    folder: Path, name: str, text: str = TEXT, time: int = TIME, version: str = "1"
) -> Path:
    """An environment with one package, as uv installs it: the times of the wheel, no bytecode."""
    site = folder / name / PLACE
    for path in (site / "alone.py", site / "pack" / "inner" / "part.py"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (time, time))
    info = site / f"pack-{version}.dist-info"
    info.mkdir()
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")
    rows = (f"{path},sha256={digest},{len(text)}" for path in ("alone.py", "pack/inner/part.py"))
    (info / "RECORD").write_text("\n".join([*rows, "../../../bin/pack,,", f"{info.name}/RECORD,,"]))
    (folder / name / "ready").write_text("")
    return site


def identity(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns


def compiled(path: Path) -> Path:
    return Path(str(py_compile.compile(str(path), doraise=True)))


@pytest.fixture
def donor(tmp_path: Path) -> Path:
    site = environment(tmp_path, "first")
    for path in ("alone.py", "pack/inner/part.py"):
        compiled(site / path)
    return site


def test_adopt_same_package_takes_what_python_then_loads_with_its_own_paths(
    tmp_path: Path, donor: Path
) -> None:
    site = environment(tmp_path, "second")
    assert bytecode.adopt(tmp_path / "second") == 2
    (taken,) = (site / "pack" / "inner" / "__pycache__").iterdir()
    before = identity(taken)
    program = "import pack.inner.part as part; print(part.__cached__, part.where(), sep='\\n')"
    env = {**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": ""}
    done = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True)
    assert done.stdout.splitlines() == [str(taken), str(site / "pack" / "inner" / "part.py")]
    assert identity(taken) == before  # it was loaded, not compiled again
    if os.name != "nt":
        assert os.path.samefile(taken, donor / "pack" / "inner" / "__pycache__" / taken.name)


def test_adopt_keeps_what_is_there_and_takes_the_rest(tmp_path: Path, donor: Path) -> None:
    site = environment(tmp_path, "second")
    own = compiled(site / "alone.py").read_bytes()
    assert bytecode.adopt(tmp_path / "second") == 1
    assert next((site / "__pycache__").iterdir()).read_bytes() == own


@pytest.mark.parametrize(
    ("text", "time", "version"),
    [
        (TEXT.swapcase(), TIME, "1"),  # as long and as old, but another text
        (TEXT, TIME + 2, "1"),
        (TEXT, TIME, "2"),
    ],
)
def test_adopt_another_package_takes_nothing(
    tmp_path: Path, donor: Path, text: str, time: int, version: str
) -> None:
    environment(tmp_path, "second", text, time, version)
    assert bytecode.adopt(tmp_path / "second") == 0


def test_adopt_donor_whose_source_was_edited_gives_nothing_of_it(
    tmp_path: Path, donor: Path
) -> None:
    """Its RECORD still has the hash of the wheel's file; the bytecode names another time."""
    (donor / "alone.py").write_text(TEXT.replace("where", "other"))
    compiled(donor / "alone.py")
    environment(tmp_path, "second")
    assert bytecode.adopt(tmp_path / "second") == 1


@pytest.mark.parametrize("damage", ["incomplete", "no record", "torn", "by hash", "leads out"])
def test_adopt_unusable_donor_gives_nothing(tmp_path: Path, donor: Path, damage: str) -> None:
    site = environment(tmp_path, "second")
    record = donor / "pack-1.dist-info" / "RECORD"
    if damage == "incomplete":
        (tmp_path / "first" / "ready").unlink()
    elif damage == "no record":
        record.unlink()
    elif damage == "leads out":
        for info in (record, site / "pack-1.dist-info" / "RECORD"):
            info.write_text("../../alone.py,sha256=x,1\n/etc/other.py,sha256=x,1\n")
    for path in donor.rglob("*.pyc"):
        if damage == "torn":
            path.write_bytes(path.read_bytes()[:7])
        elif damage == "by hash":  # never compared with the source
            path.write_bytes(path.read_bytes()[:4] + b"\x01" + path.read_bytes()[5:])
    assert bytecode.adopt(tmp_path / "second") == 0


def test_adopt_first_environment_takes_nothing(tmp_path: Path) -> None:
    environment(tmp_path, "first")
    (tmp_path / "empty").mkdir()
    assert bytecode.adopt(tmp_path / "first") == bytecode.adopt(tmp_path / "empty") == 0


def test_compile_all_compiles_what_is_missing_and_no_more(tmp_path: Path, donor: Path) -> None:
    site = environment(tmp_path, "second")
    (site / "broken.py").write_text("def (\n")
    bytecode.adopt(tmp_path / "second")
    (tmp_path / "second" / PLACE / "more.py").write_text(TEXT)
    before = {path: identity(path) for path in site.rglob("*.pyc")}
    bytecode.compile_all(tmp_path / "second", sys.executable)
    after = {path: identity(path) for path in site.rglob("*.pyc")}
    assert [path.name.partition(".")[0] for path in after if path not in before] == ["more"]
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize(("isolated", "compiles"), [(False, True), (True, False)])
def test_ensure_where_python_must_not_write_compiles_for_programs_that_heed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, isolated: bool, compiles: bool
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    seen: list[Path] = []
    monkeypatch.setattr(
        bytecode, "compile_all", lambda environment, python: seen.append(environment)
    )
    step = (sys.executable, "-c", "import os, sys; os.mkdir(sys.argv[1])", str(tmp_path / "made"))
    venvs.ensure(
        tmp_path / "made",
        [],
        python=sys.executable,
        purpose="x",
        say=print,
        isolated=isolated,
        installer=venvs.OwnInstaller((step,), tmp_path),
    )
    assert seen == ([tmp_path / "made"] if compiles else [])
