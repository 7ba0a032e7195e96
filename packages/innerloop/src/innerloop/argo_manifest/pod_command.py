"""A part's command and environment in each of its pods, with the pods' paths in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ..model.jobs import processes
from ..model.jobs.command import command_of, distribution_environments, job_environment
from .escaping import placeholder
from .task import OUTPUTS, Part

# The Service below whose name pods find each other has the workflow's own.
SERVICE = placeholder("workflow.name")
PORT = 29500


@dataclass(frozen=True, slots=True)
class Bound:
    """A pod's command after substitution, what is started, and the environment of its first
    process; `hostname` is "" for a pod that no other asks for, and `rank` is its node's."""

    command: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    hostname: str = ""
    rank: int = 0


def bound(part: Part) -> list[Bound]:
    """One for each node."""
    values = {
        name: part.path_of(name) if name in part.data else _text_of(part, name)
        for name, one in part.job.inputs.items()
        if name in part.data or one.has_value
    }
    outputs = {name: f"{OUTPUTS}/{name}" for name in part.job.outputs}
    given: dict[str, str | None] = {**dict.fromkeys(part.job.inputs), **values}
    command = command_of(part.job, given, outputs, part.search_space, part.data)
    own = job_environment(part.job, values, outputs, part.run_id, part.search_space)
    each = nodes(part)
    return [
        Bound(
            command,
            processes.argv(command, part.job.distribution, node),
            {"PYTHONUNBUFFERED": "1", **node[0], **own},
            hostname(part, rank) if len(each) > 1 else "",
            rank,
        )
        for rank, node in enumerate(each)
    ]


def _text_of(part: Part, name: str) -> str:
    one = part.job.inputs[name]
    return one.literal_text if one.kind == "literal" else str(one.path)


def hostname(part: Part, rank: int) -> str:
    """By which the other pods find a node, below the name of the service."""
    trial = f"{placeholder('inputs.parameters.trial')}-" if "trial" in part.needs else ""
    step = "" if part.name in ("main", "trial") else f"{part.name}-"
    return f"{trial}{step}node-{rank}"


def nodes(part: Part) -> list[list[dict[str, str]]]:
    """The variables of each process of each node, in the order of their ranks."""
    job = part.job
    distribution = job.distribution
    count = count_of_nodes(part)
    if count == 1 or distribution is None:
        return [distribution_environments(distribution)]
    address = f"{hostname(part, 0)}.{SERVICE}"
    if distribution.type == "tensorflow":
        hosts = [f"{hostname(part, rank)}.{SERVICE}:{PORT}" for rank in range(count)]
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


def count_of_nodes(part: Part) -> int:
    """As many as the job's instances; tensorflow counts its workers. One that is not distributed
    is one program, however many instances there are."""
    distribution = part.job.distribution
    if distribution is None:
        return 1
    if distribution.type == "tensorflow" and part.job.instance_count > 1:
        return distribution.worker_count or part.job.instance_count
    return part.job.instance_count
