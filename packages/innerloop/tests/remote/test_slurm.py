"""`--backend slurm` on a real cluster of this machine, and everything about its jobs."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest

from tests.apptainer import stand_in_programs
from tests.remote import pyxis_stand_in
from tests.remote.slurm_cluster import SlurmCluster, slurm_cluster
from tests.remote.ssh_host import ssh_host
from tests.support import Workspace, make_workspace, until

pytestmark = [pytest.mark.slurm]

SETTINGS = """
[tool.innerloop.remote.cluster]
folder = "{folder}"

[tool.innerloop.remote.cluster.slurm]
partition = "short"
gpus_per_node = 2
setup = ["export FROM_SETUP='a b'"]
"""
TRAIN = """
import os, pathlib, sys
from helper import NAME
out = pathlib.Path("outputs")
words = pathlib.Path(sys.argv[1]).read_text()
print("hello", NAME, os.environ["GREETING"], words, os.environ["FROM_SETUP"], flush=True)
(out / "model/weights.txt").write_text("42")
(out / "gpus.txt").write_text(os.environ.get("CUDA_VISIBLE_DEVICES", ""))
sys.exit(3)
"""
JOB = """
command: python train.py ${{inputs.words}}
environment_variables: {GREETING: "it's $HOME"}
inputs:
  words: {type: uri_file, path: ../../data/words.txt}
outputs:
  model: {type: uri_folder}
