"""A detached run in a container: a copy of the code, in the place of the code."""

from __future__ import annotations

import json
import os

import pytest

from tests.engine import dev
from tests.support import Workspace, until

pytestmark = [pytest.mark.docker]

TRAIN = "import os\nfrom rates import RATE\nprint(os.getcwd(), RATE, *os.listdir('images'))\n"


def test_container_has_the_copy_where_the_code_is(workspace: Workspace) -> None:
    workspace.write("src/common/rates.py", "RATE = 7\n")
    workspace.write("data/images/one.png", "")
    workspace.add("tiny", TRAIN, dockerfile=dev.THREE)
    os.symlink("../common/rates.py", workspace.root / "src/tiny/rates.py")
    os.symlink("../../data/images", workspace.root / "src/tiny/images")
    plain = workspace.loop("run", "tiny", "--backend", "docker")
    assert plain.code == 0, plain.err
    left = workspace.loop("run", "tiny", "--backend", "docker", "--detach")
    assert left.code == 0, left.err
    run = left.out.strip()
    folder = workspace.root / "outputs/tiny" / run / ".run"
    assert until(lambda: json.loads((folder / "run.json").read_text())["ended"] is not None, 600)
    assert (folder / "log.txt").read_text() == plain.out, (folder / "log.txt").read_text()
    assert plain.out.endswith("/src/tiny 7 one.png\n")
    assert json.loads((folder / "run.json").read_text())["exit_code"] == 0
