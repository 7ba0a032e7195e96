"""Reads a Workflow's manifest: what its pods run and mount.

Reports use the manifest, not the values that it was made from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..model import k8s_quantity
from ..util.quick_dataclasses import dataclass
from .escaping import argo_expand, kubelet_expand


@dataclass(frozen=True, slots=True)
class PodMount:
    """`source` is a description ("claim datasets/images", "s3 images"), `target` a path in the pod."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod as its program sees it; `env` is expanded by the kubelet."""

    template: str
    argv: tuple[str, ...]
    command: str
    cwd: str
    env: Mapping[str, str]
    image: str
    shm: str
    mounts: tuple[PodMount, ...]


def pods(manifest: Mapping[str, Any]) -> list[Pod]:
    name = str(manifest["metadata"].get("name", ""))
    spec = argo_expand(manifest["spec"], {"workflow.name": name})
    return [_pod(template) for template in spec["templates"] if "container" in template]


def _pod(template: Mapping[str, Any]) -> Pod:
    container = template["container"]
    env: dict[str, str] = {}
    for variable in container["env"]:
        env[variable["name"]] = kubelet_expand(variable["value"], env)
    arguments = [kubelet_expand(word, env) for word in container["args"]]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in template["volumes"]}
    shm = volumes.get(mounts.get("/dev/shm", ""), {}).get("emptyDir", {})
    return Pod(
        template["name"],
        (*container["command"], *arguments),
        # With several processes, the command follows the script that starts them.
        arguments[2] if len(arguments) > 2 else arguments[0],
        container["workingDir"],
        {name: text for name, text in env.items() if name != "INNERLOOP_BRACE"},
        container["image"],
        k8s_quantity.to_docker(shm.get("sizeLimit", "")),
        tuple(_mounted(template, volumes)),
    )


def _mounted(template: Mapping[str, Any], volumes: Mapping[str, Any]) -> Iterator[PodMount]:
    for mount in template["container"]["volumeMounts"]:
        source = _described(volumes[mount["name"]])
        below = f"/{mount['subPath']}" if mount.get("subPath") else ""
        yield PodMount(f"{source}{below}", mount["mountPath"], mount.get("readOnly", False))
    for artifact in template.get("inputs", {}).get("artifacts", []):
        kinds = [key for key in artifact if key not in ("name", "path", "archive")]
        source = (
            f"{kinds[0]} {_address(artifact[kinds[0]])}" if kinds else "an earlier step's output"
        )
        yield PodMount(source, artifact.get("path", ""))


def _described(volume: Mapping[str, Any]) -> str:
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
