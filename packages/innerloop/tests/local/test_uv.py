"""Which uv compiles locks, and what its failures are called."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from innerloop.local import uv
from innerloop.util import locked_environments
from innerloop.util.errors import UserError
from innerloop.util.network import Network

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands for uv")


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tool's own uv, as it would be installed."""
    (tmp_path / "own/bin").mkdir(parents=True)
    monkeypatch.setattr("innerloop.util.locked_environments.ensure", lambda group: tmp_path / "own")
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    return tmp_path / "own/bin/uv"


def script(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("says", "is_persons"),
    [
        ("echo uv 0.9.1", True),
        ("echo 'uv 1.0.0 (0123 2026-01-01)'", True),
        ("echo uv 0.4.30", False),
        ("echo another program 9.9", False),
        ("exit 1", False),
    ],
)
def test_program_is_the_persons_if_it_is_new_enough(
    own: Path, tmp_path: Path, says: str, is_persons: bool
) -> None:
    script(tmp_path / "path/uv", says)
    assert locked_environments.uv() == str(tmp_path / "path/uv" if is_persons else own)


def test_program_without_one_on_path_is_the_tools(own: Path) -> None:
    assert locked_environments.uv() == str(own)


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ("Because nothing was not found in the package registry", "packages-not-resolved"),
        ("Caused by: tcp connect error: Connection refused", "index-unreachable"),
        ("Caused by: dns error: failed to lookup address", "index-unreachable"),
    ],
)
def test_failure_has_a_code_and_ends_with_what_uv_says(
    own: Path, tmp_path: Path, says: str, code: str
) -> None:
    script(
        tmp_path / "path/uv",
        f'[ "$1" = --version ] && echo uv 0.9.1 || {{ echo "{says}"; exit 1; }}',
    )
    with pytest.raises(UserError) as caught:
        uv.compile_lock(tmp_path, "requirements.in", "requirements.txt", (), Network())
    assert caught.value.code == code and says in caught.value.what
