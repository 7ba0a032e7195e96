"""`loop check`: every finding a line that a problem matcher reads."""

from __future__ import annotations

import json
import re

from innerloop.sync.render.tasks_json import PATTERN
from tests.support import Workspace

WRONG = """command: python tran.py --epochs ${{inputs.epoch}}
code: .
inputs:
  epochs: 8
environment:
  build:
    path: ./enviroment
compute: cpu-cluster
"""


def test_all_findings_at_once_each_with_its_place(workspace: Workspace) -> None:
    workspace.add("good", "")
    workspace.add("bad", "")
    workspace.write("src/bad/azure-ml-job.yaml", WRONG)
    answer = workspace.loop("check", "bad")
    assert answer.code == 1 and answer.err == ""
    pattern = re.compile(PATTERN["regexp"])
    matches = [pattern.match(line) for line in answer.out.splitlines()]
    assert all(matches), answer.out
    assert {match[1] for match in matches if match} == {"src/bad/azure-ml-job.yaml"}
    for word in ("tran.py", "inputs.epoch", "enviroment"):
        assert word in answer.out
    found = json.loads(workspace.loop("check", "bad", "--json").out)
    assert len(found) == len(matches) >= 3
    assert {finding["severity"] for finding in found} <= {"error", "warning", "info"}
    script = next(finding for finding in found if finding["code"] == "script-missing")
    position = script["file"], script["line"], script["column"]
    assert position == ("src/bad/azure-ml-job.yaml", 1, 17)
    assert list(script) == ["code", "severity", "message", "file", "line", "column", "hint"]


def test_without_a_name_every_experiment_is_checked(workspace: Workspace) -> None:
    workspace.add("good", "print(1)\n", job="compute: azureml:cpu-cluster\n")
    answer = workspace.loop("check")
    assert (answer.code, answer.out) == (0, "no problems in good\n")
    workspace.add("bad", "")
    workspace.write("src/bad/azure-ml-job.yaml", "command: [\n")
    assert workspace.loop("check").code == 1
    assert workspace.loop("check", "good").code == 0


def test_a_job_file_that_is_not_there(workspace: Workspace) -> None:
    workspace.add("good", "")
    answer = workspace.loop("check", "good", "--file", "other.yaml")
    assert answer.code == 1
    assert "src/good/other.yaml:1:1: error: " in answer.out


def test_new_experiments_have_nothing_wrong(workspace: Workspace) -> None:
    assert workspace.loop("new", "fresh").code == 0
    assert workspace.loop("check", "fresh").code == 0
