"""Jobs submitted, followed and stopped.

Every command of every pod really runs, in the image that `loop image push` made, with the pod's
variables and mounts.
"""

from __future__ import annotations

import json

import pytest
import yaml

from tests.argo.conftest import Cluster
from tests.argo.jobs import NODES, PIPELINE, SWEEP, put
from tests.support import Workspace, docker

pytestmark = [pytest.mark.docker, pytest.mark.registry, pytest.mark.cluster]

TRAIN = r"""
import os, pathlib, sys
print("epochs", sys.argv[1], "of", os.environ["AZUREML_PARAMETER_epochs"])
print("here", os.getcwd(), sorted(os.listdir(".")))
print("data", open(sys.argv[2] + "/one.txt").read().strip())
print("shm", os.statvfs("/dev/shm").f_blocks * os.statvfs("/dev/shm").f_frsize)
print("run", os.environ["AZUREML_RUN_ID"], os.environ["BRACES"], sys.argv[3])
pathlib.Path(os.environ["AZURE_ML_OUTPUT_model"], "weights").write_text("w")
pathlib.Path("outputs/score.txt").write_text("1")
sys.exit(int(sys.argv[4]) if len(sys.argv) > 4 else 0)
"""
JOB = """
command: python -u train.py ${{inputs.epochs}} ${{inputs.raw}} "$(echo {{ $((1 + 2)) }} '$(HOME)')"
code: .
environment: {build: {path: ./environment}}
environment_variables: {BRACES: "{{ a }} $(HOME) $$"}
inputs: {epochs: 3, raw: {type: uri_folder, path: azureml:raw:1}}
outputs: {model: }
resources: {shm_size: 128m}
"""


def add(work: Workspace, cluster: Cluster, job: str = JOB, toml: str = "") -> None:
    work.add("line", TRAIN, toml=f'[argo.data.raw]\nclaim = "datasets"\npath = "raw"\n{toml}')
    put(work, job)
    raw = cluster.controller.claims / "datasets" / "raw"
    raw.mkdir(parents=True)
    (raw / "one.txt").write_text("one\n")


def test_a_job_is_pushed_sent_and_followed(work: Workspace, cluster: Cluster) -> None:
    add(work, cluster)
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--stream")
    assert done.code == 0, done.err
    assert "epochs 3 of 3" in done.out and "data one" in done.out
    assert "here /code ['azure-ml-job.yaml', 'environment', 'innerloop.toml', 'outputs'" in done.out
    assert f"shm {128 * 2**20}" in done.out
    (run,) = cluster.controller.runs
    assert f"run {run.name} {{{{ a }}}} $(HOME) $$ {{{{ 3 }}}} $(HOME)" in done.out
    assert "argo=true" not in done.out
    assert f"{run.name} completed" in done.err
    kept = cluster.controller.repository / "runs" / run.name / run.name / "outputs"
    assert (kept / "model" / "weights").read_text() == "w" and (kept / "score.txt").exists()
    image = run.spec["templates"][0]["container"]["image"]
    assert "@sha256:" in image
    told = json.loads(cluster.loop(work, "status", run.name, "--json").out)
    assert (told["status"], told["name"]) == ("Completed", run.name)
    logs = cluster.loop(work, "logs")
    assert logs.out.startswith("epochs 3") and done.out.endswith(logs.out)
    listed = cluster.loop(work, "runs", "--json")
    assert '"place": "argo"' in listed.out or '"argo"' in listed.out
    download = cluster.loop(work, "download")
    assert download.code == 1 and f"argo cp -n ml {run.name}" in download.message
    words = ("submit", "line", "--backend", "argo", "--wait", "--summary", "seen.md")
    again = cluster.loop(work, *words)
    seen = work.read("seen.md")
    assert "### ✅ line completed" in seen and "| inputs.epochs | 3 |" in seen
    assert "| outputs | Argo's artifact repository, artifact outputs |" in seen
    assert again.code == 0 and "is in the registry already" in again.err
    assert "epochs 3" not in again.out


