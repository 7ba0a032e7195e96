"""A job as a batch script that a person can read, and submit alone with sbatch. Pure.

The script is given to Slurm in the job's folder there. It starts the program by `srun`, once for each
process of the job, and writes down how that went: Slurm forgets a job soon after its end. Meanwhile the
agent's program notes the load of the job on the first node.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from ...model.settings.slurm_settings import SlurmSetting, time_text
from ...util.quick_dataclasses import dataclass

# Seconds by which Slurm's count of a job's time may differ from the script's.
_OFF = 5
# Seconds between the signal at the time limit and the end.
_GRACE = 30

# What each process of a distributed job finds in its environment, by the distribution's type: the
# value is a text of the shell. Sources: torch.distributed, "Environment variable initialization"; what
# Azure ML and Open MPI's mpirun set; srun(1), OUTPUT ENVIRONMENT VARIABLES.
OF_TASKS: Mapping[str, Mapping[str, str]] = {
    "": {},
    "pytorch": {
        "RANK": "$SLURM_PROCID",
        "LOCAL_RANK": "$SLURM_LOCALID",
        "NODE_RANK": "$SLURM_NODEID",
        "WORLD_SIZE": "$SLURM_NTASKS",
    },
    "mpi": {
        "OMPI_COMM_WORLD_RANK": "$SLURM_PROCID",
        "OMPI_COMM_WORLD_SIZE": "$SLURM_NTASKS",
        "OMPI_COMM_WORLD_LOCAL_RANK": "$SLURM_LOCALID",
        "OMPI_COMM_WORLD_LOCAL_SIZE": "$SLURM_NTASKS_PER_NODE",
        "OMPI_COMM_WORLD_NODE_RANK": "$SLURM_NODEID",
    },
}
OF_JOB: Mapping[str, Mapping[str, str]] = {
    "": {},
    "pytorch": {
        "MASTER_ADDR": '$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        "MASTER_PORT": "$((20000 + SLURM_JOB_ID % 40000))",
    },
    "mpi": {
        "AZ_BATCHAI_MPI_MASTER_NODE": '$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)'
    },
}


# srun ends the others when a process fails, and says the highest code of all. Source: srun(1), RETURN VALUE.
_FIRST_FAILURE = r"""
# That of the process that failed first, and not of those that were ended for it.
if [ "$code" -gt 128 ]; then
    first=$(tail -c "+$from" "$job/log" | sed -n 's/^srun: error: .* Exited with exit code \([0-9]*\)$/\1/p' | head -n 1)
    code=${first:-$code}
