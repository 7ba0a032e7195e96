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
def test_the_tools_own_uv_installs_and_pip_where_uv_cannot(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Either way pip is there: public job files begin with `pip install ...` as often as not."""
    folders = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not Path(folder, UV.name).exists())
    (tmp_path / "constraints.txt").write_text("tomli<3\n")
    workspace.add("line", LOOK)
    constraint = {"PIP_CONSTRAINT": str(tmp_path / "constraints.txt")}
    for number, (extra, is_uv) in enumerate((({}, True), (constraint, False))):
        workspace.write("src/line/environment/requirements.txt", f"{TOMLI}# {number}\n")
        env = {"PATH": path, **extra}
        answer = workspace.loop("run", "line", "--backend", "venv", env=env)
        assert (answer.code, answer.out) == (0, "[True, True]\n"), answer.err
        envs = Path(os.environ["INNERLOOP_CACHE"], "envs").glob("line-*/pyvenv.cfg")
        made = max(envs, key=lambda path: path.stat().st_mtime)
        assert ("uv = " in made.read_text()) == is_uv
        assert ("pip installs, since pip's settings name constraints" in answer.err) != is_uv