limits: {timeout: 90}
"""
RANKS = """
import json, os, pathlib
names = ("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
values = {name: os.environ[name] for name in (*names, "SLURMD_NODENAME")}
pathlib.Path(f"outputs/rank-{values['RANK']}.json").write_text(json.dumps(values))
"""
TWO_BY_TWO = """
resources: {instance_count: 2}
distribution: {type: KIND, process_count_per_instance: 2}
"""
# A real MPI library, which finds the others through Slurm's plugin pmi2.
MPI = """
import os
from mpi4py import MPI
world = MPI.COMM_WORLD
assert os.environ["OMPI_COMM_WORLD_RANK"] == str(world.rank)
assert os.environ["OMPI_COMM_WORLD_SIZE"] == str(world.size)
total = world.allreduce(world.rank + 1)
print(f"rank {world.rank} of {world.size}: {total} {os.environ['AZ_BATCHAI_MPI_MASTER_NODE']}")
"""
# The first process goes on until the other one has failed.
BOXED = """
import json, os, pathlib, sys, time
rank = os.environ["RANK"]
seen = {name: os.environ[name] for name in ("GREETING", "WORLD_SIZE", "MASTER_ADDR")}
seen["words"] = pathlib.Path(sys.argv[1]).read_text()
seen.update(cwd=os.getcwd(), root=os.listdir("/workspaces"), outside=os.path.exists("FOLDER"))
pathlib.Path(f"outputs/model/part{rank}").write_text(json.dumps(seen))
os.rename(f"outputs/model/part{rank}", f"outputs/model/{rank}.json")
while not os.path.exists("outputs/model/0.json") or rank == "0":
    time.sleep(0.05)
sys.exit(5)
"""
# Goes on until a file is there; what starts anew finds what the first start has left.
WAITS = """
import os, pathlib, time
gate, left = pathlib.Path(os.environ["GATE"]), pathlib.Path("outputs/left.txt")
print("again" if left.exists() else "waiting", flush=True)
left.write_text("kept")
while not gate.exists():
    time.sleep(0.05)
"""
SWEEP = """
type: sweep
trial:
  code: .
  environment: {build: {path: ./environment}}
  command: python train.py ${{search_space.lr}}
sampling_algorithm: grid
search_space: {lr: {type: choice, values: [1, 2, 3, 4, 5, 6, 7, 8]}}
objective: {goal: maximize, primary_metric: score}
limits: {max_total_trials: 8, max_concurrent_trials: 4}
"""
TRIAL = """
import json, os, pathlib, sys, time
gpu, out = os.environ["CUDA_VISIBLE_DEVICES"], pathlib.Path("outputs")
begun = time.time()
time.sleep(0.2)
(out / "metrics.json").write_text(json.dumps({"score": float(sys.argv[1])}))
(out / "gpu.json").write_text(json.dumps([gpu, begun, time.time()]))
"""
BOXED_JOB = """
command: python train.py ${{inputs.words}}
code: .
environment: {image: "python:3.11-slim-bookworm"}
environment_variables: {GREETING: "it's $HOME, \\"a\\" `b`"}
inputs:
  words: {type: uri_file, path: ../../data/words.txt}
outputs:
  model: {type: uri_folder}
distribution: {type: pytorch, process_count_per_instance: 2}
"""
PIPELINE = """
type: pipeline
jobs:
  prep:
    type: command
    code: .
    environment: {build: {path: ./environment}}
    command: echo made by prep > ${{outputs.table}}/x.txt
    outputs: {table: {type: uri_folder}}
  train:
    type: command
    code: .
    environment: {build: {path: ./environment}}
    command: cat ${{inputs.table}}/x.txt
    inputs: {table: "${{parent.jobs.prep.outputs.table}}"}
"""


@pytest.fixture(scope="session")
def cluster() -> Iterator[SlurmCluster]:
    with slurm_cluster() as made:
        yield made


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a login node with stand-ins of Apptainer and Pyxis; jobs get them, too."""
    sources = {"apptainer": stand_in_programs.APPTAINER, "srun": Path(pyxis_stand_in.__file__)}
    return stand_in_programs.installed(tmp_path_factory.mktemp("containers"), sources)


@pytest.fixture(scope="module")
def place(
    cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory, _tool: None
) -> Iterator[Workspace]:
    made = make_workspace(tmp_path_factory.mktemp("of slurm") / "work space")
    # Where nodes and login node have the same files.
    folder = tmp_path_factory.mktemp("shared disk")
    made.env.update(cluster.env)
    made.write("pyproject.toml", SETTINGS.format(folder=folder))
    made.write("data/words.txt", "words")
    made.add("line", TRAIN, job=JOB)
    made.write("src/line/helper.py", 'NAME = "shared"\n')
    made.add("waits", WAITS, job=f"environment_variables: {{GATE: {folder}/gate}}\n")
    made.add("ranks", RANKS, job=TWO_BY_TWO.replace("KIND", "pytorch"))
    mpi = '[remote.cluster.slurm]\nsrun = ["--mpi=pmi2"]\n'
    made.add("mpi", MPI, job=TWO_BY_TWO.replace("KIND", "mpi"), toml=mpi)
    made.write("src/mpi/environment/requirements.txt", "mpi4py==4.1.2\nmpich==5.0.2\n")
    for kind in ("apptainer", "pyxis"):
        box = f'[remote.cluster.slurm]\nenvironment = "{kind}"\n'
        made.add(kind, BOXED.replace("FOLDER", str(folder)), job=BOXED_JOB, toml=box)
        made.write(f"src/{kind}/azure-ml-job.yaml", BOXED_JOB)
    made.add("swept", TRIAL)
    made.write("src/swept/azure-ml-job.yaml", SWEEP)
    made.add("piped", "")
    made.write("src/piped/azure-ml-job.yaml", PIPELINE)
    yield made
    made.clean()


def _sampling(job: Path) -> list[int]:
    """The processes that note the load of a job."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = path.read_bytes().split(b"\0")
            found += [int(path.parent.name)] * (b"sample" in words and os.fsencode(job) in words)
    return found


def newest(place: Workspace, slug: str) -> Path:
    return max((place.root / "outputs" / slug).iterdir())


def there(place: Workspace, name: str) -> Path:
    """The folder of a job, by its name here."""
    folder = re.findall('folder = "(.*)"', place.read("pyproject.toml"))[0]
    (found,) = Path(folder).glob(f"jobs/*/{name}")
    return found


def record_of(folder: Path) -> dict[str, object]:
    record: dict[str, object] = json.loads((folder / ".run/run.json").read_text())
    return record


@contextmanager
def waiting(place: Workspace, cluster: SlurmCluster) -> Iterator[tuple[str, str]]:
    """A job of `waits` that was left running, by its name here and its ID in the cluster."""
    left = place.loop("run", "waits", "--backend", "slurm", "--detach")
    assert left.code == 0, left.err
    name = left.out.strip()
    id_ = (there(place, name) / "slurm").read_text().strip()
    assert until(lambda: "waiting" in place.loop("logs", name).out, 120)
    yield name, id_
    place.loop("cancel", name)


def test_run_is_what_it_is_on_this_machine(place: Workspace) -> None:
    done = place.loop("run", "line", "--backend", "slurm", "--gpus", "1")
    assert done.code == 3, done.err
    assert done.out.startswith("hello shared it's $HOME words a b\n")
    assert "backend slurm:localhost (asked for; on this login node; 1 node, 1 GPU" in done.message
    folder = newest(place, "line")
    assert (folder / "model/weights.txt").read_text() == "42"
    assert (folder / "gpus.txt").read_text() in ("0", "1")
    record = record_of(folder)
    assert (record["backend"], record["exit_code"]) == ("slurm", 3)


def test_processes_of_a_distributed_job_are_tasks(place: Workspace) -> None:
    done = place.loop("run", "ranks", "--backend", "slurm")
    assert done.code == 0, done.err
    found = [json.loads(path.read_text()) for path in newest(place, "ranks").glob("rank-*.json")]
    found.sort(key=lambda values: str(values["RANK"]))
    keys = ("RANK", "NODE_RANK", "LOCAL_RANK", "SLURMD_NODENAME")
    assert [tuple(values.pop(key) for key in keys) for values in found] == [
        ("0", "0", "0", "n1"), ("1", "0", "1", "n1"), ("2", "1", "0", "n2"), ("3", "1", "1", "n2"),
    ]  # fmt: skip
    assert all(values == found[0] for values in found)
    assert (found[0]["WORLD_SIZE"], found[0]["MASTER_ADDR"]) == ("4", "n1")


@pytest.mark.nightly
def test_mpi_of_the_lock_joins_processes_of_all_nodes(place: Workspace) -> None:
    done = place.loop("run", "mpi", "--backend", "slurm")
    assert done.code == 0, done.err
    assert sorted(done.out.splitlines()) == [f"rank {rank} of 4: 10 n1" for rank in range(4)]


@pytest.mark.docker
@pytest.mark.mounts
@pytest.mark.parametrize("kind", ["apptainer", "pyxis"])
def test_container_on_the_nodes_has_what_the_job_names(
    place: Workspace, programs: Mapping[str, str], kind: str
) -> None:
    """By stand-ins of Apptainer and Pyxis, which start real containers: see their files."""
    done = place.loop("run", kind, "--backend", "slurm", env=programs)
    assert done.code == 5, done.err
    texts = [newest(place, kind) / f"model/{rank}.json" for rank in (0, 1)]
    first, second = (json.loads(path.read_text()) for path in texts)
    assert first == second == {
        "GREETING": "it's $HOME, \"a\" `b`", "WORLD_SIZE": "2", "MASTER_ADDR": "n1",
        "words": "words", "cwd": f"/workspaces/work space/src/{kind}", "root": ["work space"],
        "outside": False,
    }  # fmt: skip


def test_sweep_is_an_array_whose_trials_share_no_gpu(
    place: Workspace, cluster: SlurmCluster
) -> None:
    done = place.loop("run", "swept", "--backend", "slurm", "--gpus", "1", "--trials", "8")
    assert done.code == 0, done.err
    assert "the best is trial-8: score 8 (maximize)" in done.message
    folder = newest(place, "swept")
    table = json.loads((folder / "trials.json").read_text())
    assert [trial["values"]["lr"] for trial in table["trials"]] == [str(n) for n in range(1, 9)]
    used = [json.loads((folder / f"trial-{n}/gpu.json").read_text()) for n in range(1, 9)]
    for gpu in ("0", "1"):
        times = sorted((begun, ended) for one, begun, ended in used if one == gpu)
        assert all(a[1] <= b[0] for a, b in pairwise(times))
    assert {one for one, *_ in used} <= {"0", "1"}
    record = json.loads((place.root / f".innerloop/jobs/{folder.name}/job.json").read_text())
    assert (record["kind"], record["status"]) == ("sweep", "Completed")


def test_pipeline_is_left_there_and_brought_back(place: Workspace, cluster: SlurmCluster) -> None:
    left = place.loop("run", "piped", "--backend", "slurm", "--detach")
    assert left.code == 0, left.err
    name = left.out.strip()
    logs = place.loop("logs", name, "--follow")
    assert logs.code == 0 and "made by prep\n" in logs.out, logs.err
    status = json.loads(place.loop("status", name, "--json").out)
    steps = {child["step"]: child["status"] for child in status["children"]}
    assert steps == {"prep": "Completed", "train": "Completed"}
    done = place.loop("download", name)
    assert done.code == 0, done.err
    assert (place.root / f"outputs/piped/{name}/prep/table/x.txt").read_text() == "made by prep\n"


def test_dry_run_of_parts_shows_what_starts_them(place: Workspace) -> None:
    words = ("--backend", "slurm", "--dry-run", "--json")
    sweep = place.loop("run", "swept", "--trials", "8", "--gpus", "1", *words)
    assert sweep.code == 0, sweep.err
    document = json.loads(sweep.out)
    script = str(document["script"])
    assert "#SBATCH --array=1-8%4\n" in script and "    8) # trial-8: lr=8\n" in script
    assert len(document["trials"]) == 8 and "script" not in document["trials"][0]
    pipeline = place.loop("run", "piped", *words)
    assert pipeline.code == 0, pipeline.err
    document = json.loads(pipeline.out)
    assert "--dependency=afterok:$job1 " in document["script"]
    prep, train = (step["script"] for step in document["steps"])
    assert "made by prep" in prep and "-prep/outputs/table" in train
    plain = place.loop("run", "piped", "--backend", "slurm", "--dry-run")
    assert plain.out.count("script   #!/bin/") == 3


def test_step_that_fails_keeps_the_next_from_starting(place: Workspace) -> None:
    failing = "jobs.prep.command=exit 5"
    done = place.loop("run", "piped", "--backend", "slurm", "--set", failing)
    assert done.code == 5, done.err
    record = json.loads((newest(place, "piped") / "pipeline.json").read_text())
    assert {name: step["state"] for name, step in record["steps"].items()} == {
        "prep": "failed", "train": "skipped"
    }  # fmt: skip


def test_job_is_stopped_at_its_time_limit(place: Workspace) -> None:
    done = place.loop("run", "waits", "--backend", "slurm", "--set", "limits.timeout=2")
    assert done.code == 124 and "stopped after 2 s, the job's time limit" in done.err
    assert (newest(place, "waits") / "left.txt").read_text() == "kept"


def test_job_that_was_left_is_asked_canceled_and_downloaded(
    place: Workspace, cluster: SlurmCluster
) -> None:
    with waiting(place, cluster) as (name, _):
        assert "Running" in place.loop("status", name).out
        samples = there(place, name) / "samples"
        assert until(lambda: samples.read_text().count("processes") > 1, 120)
        assert place.loop("cancel", name).code == 0
        assert "Canceled" in place.loop("status", name).out
        assert place.loop("download", name).code == 0
    folder = place.root / f"outputs/waits/{name}"
    assert (folder / "left.txt").read_text() == "kept"
    load = [json.loads(line) for line in (folder / ".run/system.jsonl").read_text().splitlines()]
    assert load[0]["of"] == "processes" and 1_000_000 < load[0]["memory"] < 1 << 30
    assert 0 <= load[1]["cpu"] < 1600
    assert until(lambda: not cluster.queue(), 60)
    assert until(lambda: not _sampling(there(place, name)), 60)


def test_interrupted_run_is_canceled_there(place: Workspace, cluster: SlurmCluster) -> None:
    run = place.start("run", "waits", "--backend", "slurm")
    run.wait_for("waiting", 120)
    run.interrupt_group()
    answer = run.end(120)
    assert answer.code == 130, answer.err
    assert until(lambda: not cluster.queue(), 60)


def test_requeued_job_starts_anew_on_what_it_has(place: Workspace, cluster: SlurmCluster) -> None:
    with waiting(place, cluster) as (name, id_):
        cluster.run("scontrol", "requeue", id_)
        assert until(lambda: "Queued" in place.loop("status", name).out, 120)
        # Slurm lets it wait for two minutes, and refuses it in the second in which it was ended.
        cluster.run("scontrol", "update", f"jobid={id_}", "StartTime=now+2")
        assert until(lambda: "again" in place.loop("logs", name).out, 120)
        assert "Running" in place.loop("status", name).out
        assert "start 2 of this job" in place.loop("logs", name).out


@pytest.mark.nightly
def test_node_that_goes_down_is_said(place: Workspace, cluster: SlurmCluster) -> None:
    with waiting(place, cluster) as (name, id_):
        cluster.run("scontrol", "update", f"jobid={id_}", "Requeue=0")
        node = f"nodename={cluster.field(id_, 'NodeList')}"
        cluster.run("scontrol", "update", node, "state=down", "reason=test")
        try:
            assert until(lambda: "Failed" in place.loop("status", name).out, 120)
            assert "(NODE_FAIL)" in place.loop("status", name).out
        finally:
            cluster.run("scontrol", "update", node, "state=idle")
    assert until(lambda: cluster.run("sinfo", "--noheader", "-o", "%T").split()[0] == "idle", 120)


def test_cluster_has_a_column_in_parity(place: Workspace) -> None:
    (parity,) = json.loads(place.loop("parity", "line", "--json").out)
    column = parity["backends"]["slurm:cluster"]
    assert all(column[row]["same"] for row in ("command", "cwd", "variables"))
    assert column["environment"]["value"] == "the locked packages alone"
    assert "on cluster's own system" in column["environment"]["why"]
    assert parity["unexplained"] == []


def test_request_that_the_cluster_refuses_is_an_error_at_its_setting(place: Workspace) -> None:
    text = place.read("pyproject.toml")
    place.write("pyproject.toml", text.replace('"short"', '"none"'))
    try:
        done = place.loop("run", "line", "--backend", "slurm")
        assert done.code == 1 and "pyproject.toml:6" in done.err, done.err
        assert "[slurm-refused]" in done.err
        facts = {one["name"]: one for one in _doctor(place)}
        assert facts["partition"]["state"] == "bad"
    finally:
        place.write("pyproject.toml", text)
    facts = {one["name"]: one for one in _doctor(place)}
    assert facts["partition short"]["what"].endswith("2 GPUs; at most 0:30:00")
    assert facts["job of line"]["state"] == "ok"
    job = place.read("src/line/azure-ml-job.yaml")
    place.write("src/line/azure-ml-job.yaml", job.replace("timeout: 90", "timeout: 9000"))
    try:
        facts = {one["name"]: one for one in _doctor(place)}
    finally:
        place.write("src/line/azure-ml-job.yaml", job)
    assert facts["job of line"]["state"] == "bad"
    assert "(src/line/azure-ml-job.yaml:12" in facts["job of line"]["what"]


def _doctor(place: Workspace) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(
        place.loop("doctor", "--backend", "slurm", "--json").out
    )
    return found


@pytest.mark.person
@pytest.mark.sshd
def test_cluster_that_ssh_reaches_runs_the_job(
    place: Workspace, cluster: SlurmCluster, tmp_path: Path
) -> None:
    with ssh_host(tmp_path, env=f"SLURM_CONF={cluster.env['SLURM_CONF']}") as host:
        table = '[tool.innerloop.remote.gpubox.slurm]\nsetup = ["export FROM_SETUP=ssh"]\n'
        text = place.read("pyproject.toml")
        place.write("pyproject.toml", text + table)
        try:
            env = {**host.env, "SLURM_CONF": ""}
            done = place.loop("run", "line", "--backend", "slurm:gpubox", env=env)
            assert done.code == 3, done.err
            assert done.out.startswith("hello shared it's $HOME words ssh\n")
            assert (newest(place, "line") / "model/weights.txt").read_text() == "42"
            (state,) = host.folder.glob("jobs/*/*/state")
            assert state.stat().st_uid == host.user.uid and os.path.exists(state.parent / "job.sh")
            cleaned = place.loop("clean", "--backend", "slurm:gpubox", "--yes", env=env)
            assert cleaned.code == 0 and not list(host.folder.glob("jobs/*/*/state"))
        finally:
            place.write("pyproject.toml", text)
