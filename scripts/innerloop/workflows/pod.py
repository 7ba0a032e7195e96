"""The template of one pod: the command, its environment, what is mounted and fetched."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import Mistake
from ..spec import processes, quantities
from ..spec.argo_setting import Artifact
from ..spec.check_argo import nobody_says
from ..spec.command import distribution_environments, job_environment, substitute
from .part import CODE, OUTPUTS, Part
from .text import BRACE, argued, escaped, mark, needs_brace

Json = dict[str, Any]
SERVICE = mark("workflow.name")
PORT = 29500


@dataclass(frozen=True, slots=True)
class Bound:
    """A pod's command after substitution, what is started, and the environment of its first
    process; `hostname` is "" for a pod that no other asks for."""

    command: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    hostname: str = ""


def bound(part: Part) -> list[Bound]:
    """One for each node."""
    values = {
        name: part.path_of(name) if name in part.data else _text_of(part, name)
        for name, one in part.job.inputs.items()
        if name in part.data or one.has_value
    }
    outputs = {name: f"{OUTPUTS}/{name}" for name in part.job.outputs}
    given: dict[str, str | None] = {**dict.fromkeys(part.job.inputs), **values}
    command = _substituted(part, given, outputs)
    own = job_environment(part.job, values, outputs, part.run_id, part.search_space)
    each = nodes(part)
    return [
        Bound(
            command,
            processes.argv(command, part.job.distribution, node),
            {"PYTHONUNBUFFERED": "1", **node[0], **own},
            hostname(part, rank) if len(each) > 1 else "",
        )
        for rank, node in enumerate(each)
    ]


def _text_of(part: Part, name: str) -> str:
    one = part.job.inputs[name]
    return one.literal_text if one.kind == "literal" else str(one.path)


def _substituted(part: Part, inputs: Mapping[str, str | None], outputs: Mapping[str, str]) -> str:
    try:
        return substitute(part.job.command, inputs, outputs, part.search_space, paths=part.data)
    except Mistake as mistake:
        where = mistake.where or part.job.where("command")
        raise Mistake(mistake.what, where=where, mend=mistake.mend) from mistake


def hostname(part: Part, rank: int) -> str:
    """By which the other pods find a node, below the name of the service."""
    trial = f"{mark('inputs.parameters.trial')}-" if "trial" in part.needs else ""
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


def templates(part: Part) -> list[Json]:
    """The pod's template; for several nodes one for each, and a DAG with the part's name."""
    each = bound(part)
    if len(each) == 1:
        return [template(part, each[0], part.name)]
    names = [f"{part.name}-node-{rank}" for rank in range(len(each))]
    tasks = [
        {"name": f"node-{rank}", "template": name, **_passed_on(part)}
        for rank, name in enumerate(names)
    ]
    return [
        {"name": part.name, **_inputs(part, []), "dag": {"tasks": tasks}},
        *(template(part, one, name) for one, name in zip(each, names, strict=True)),
    ]


def _passed_on(part: Part) -> Json:
    """What a DAG of nodes was called with, for each node."""
    arguments: Json = {}
    if part.needs:
        arguments["parameters"] = [
            {"name": one, "value": argued(mark(f"inputs.parameters.{one}"))} for one in part.needs
        ]
    if part.handed and part.argo.outputs is None:
        arguments["artifacts"] = [
            {"name": one, "from": argued(mark(f"inputs.artifacts.{one}"))} for one in part.handed
        ]
    return {"arguments": arguments} if arguments else {}


def template(part: Part, pod: Bound, name: str) -> Json:
    volumes = _Volumes(part)
    made: Json = {"name": name, **_inputs(part, volumes.artifacts)}
    if part.argo.outputs is None:
        made["outputs"] = {"artifacts": list(_given(part, pod))}
    if part.argo.retry and not pod.hostname:
        made["retryStrategy"] = {
            "limit": str(part.argo.retry), "retryPolicy": part.argo.retry_policy
        }  # fmt: skip
    if part.job.timeout:
        made["activeDeadlineSeconds"] = str(part.job.timeout)
    if part.argo.node_selector:
        made["nodeSelector"] = dict(part.argo.node_selector)
    if part.argo.tolerations:
        made["tolerations"] = [dict(one) for one in part.argo.tolerations]
    if part.argo.priority_class:
        made["priorityClassName"] = part.argo.priority_class
    if pod.hostname:
        patch = {"hostname": pod.hostname, "subdomain": SERVICE}
        made["podSpecPatch"] = argued(json.dumps(patch, ensure_ascii=False))
    return {**made, "container": _container(part, pod, volumes), "volumes": volumes.volumes}


def _container(part: Part, pod: Bound, volumes: _Volumes) -> Json:
    made: Json = {
        "image": argued(part.image),
        "imagePullPolicy": part.pull,
        "command": list(pod.argv[:2]),
        "args": [escaped(word) for word in pod.argv[2:]],
        "workingDir": CODE,
        "env": _env(pod),
    }
    if resources := _resources(part):
        made["resources"] = resources
    return {**made, "volumeMounts": volumes.mounts}


def _env(pod: Bound) -> list[Json]:
    values = {name: escaped(text) for name, text in pod.env.items()}
    texts = [*values.values(), *(escaped(word) for word in pod.argv[2:])]
    first = {BRACE: "{"} if needs_brace(texts) else {}
    return [{"name": name, "value": text} for name, text in {**first, **values}.items()]


def _resources(part: Part) -> Json:
    amounts = {"cpu": part.argo.cpu, "memory": part.argo.memory}
    named = {name: amount for name, amount in amounts.items() if amount}
    limits = {**named, **({part.argo.gpu_resource: str(part.gpus)} if part.gpus else {})}
    return {**({"requests": named} if named else {}), **({"limits": limits} if limits else {})}


def _inputs(part: Part, artifacts: Sequence[Json]) -> Json:
    made: Json = {}
    if part.needs:
        made["parameters"] = [{"name": one} for one in part.needs]
    if handed := [] if part.argo.outputs else [{"name": name} for name in part.handed]:
        known = {one["name"] for one in artifacts}
        artifacts = [*artifacts, *(one for one in handed if one["name"] not in known)]
    if artifacts:
        made["artifacts"] = list(artifacts)
    return {"inputs": made} if made else {}


def _given(part: Part, pod: Bound) -> Iterator[Json]:
    """What Argo keeps: all of ./outputs, and each output that a later step takes. Of several nodes
    the first one hands on."""
    yield {"name": "outputs", "path": OUTPUTS, "optional": True}
    for name in sorted(part.taken):
        is_file = part.job.outputs[name].is_file
        plain: Json = {"archive": {"none": {}}} if is_file else {}
        yield {"name": name, "path": f"{OUTPUTS}/{name}", **plain}


class _Volumes:
    """A pod's volumes and where each is mounted, and what Argo fetches for it."""

    def __init__(self, part: Part) -> None:
        self.part = part
        self.volumes: list[Json] = []
        self.mounts: list[Json] = []
        self.artifacts: list[Json] = []
        self._shared_memory()
        self._outputs()
        for name in part.data:
            self._input(name)

    def _shared_memory(self) -> None:
        size = quantities.of_docker(self.part.job.shm_size) or "2Gi"
        self._volume("shm", {"emptyDir": {"medium": "Memory", "sizeLimit": size}})
        self.mounts.append({"name": "shm", "mountPath": "/dev/shm"})

    def _outputs(self) -> None:
        """./outputs, and the folder of each output in it: the kubelet makes those."""
        store = self.part.argo.outputs
        self._volume("outputs", dict(store.source) if store else {"emptyDir": {}})
        below = self._kept("") if store else ""
        self._mount("outputs", OUTPUTS, below)
        for name, one in self.part.job.outputs.items():
            if not one.is_file:
                self._mount("outputs", f"{OUTPUTS}/{name}", posixpath.join(below, name))

    def _kept(self, more: str) -> str:
        store = self.part.argo.outputs
        base = store.path if store else ""
        return posixpath.join(base, mark("workflow.name"), more or self.part.folder).rstrip("/")

    def _input(self, name: str) -> None:
        part, path = self.part, self.part.path_of(name)
        if name in part.handed:
            if part.argo.outputs:
                self._mount("outputs", path, self._kept(part.handed[name].folder), read_only=True)
            else:
                self.artifacts.append({"name": name, "path": path})
            return
        store = part.store_of(name)
        if store is None:
            raise nobody_says(part.job, name)
        if isinstance(store, Artifact):
            plain: Json = (
                {"archive": {"none": {}}} if part.job.inputs[name].type == "uri_file" else {}
            )
            self.artifacts.append({"name": name, "path": path, **plain, **store.source})
            return
        volume = self._volume(f"input-{len(self.volumes)}", dict(store.source))
        writable = part.fills(name) or part.job.inputs[name].mode in ("rw_mount", "download")
        self._mount(volume, path, store.path, read_only=not writable)

    def _volume(self, name: str, source: Json) -> str:
        """Its name; the same source is one volume, but an empty one is each its own."""
        for one in self.volumes if "emptyDir" not in source else ():
            if {key: value for key, value in one.items() if key != "name"} == source:
                return str(one["name"])
        self.volumes.append({"name": name, **source})
        return name

    def _mount(self, volume: str, path: str, below: str, read_only: bool = False) -> None:
        self.mounts.append(
            {
                "name": volume,
                "mountPath": path,
                **({"subPath": argued(below)} if below else {}),
                **({"readOnly": True} if read_only else {}),
            }
        )