def test_a_pod_that_waits_says_why(work: Workspace, cluster: Cluster) -> None:
    work.add("line", "print(1)")
    cluster.api.weather.full_for = 1.5
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--wait")
    assert done.code == 0, done.err
    (run,) = cluster.controller.runs
    assert f"innerloop: {run.name} waits: Unschedulable: 0/1 nodes are available" in done.err


def test_the_exit_code_is_the_jobs_own(work: Workspace, cluster: Cluster) -> None:
    add(work, cluster, JOB.replace("'$(HOME)')\"", 'x)" 7'), '[argo]\nmemory = "256Mi"\n')
    done = cluster.loop(
        work, "submit", "line", "--backend", "argo", "--wait", "--set", "inputs.epochs=9"
    )
    assert done.code == 7
    assert "failed: Error (exit code 7)" in done.err
    follow = cluster.loop(work, "logs", "--follow")
    assert follow.code == 7 and "epochs 9 of 9" in follow.out


def test_outputs_on_a_claim_and_a_deadline(work: Workspace, cluster: Cluster) -> None:
    (cluster.controller.claims / "results").mkdir(parents=True)
    add(
        work, cluster,
        JOB.replace("3, raw", "3, raw").replace("train.py ", "train.py ", 1)
        .replace("'$(HOME)')\"", "x)\"; touch outputs/late; sleep 60") + "limits: {timeout: 4}\n",
        '[argo.outputs]\nclaim = "results"\npath = "runs"\n',
    )  # fmt: skip
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--wait")
    assert done.code == 1 and "longer than the specified deadline" in done.err
    (run,) = cluster.controller.runs
    kept = cluster.controller.claims / "results" / "runs" / run.name
    assert sorted(one.name for one in kept.iterdir()) == ["late", "model", "score.txt"]
    assert f"results/runs/{run.name}" in cluster.loop(work, "status", run.name).out


RENDEZVOUS = r"""
import os, socket, struct, sys, time
rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
address = (os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
if rank == 0:
    server = socket.create_server(("", address[1]))
    seen = {0}
    while len(seen) < world:
        line, _ = server.accept()
        seen.add(int(line.recv(9)))
        line.close()
    print("all ranks met:", sorted(seen), "node", os.environ["NODE_RANK"])
else:
    for _ in range(150):
        try:
            with socket.create_connection(address, 2) as line:
                line.sendall(str(rank).encode())
            break
        except OSError:
            time.sleep(0.1)
    else:
        sys.exit(5)
    print("rank", rank, "local", os.environ["LOCAL_RANK"], "found", socket.gethostname())
"""


def test_two_nodes_find_each_other_by_name(work: Workspace, cluster: Cluster) -> None:
    work.add("line", RENDEZVOUS)
    put(work, NODES)
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--stream")
    assert done.code == 0, done.err + done.out
    assert "node-0 | [rank 0] all ranks met: [0, 1, 2, 3] node 0" in done.out
    assert "node-1 | [rank 3] rank 3 local 1 found node-1" in done.out


def test_a_node_that_fails_alone_is_said_while_the_others_go_on(
    work: Workspace, cluster: Cluster
) -> None:
    rank = "import os, sys, time\ntime.sleep(2) if os.environ['RANK'] == '0' else sys.exit(3)\n"
    work.add("line", rank)
    put(work, NODES.replace("process_count_per_instance: 2", "process_count_per_instance: 1"))
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--wait")
    (run,) = cluster.controller.runs
    how = f"`scripts/loop cancel {run.name}` ends the job"
    assert f"innerloop: node-1 has failed and node-0 still runs: {how}" in done.err
    assert done.code == 3


