r"""Every Python source of the repository compiles without a warning, on any Python that runs it.

Since Python 3.12 an invalid escape, such as `\l` in a docstring, is a SyntaxWarning on the screen
of whoever starts the program; before that it is a DeprecationWarning. Both are errors here.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from tests.support import ROOT, repository_files


def sources() -> list[str]:
    """The names of all files with Python in them, relative to the root; scripts have no suffix."""
    return [
        name
        for name in repository_files()
        if (ROOT / name).is_file() and (name.endswith(".py") or _is_script(ROOT / name))
    ]


def _is_script(path: Path) -> bool:
    """Whether it is a program of Python's, or one of the shell's and Python's at once."""
    head = path.read_bytes()[:200].splitlines() if not path.suffix else []
    python = head[:1] and head[0].startswith(b"#!") and b"python" in head[0]
    return bool(python) or head[:2] == [b"#!/bin/sh", b"''':'"]


def check(text: bytes, name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compile(text, name, "exec", dont_inherit=True)


def test_sources_hold_modules_and_scripts() -> None:
    names = sources()
    assert {"scripts/loop", "scripts/test", "packages/innerloop/bench"} <= set(names)
    assert "packages/innerloop/src/innerloop/__init__.py" in names
    assert "packages/innerloop/src/innerloop/templates/experiment/train.py" in names


def test_every_source_compiles_without_a_warning() -> None:
    faults = []
    for name in sources():
        try:
            check((ROOT / name).read_bytes(), name)
        except (SyntaxError, Warning) as error:  # compile() raises a warning as a SyntaxError
            faults.append(f"{name}: {error}")
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize("text", [b'"""\\l"""\n', b"'\\d'\n", b"1 is 1\n", b"x = (\n"])
def test_check_of_a_source_with_a_fault_fails(text: bytes) -> None:
    with pytest.raises(SyntaxError):
        check(text, "faulty")
