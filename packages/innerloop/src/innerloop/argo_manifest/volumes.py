"""A pod's volumes and mounts, and the artifacts that Argo downloads for it."""

from __future__ import annotations

import posixpath
from typing import Any

from ..model import k8s_quantity
from ..model.lint.argo_rules import data_location_missing
from ..model.settings.argo_settings import Artifact
from .escaping import placeholder, to_argo
from .task import OUTPUTS, Task

Json = dict[str, Any]


class Volumes:
    """The `volumes`, `mounts` and `artifacts` of a task's pods, as in a manifest."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.volumes: list[Json] = []
        self.mounts: list[Json] = []
        self.artifacts: list[Json] = []
        self._shared_memory()
        self._outputs()
        for name in task.data:
            self._input(name)

    def _shared_memory(self) -> None:
        size = k8s_quantity.of_docker(self.task.job.shm_size) or "2Gi"
        self._volume("shm", {"emptyDir": {"medium": "Memory", "sizeLimit": size}})
        self.mounts.append({"name": "shm", "mountPath": "/dev/shm"})

    def _outputs(self) -> None:
        """./outputs, and the folder of each output in it, which the kubelet creates."""
        store = self.task.argo.outputs
        self._volume("outputs", dict(store.source) if store else {"emptyDir": {}})
        below = self._volume_path("") if store else ""
        self._mount("outputs", OUTPUTS, below)
        for name, output in self.task.job.outputs.items():
            if not output.is_file:
                self._mount("outputs", f"{OUTPUTS}/{name}", posixpath.join(below, name))

    def _volume_path(self, folder: str) -> str:
        """The path of a task's outputs in the volume of all outputs; "" for this task's."""
        store = self.task.argo.outputs
        base = store.path if store else ""
        return posixpath.join(
            base, placeholder("workflow.name"), folder or self.task.folder
        ).rstrip("/")

    def _input(self, name: str) -> None:
        task, path = self.task, self.task.path_of(name)
        if name in task.step_inputs:
            if task.argo.outputs:
                self._mount(
                    "outputs",
                    path,
                    self._volume_path(task.step_inputs[name].folder),
                    read_only=True,
                )
            else:
                self.artifacts.append({"name": name, "path": path})
            return
        store = task.store_of(name)
        if store is None:
            raise data_location_missing(task.job, name)
        if isinstance(store, Artifact):
            plain: Json = (
                {"archive": {"none": {}}} if task.job.inputs[name].type == "uri_file" else {}
            )
            self.artifacts.append({"name": name, "path": path, **plain, **store.source})
            return
        volume = self._volume(f"input-{len(self.volumes)}", dict(store.source))
        writable = task.creates(name) or task.job.inputs[name].mode in ("rw_mount", "download")
        self._mount(volume, path, store.path, read_only=not writable)

    def _volume(self, name: str, source: Json) -> str:
        """The volume's name. Inputs with the same source share a volume, unless it is an emptyDir."""
        for volume in self.volumes if "emptyDir" not in source else ():
            if {key: value for key, value in volume.items() if key != "name"} == source:
                return str(volume["name"])
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
