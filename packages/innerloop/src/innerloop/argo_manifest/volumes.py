"""A pod's volumes and where each is mounted, and what Argo fetches for it."""

from __future__ import annotations

import posixpath
from typing import Any

from ..model import k8s_quantity
from ..model.lint.argo_rules import data_location_missing
from ..model.settings.argo_settings import Artifact
from .escaping import placeholder, to_argo
from .task import OUTPUTS, Part

Json = dict[str, Any]


class Volumes:
    """What a pod sees beside its image, in the words of a manifest."""

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
        size = k8s_quantity.of_docker(self.part.job.shm_size) or "2Gi"
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
        return posixpath.join(base, placeholder("workflow.name"), more or self.part.folder).rstrip(
            "/"
        )

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
            raise data_location_missing(part.job, name)
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
                **({"subPath": to_argo(below)} if below else {}),
                **({"readOnly": True} if read_only else {}),
            }
        )