def test_a_sweep_fans_out(work: Workspace, cluster: Cluster) -> None:
    train = "import os, sys\nprint(sys.argv[1:], os.environ['AZUREML_SWEEP_rate'], os.environ['AZUREML_RUN_ID'])\n"
    work.add("line", train + "sys.exit(3 if os.environ['AZUREML_RUN_ID'].endswith('-2') else 0)\n")
    put(work, SWEEP.replace("--kind ${{search_space.kind}}", "--kind '${{search_space.kind}}'"))
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--stream")
    assert done.code == 3
    lines = sorted(line for line in done.out.splitlines() if line.startswith("trial-"))
    assert len(lines) == 3 and lines[0].startswith("trial-1 | ['--rate', '0.")
    (run,) = cluster.controller.runs
    assert all(f"{run.name}-trial-{n}" in line for n, line in enumerate(lines, 1))
    told = json.loads(cluster.loop(work, "status", run.name, "--json").out)
    states = {one["step"]: one["status"] for one in told["children"]}
    assert states == {"trial-1": "Completed", "trial-2": "Failed", "trial-3": "Completed"}


def test_a_step_of_two_nodes_in_a_pipeline(work: Workspace, cluster: Cluster) -> None:
    (cluster.controller.claims / "results").mkdir(parents=True)
    more = "distribution: {type: pytorch}\n    resources: {instance_count: 2}\n    inputs: {raw"
    add(work, cluster, PIPELINE.replace('inputs: {raw: "$', f'{more}: "$'))
    work.write("src/line/prep.sh", 'echo "$NODE_RANK of $WORLD_SIZE" | tee "$3/clean.txt"\n')
    work.write("src/line/train.sh", 'cat "$1/clean.txt"\n')
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--stream")
    assert done.code == 0, done.err + done.out
    assert "prep-node-1 | 1 of 2" in done.out and "train-it | 0 of 2" in done.out


@pytest.mark.parametrize("outputs", ["", '[argo.outputs]\nclaim = "results"\n'])
def test_a_pipeline_hands_data_on(work: Workspace, cluster: Cluster, outputs: str) -> None:
    (cluster.controller.claims / "results").mkdir(parents=True)
    add(work, cluster, PIPELINE, outputs)
    work.write(
        "src/line/prep.sh",
        'set -e\ncat "$1/one.txt" > "$3/clean.txt"\necho "$2" >> "$3/clean.txt"\n',
    )
    work.write("src/line/train.sh", 'cat "$1/clean.txt"; cp "$1/clean.txt" "$2/model.txt"\n')
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--stream")
    assert done.code == 0, done.err + done.out
    assert "train-it | one" in done.out and "train-it | 3" in done.out
    (run,) = cluster.controller.runs
    if outputs:
        model = (
            cluster.controller.claims / "results" / run.name / "train-it" / "model" / "model.txt"
        )
        assert model.read_text() == "one\n3\n"


def test_ctrl_c_leaves_the_job_and_cancel_stops_it(work: Workspace, cluster: Cluster) -> None:
    work.add("line", "import time\nprint('up', flush=True)\ntime.sleep(120)\n")
    started = cluster.start(work, "submit", "line", "--backend", "argo", "--stream")
    started.wait_for("up")
    started.interrupt_group()
    answer = started.end()
    assert answer.code == 130
    (run,) = cluster.controller.runs
    assert f"{run.name} keeps running: `scripts/loop logs {run.name} --follow`" in answer.err
    assert "Running" in cluster.loop(work, "status", run.name).out
    stopped = cluster.loop(work, "cancel")
    assert stopped.code == 0 and f"{run.name}: Cancel" in stopped.out
    assert run.over.wait(20)
    follow = cluster.loop(work, "logs", "--follow")
    assert follow.code == 130 and "was cancelled" in follow.err
    assert "had ended already" in cluster.loop(work, "cancel").out
    assert docker("ps", "--filter", f"name={run.name}", "--format", "{{.Names}}") == ""


