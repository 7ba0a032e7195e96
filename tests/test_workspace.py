"""What holds for this workspace, whatever its experiments do.

These tests belong to the team: change them and add your own beside them. `scripts/test` runs
them, and so does `pytest` in the workspace's folder. They need nothing but pytest. The tests of
an experiment are in its own folder and run in its own environment: `scripts/loop test NAME`.
"""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SRC = ROOT / "src"
COMMON = SRC / "common"


def test_job_files_have_no_errors_or_warnings() -> None:
    """Every job file, schedule and deploy folder passes `scripts/loop check`."""
    completed = loop("check")
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_generated_files_are_current() -> None:
    """`scripts/loop sync` would change nothing."""
    completed = loop("sync", "--check")
    assert completed.returncode == 0, completed.stdout + completed.stderr


def test_experiments_import_only_their_own_code_and_packages() -> None:
    """An experiment imports shared code through its links, and never another experiment."""
    foreign = {
        f"{file.relative_to(ROOT)}: {module}"
        for folder in experiments()
        for file in python_files(folder)
        for module in imported_modules(file)
        if (SRC / module).is_dir() and not (folder / module).exists()
    }
    assert foreign == set()


def test_experiments_do_not_know_the_tool() -> None:
    """The code runs without `scripts/`: by its plain command, anywhere."""
    tool = {
        str(file.relative_to(ROOT))
        for file in python_files(SRC)
        if {"innerloop", "scripts"} & imported_modules(file)
        or "scripts/" in file.read_text(encoding="utf-8")
    }
    assert tool == set()


def test_links_are_relative_and_lead_to_shared_code() -> None:
    """A link in an experiment leads into `src/common` or stays in the experiment."""
    astray = {
        str(link.relative_to(ROOT))
        for folder in experiments()
        for link in folder.rglob("*")
        if link.is_symlink() and "outputs" not in link.parts
        if link.readlink().is_absolute()
        or not link.exists()
        or not (link.resolve().is_relative_to(COMMON) or link.resolve().is_relative_to(folder))
    }
    assert astray == set()


def loop(*words: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/loop WORDS` in the workspace."""
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "loop"), *words],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def experiments() -> list[Path]:
    """Return the folders of the experiments: those below `src` with an environment."""
    dockerfiles = SRC.rglob("environment/Dockerfile")
    return sorted(path.parents[1] for path in dockerfiles if COMMON not in path.parents)


def python_files(folder: Path) -> Iterator[Path]:
    """Yield the folder's own Python files; shared code is read in `src/common`."""
    for file in sorted(folder.rglob("*.py")):
        is_linked = any(path.is_symlink() for path in (file, *file.parents))
        if not is_linked and "outputs" not in file.parts:
            yield file


def imported_modules(file: Path) -> set[str]:
    """Return the first part of every module that the file imports, anywhere in it."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module.partition(".")[0])
    return modules