fi
""".strip()


_END_BY_SLURM = """
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
""".strip()


@dataclass(frozen=True, slots=True)
class BatchTask:
    """What each process of a job, or of one element of an array, does.

    folder: that of the job there, with `log`, `state` and `outputs`. cwd: where `argv` starts; "" where a
    container says so itself. env: its variables. prefix: what the names of variables get before them, for a
    program that starts a container and hands them on, with some of the node's. path: a folder that comes
    first on PATH. srun: options of its own, which start it in a container (Pyxis). scratch: a folder that is
    made before.
    """

    name: str
    folder: str
    argv: tuple[str, ...]
    cwd: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    prefix: str = ""
    path: str = ""
    srun: tuple[str, ...] = ()
    has_secrets: bool = False
    scratch: str = ""

    @property
    def sees_its_folder(self) -> bool:
        return not self.srun


@dataclass(frozen=True, slots=True)
class BatchJob:
    """What one script starts: one task, or an array with one element for each.

    title: for its comment. name: of Slurm's job. folder: where the script is. at_once: how many elements
    run at once, None for all. nodes and processes (on each) are the job's, `distribution` is a key of
    `OF_TASKS`. limit: in seconds, None for the setting's.
    """

    title: str
    name: str
    folder: str
    tasks: Sequence[BatchTask]
    setting: SlurmSetting
    at_once: int | None = None
    is_array: bool = False
    nodes: int = 1
    processes: int = 1
    distribution: str = ""
    gpus: int = 0
    limit: int | None = None


def text(job: BatchJob) -> str:
    """The script. It ends with a line end."""
    return "\n".join(_lines(job)) + "\n"


def _lines(job: BatchJob) -> Iterator[str]:
    yield "#!/bin/bash"
    yield from (f"#SBATCH {option}" for option in directives(job))
    yield ""
    yield f"# {_comment(job.title)}. `sbatch job.sh` in this folder submits it again."
    yield from _folder_of(job)
    yield """state() { printf '%-63s\\n' "$*" 1<>"$job/state"; }"""
    yield "trap signaled=yes INT TERM  # the program is ended; this script writes down how"
    yield "begun=$(date +%s)"
    yield 'echo "$begun" >"$job/started"'
    yield 'rm -f "$job/group" "$job/fate"'
    yield "state running"
    yield 'if [ "${SLURM_RESTART_COUNT:-0}" != 0 ]; then'
    yield '    echo "innerloop: start $((SLURM_RESTART_COUNT + 1)) of this job, on $SLURM_JOB_NODELIST" >&2'
    yield "fi"
    yield ""
    if job.setting.setup:
        yield from job.setting.setup
        yield ""
    if job.setting.cpus_per_task:
        yield "export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK"
    exports = OF_JOB[job.distribution]
    yield from (f"export {name}={value}" for name, value in exports.items())
    has_secrets = any(task.has_secrets for task in job.tasks)
    if has_secrets:
        yield '. "$job/secrets.sh"'
    yield from [""] * bool(exports or has_secrets)
    yield "task() {"
    yield from _task_body(job)
    yield "}"
    yield ""
    is_several = job.nodes * job.processes > 1
    if is_several:
        yield """from=$(($(wc -c <"$job/log") + 1))"""
    yield "# Notes CPU, memory and GPUs in the file `samples`."
    gpus = """ "${CUDA_VISIBLE_DEVICES:-all}\"""" if job.gpus else ' ""'
    yield f'sh "$job/agent.sh" . sample "$job"{gpus} </dev/null >/dev/null 2>&1 &'
    yield "sampler=$!"
    yield _srun(job)
    yield "code=$?"
    yield 'kill "$sampler" 2>/dev/null'
    if is_several:
        yield from _FIRST_FAILURE.splitlines()
    yield from _END_BY_SLURM.splitlines()
    limit = _limit(job)
    if limit is not None:
        yield f'if [ "$code" != 0 ] && [ $(($(date +%s) - begun + {_OFF})) -ge {limit} ]; then'
        yield "    code=124  # the time limit"
        yield '    : >"$job/overtime"'
        yield "fi"
    if has_secrets:
        yield '[ "$code" -gt 128 ] || rm -f "$job/secrets.sh"'
    yield 'state ended "$code" "$(date +%s)"'
    yield 'exit "$code"'


def directives(job: BatchJob) -> list[str]:
    """The options of sbatch, as the lines after #SBATCH have them."""
    setting = job.setting
    folder = job.folder
    width = len(str(len(job.tasks)))
    log = posixpath.join(folder, "log")
    found = [f"--job-name={job.name}", f"--chdir={_option(folder)}"]
    if job.is_array:
        within = f"%{job.at_once}" if job.at_once else ""
        found.append(f"--array=1-{len(job.tasks)}{within}")
        log = f"{folder}-trial-%{width}a/log" if width > 1 else f"{folder}-trial-%a/log"
    found += [f"--output={_option(log)}", "--open-mode=append"]
    found += [f"--nodes={job.nodes}", f"--ntasks-per-node={job.processes}"]
    if setting.cpus_per_task:
        found.append(f"--cpus-per-task={setting.cpus_per_task}")
    if job.gpus:
        kind = f"{setting.gpu_type}:" if setting.gpu_type else ""
        found.append(f"--gres=gpu:{kind}{job.gpus}")
    found += [f"--mem={setting.memory}"] if setting.memory else []
    seconds = _limit(job)
    found += [f"--time={time_text(seconds)}"] if seconds else []
    for key in ("partition", "account", "qos", "constraint"):
        value = getattr(setting, key)
        found += [f"--{key}={_option(value)}"] if value else []
    if setting.requeue is not None:
        found.append("--requeue" if setting.requeue else "--no-requeue")
    return [*found, *setting.sbatch]


def _option(text: str) -> str:
    """A value as a line after #SBATCH has it: quoted, if it has a blank."""
    return f'"{text}"' if " " in text else text


def _comment(text: str) -> str:
    return " ".join(text.split())


def _limit(job: BatchJob) -> int | None:
    return job.limit or job.setting.time


def _folder_of(job: BatchJob) -> Iterator[str]:
    if not job.is_array:
        yield f"job={shlex.quote(job.tasks[0].folder)}"
        return
    yield "# One element of the array for each trial."
    yield "case $SLURM_ARRAY_TASK_ID in"
    for number, task in enumerate(job.tasks, 1):
        yield f"    {number}) job={shlex.quote(task.folder)} ;;"
    yield "esac"


