"""What is wrong with a manifest of Argo Workflows.

The kind's own definition, and what that lets through. A schema cannot say that a template is there
which another one calls, that a `{{...}}` stands for something, or that a volume that is mounted
exists; and it takes keys that nobody knows.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema

from tests.support import ROOT

SCHEMA = ROOT.parent / "shared" / "schemas" / "argo" / "argo-workflows-schema.json"
ARGO = "io.argoproj.workflow.v1alpha1."
KINDS = ("Workflow", "WorkflowTemplate", "CronWorkflow")
Json = dict[str, Any]

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_QUANTITY = re.compile(r"(\d+(\.\d*)?|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?")
_TAG = re.compile(r"\{\{([^{}]*)\}\}")
_WHOLE_NAMES = ("workflow.name", "workflow.namespace", "workflow.uid", "workflow.creationTimestamp")


@cache
def _definitions() -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["definitions"]
    return found


def faults(manifest: Any) -> list[str]:
    """Every fault, with its place; none for a manifest that a cluster takes."""
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    if kind not in KINDS or manifest.get("apiVersion") != "argoproj.io/v1alpha1":
        return [f"kind: {kind} of {manifest.get('apiVersion')} is none of Argo's"]
    found = [*_by_schema(manifest, ARGO + kind), *_unknown(manifest, ARGO + kind, kind)]
    found += _names(manifest, kind)
    spec = manifest["spec"]
    if kind == "CronWorkflow":
        found += _cron(spec)
        spec = spec.get("workflowSpec", {})
        if "workflowTemplateRef" in spec:
            return found
    return found + list(_spec(spec, f"{kind}.spec"))


def _by_schema(value: Any, name: str) -> Iterator[str]:
    schema = {"$ref": f"#/definitions/{name}", "definitions": _definitions()}
    for error in jsonschema.Draft7Validator(schema).iter_errors(value):
        yield f"{'.'.join(map(str, error.absolute_path))}: {error.message}"


def _unknown(value: Any, name: str, at: str) -> Iterator[str]:
    """Keys that the definition does not know, at every level."""
    definition = _definitions().get(name, {})
    known = definition.get("properties")
    if not isinstance(value, dict) or known is None:
        return
    for key, one in value.items():
        if key not in known:
            yield f"{at}.{key}: unknown key"
            continue
        yield from _below(one, known[key], f"{at}.{key}")


def _below(value: Any, rule: Mapping[str, Any], at: str) -> Iterator[str]:
    if "$ref" in rule:
        yield from _unknown(value, rule["$ref"].rpartition("/")[2], at)
    elif isinstance(value, list) and "items" in rule:
        for number, one in enumerate(value):
            yield from _below(one, rule["items"], f"{at}.{number}")
    elif isinstance(value, dict) and isinstance(rule.get("additionalProperties"), dict):
        for key, one in value.items():
            yield from _below(one, rule["additionalProperties"], f"{at}.{key}")


def _names(manifest: Json, kind: str) -> Iterator[str]:
    name = manifest["metadata"].get("name", "")
    longest = 52 if kind == "CronWorkflow" else 63
    if not _SUBDOMAIN.fullmatch(name) or len(name) > longest:
        yield f"metadata.name: {name!r} is no name of at most {longest} characters"
    namespace = manifest["metadata"].get("namespace")
    if namespace is not None and (not _LABEL.fullmatch(namespace) or len(namespace) > 63):
        yield f"metadata.namespace: {namespace!r} is no label"
    for key, value in manifest["metadata"].get("labels", {}).items():
        if not re.fullmatch(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?", value):
            yield f"metadata.labels.{key}: {value!r} is no value of a label"


def _cron(spec: Json) -> Iterator[str]:
    for one in spec.get("schedules", []):
        if len(one.split()) != 5:
            yield f"spec.schedules: {one!r} has not five fields"
    if spec.get("concurrencyPolicy", "Allow") not in ("Allow", "Forbid", "Replace"):
        yield f"spec.concurrencyPolicy: {spec['concurrencyPolicy']} is none"
    if not spec.get("workflowSpec"):
        yield "spec.workflowSpec: it starts nothing"
    yield from _twice(spec.get("workflowSpec", {}).get("arguments", {}).get("parameters"), "spec")


def _twice(items: Any, at: str, key: str = "name") -> Iterator[str]:
    seen: set[str] = set()
    for one in items or []:
        if one.get(key) in seen:
            yield f"{at}: {one[key]} stands twice"
        seen.add(one.get(key))


def _spec(spec: Json, at: str) -> Iterator[str]:
    templates = spec.get("templates", [])
    by_name = {one.get("name"): one for one in templates}
    if not spec.get("entrypoint"):
        yield f"{at}.entrypoint: there is none"
    elif spec["entrypoint"] not in by_name:
        yield f"{at}.entrypoint: there is no template {spec['entrypoint']}"
    yield from _twice(templates, f"{at}.templates")
    parameters = spec.get("arguments", {}).get("parameters", [])
    yield from _twice(parameters, f"{at}.arguments.parameters")
    known = {*_WHOLE_NAMES, *(f"workflow.parameters.{one['name']}" for one in parameters)}
    for one in parameters:
        if "enum" in one and one.get("value") not in one["enum"]:
            yield f"{at}.arguments.parameters.{one['name']}: its value is not among its enum"
        if not re.fullmatch(r"[-a-zA-Z0-9_]+", one["name"]):
            yield f"{at}.arguments.parameters: {one['name']!r} is no name of a parameter"
    for one in templates:
        yield from _template(one, by_name, known, f"{at}.templates.{one.get('name')}")


def _template(template: Json, by_name: Json, known: set[str], at: str) -> Iterator[str]:
    if not _LABEL.fullmatch(template.get("name", "")) or len(template["name"]) > 63:
        yield f"{at}: {template.get('name')!r} is no name of a template"
    kinds = [k for k in ("container", "dag", "steps", "resource", "script") if k in template]
    if len(kinds) != 1:
        yield f"{at}: it is {' and '.join(kinds) or 'nothing'}"
    inputs = template.get("inputs", {})
    for kind in ("parameters", "artifacts"):
        yield from _twice(inputs.get(kind), f"{at}.inputs.{kind}")
        yield from _twice(template.get("outputs", {}).get(kind), f"{at}.outputs.{kind}")
    own = {f"inputs.parameters.{one['name']}" for one in inputs.get("parameters", [])}
    own |= {f"inputs.artifacts.{one['name']}" for one in inputs.get("artifacts", [])}
    if "dag" in template:
        yield from _dag(template["dag"], by_name, known | own, f"{at}.dag")
        made = {
            f"tasks.{task['name']}.outputs.artifacts.{one['name']}"
            for task in template["dag"].get("tasks", [])
            for one in _outputs_of(by_name.get(task.get("template"), {}))
        }
        yield from _tags(template.get("outputs", {}), made, f"{at}.outputs")
        return
    yield from _tags(template, known | own | {"pod.name"}, at)
    if "container" in template:
        yield from _container(template, at)


def _outputs_of(template: Json) -> list[Json]:
    found: list[Json] = template.get("outputs", {}).get("artifacts", [])
    return found


def _tags(value: Any, known: set[str], at: str) -> Iterator[str]:
    if isinstance(value, str):
        for tag in _TAG.findall(value):
            if tag.strip() not in known:
                yield f"{at}: {{{{{tag}}}}} stands for nothing"
        rest = _TAG.sub("", value)
        if "{{" in rest:
            yield f"{at}: an open {{{{ in {value!r}"
    items = value.items() if isinstance(value, dict) else ()
    for key, one in [*items, *(enumerate(value) if isinstance(value, list) else ())]:
        yield from _tags(one, known, f"{at}.{key}")


def _dag(dag: Json, by_name: Json, known: set[str], at: str) -> Iterator[str]:
    tasks = {one.get("name"): one for one in dag.get("tasks", [])}
    if not tasks:
        yield f"{at}.tasks: there are none"
    yield from _twice(dag.get("tasks"), f"{at}.tasks")
    for name, task in tasks.items():
        here = f"{at}.tasks.{name}"
        called = by_name.get(task.get("template"))
        if called is None:
            yield f"{here}.template: there is no template {task.get('template')}"
            continue
        needed = set(re.findall(r"[\w.-]+", task.get("depends", ""))) | {
            *task.get("dependencies", [])
        }
        for other in sorted(needed - set(tasks)):
            yield f"{here}.depends: there is no task {other}"
        visible = known | {
            f"tasks.{other}.outputs.artifacts.{one['name']}"
            for other in needed & set(tasks)
            for one in _outputs_of(by_name.get(tasks[other].get("template"), {}))
        }
        for number, item in enumerate(task.get("withItems", [])):
            visible |= {f"item.{key}" for key in item} if isinstance(item, dict) else {"item"}
            if isinstance(item, dict) and not all(isinstance(one, str) for one in item.values()):
                yield f"{here}.withItems.{number}: a value is no text"
        yield from _tags(task.get("arguments", {}), visible, f"{here}.arguments")
        yield from _arguments(task, called, here)


def _arguments(task: Json, called: Json, at: str) -> Iterator[str]:
    for kind in ("parameters", "artifacts"):
        given = {one["name"] for one in task.get("arguments", {}).get(kind, [])}
        wanted = called.get("inputs", {}).get(kind, [])
        located = {"s3", "gcs", "azure", "http", "git", "oss", "hdfs", "raw"}
        must = {
            one["name"]
            for one in wanted
            if not {"value", "default", "optional"} & set(one) and not located & set(one)
        }
        for name in sorted(must - given):
            yield f"{at}.arguments.{kind}: {name} is not given"
        for name in sorted(given - {one["name"] for one in wanted}):
            yield f"{at}.arguments.{kind}: {called['name']} takes no {name}"


def _container(template: Json, at: str) -> Iterator[str]:
    container = template["container"]
    volumes = {one.get("name") for one in template.get("volumes", [])}
    yield from _twice(template.get("volumes"), f"{at}.volumes")
    yield from _twice(container.get("env"), f"{at}.container.env")
    yield from _twice(container.get("volumeMounts"), f"{at}.volumeMounts", "mountPath")
    if not container.get("image"):
        yield f"{at}.container.image: there is none"
    if not container.get("command"):
        yield f"{at}.container.command: there is none, which the emissary needs"
    for one in container.get("env", []):
        if not isinstance(one.get("value"), str):
            yield f"{at}.container.env.{one.get('name')}: no text"
        if not re.fullmatch(r"[-._a-zA-Z][-._a-zA-Z0-9]*", one.get("name", "")):
            yield f"{at}.container.env: {one.get('name')!r} is no name of a variable"
    mounted = {one.get("name") for one in container.get("volumeMounts", [])}
    for name in sorted(mounted - volumes):
        yield f"{at}.container.volumeMounts: there is no volume {name}"
    for name in sorted(volumes - mounted):
        yield f"{at}.volumes: {name} is mounted nowhere"
    for one in container.get("volumeMounts", []):
        if not one.get("mountPath", "").startswith("/") or one.get("subPath", "").startswith("/"):
            yield f"{at}.container.volumeMounts: {one} is no mount"
    for one in template.get("volumes", []):
        if not _LABEL.fullmatch(one.get("name", "")):
            yield f"{at}.volumes: {one.get('name')!r} is no name of a volume"
        if (size := one.get("emptyDir", {}).get("sizeLimit")) is not None:
            yield from _quantity(size, f"{at}.volumes.{one['name']}.sizeLimit")
    for group, amounts in container.get("resources", {}).items():
        for name, amount in amounts.items():
            yield from _quantity(amount, f"{at}.container.resources.{group}.{name}")


def _quantity(value: Any, at: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{at}: {value!r} is no text"
    elif not _QUANTITY.fullmatch(value):
        yield f"{at}: {value!r} is no quantity"
