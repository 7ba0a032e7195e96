"""Batch scripts and what a cluster says: pure, but for bash, which reads each script."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from innerloop.model.container import ContainerSpec, Mount
from innerloop.model.settings.slurm_settings import SlurmSetting
from innerloop.remote.host.follow import job_status
from innerloop.remote.host.host import RemoteJobState, state_of
from innerloop.remote.slurm import batch_script, partitions
from innerloop.remote.slurm.batch_script import BatchJob, BatchTask, Submitted
from innerloop.remote.slurm.partitions import SlurmDemand, SlurmPartition
from innerloop.remote.slurm.run import _of_pyxis
from innerloop.util.errors import UserError

SETTING = SlurmSetting(
    partition="gpu", account="lab", memory="32G", cpus_per_task=4, gpu_type="a100", requeue=True,
    setup=("module load cuda/12.4",), sbatch=("--exclusive",), srun=("--mpi=pmix",),
)  # fmt: skip
TASK = BatchTask(
    "digits", "/home/me/jobs/ws/r1", ("bash", "-c", "python train.py --name 'a b'"),
    "/home/me/jobs/ws/r1/code", {"GREETING": "it's $HOME"}, path="/home/me/envs/e/bin",
)  # fmt: skip
JOB = BatchJob("digits, run r1", "innerloop-digits", "/home/me/jobs/ws/r1", [TASK], SlurmSetting())

PLAIN = """#!/bin/bash
#SBATCH --job-name=innerloop-digits
#SBATCH --chdir=/home/me/jobs/ws/r1
#SBATCH --output=/home/me/jobs/ws/r1/log
#SBATCH --open-mode=append
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=4
#SBATCH --cpus-per-task=4
#SBATCH --gres=gpu:a100:4
#SBATCH --mem=32G
#SBATCH --time=0:02:00
#SBATCH --partition=gpu
#SBATCH --account=lab
#SBATCH --requeue
#SBATCH --exclusive

# digits, run r1. `sbatch job.sh` in this folder submits it again.
job=/home/me/jobs/ws/r1
state() { printf '%-63s\\n' "$*" 1<>"$job/state"; }
trap signaled=yes INT TERM  # the program is ended; this script writes down how
begun=$(date +%s)
echo "$begun" >"$job/started"
rm -f "$job/group" "$job/fate"
state running
if [ "${SLURM_RESTART_COUNT:-0}" != 0 ]; then
    echo "innerloop: start $((SLURM_RESTART_COUNT + 1)) of this job, on $SLURM_JOB_NODELIST" >&2
fi

module load cuda/12.4

export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK
export MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export MASTER_PORT=$((20000 + SLURM_JOB_ID % 40000))

task() {
    [ "$SLURM_NODEID" != 0 ] || echo $$ >>/home/me/jobs/ws/r1/group
    export GREETING='it'"'"'s $HOME'
    export RANK=$SLURM_PROCID
    export LOCAL_RANK=$SLURM_LOCALID
    export NODE_RANK=$SLURM_NODEID
    export WORLD_SIZE=$SLURM_NTASKS
    export PATH=/home/me/envs/e/bin:"$PATH"
    cd /home/me/jobs/ws/r1/code || exit 1
    exec bash -c 'python train.py --name '"'"'a b'"'"''
}

from=$(($(wc -c <"$job/log") + 1))
# Notes CPU, memory and GPUs in the file `samples`.
sh "$job/agent.sh" . sample "$job" "${CUDA_VISIBLE_DEVICES:-all}" </dev/null >/dev/null 2>&1 &
sampler=$!
timeout --kill-after=30 90 srun --quiet --kill-on-bad-exit=1 --mpi=pmix bash -c "$(declare -f task); task"
code=$?
kill "$sampler" 2>/dev/null
# That of the process that failed first, and not of those that were ended for it.
if [ "$code" -gt 128 ]; then
    first=$(tail -c "+$from" "$job/log" | sed -n 's/^srun: error: .* Exited with exit code \\([0-9]*\\)$/\\1/p' | head -n 1)
    code=${first:-$code}
