"""What goes wrong between here and a cluster is one sentence each, and nothing is made twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.argo.api import READER, TOKEN, _certificate
from tests.argo.conftest import Cluster
from tests.argo.jobs import put
from tests.support import Answer, Workspace

pytestmark = pytest.mark.cluster

# An image that somebody else built: nothing is pushed, so no engine is needed until it runs.
BARE = "command: echo hi\nenvironment: {image: 'python:3.11-slim-bookworm'}\n"


@pytest.fixture
def tiny(workspace: Workspace) -> Workspace:
    workspace.add("line", "print(1)")
    put(workspace, BARE)
    return workspace


def submit(cluster: Cluster, work: Workspace, *words: str, **env: str) -> Answer:
    return cluster.loop(work, "submit", "line", "--backend", "argo", *words, env=env)


def test_no_kubeconfig(tiny: Workspace, cluster: Cluster, tmp_path: Path) -> None:
    answer = submit(cluster, tiny, KUBECONFIG=str(tmp_path / "none"))
    assert answer.code == 1
    assert "there is no kubeconfig that names a cluster" in answer.message


def test_a_kubeconfig_that_is_none(tiny: Workspace, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a: [b\n")
    answer = submit(cluster, tiny, KUBECONFIG=str(tmp_path / "config"))
    assert answer.code == 1 and "the kubeconfig cannot be used" in answer.message


def test_a_context_that_is_not_there(tiny: Workspace, cluster: Cluster) -> None:
    tiny.write("src/line/innerloop.toml", '[argo]\ncontext = "staging"\n')
    answer = submit(cluster, tiny)
    assert answer.code == 1
    assert 'the kubeconfig has no context "staging"' in answer.message


def test_a_cluster_that_does_not_answer(tiny: Workspace, cluster: Cluster, tmp_path: Path) -> None:
    config = cluster.api.kubeconfig(tmp_path / "config", port=1)
    answer = submit(cluster, tiny, KUBECONFIG=str(config))
    assert answer.code == 1
    assert "https://127.0.0.1:1 cannot be reached" in answer.message


def test_a_certificate_of_somebody_else(tiny: Workspace, cluster: Cluster, tmp_path: Path) -> None:
    config = cluster.api.kubeconfig(tmp_path / "config", authority=_certificate(tmp_path))
    answer = submit(cluster, tiny, KUBECONFIG=str(config))
    assert answer.code == 1
    assert f"the certificate of https://127.0.0.1:{cluster.api.port} is not trusted" in answer.err


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("wrong", "the cluster does not accept the credentials. Sign in again"),
        (READER, "you lack a permission in the namespace ml: workflows.argoproj.io is forbidden"),
    ],
)
def test_a_token_that_does_not_do(
    tiny: Workspace, cluster: Cluster, tmp_path: Path, token: str, expected: str
) -> None:
    config = cluster.api.kubeconfig(tmp_path / "config", token=token)
    answer = submit(cluster, tiny, KUBECONFIG=str(config))
    assert answer.code == 1 and expected in answer.message


def test_a_namespace_that_is_not_there(tiny: Workspace, cluster: Cluster) -> None:
    tiny.write("src/line/innerloop.toml", '[argo]\nnamespace = "nowhere"\n')
    answer = submit(cluster, tiny)
    assert answer.code == 1 and "there is no namespace nowhere" in answer.message


def test_a_cluster_without_argo(tiny: Workspace, cluster: Cluster) -> None:
    cluster.api.weather.has_argo = False
    answer = submit(cluster, tiny)
    assert answer.code == 1 and "Argo Workflows is not installed in the cluster" in answer.message


def test_a_quota_that_is_full(tiny: Workspace, cluster: Cluster) -> None:
    cluster.api.weather.quota = (
        "team, requested: count/workflows.argoproj.io=1, used: 5, limited: 5"
    )
    answer = submit(cluster, tiny)
    assert answer.code == 1 and "the namespace's quota is full" in answer.message


def test_a_name_that_is_taken(tiny: Workspace, cluster: Cluster) -> None:
    cluster.api.store.put(
        "workflows",
        {
            "metadata": {"name": "mine", "namespace": "ml"},
            "spec": {"templates": [], "entrypoint": ""},
        },
    )
    answer = submit(cluster, tiny, "--name", "mine")
    assert answer.code == 1 and "there is a Workflow mine already" in answer.message


@pytest.mark.docker
def test_an_answer_that_is_lost_makes_no_second_job(tiny: Workspace, cluster: Cluster) -> None:
    cluster.api.weather.lost_answers = 1
    first = submit(cluster, tiny)
    assert first.code == 1 and "was created: `scripts/loop status line-" in first.message
    again = submit(cluster, tiny, "--json", "--wait")
    assert again.code == 0, again.err
    name = json.loads(again.out)["name"]
    assert name in first.err and "no second one was created" in again.err
    assert [run.name for run in cluster.controller.runs] == [name]


@pytest.mark.docker
def test_a_job_that_is_gone(tiny: Workspace, cluster: Cluster) -> None:
    answer = submit(cluster, tiny)
    assert answer.code == 0, answer.err
    (run,) = cluster.controller.runs
    assert run.over.wait(30)
    cluster.api.store.objects.clear()
    for words in (["status", run.name], ["logs"], ["cancel"]):
        told = cluster.loop(tiny, *words)
        assert told.code == 1 and f"there is no {run.name} in the namespace ml" in told.message


def test_without_a_registry_nothing_is_asked(workspace: Workspace, cluster: Cluster) -> None:
    workspace.add("line", "print(1)")
    answer = submit(cluster, workspace)
    assert answer.code == 1 and 'Set registry = "ghcr.io/owner/name"' in answer.message
    assert cluster.api.seen == []


def doctor(cluster: Cluster, work: Workspace, code: int, **env: str) -> dict[str, dict[str, str]]:
    answer = cluster.loop(work, "doctor", "--argo", "--json", env=env)
    assert answer.code == code, answer.out + answer.err
    return {one["name"]: one for one in json.loads(answer.out)}


def test_the_doctor_of_a_cluster(tiny: Workspace, cluster: Cluster, tmp_path: Path) -> None:
    facts = doctor(cluster, tiny, 0)
    assert facts["cluster"]["what"].startswith(
        f"https://127.0.0.1:{cluster.api.port}, context here"
    )
    assert facts["version"]["what"] == "Kubernetes v1.33.0 answers"
    assert "CronWorkflow, Workflow, WorkflowTemplate" in facts["argo"]["what"]
    assert facts["permissions"]["state"] == "ok" and "namespace ml" in facts["permissions"]["what"]
    assert facts["GPUs"]["what"] == "none of 1 nodes has nvidia.com/gpu"
    cluster.api.nodes[0]["status"]["allocatable"] = {"nvidia.com/gpu": "4"}
    assert "4 nvidia.com/gpu on 1 of 1 nodes" in doctor(cluster, tiny, 0)["GPUs"]["what"]


def test_the_doctor_says_what_will_not_work(
    tiny: Workspace, cluster: Cluster, tmp_path: Path
) -> None:
    tiny.write("src/line/innerloop.toml", "[argo]\ngpus = 1\n")
    facts = doctor(cluster, tiny, 1)
    assert facts["GPUs"]["state"] == "bad" and "line would wait forever" in facts["GPUs"]["hint"]
    config = cluster.api.kubeconfig(tmp_path / "reader", token=READER)
    facts = doctor(cluster, tiny, 1, KUBECONFIG=str(config))
    assert "you may not create workflows" in facts["permissions"]["what"]
    cluster.api.weather.has_argo = False
    assert doctor(cluster, tiny, 1)["argo"]["state"] == "bad"
    assert (
        "KUBECONFIG" in doctor(cluster, tiny, 1, KUBECONFIG=str(tmp_path / "no"))["cluster"]["hint"]
    )
    wrong = cluster.api.kubeconfig(tmp_path / "wrong", token=f"{TOKEN}x")
    facts = doctor(cluster, tiny, 1, KUBECONFIG=str(wrong))
    assert facts["version"]["what"] == "the cluster does not accept the credentials"


def test_a_program_that_signs_in(tiny: Workspace, cluster: Cluster, tmp_path: Path) -> None:
    """As clusters in the clouds have it: the kubeconfig names a program that prints a token."""
    program = tmp_path / "sign-in"
    told = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": TOKEN},
    }
    program.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    program.chmod(0o755)
    config = cluster.api.kubeconfig(tmp_path / "config")
    value = json.loads(config.read_text())
    value["users"][0]["user"] = {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": str(program),
            "interactiveMode": "Never",
        }
    }
    config.write_text(json.dumps(value))
    assert doctor(cluster, tiny, 0, KUBECONFIG=str(config))["permissions"]["state"] == "ok"
    value["users"][0]["user"]["exec"]["command"] = str(tmp_path / "none")
    config.write_text(json.dumps(value))
    answer = submit(cluster, tiny, KUBECONFIG=str(config))
    assert answer.code == 1, answer.err


# A /run of its own, with what a pod finds there of its service account.
IN_A_POD = """
mount -t tmpfs tmpfs /run
mkdir -p /var/run/secrets/kubernetes.io/serviceaccount
cp "$ACCOUNT"/* /var/run/secrets/kubernetes.io/serviceaccount/
exec "$@"
"""


@pytest.mark.mounts
def test_within_the_cluster_the_pods_own_account_counts(
    tiny: Workspace, cluster: Cluster, tmp_path: Path
) -> None:
    account = tmp_path / "account"
    account.mkdir()
    (account / "token").write_text(TOKEN)
    (account / "namespace").write_text("default")
    (account / "ca.crt").write_text(cluster.api.certificate.read_text())
    env = {
        **cluster.env,
        "KUBECONFIG": str(tmp_path / "none"),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(cluster.api.port),
        "ACCOUNT": str(account),
    }
    prefix = ["unshare", "--mount", "sh", "-ec", IN_A_POD, "in-a-pod"]
    answer = tiny.loop("doctor", "--argo", "--json", env=env, prefix=prefix)
    assert answer.code == 0, answer.err
    facts = {one["name"]: one["what"] for one in json.loads(answer.out)}
    assert facts["cluster"].endswith("the pod's service account")
    assert "in the namespace default" in facts["permissions"]
