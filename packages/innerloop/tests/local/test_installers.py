"""Both installers, pip and uv, make the same environment."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support import Workspace

LOOK = "import importlib.util as u\nprint([bool(u.find_spec(name)) for name in ('pip', 'tomli')])\n"
UV = Path(sys.executable).with_name("uv.exe" if os.name == "nt" else "uv")
TOMLI = (
    "tomli==2.2.1"
    " --hash=sha256:cb55c73c5f4408779d0cf3eef9f762b9c9f147a77de7b258bef0a5628adc85cc\n"
)


@pytest.mark.network
@pytest.mark.parametrize("installer", ["pip", "uv"])
def test_the_packages_are_there_and_pip_for_commands_that_call_it(
    workspace: Workspace, tmp_path: Path, installer: str
) -> None:
    """Public job files begin with `pip install ...` as often as not."""
    folders = os.environ["PATH"].split(os.pathsep)
    without = [folder for folder in folders if not Path(folder, UV.name).exists()]
    path = os.pathsep.join([str(UV.parent), *without] if installer == "uv" else without)
    workspace.add("line", LOOK)
    workspace.write("src/line/environment/requirements.txt", TOMLI)
    env = {"PATH": path, "INNERLOOP_CACHE": str(tmp_path / "cache")}
    answer = workspace.loop("run", "line", "--backend", "venv", env=env)
    assert (answer.code, answer.out) == (0, "[True, True]\n"), answer.err
    (made,) = (tmp_path / "cache" / "envs").glob("line-*/pyvenv.cfg")
    assert ("uv = " in made.read_text()) == (installer == "uv")
