"""What a Workflow's status says, and a pod's lines among those of Argo's own program."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.remote import stream_job
from innerloop.remote.argo.worker.argo_errors import explain, scrub
from innerloop.remote.argo.worker.log_lines import ProgramLines
from innerloop.remote.argo.worker.workflow_states import (
    failure_message,
    node_name,
    orphaned_pods,
    pods,
    state_of,
)

ARGOS = (
    'time="2022-07-25T12:33:54.295Z" level=info msg="capturing logs" argo=true',
    'time="2025-06-10T14:58:09 UTC" level=info msg="sub-process exited" argo=true error="<nil>"',
)


def workflow(phase: str, message: str = "", *nodes: dict[str, Any], stop: bool = False) -> Any:
    return {
        "spec": {"shutdown": "Terminate"} if stop else {},
        "status": {
            "phase": phase,
            "message": message,
            "nodes": {one["id"]: {"type": "Pod", **one} for one in nodes},
        },
    }


def node(name: str, phase: str, message: str = "", code: str = "", **more: Any) -> dict[str, Any]:
    outputs = {"outputs": {"exitCode": code}} if code else {}
    return {"id": name, "displayName": name, "phase": phase, "message": message, **outputs, **more}


@pytest.mark.parametrize(
    ("found", "state", "error", "code"),
    [
        (workflow(""), "Queued", "", 1),
        (workflow("Running"), "Running", "", 1),
        (workflow("Succeeded"), "Completed", "", 0),
        (
            workflow(
                "Failed", "Error (exit code 3)", node("main", "Failed", "Error (exit code 3)")
            ),
            "Failed",
            "Error (exit code 3)",
            3,
        ),
        (
            workflow("Failed", "", node("main", "Failed", "OOMKilled (exit code 137)", "137")),
            "Failed",
            "OOMKilled (exit code 137)",
            137,
        ),
        (workflow("Failed", "", node("main", "Failed", "", "7")), "Failed", "exit code 7", 7),
        (
            workflow(
                "Failed",
                "child failed",
                {"id": "all", "type": "DAG", "phase": "Failed", "message": "child failed"},
                node("b", "Failed", "Error (exit code 2)", finishedAt="2026-11-25T03:00:02Z"),
                node("a", "Failed", "Error (exit code 1)", finishedAt="2026-11-25T03:00:01Z"),
            ),
            "Failed",
            "a: Error (exit code 1)",
            1,
        ),
        (
            workflow("Failed", "Stopped with strategy 'Terminate'", stop=True),
            "Canceled",
            "",
            130,
        ),
        (workflow("Running", stop=True), "Running", "", 1),
        (workflow("Error", "invalid spec: x"), "Failed", "invalid spec: x", 1),
    ],
)
def test_states(found: Any, state: str, error: str, code: int) -> None:
    assert (state_of(found), failure_message(found)) == (state, error)
    assert stream_job.exit_code(state, error) == code


def test_no_artifact_repository_has_a_way_out() -> None:
    message = "You need to configure artifact storage. More information in the docs"
    assert "[argo.outputs] in innerloop.toml" in failure_message(
        workflow("Error", "", node("main", "Error", message))
    )


def test_the_service_is_no_pod_of_the_job() -> None:
    found = workflow(
        "Running", "", node("x", "Succeeded", templateName="rendezvous"), node("y", "Running")
    )
    assert [one["id"] for one in pods(found)] == ["y"]


@pytest.mark.parametrize(
    ("given_node", "name"),
    [
        (node("train-it", "Running", templateName="train-it"), "train-it"),
        (node("main(1)", "Running"), "main"),
        (node("node-1", "Running", templateName="main-node-1"), "node-1"),
        (node("node-1", "Running", templateName="prep-node-1"), "prep-node-1"),
        (
            node(
                "trial(1:rate:0.3,trial:trial-2)",
                "Running",
                inputs={"parameters": [{"name": "trial", "value": "trial-2"}]},
            ),
            "trial-2",
        ),
    ],
)
def test_names_of_pods(given_node: dict[str, Any], name: str) -> None:
    assert node_name(given_node) == name


LINE = st.sampled_from([*ARGOS, "", "time flies", 'time="', "a", "loss 0.5"])


@given(st.lists(LINE, max_size=8), st.lists(st.integers(1, 20), max_size=20), st.booleans())
def test_lines_are_the_programs_own_however_they_come(
    lines: list[str], cuts: list[int], ends: bool
) -> None:
    text = "\n".join(lines) + ("\n" if ends and lines else "")
    reader, said, at = ProgramLines(), "", 0
    for cut in [*cuts, len(text)]:
        said += reader.add(text[at : at + cut])
        at += cut
    said += reader.rest()
    kept = [line for line in text.splitlines(keepends=True) if line.rstrip("\n") not in ARGOS]
    assert said == "".join(kept)


class Answer(Exception):
    def __init__(self, status: int, body: str, reason: str = "") -> None:
        self.status, self.body, self.reason = status, body, reason


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, "", "sign-in"),
        (403, '{"message": "pods is forbidden"}', "forbidden"),
        (403, '{"message": "x is forbidden: exceeded quota: q"}', "quota"),
        (404, "404 page not found", "no-argo"),
        (404, '{"message": "the server could not find the requested resource"}', "no-argo"),
        (404, '{"message": "namespaces \\"a\\" not found"}', "no-namespace"),
        (404, '{"message": "workflows.argoproj.io \\"a\\" not found"}', "not-found"),
        (409, "{}", "exists"),
        (422, '{"message": "spec is wrong"}', "refused"),
        (503, "upstream is away", "service"),
    ],
)
def test_answers_are_sentences(status: int, body: str, code: str) -> None:
    request = {"target": {"namespace": "a"}, "name": "a"}
    assert explain(Answer(status, body), request).code == code


def test_no_token_in_any_text() -> None:
    token = "eyJhbGciOi.eyJzdWIiOiJ.c2lnbmF0dXJl"
    for text in (f"Authorization: Bearer {token}", f"token: {token}", f'"password": "{token}"'):
        assert token not in scrub(text)


def test_who_goes_on_without_a_node_that_failed() -> None:
    def of(job: str, rank: int, phase: str) -> dict[str, Any]:
        name = f"node-{rank}"
        return {**node(name, phase), "id": f"{job}-{rank}", "templateName": f"{job}-{name}"}

    together = [of("main", 0, "Running"), of("main", 1, "Failed"), of("main", 2, "Running")]
    assert orphaned_pods(together) == {"main-1": ("node-0", "node-2")}
    assert orphaned_pods([of("prep", 0, "Running"), of("train", 1, "Error")]) == {}
    assert orphaned_pods([of("main", 0, "Failed"), of("main", 1, "Succeeded")]) == {}
    assert orphaned_pods([node("main", "Failed"), node("other", "Running")]) == {}
