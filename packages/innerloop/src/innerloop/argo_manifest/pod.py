"""The templates of a part: of its one pod, or of each node's and the DAG that starts them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .escaping import BRACE, escape, needs_brace, placeholder, to_argo
from .pod_command import SERVICE, Bound, bound
from .task import CODE, OUTPUTS, Part
from .volumes import Volumes

Json = dict[str, Any]


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
        {"name": part.name, **_inputs(part, []), **_of_first(part), "dag": {"tasks": tasks}},
        *(template(part, one, name) for one, name in zip(each, names, strict=True)),
    ]


def _of_first(part: Part) -> Json:
    """What the first node made, as the DAG's own."""
    if part.argo.outputs is not None or not part.taken:
        return {}
    source = "tasks.node-0.outputs.artifacts."
    given = [
        {"name": one, "from": to_argo(placeholder(source + one))} for one in sorted(part.taken)
    ]
    return {"outputs": {"artifacts": given}}


def _passed_on(part: Part) -> Json:
    """What a DAG of nodes was called with, for each node."""
    arguments: Json = {}
    if part.needs:
        arguments["parameters"] = [
            {"name": one, "value": to_argo(placeholder(f"inputs.parameters.{one}"))}
            for one in part.needs
        ]
    if part.handed and part.argo.outputs is None:
        arguments["artifacts"] = [
            {"name": one, "from": to_argo(placeholder(f"inputs.artifacts.{one}"))}
            for one in part.handed
        ]
    return {"arguments": arguments} if arguments else {}


def template(part: Part, pod: Bound, name: str) -> Json:
    volumes = Volumes(part)
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
        made["podSpecPatch"] = to_argo(json.dumps(patch, ensure_ascii=False))
    return {**made, "container": _container(part, pod, volumes), "volumes": volumes.volumes}


def _container(part: Part, pod: Bound, volumes: Volumes) -> Json:
    made: Json = {
        "image": to_argo(part.image),
        "imagePullPolicy": part.pull,
        "command": list(pod.argv[:2]),
        "args": [escape(word) for word in pod.argv[2:]],
        "workingDir": CODE,
        "env": _env(pod),
    }
    if resources := _resources(part):
        made["resources"] = resources
    return {**made, "volumeMounts": volumes.mounts}


def _env(pod: Bound) -> list[Json]:
    values = {name: escape(text) for name, text in pod.env.items()}
    texts = [*values.values(), *(escape(word) for word in pod.argv[2:])]
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
    whole = "all-outputs" if "outputs" in part.taken else "outputs"
    yield {"name": whole, "path": OUTPUTS, "optional": True}
    for name in sorted(part.taken) if pod.rank == 0 else ():
        is_file = part.job.outputs[name].is_file
        plain: Json = {"archive": {"none": {}}} if is_file else {}
        yield {"name": name, "path": f"{OUTPUTS}/{name}", **plain}
