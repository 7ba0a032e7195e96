"""Records of interrupted commands, which may have come with a stranger's workspace."""

from __future__ import annotations

import json

import pytest

from innerloop.scaffold import remove, rename
from tests.support import Workspace

RECORDS = {
    "not JSON": "{",
    "another form": "[]",
    "another key": '{"name": "a"}',
    "a number": '{"name": 1, "kept_in": ".innerloop/removed/a"}',
    "out of the workspace": '{"name": "../../a", "kept_in": ".innerloop/removed/a"}',
    "an absolute path": '{"name": "a", "kept_in": "/tmp/a"}',
}


@pytest.mark.parametrize("text", RECORDS.values(), ids=RECORDS)
def test_record_of_a_removal_that_cannot_be_read_is_an_error(
    workspace: Workspace, text: str
) -> None:
    workspace.write(remove.INTENT, text)
    workspace.write("src/a/train.py", "print(1)\n")
    answer = workspace.loop("sync")
    assert answer.code == 1 and "[journal-invalid]" in answer.message
    assert remove.INTENT in answer.message
    assert (workspace.root / "src/a/train.py").exists()


def test_rename_that_leads_out_of_the_workspace_is_an_error(workspace: Workspace) -> None:
    outside = workspace.root.parent / "outside"
    outside.mkdir()
    workspace.write(rename.INTENT, json.dumps({"old": "../../outside", "new": "mine"}))
    answer = workspace.loop("sync")
    assert answer.code == 1 and "[journal-invalid]" in answer.message
    assert outside.is_dir() and not (workspace.root / "src/mine").exists()


def test_state_file_that_leads_out_of_the_workspace_removes_nothing(workspace: Workspace) -> None:
    outside = workspace.root.parent / "outside.txt"
    outside.write_text("mine\n")
    workspace.write(".innerloop/state.json", '[[""],\n["../outside.txt","mine\\n"],\n["end"]]\n')
    answer = workspace.loop("sync")
    assert answer.code == 1 and "[state-path-refused]" in answer.message
    assert outside.read_text() == "mine\n"
