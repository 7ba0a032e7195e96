"""The templates of a task: of its pod, or of each node's pod and the DAG that starts them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .escaping import BRACE, escape, needs_brace, placeholder, to_argo
from .pod_command import SERVICE, PodCommand, pod_commands
from .task import CODE, OUTPUTS, Task
from .volumes import Volumes

Json = dict[str, Any]


def templates(task: Task) -> list[Json]:
    """The pod's template; for several nodes one for each, and a DAG with the task's name."""
    commands = pod_commands(task)
    if len(commands) == 1:
        return [template(task, commands[0], task.name)]
    names = [f"{task.name}-node-{rank}" for rank in range(len(commands))]
    tasks = [
        {"name": f"node-{rank}", "template": name, **_passed_on(task)}
        for rank, name in enumerate(names)
    ]
    return [
        {"name": task.name, **_inputs(task, []), **_of_first(task), "dag": {"tasks": tasks}},
        *(template(task, command, name) for command, name in zip(commands, names, strict=True)),
    ]


def _of_first(task: Task) -> Json:
    """The first node's outputs, as the DAG's own."""
    if task.argo.outputs is not None or not task.used_outputs:
        return {}
    source = "tasks.node-0.outputs.artifacts."
    artifacts = [
        {"name": name, "from": to_argo(placeholder(source + name))}
        for name in sorted(task.used_outputs)
    ]
    return {"outputs": {"artifacts": artifacts}}


def _passed_on(task: Task) -> Json:
    """The arguments of a DAG of nodes, passed on to each node."""
    arguments: Json = {}
    if task.parameters:
        arguments["parameters"] = [
            {"name": name, "value": to_argo(placeholder(f"inputs.parameters.{name}"))}
            for name in task.parameters
        ]
    if task.step_inputs and task.argo.outputs is None:
        arguments["artifacts"] = [
            {"name": name, "from": to_argo(placeholder(f"inputs.artifacts.{name}"))}
            for name in task.step_inputs
        ]
    return {"arguments": arguments} if arguments else {}


def template(task: Task, pod: PodCommand, name: str) -> Json:
    """The template of one pod."""
    volumes = Volumes(task)
    spec: Json = {"name": name, **_inputs(task, volumes.artifacts)}
    if task.argo.outputs is None:
        spec["outputs"] = {"artifacts": list(_output_artifacts(task, pod))}
    if task.argo.retry and not pod.hostname:
        spec["retryStrategy"] = {
            "limit": str(task.argo.retry), "retryPolicy": task.argo.retry_policy
        }  # fmt: skip
    if task.job.timeout:
        spec["activeDeadlineSeconds"] = str(task.job.timeout)
    if task.argo.node_selector:
        spec["nodeSelector"] = dict(task.argo.node_selector)
    if task.argo.tolerations:
        spec["tolerations"] = [dict(toleration) for toleration in task.argo.tolerations]
    if task.argo.priority_class:
        spec["priorityClassName"] = task.argo.priority_class
    if pod.hostname:
        patch = {"hostname": pod.hostname, "subdomain": SERVICE}
        spec["podSpecPatch"] = to_argo(json.dumps(patch, ensure_ascii=False))
    return {**spec, "container": _container(task, pod, volumes), "volumes": volumes.volumes}


def _container(task: Task, pod: PodCommand, volumes: Volumes) -> Json:
    container: Json = {
        "image": to_argo(task.image),
        "imagePullPolicy": task.pull,
        "command": list(pod.argv[:2]),
        "args": [escape(word) for word in pod.argv[2:]],
        "workingDir": CODE,
        "env": _env(pod),
    }
    if resources := _resources(task):
        container["resources"] = resources
    return {**container, "volumeMounts": volumes.mounts}


def _env(pod: PodCommand) -> list[Json]:
    values = {name: escape(text) for name, text in pod.env.items()}
    texts = [*values.values(), *(escape(word) for word in pod.argv[2:])]
    brace = {BRACE: "{"} if needs_brace(texts) else {}
    return [{"name": name, "value": text} for name, text in {**brace, **values}.items()]


def _resources(task: Task) -> Json:
    amounts = {"cpu": task.argo.cpu, "memory": task.argo.memory}
    requests = {name: amount for name, amount in amounts.items() if amount}
    limits = {**requests, **({task.argo.gpu_resource: str(task.gpus)} if task.gpus else {})}
    return {
        **({"requests": requests} if requests else {}),
        **({"limits": limits} if limits else {}),
    }


def _inputs(task: Task, artifacts: Sequence[Json]) -> Json:
    inputs: Json = {}
    if task.parameters:
        inputs["parameters"] = [{"name": name} for name in task.parameters]
    known = {artifact["name"] for artifact in artifacts}
    from_steps = () if task.argo.outputs else task.step_inputs
    artifacts = [*artifacts, *({"name": name} for name in from_steps if name not in known)]
    if artifacts:
        inputs["artifacts"] = artifacts
    return {"inputs": inputs} if inputs else {}


def _output_artifacts(task: Task, pod: PodCommand) -> Iterator[Json]:
    """The artifacts that Argo keeps.

    They are all of ./outputs, and each output that a later step takes (from the first of several
    nodes).
    """
    all_outputs = "all-outputs" if "outputs" in task.used_outputs else "outputs"
    yield {"name": all_outputs, "path": OUTPUTS, "optional": True}
    for name in sorted(task.used_outputs) if pod.rank == 0 else ():
        is_file = task.job.outputs[name].is_file
        plain: Json = {"archive": {"none": {}}} if is_file else {}
        yield {"name": name, "path": f"{OUTPUTS}/{name}", **plain}
