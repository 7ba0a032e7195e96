"""The partitions of a cluster, and what of a job does not fit into one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from ...model.settings.slurm_settings import seconds_of, time_text
from ...util.quick_dataclasses import dataclass

# What sinfo prints of each: name ("*" for the default), state, time limit, nodes, CPUs and memory (MB) of a
# node, generic resources. Source: sinfo(1), --format.
FORMAT = "%P|%a|%l|%D|%c|%m|%G"


@dataclass(frozen=True, slots=True)
class SlurmPartition:
    """`time` is in seconds, None without a limit; `cpus`, `memory` (MB) and `gpus` are those of a node."""

    name: str
    is_default: bool = False
    is_up: bool = True
    time: int | None = None
    nodes: int = 0
    cpus: int = 0
    memory: int = 0
    gpus: int = 0

    def __str__(self) -> str:
        limit = time_text(self.time) if self.time is not None else "no limit"
        gpus = f", {self.gpus} GPUs" if self.gpus else ""
        return f"{self.nodes} nodes of {self.cpus} CPUs, {self.memory // 1000} GB{gpus}; at most {limit}"


@dataclass(frozen=True, slots=True)
class SlurmDemand:
    """What a job asks for: seconds (None: no limit is asked for), nodes, and of each node."""

    time: int | None = None
    nodes: int = 1
    tasks: int = 1
    memory: int = 0
    gpus: int = 0


def parse(text: str) -> list[SlurmPartition]:
    """The partitions of what sinfo printed; lines that are not understood are left out.

    A partition with several kinds of nodes has the largest of them, and all their nodes.
    """
    found: dict[str, SlurmPartition] = {}
    for line in text.splitlines():
        fields = line.strip().split("|")
        if len(fields) != 7 or not fields[0].strip("*"):
            continue
        name = fields[0].rstrip("*")
        one = SlurmPartition(
            name,
            fields[0].endswith("*"),
            fields[1] == "up",
            seconds_of(fields[2]),
            _number(fields[3]),
            _number(fields[4]),
            _number(fields[5]),
            _gpus(fields[6]),
        )
        found[name] = _together(found[name], one) if name in found else one
    return list(found.values())


def _together(a: SlurmPartition, b: SlurmPartition) -> SlurmPartition:
    return SlurmPartition(
        a.name, a.is_default, a.is_up or b.is_up, a.time, a.nodes + b.nodes, max(a.cpus, b.cpus),
        max(a.memory, b.memory), max(a.gpus, b.gpus),
    )  # fmt: skip


def _number(text: str) -> int:
    match = re.match(r"\d{1,15}", text, re.ASCII)
    return int(match[0]) if match else 0


def _gpus(text: str) -> int:
    """Source: slurm.conf(5), Gres: "gpu:2", "gpu:a100:4(S:0-1),nvme:1"."""
    counts = re.findall(r"(?:^|,)gpu(?::[^:,()]+)?:(\d{1,6})", text, re.ASCII)
    return sum(map(int, counts))


def chosen(partitions: list[SlurmPartition], name: str) -> SlurmPartition | None:
    """The partition of this name, of several names the first; the default one for ""."""
    first = name.split(",")[0]
    named = (one for one in partitions if (one.name == first if first else one.is_default))
    return next(named, None)


Amount = Literal["", "time", "nodes", "tasks", "gpus", "memory"]


def obstacles(demand: SlurmDemand, partition: SlurmPartition) -> Iterator[tuple[Amount, str]]:
    """Clauses for what the partition does not give, each with the field of the demand; "" for none of them."""
    if not partition.is_up:
        yield "", "the partition is down"
    if demand.time is not None and partition.time is not None and demand.time > partition.time:
        yield "time", f"the time limit {time_text(demand.time)} is over {time_text(partition.time)}"
    if demand.nodes > partition.nodes:
        yield "nodes", f"it asks for {demand.nodes} nodes, and there are {partition.nodes}"
    if demand.tasks > partition.cpus:
        yield "tasks", f"it asks for {demand.tasks} CPUs of a node, which has {partition.cpus}"
    if demand.gpus > partition.gpus:
        yield "gpus", f"it asks for {demand.gpus} GPUs of a node, which has {partition.gpus}"
    if demand.memory > partition.memory:
        yield "memory", f"it asks for {demand.memory} MB of a node, which has {partition.memory}"


def megabytes(text: str) -> int:
    """An amount of memory as sbatch takes it ("32G"; without a unit, megabytes); 0 for ""."""
    unit = text[-1:]
    if unit.isdigit() or not unit:
        return int(text or 0)
    kilobytes = {"K": 1, "M": 1024, "G": 1024**2, "T": 1024**3}[unit]
    return int(text[:-1]) * kilobytes // 1024