fi
# Slurm knows how a job ended that it ended itself. srun may say anything of it, 0 too. The signal may end
# scontrol, and come here later.
if [ "$code" -le 128 ]; then
    answer=$(scontrol --oneliner show job "$SLURM_JOB_ID" 2>/dev/null) ||
        { sleep 1; answer=$(scontrol --oneliner show job "$SLURM_JOB_ID" 2>/dev/null); }
    case ${signaled-}$answer in
        JobId=*JobState=RUNNING* | '') ;;
        *) exit 1 ;;
    esac
fi
if [ "$code" != 0 ] && [ $(($(date +%s) - begun + 5)) -ge 90 ]; then
    code=124  # the time limit
    : >"$job/overtime"
fi
state ended "$code" "$(date +%s)"
exit "$code"
"""


def distributed() -> BatchJob:
    return replace(
        JOB, setting=SETTING, nodes=2, processes=4, distribution="pytorch", gpus=4, limit=90
    )


def array(count: int = 2, folder: str = "/home/me/jobs/ws/r1") -> BatchJob:
    tasks = [
        replace(
            TASK,
            name=f"trial-{n}: lr={n}",
            folder=f"{folder}-trial-{n}",
            srun=(f"--container-mounts={folder}-trial-{n}/code:/w,/data:/d:ro",),
        )
        for n in range(1, count + 1)
    ]
    return replace(JOB, tasks=tasks, folder=folder, is_array=True, at_once=4)


def test_script_of_a_distributed_job_is_this_text() -> None:
    assert batch_script.text(distributed()) == PLAIN


def test_array_has_an_element_for_each_trial() -> None:
    text = batch_script.text(array(12))
    assert "#SBATCH --array=1-12%4\n" in text
    assert "#SBATCH --output=/home/me/jobs/ws/r1-trial-%2a/log\n" in text
    assert "    12) job=/home/me/jobs/ws/r1-trial-12 ;;\n" in text
    assert "    12) # trial-12: lr=12\n" in text
    # Each element's container has its own folder.
    assert '--container-mounts="$job"/code:/w,/data:/d:ro' in text
    quoted = batch_script.text(array(2, "/home/my jobs/r1"))
    assert """'--container-mounts='"$job"'/code:/w,/data:/d:ro'""" in quoted
    assert '#SBATCH --output="/home/my jobs/r1-trial-%a/log"' in quoted


def test_container_gets_variables_by_its_program() -> None:
    task = replace(TASK, argv=("apptainer", "exec", "x.sif"), cwd="", prefix="APPTAINERENV_")
    text = batch_script.text(replace(distributed(), tasks=[task], distribution="mpi"))
    assert "export APPTAINERENV_OMPI_COMM_WORLD_RANK=$SLURM_PROCID\n" in text
    assert "export APPTAINERENV_CUDA_VISIBLE_DEVICES=$CUDA_VISIBLE_DEVICES\n" in text
    assert "exec apptainer exec x.sif\n" in text and "cd /home" not in text


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash reads the scripts")
@pytest.mark.parametrize("job", [JOB, distributed(), array(), array(3, "/home/my 'jobs'/r1")])
def test_bash_reads_every_script(job: BatchJob) -> None:
    task = replace(job.tasks[0], has_secrets=True, scratch="/tmp/a b")
    for each in (job, replace(job, tasks=[task, *job.tasks[1:]])):
        script = batch_script.text(each)
        done = subprocess.run(["bash", "-n"], input=script.encode(), capture_output=True)
        assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.mark.skipif(shutil.which("sh") is None, reason="sh runs the script")
def test_submit_script_passes_ids_on(tmp_path: Path) -> None:
    for name in ("g", "a b", "c", "c-1", "c-2"):
        (tmp_path / name).mkdir()
    sbatch = tmp_path / "bin/sbatch"
    sbatch.parent.mkdir()
    sbatch.write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/calls\n[ ! -e {tmp_path}/full ] || exit 1\n'
        f'echo "$(wc -l <{tmp_path}/calls);cluster"\n'
    )
    sbatch.chmod(0o755)
    text = batch_script.submit_script(
        [Submitted("a b"), Submitted("c", needs=("a b",), elements=("c-1", "c-2"))]
    )
    (tmp_path / "g/submit.sh").write_text(text)
    env = {"PATH": f"{sbatch.parent}:/usr/bin:/bin"}
    done = subprocess.run(["sh", "./submit.sh"], cwd=tmp_path / "g", env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "calls").read_text().splitlines() == [
        "--parsable a b/job.sh",
        "--parsable --kill-on-invalid-dep=yes --dependency=afterok:1 c/job.sh",
    ]
    assert (tmp_path / "c/slurm").read_text() == "2\n"
    assert (tmp_path / "c-2/slurm").read_text() == "2_2\n"
    (tmp_path / "full").touch()
    done = subprocess.run(["sh", "./submit.sh"], cwd=tmp_path / "g", env=env, capture_output=True)
    assert done.returncode != 0 and (tmp_path / "calls").read_text().count("\n") == 3


SINFO = """short*|up|30:00|10|16|64000+|gpu:2(S:0-1)
long|up|7-00:00:00|4|32|128000|gpu:a100:4,nvme:1
long|up|7-00:00:00|2|64|256000|(null)
broken|line
old|down|infinite|1|8|16000|(null)
"""


def test_partitions_are_those_of_sinfo() -> None:
    found = partitions.parse(SINFO)
    assert found[0] == SlurmPartition("short", True, True, 1800, 10, 16, 64000, 2)
    assert found[1] == SlurmPartition("long", False, True, 604_800, 6, 64, 256_000, 4)
    assert found[2] == SlurmPartition("old", False, False, None, 1, 8, 16000, 0)
    assert partitions.chosen(found, "") == found[0]
    assert partitions.chosen(found, "long,short") == found[1]
    assert partitions.chosen(found, "none") is None


def test_what_a_partition_does_not_give_is_named() -> None:
    short, _, old = partitions.parse(SINFO)
    fits = SlurmDemand(1800, 10, 16, 64000, 2)
    assert list(partitions.obstacles(fits, short)) == []
    over = SlurmDemand(1801, 11, 17, 64001, 3)
    assert len(list(partitions.obstacles(over, short))) == 5
    assert list(partitions.obstacles(SlurmDemand(10**9), old)) == [("", "the partition is down")]
    amounts = [partitions.megabytes(text) for text in ("", "512", "32G", "2T", "2048K")]
    assert amounts == [0, 512, 32768, 2_097_152, 2]


def test_state_of_a_group_has_its_parts() -> None:
    found = state_of(
        "state\trunning\ncode\t\npart\tr-1\nstate\tended\ncode\t3\npart\tr-2\nstate\tqueued\n"
        "reason\tResources\n"
    )
    assert found.parts == {
        "r-1": RemoteJobState("ended", 3),
        "r-2": RemoteJobState("queued", reason="Resources"),
    }
    status = job_status(found, "r", "line", "cluster")
    assert status.status == "Running" and [dict(child) for child in status.children] == [
        {"name": "r-1", "step": "1", "status": "Failed"},
        {"name": "r-2", "step": "2", "status": "Queued"},
    ]


@pytest.mark.parametrize(
    ("fate", "words"),
    [("NODE_FAIL", "a node that it ran on went down"), ("OUT_OF_MEMORY", "more memory"),
     ("SOMETHING", "SOMETHING"), ("", "supervisor")],
)  # fmt: skip
def test_lost_job_has_the_clusters_reason(fate: str, words: str) -> None:
    status = job_status(RemoteJobState("lost", fate=fate), "r", "line", "cluster")
    assert status.status == "Failed" and words in status.error


def test_mounts_of_pyxis_are_one_list_without_its_signs() -> None:
    spec = ContainerSpec("registry.test/team/train:1", ("true",), workdir="/code")
    good = spec.with_mounts(
        Mount("/home/me/a b", "/code"), Mount("/data/x", "/data", read_only=True)
    )
    assert _of_pyxis(good)[:2] == (
        "--container-image=registry.test#team/train:1",
        "--container-mounts=/home/me/a b:/code,/data/x:/data:ro",
    )
    for mount in (Mount("/home/a,b", "/code"), Mount("/home/me", "/co:de")):
        with pytest.raises(UserError) as caught:
            _of_pyxis(spec.with_mounts(mount))
        assert caught.value.code == "pyxis-path"
        assert mount.source in caught.value.what or mount.target in caught.value.what
