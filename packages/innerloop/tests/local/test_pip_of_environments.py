"""The pip that an environment of an experiment gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.util import venvs


def made(folder: Path, python: str) -> Path:
    purpose = "an environment"
    return venvs.ensure(folder, [], python=python, purpose=purpose, say=print, owner=str(folder))


def versions(environment: Path) -> tuple[str, str]:
    """The version of the environment's pip, and the one that its ensurepip has."""
    code = "import ensurepip, pip; print(pip.__version__, ensurepip.version())"
    argv = [str(venvs.python_of(environment)), "-Ic", code]
    first, second = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    return first, second


def test_environment_has_the_pip_that_ensurepip_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the user's settings of pip are: an index that nobody has, another Python."""
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_PYTHON", "/nowhere/python")
    environment = made(tmp_path / "environment é", venvs.base_python())
    pip, bundled = versions(environment)
    assert pip == bundled
    script = next(venvs.programs_of(environment).glob("pip[.3]*"))
    done = subprocess.run([script, "--version"], capture_output=True, text=True, env={})
    assert done.returncode == 0 and f"pip {pip} from {environment}" in done.stdout, done


@pytest.mark.skipif(sys.platform == "win32", reason="makes an environment of an environment")
def test_environment_of_a_python_without_pip_has_one(tmp_path: Path) -> None:
    subprocess.run(
        [venvs.base_python(), "-m", "venv", "--without-pip", tmp_path / "bare"], check=True
    )
    python = str(venvs.python_of(tmp_path / "bare"))
    assert venvs._pip_runner(python) == ""
    pip, bundled = versions(made(tmp_path / "environment", python))
    assert pip == bundled