def _task_body(job: BatchJob) -> Iterator[str]:
    if not job.is_array:
        yield from (f"    {line}" for line in _task_lines(job, job.tasks[0]))
        return
    yield "    case $SLURM_ARRAY_TASK_ID in"
    for number, task in enumerate(job.tasks, 1):
        yield f"    {number}) # {_comment(task.name)}"
        yield from (f"        {line}" for line in _task_lines(job, task))
        yield "        ;;"
    yield "    esac"


def _task_lines(job: BatchJob, task: BatchTask) -> Iterator[str]:
    if task.sees_its_folder:
        yield f'[ "$SLURM_NODEID" != 0 ] || echo $$ >>{shlex.quote(task.folder)}/group'
    for name, value in task.env.items():
        yield f"export {task.prefix}{name}={shlex.quote(value)}"
    for name, value in OF_TASKS[job.distribution].items():
        yield f"export {task.prefix}{name}={value}"
    if task.prefix:
        passed = [*OF_JOB[job.distribution], *(["CUDA_VISIBLE_DEVICES"] if job.gpus else [])]
        yield from (f"export {task.prefix}{name}=${name}" for name in passed)
        if job.distribution == "mpi":
            yield 'for name in $(compgen -e | grep -E "^(SLURM|PMI|PMIX)_"); do'
            yield f'    export "{task.prefix}$name=${{!name}}"'
            yield "done"
    if task.path:
        yield f'export PATH={shlex.quote(task.path)}:"$PATH"'
    if task.scratch:
        yield f"mkdir -p {shlex.quote(task.scratch)}"
    if task.cwd:
        yield f"cd {shlex.quote(task.cwd)} || exit 1"
    yield f"exec {shlex.join(task.argv)}"


def _srun(job: BatchJob) -> str:
    options = ["--quiet", "--kill-on-bad-exit=1", *job.setting.srun, *job.tasks[0].srun]
    words = ["srun", *options, "bash", "-c"]
    limit = _limit(job)
    if limit is not None:
        words = ["timeout", f"--kill-after={_GRACE}", str(limit), *words]
    # As text, since many sites have a script before srun, and shells drop each other's functions.
    function = '"$(declare -f task); task"'
    if not job.is_array:
        return f"{shlex.join(words)} {function}"
    own = job.tasks[0].folder
    return " ".join([*(_with_variable(shlex.quote(word), own) for word in words), function])


def _with_variable(word: str, folder: str) -> str:
    """A word of the shell with $job where it names an element's own folder."""
    return word.replace(folder, """'"$job"'""" if word.startswith("'") else '"$job"')


@dataclass(frozen=True, slots=True)
class Submitted:
    """A script to submit: the folder's name, and those of the jobs that must have succeeded.

    elements: the folders of an array's elements, in their order.
    """

    folder: str
    needs: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()


def submit_script(scripts: Sequence[Submitted]) -> str:
    """The script that submits them in this order, and notes Slurm's IDs in the files `slurm`."""
    lines = ["#!/bin/sh", "# Gives the job to Slurm. IDs are noted in the files `slurm`.", "set -e"]
    lines.append('cd "$(dirname "$0")/.."')
    numbers = {script.folder: number for number, script in enumerate(scripts, 1)}
    for script in scripts:
        name, folder = f"job{numbers[script.folder]}", shlex.quote(script.folder)
        words = "sbatch --parsable"
        if script.needs:
            ids = "".join(f":$job{numbers[need]}" for need in script.needs)
            words += f" --kill-on-invalid-dep=yes --dependency=afterok{ids}"
        lines += [f"{name}=$({words} {folder}/job.sh)", f'{name}="${{{name}%%;*}}"']
        lines.append(f'echo "${name}" >{folder}/slurm')
        for number, element in enumerate(script.elements, 1):
            lines.append(f'echo "${{{name}}}_{number}" >{shlex.quote(element)}/slurm')
    return "\n".join(lines) + "\n"


def describe(job: BatchJob) -> str:
    """What is asked of Slurm, for people: "1 node x 2 processes, gpu:1, partition gpu"."""
    nodes = f"{job.nodes} node{'s' * (job.nodes != 1)}"
    processes = f" x {job.processes} processes" if job.processes != 1 else ""
    found = [nodes + processes]
    found += [f"{job.gpus} GPU{'s' * (job.gpus != 1)} on each"] if job.gpus else []
    found += [f"partition {job.setting.partition}"] if job.setting.partition else []
    return ", ".join(found)
