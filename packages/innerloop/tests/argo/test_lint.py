"""The checks of manifests are themselves held against manifests that are wrong in one way each."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.argo.lint import SCHEMA, faults

pytestmark = pytest.mark.skipif(not SCHEMA.exists(), reason="the schema of Argo is not beside us")

RIGHT: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "Workflow",
    "metadata": {"name": "digits-1", "namespace": "ml", "labels": {"of": "digits"}},
    "spec": {
        "entrypoint": "main",
        "arguments": {"parameters": [{"name": "epochs", "value": "8", "enum": ["8", "16"]}]},
        "templates": [
            {
                "name": "main",
                "dag": {
                    "tasks": [
                        {
                            "name": "a",
                            "template": "pod",
                            "arguments": {"parameters": [{"name": "x", "value": "{{item.x}}"}]},
                            "withItems": [{"x": "1"}, {"x": "2"}],
                        },
                        {
                            "name": "b",
                            "template": "end",
                            "depends": "a",
                            "arguments": {
                                "artifacts": [
                                    {"name": "d", "from": "{{tasks.a.outputs.artifacts.out}}"}
                                ]
                            },
                        },
                    ]
                },
            },
            {
                "name": "pod",
                "inputs": {"parameters": [{"name": "x"}]},
                "outputs": {"artifacts": [{"name": "out", "path": "/out"}]},
                "container": {
                    "image": "i",
                    "command": ["bash", "-c"],
                    "args": ["echo {{inputs.parameters.x}} {{workflow.parameters.epochs}}"],
                    "env": [{"name": "A", "value": "{{workflow.name}}"}],
                    "resources": {"limits": {"memory": "2Gi"}},
                    "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
                },
                "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "2Gi"}}],
            },
            {
                "name": "end",
                "inputs": {"artifacts": [{"name": "d", "path": "/d"}]},
                "container": {"image": "i", "command": ["true"]},
            },
        ],
    },
}


def test_the_right_one_is_right() -> None:
    assert faults(RIGHT) == []


def _pod(m: Any) -> Any:
    return m["spec"]["templates"][1]


def _tasks(m: Any) -> Any:
    return m["spec"]["templates"][0]["dag"]["tasks"]


WRONG: dict[str, tuple[Callable[[Any], Any], str]] = {
    "kind": (lambda m: m.update(kind="Workflows"), "none of Argo's"),
    "unknown key of the spec": (lambda m: m["spec"].update(entryPoint="x"), "unknown key"),
    "unknown key of a container": (
        lambda m: _pod(m)["container"].update(imagePullpolicy="Always"),
        "container.imagePullpolicy: unknown key",
    ),
    "unknown key of a mount": (
        lambda m: _pod(m)["container"]["volumeMounts"][0].update(path="/x"),
        "volumeMounts.0.path: unknown key",
    ),
    "unknown key of a label's parent": (
        lambda m: m["metadata"].update(label={}),
        "metadata.label: unknown key",
    ),
    "a number for a text": (
        lambda m: _pod(m)["container"]["env"][0].update(value=8),
        "is not of type 'string'",
    ),
    "no entrypoint": (lambda m: m["spec"].pop("entrypoint"), "entrypoint: there is none"),
    "entrypoint to nothing": (
        lambda m: m["spec"].update(entrypoint="man"),
        "there is no template man",
    ),
    "a task calls nothing": (
        lambda m: _tasks(m)[0].update(template="pods"),
        "there is no template pods",
    ),
    "depends on nothing": (lambda m: _tasks(m)[1].update(depends="c"), "there is no task c"),
    "a task stands twice": (lambda m: _tasks(m)[1].update(name="a"), "a stands twice"),
    "a template stands twice": (lambda m: _pod(m).update(name="end"), "end stands twice"),
    "a template that is nothing": (lambda m: _pod(m).pop("container"), "it is nothing"),
    "unresolved parameter": (
        lambda m: _pod(m)["container"].update(args=["{{workflow.parameters.epoch}}"]),
        "{{workflow.parameters.epoch}} stands for nothing",
    ),
    "a person's own braces": (
        lambda m: _pod(m)["container"].update(args=["docker ps --format '{{ .Names }}'"]),
        "stands for nothing",
    ),
    "an open brace": (
        lambda m: _pod(m)["container"].update(args=["echo {{ a"]),
        "an open {{",
    ),
    "unresolved artifact": (
        lambda m: _tasks(m)[1]["arguments"]["artifacts"][0].update(
            {"from": "{{tasks.a.outputs.artifacts.model}}"}
        ),
        "stands for nothing",
    ),
    "an artifact of a task that is not waited for": (
        lambda m: _tasks(m)[1].pop("depends"),
        "stands for nothing",
    ),
    "an argument is lacking": (
        lambda m: _tasks(m)[0].update(arguments={}),
        "x is not given",
    ),
    "an argument too many": (
        lambda m: _tasks(m)[0]["arguments"]["parameters"].append({"name": "y", "value": "1"}),
        "pod takes no y",
    ),
    "an item's number": (
        lambda m: _tasks(m)[0].update(withItems=[{"x": 1}]),
        "a value is no text",
    ),
    "value not in enum": (
        lambda m: m["spec"]["arguments"]["parameters"][0].update(value="9"),
        "not among its enum",
    ),
    "capital in the name": (lambda m: m["metadata"].update(name="Digits"), "is no name"),
    "underscore in the name": (lambda m: m["metadata"].update(name="my_run"), "is no name"),
    "long name": (lambda m: m["metadata"].update(name="a" * 64), "is no name"),
    "namespace": (lambda m: m["metadata"].update(namespace="ml.x"), "is no label"),
    "label": (lambda m: m["metadata"]["labels"].update(of="a/b"), "no value of a label"),
    "name of a template": (lambda m: _pod(m).update(name="Pod_1"), "no name of a template"),
    "no such volume": (
        lambda m: _pod(m).update(volumes=[]),
        "there is no volume shm",
    ),
    "a volume mounted nowhere": (
        lambda m: _pod(m)["volumes"].append({"name": "more", "emptyDir": {}}),
        "more is mounted nowhere",
    ),
    "two mounts at one place": (
        lambda m: _pod(m)["container"]["volumeMounts"].append(
            {"name": "shm", "mountPath": "/dev/shm"}
        ),
        "/dev/shm stands twice",
    ),
    "docker's size": (
        lambda m: _pod(m)["volumes"][0]["emptyDir"].update(sizeLimit="2g"),
        "'2g' is no quantity",
    ),
    "a quantity that is a number": (
        lambda m: _pod(m)["container"]["resources"]["limits"].update({"nvidia.com/gpu": 1}),
        "is no text",
    ),
    "a variable stands twice": (
        lambda m: _pod(m)["container"]["env"].append({"name": "A", "value": "2"}),
        "A stands twice",
    ),
    "no command": (lambda m: _pod(m)["container"].pop("command"), "the emissary needs"),
}


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_one_is_found(name: str) -> None:
    change, expected = WRONG[name]
    manifest = copy.deepcopy(RIGHT)
    change(manifest)
    found = faults(manifest)
    assert any(expected in one for one in found), found


CRON: dict[str, Any] = {
    "apiVersion": "argoproj.io/v1alpha1",
    "kind": "CronWorkflow",
    "metadata": {"name": "digits"},
    "spec": {
        "schedules": ["0 3 * * 1"],
        "timezone": "UTC",
        "concurrencyPolicy": "Forbid",
        "workflowSpec": {"workflowTemplateRef": {"name": "digits"}},
    },
}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"schedules": ["0 3 * *"]}, "has not five fields"),
        ({"concurrencyPolicy": "Never"}, "is none"),
        ({"workflowSpec": {}}, "it starts nothing"),
        ({"schedule": "0 3 * * 1"}, "unknown key"),
    ],
)
def test_wrong_schedules_are_found(change: dict[str, Any], expected: str) -> None:
    assert faults(CRON) == []
    wrong = {**CRON, "spec": {**CRON["spec"], **change}}
    assert any(expected in one for one in faults(wrong)), faults(wrong)
    assert faults({**CRON, "metadata": {"name": "a" * 53}}) != []
