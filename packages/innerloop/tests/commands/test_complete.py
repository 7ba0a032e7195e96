"""`loop complete`: what an editor asks for while a job file is typed."""

from __future__ import annotations

import json

from tests.commands.test_check import typed
from tests.support import Workspace

OTHER = "compute: azureml:seen-cluster\ninputs: {raw: {type: uri_folder, path: azureml:seen:1}}\n"


def test_complete_offers_what_the_workspace_has(workspace: Workspace) -> None:
    workspace.add("other", "", job=OTHER)
    workspace.add("typed", "", toml='[data.raw]\npath = "data/mine"\n')
    workspace.write("data/mine/a.csv", "1\n")
    workspace.write("src/typed/step.yml", "type: command\nversion: 1\ncommand: ls\n")
    path = "src/typed/azure-ml-job.yaml"
    before = workspace.read(path)

    def labels(text: str, place: str) -> dict[str, str]:
        done = typed(workspace, text, "complete", "--stdin", path, "--at", place, "--json")
        assert (done.returncode, done.stderr) == (0, "")
        value = json.loads(done.stdout)
        assert value["file"] == path
        return {item["label"]: item["detail"] for item in value["items"]}

    assert "azureml:seen-cluster" in labels("command: [\ncompute: ", "2:10")
    data = labels("inputs:\n  raw:\n    path: ", "3:11")
    assert data["azureml:seen:1"] == "here: data/mine" and "azureml:mine@latest" in data
    assert "./step.yml" in labels("jobs:\n  a:\n    component: ", "3:16")
    assert "{build: {path: ./environment}}" in labels("environment: ", "1:14")
    assert workspace.read(path) == before


def test_complete_without_a_place_lists_what_can_be_run(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    absolute = str(workspace.root / "src/tiny/azure-ml-job.yaml")
    done = typed(workspace, "command: ls\n", "complete", "--stdin", absolute)
    value = json.loads(done.stdout)
    assert (value["kind"], value["experiment"]) == ("command", "tiny")
    assert value["lenses"] == [
        {"line": 1, "what": "", "words": [], "actions": ["run", "debug", "submit", "runs"]}
    ]
    wrong = typed(workspace, "", "complete", "--stdin", absolute, "--at", "0:1")
    assert wrong.returncode == 2 and "[invalid-arguments]" in wrong.stderr
