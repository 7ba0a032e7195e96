"""`loop check`: every finding a line that a problem matcher reads."""

from __future__ import annotations

import json
import os
import re
import subprocess

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
    assert list(script) == [
        "code", "severity", "message", "file", "line", "column", "end_line", "end_column", "hint",
        "fixes",
    ]  # fmt: skip


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


def typed(workspace: Workspace, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command that reads the text of an editor."""
    return subprocess.run(
        [str(workspace.root / "scripts" / "loop"), *words],
        cwd=workspace.root,
        env={**os.environ, **workspace.env},
        input=text,
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_check_of_a_text_on_stdin_reads_the_other_files_from_disk(workspace: Workspace) -> None:
    workspace.add("good", "print(1)\n", job="compute: azureml:c\n")
    path = "src/good/azure-ml-job.yaml"
    saved = workspace.read(path)
    text = saved.replace("command:", "inputs: {epochs: 1}\ncommand:").replace(
        "train.py", "train.py ${{inputs.epoch}} "
    )
    absolute = str(workspace.root / path)
    found = typed(workspace, text, "check", "--stdin", absolute, "--json")
    assert found.returncode == 1 and found.stderr == ""
    value = next(one for one in json.loads(found.stdout) if one["code"] == "reference-undeclared")
    assert (value["file"], value["line"], value["column"], value["end_column"]) == (path, 2, 29, 46)
    assert value["fixes"][0] == {
        "title": "Replace it with epochs",
        "line": 2,
        "column": 39,
        "end_line": 2,
        "end_column": 44,
        "text": "epochs",
    }
    assert "script-missing" not in found.stdout and workspace.read(path) == saved
    new = typed(workspace, "command: ls\n", "check", "--stdin", "src/good/new.yaml")
    assert "src/good/new.yaml:1:1-8: warning: " in new.stdout
    assert not (workspace.root / "src/good/new.yaml").exists()
    outside = typed(workspace, text, "check", "--stdin", str(workspace.root.parent / "x.yaml"))
    assert outside.returncode == 1 and "[outside-workspace]" in outside.stderr
