"""What has become of a run whose record has no end: a decision on values."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from innerloop.docker import containers
from innerloop.docker.containers import OwnContainer
from innerloop.history import in_flight, past_runs
from innerloop.local import lost_runs
from innerloop.local.lost_runs import Evidence, judge
from innerloop.util import process_identity
from tests.support import Workspace


def container(state: str) -> OwnContainer:
    return OwnContainer("1", "name", state, {})


@pytest.mark.parametrize(
    ("evidence", "verdict"),
    [
        (Evidence("alive", in_container=False), "running"),
        (Evidence("alive", in_container=True, engine_answers=False), "running"),
        (Evidence("elsewhere", in_container=False), "unknown"),
        (Evidence("dead", in_container=False), "killed"),
        (Evidence("dead", in_container=True, engine_answers=False), "unknown"),
        (Evidence("dead", in_container=True, age=5), "unknown"),
        (Evidence("dead", in_container=True, age=500), "killed"),
        (Evidence("dead", True, True, container("created"), 5), "unknown"),
        (Evidence("dead", True, True, container("created"), 500), "killed"),
        (Evidence("dead", True, True, container("running"), 5), "running"),
        (Evidence("dead", True, True, container("paused"), 500), "running"),
        (Evidence("dead", True, True, container("restarting"), 500), "running"),
        (Evidence("dead", True, True, container("exited"), 5), "ended"),
        (Evidence("dead", True, True, container("dead"), 500), "ended"),
    ],
)
def test_evidence_decides_what_has_become_of_a_run(evidence: Evidence, verdict: str) -> None:
    assert judge(evidence) == verdict


def lost_record(workspace: Workspace, **more: Any) -> Path:
    folder = workspace.root / "outputs/tiny/20260101-000000-aaaa"
    (folder / ".run").mkdir(parents=True)
    tool = process_identity.own()
    dead = {**tool.json(), "start": "1"}
    record = {
        "run": folder.name,
        "tool": dead,
        "program": None,
        "started": "2026-01-01T00:00:00.000+00:00",
        **more,
    }
    (folder / ".run/run.json").write_text(json.dumps(record))
    return folder


def test_engine_that_does_not_answer_leaves_the_run_unknown(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lost_record(workspace, image="image")
    monkeypatch.setattr(containers, "of_workspace", lambda *_: None)
    (run,) = lost_runs.settle(workspace.root, past_runs.find(workspace.root))
    assert run.state == "unknown"
    assert json.loads((folder / ".run/run.json").read_text()).get("ended") is None


def test_run_without_a_container_is_closed_once_and_the_engine_not_asked_again(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost_record(workspace, image="image")
    asked: list[str] = []

    def of_workspace(identity: str, run: str = "") -> list[OwnContainer]:
        asked.append(identity)
        return []

    monkeypatch.setattr(containers, "of_workspace", of_workspace)
    for _ in range(3):
        (run,) = lost_runs.settle(workspace.root, past_runs.find(workspace.root))
        assert run.state == "killed"
    assert len(asked) == 1


def test_record_with_the_name_of_another_run_closes_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost_record(workspace, image="image", run="20260202-000000-bbbb")
    removed: list[str] = []
    monkeypatch.setattr(containers, "of_workspace", lambda *_: [container("exited")])
    monkeypatch.setattr(containers, "remove", removed.append)
    lost_runs.settle(workspace.root, past_runs.find(workspace.root))
    assert removed == []


@pytest.mark.parametrize(
    ("folder", "is_one"),
    [
        ("outputs/a/b", True),
        ("outputs/a/b/step", True),
        ("outputs/a", False),
        ("outputs/a/..", False),
        ("outputs/../a/b", False),
        ("/outputs/a/b", False),
        ("outputs/a/b/c/d", False),
        ("src/a/b", False),
        ("outputs//b", False),
        ("outputs/a/b\n", False),
    ],
)
def test_only_the_form_of_a_runs_folder_is_one(folder: str, is_one: bool) -> None:
    assert in_flight.is_run_folder(folder) is is_one


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {"pid": True, "start": "", "host": "h"},
        {"pid": -1, "start": "", "host": "h"},
        {"pid": 1, "start": "", "host": "h"},
        {"pid": 2**40, "start": "", "host": "h"},
        {"pid": 5, "start": 3, "host": "h"},
        {"pid": 5, "start": "\x1b", "host": "h"},
        {"pid": 5, "start": "1", "host": ""},
    ],
)
def test_odd_identity_is_none(value: object) -> None:
    assert process_identity.parse(value) is None


def test_own_process_is_alive_and_its_number_alone_is_not_enough() -> None:
    own = process_identity.own()
    assert process_identity.life(own) == "alive"
    assert process_identity.parse(json.loads(json.dumps(own.json()))) == own
    reused = process_identity.ProcessIdentity(own.pid, "1", own.host)
    assert process_identity.life(reused) == "dead"
    assert process_identity.end(reused, 0.1)
