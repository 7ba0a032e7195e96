"""Common code behind links, and the terminal, in the experiment's open dev container."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engine import dev
from tests.support import Workspace
from tests.support_terminal import Terminal

pytestmark = [pytest.mark.docker, pytest.mark.devcontainer]

TRAIN = "from common.vision.augment import flip\nfrom common.rates import RATE\nprint(flip(RATE))\n"


@pytest.fixture
def opened(workspace: Workspace) -> Iterator[Workspace]:
    """A nested experiment with a nested link and a linked file, in its dev container."""
    workspace.write("src/common/rates.py", "RATE = 7\n")
    workspace.write("src/common/vision/augment.py", "def flip(x):\n    return -x\n")
    workspace.add("shop/churn", TRAIN, dockerfile=dev.THREE)
    words = ("share", "shop/churn", "rates.py", "vision/augment.py")
    assert workspace.loop(*words).code == 0
    up = workspace.loop("up", "churn")
    assert up.code == 0, up.err
    yield workspace
    dev.clean(workspace)


def test_links_lead_there_and_the_terminal_is_in_it(opened: Workspace) -> None:
    folder = opened.root / "src/shop/churn"
    ran = opened.loop("exec", "churn", "--", "python", "train.py", cwd=folder)
    assert (ran.code, ran.out) == (0, "-7\n"), ran.err
    # In the open container, not in one of its own; its `run` finds itself inside.
    one = opened.loop("terminal", "churn", "--", "sh", "-c", "touch /tmp/mark; pwd; exit 6")
    assert one.code == 6 and one.out.endswith("/src/shop/churn\n"), one.err
    assert "in the running dev container" in one.message
    assert opened.loop("exec", "churn", "--", "test", "-e", "/tmp/mark").code == 0
    terminal = Terminal([opened.root / "scripts/loop", "terminal"], folder)
    terminal.wait_for("(shop/churn) ")
    terminal.type("python train.py; echo $INNERLOOP_EXPERIMENT\n")
    terminal.wait_for("-7\r\nshop/churn")
    terminal.type("exit 3\n")
    assert terminal.end() == 3
    assert len(dev.containers(opened)) == 1
