"""A task's command and environment in each of its pods, with the pods' paths."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ..model.jobs import processes
from ..model.jobs.command import command_of, distribution_environments, job_environment
from ..util.quick_dataclasses import dataclass
from .escaping import placeholder
from .task import OUTPUTS, Task

# The Service through which pods find each other has the workflow's name.
SERVICE = placeholder("workflow.name")
PORT = 29500


@dataclass(frozen=True, slots=True)
class PodCommand:
    """A pod's command after substitution, its argv, and the environment of its first process.

    `hostname` is "" for a pod without other nodes; `rank` is its node's.
    """

    command: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    hostname: str = ""
    rank: int = 0


def pod_commands(task: Task) -> list[PodCommand]:
    """One for each node."""
    values = {
        name: task.path_of(name) if name in task.data else _text_of(task, name)
        for name, input_ in task.job.inputs.items()
        if name in task.data or input_.has_value
    }
    outputs = {name: f"{OUTPUTS}/{name}" for name in task.job.outputs}
    inputs: dict[str, str | None] = {**dict.fromkeys(task.job.inputs), **values}
    command = command_of(task.job, inputs, outputs, task.search_space, task.data)
    own = job_environment(task.job, values, outputs, task.run_id, task.search_space)
    all_nodes = nodes(task)
    return [
        PodCommand(
            command,
            processes.argv(command, task.job.distribution, node),
            {"PYTHONUNBUFFERED": "1", **node[0], **own},
            hostname(task, rank) if len(all_nodes) > 1 else "",
            rank,
        )
        for rank, node in enumerate(all_nodes)
    ]


def _text_of(task: Task, name: str) -> str:
    input_ = task.job.inputs[name]
    return input_.literal_text if input_.kind == "literal" else str(input_.path)


def hostname(task: Task, rank: int) -> str:
    """The name by which other pods find a node, below the service's."""
    trial = f"{placeholder('inputs.parameters.trial')}-" if "trial" in task.parameters else ""
    step = "" if task.name in ("main", "trial") else f"{task.name}-"
    return f"{trial}{step}node-{rank}"


def nodes(task: Task) -> list[list[dict[str, str]]]:
    """The variables of each process of each node, in the order of their ranks."""
    job = task.job
    distribution = job.distribution
    count = count_of_nodes(task)
    if count == 1 or distribution is None:
        return [distribution_environments(distribution)]
    address = f"{hostname(task, 0)}.{SERVICE}"
    if distribution.type == "tensorflow":
        hosts = [f"{hostname(task, rank)}.{SERVICE}:{PORT}" for rank in range(count)]
        return [
            [{"TF_CONFIG": json.dumps({
                "cluster": {"worker": hosts},
                "task": {"type": "worker", "index": rank},
                "environment": "cloud",
            }, ensure_ascii=False)}]
            for rank in range(count)
        ]  # fmt: skip
    each = distribution.process_count_per_instance
    return [
        [
            {
                "MASTER_ADDR": address,
                "MASTER_PORT": str(PORT),
                "WORLD_SIZE": str(count * each),
                "NODE_RANK": str(node),
                "RANK": str(node * each + local),
                "LOCAL_RANK": str(local),
            }
            for local in range(each)
        ]
        for node in range(count)
    ]


def count_of_nodes(task: Task) -> int:
    """The job's instances, or its workers for tensorflow. A job without a distribution runs once."""
    distribution = task.job.distribution
    if distribution is None:
        return 1
    if distribution.type == "tensorflow" and task.job.instance_count > 1:
        return distribution.worker_count or task.job.instance_count
    return task.job.instance_count
