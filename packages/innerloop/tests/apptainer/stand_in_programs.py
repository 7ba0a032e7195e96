"""Puts stand-ins of container programs on a PATH: see apptainer_stand_in.py."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

APPTAINER = Path(__file__).with_name("apptainer_stand_in.py")


def installed(folder: Path, programs: Mapping[str, Path]) -> dict[str, str]:
    """Make them in `folder`, by name. The variables of a machine that has them, and no container engine.

    They themselves find the Docker of the tests.
    """
    own = os.environ.get("DOCKER_HOST")
    (folder / "bin").mkdir()
    (folder / "store").mkdir()
    for name, source in programs.items():
        lines = ["#!/bin/sh", f"export DOCKER_HOST='{own}'" if own else "unset DOCKER_HOST"]
        lines += [f"exec '{sys.executable}' -I '{source}' \"$@\"", ""]
        program = folder / "bin" / name
        program.write_text("\n".join(lines))
        program.chmod(0o755)
    return {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "STAND_IN_STORE": str(folder / "store"),
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
    }
