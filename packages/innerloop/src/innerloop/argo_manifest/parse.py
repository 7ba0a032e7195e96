"""A Workflow's manifest read again: what its pods really do. Whatever is said of a Workflow is said
of the manifest, never of what it was made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..model import k8s_quantity
from .escaping import argo_expand, kubelet_expand


@dataclass(frozen=True, slots=True)
class Mounted:
    """`source` in words ("claim datasets/images", "s3 key images"), where it appears, and whether it
    can be written."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as its program sees it; `env` with what the kubelet fills in."""

    template: str
    argv: tuple[str, ...]
    command: str
    cwd: str
    env: Mapping[str, str]
    image: str
    shm: str
    mounts: tuple[Mounted, ...]


def pods(manifest: Mapping[str, Any]) -> list[Pod]:
    name = str(manifest["metadata"].get("name", ""))
    spec = argo_expand(manifest["spec"], {"workflow.name": name})
    return [_pod(one) for one in spec["templates"] if "container" in one]


def _pod(template: Mapping[str, Any]) -> Pod:
    container = template["container"]
    env: dict[str, str] = {}
    for one in container["env"]:
        env[one["name"]] = kubelet_expand(one["value"], env)
    arguments = [kubelet_expand(word, env) for word in container["args"]]
    mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
    volumes = {one["name"]: one for one in template["volumes"]}
    shm = volumes.get(mounts.get("/dev/shm", ""), {}).get("emptyDir", {})
    return Pod(
        template["name"],
        (*container["command"], *arguments),
        # Of several processes the text stands behind the program that starts them.
        arguments[2] if len(arguments) > 2 else arguments[0],
        container["workingDir"],
        {name: text for name, text in env.items() if name != "INNERLOOP_BRACE"},
        container["image"],
        k8s_quantity.to_docker(shm.get("sizeLimit", "")),
        tuple(_mounted(template, volumes)),
    )


def _mounted(template: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[Mounted]:
    for one in template["container"]["volumeMounts"]:
        words = _words(volumes[one["name"]])
        below = f"/{one['subPath']}" if one.get("subPath") else ""
        yield Mounted(f"{words}{below}", one["mountPath"], one.get("readOnly", False))
    for one in template.get("inputs", {}).get("artifacts", []):
        kinds = [key for key in one if key not in ("name", "path", "archive")]
        what = f"{kinds[0]} {_address(one[kinds[0]])}" if kinds else "an earlier step's output"
        yield Mounted(what, one.get("path", ""))


def _words(volume: Mapping[str, Any]) -> str:
    (kind,) = (key for key in volume if key != "name")
    value = volume[kind]
    if kind == "persistentVolumeClaim":
        return f"claim {value['claimName']}"
    if kind == "nfs":
        return f"nfs {value['server']}:{value['path']}"
    if kind == "hostPath":
        return f"host_path {value['path']}"
    return "memory" if value.get("medium") == "Memory" else "the pod's own disk"


def _address(source: Mapping[str, Any]) -> str:
    keys = ("bucket", "container", "key", "blob", "url", "repo", "path")
    return "/".join(str(source[key]) for key in keys if source.get(key))