def test_logs_that_break_off_go_on_where_they_were(work: Workspace, cluster: Cluster) -> None:
    work.add(
        "line",
        "import time\nfor n in range(40):\n  print('line', n, flush=True)\n  time.sleep(0.03)\n",
    )
    cluster.api.weather.cut_logs = 3
    cluster.api.weather.cut_watches = 2
    done = cluster.loop(work, "submit", "line", "--backend", "argo", "--stream")
    assert done.code == 0, done.err
    lines = [line for line in done.out.splitlines() if line.startswith("line ")]
    assert lines == [f"line {n}" for n in range(40)]


def test_an_image_is_pushed_once_by_its_content(
    work: Workspace, cluster: Cluster, images: str
) -> None:
    work.add("line", "print(1)")
    work.write("src/line/.amlignore", "secret*\n")
    work.write("src/line/notes.txt", "a")
    dry = work.loop("image", "push", "line", "--dry-run")
    assert dry.code == 0 and "to be pushed" in dry.out
    first = work.loop("image", "push", "line")
    assert first.code == 0, first.err
    assert first.out.startswith(f"{images}/line@sha256:")
    second = work.loop("image", "push", "line", "--json")
    (row,) = json.loads(second.out)
    assert row["state"] == "there" and row["reference"] == first.out.strip()
    assert row["moving"] == f"{images}/line:run" and "notes.txt" in row["files"]
    # The moving name is the same image; no name of either is left on this machine.
    docker("pull", "-q", row["moving"])
    assert row["digest"] in docker("inspect", "--format", "{{.RepoDigests}}", row["moving"])
    listed = docker("run", "--rm", row["moving"], "ls", "-a")
    assert "notes.txt" in listed and "train.py" in listed
    docker("rmi", row["moving"])
    work.write("src/line/notes.txt", "b")
    third = work.loop("image", "push", "line")
    assert third.out.startswith(f"{images}/line@sha256:") and third.out != first.out


def test_secrets_are_not_pushed(work: Workspace, cluster: Cluster) -> None:
    work.add("line", "print(1)")
    work.write("src/line/key.pem", "-----BEGIN RSA PRIVATE KEY-----\n")
    for words in (("image", "push", "line"), ("submit", "line", "--backend", "argo")):
        answer = cluster.loop(work, *words)
        assert answer.code == 1 and "[secret-suspected]" in answer.message
        assert "src/line/key.pem" in answer.message


SCHEDULE = """
[schedule]
cron = "0 3 * * 1"
orchestrators = ["argo"]
[schedule.set]
"inputs.epochs" = 16
[schedule.allowed]
epochs = [8, 16, 32]
"""


def test_what_is_rendered_runs_what_was_pushed(work: Workspace, cluster: Cluster) -> None:
    """As the controller of CronWorkflows starts it, and as a person does with another value."""
    add(work, cluster, toml=SCHEDULE)
    assert work.loop("sync").code == 0
    pushed = work.loop("image", "push", "line")
    assert pushed.code == 0, pushed.err
    template, cron = yaml.safe_load_all(work.read("orchestration/argo/line.yml"))
    template["metadata"]["namespace"] = "ml"
    cluster.api.store.put("workflowtemplates", template)
    by_hand = {"parameters": [{"name": "epochs", "value": "32"}]}
    for name, more in (("line-1", {}), ("line-2", {"arguments": by_hand})):
        spec = {**cron["spec"]["workflowSpec"], **more}
        metadata = {"name": name, "namespace": "ml", "labels": {}}
        cluster.api.store.put("workflows", {"metadata": metadata, "spec": spec}, "ADDED")
    for run, epochs in zip(cluster.controller.runs, (16, 32), strict=True):
        assert run.over.wait(60)
        text = cluster.api.logs[run.name].path.read_text()
        assert f"epochs {epochs} of {epochs}" in text and "data one" in text
        assert f"run {run.name} {{{{ a }}}} $(HOME) $$" in text
