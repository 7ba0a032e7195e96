"""From a first idea to a second name to its end, without an engine."""

from __future__ import annotations

import json

import pytest

from tests.support import Workspace

VENV = ("--backend", "venv")


def well(workspace: Workspace, *words: str) -> str:
    answer = workspace.loop(*words)
    assert answer.code == 0, f"{words}: {answer.out}{answer.err}"
    return answer.out


@pytest.mark.network
def test_made_shared_formatted_copied_renamed_and_removed(workspace: Workspace) -> None:
    workspace.write("src/common/stats/mean.py", "def mean(xs):\n    return sum(xs) / len(xs)\n")
    well(workspace, "new", "idea")
    well(workspace, "share", "idea", "stats/mean.py")
    workspace.write(
        "src/idea/train.py",
        "from common.stats.mean import mean\nimport argparse\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--steps', type=int); parser.add_argument('--learning_rate')\n"
        "print(mean([1, parser.parse_args().steps]))\n",
    )
    assert "src/idea/train.py" in well(workspace, "format", "idea")
    assert well(workspace, "run", "idea", *VENV, "--set", "inputs.steps=3") == "2.0\n"
    # A second line of it, in a domain's folder: the link is a level deeper.
    well(workspace, "new", "shop/second", "--from", "idea")
    well(workspace, "rename", "idea", "shop/first")
    assert well(workspace, "run", "shop/first", *VENV, "--set", "inputs.steps=7") == "4.0\n"
    assert "no problems" in well(workspace, "check")
    assert "everything is up to date" in well(workspace, "sync", "--check")
    listed = json.loads(well(workspace, "share", "--list", "--json"))
    assert [(row["experiment"], row["state"]) for row in listed] == [
        ("shop/first", "ok"),
        ("shop/second", "ok"),
    ]
    well(workspace, "remove", "second", "--yes")
    rows = json.loads(well(workspace, "list", "--json"))
    assert [row["experiment"] for row in rows] == ["shop/first"]
    assert len(list((workspace.root / "outputs").glob("shop.*"))) == 1
    assert "everything is up to date" in well(workspace, "sync", "--check")
