"""What runs in a pod of its own: the job, one trial of it, or a pipeline's step."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..model.jobs.job import Input, Job
from ..model.settings.argo_settings import ArgoSetting, Artifact, Store, Volume
from ..model.settings.settings import Settings

# Where the image of a run has the code; the command begins there.
CODE = "/code"
OUTPUTS = f"{CODE}/outputs"
INPUTS = "/mnt/inputs"


@dataclass(frozen=True, slots=True)
class Handed:
    """An input that an earlier step makes: the task that it is, its output, and where that is below
    the folder of all outputs ("prep/clean")."""

    task: str
    output: str
    is_file: bool

    @property
    def folder(self) -> str:
        return f"{self.task}/{self.output}"


@dataclass(frozen=True, slots=True)
class Part:
    """`name` is the template's. `image` is what the pods start from, `pull` when to ask the
    registry for it. `run_id` is the run's own name, `folder` where its outputs are below that of
    the workflow ("" for the job itself). `handed`: inputs that earlier steps make; `taken`: outputs
    that later ones take. `needs`: parameters that the template is called with. All texts may hold
    marks."""

    name: str
    job: Job
    image: str
    settings: Settings
    argo: ArgoSetting
    run_id: str
    pull: str = "IfNotPresent"
    folder: str = ""
    search_space: Mapping[str, str] = field(default_factory=dict)
    handed: Mapping[str, Handed] = field(default_factory=dict)
    taken: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()

    @property
    def data(self) -> dict[str, Input]:
        """The inputs that are a path in the pod."""
        return {
            name: one
            for name, one in self.job.inputs.items()
            if name in self.handed or (one.kind == "data" and one.has_value and not one.passes_uri)
        }

    @property
    def gpus(self) -> int:
        """Of each pod. A pod gets what it asks for, or waits: with gpu = "auto" nothing is asked
        for unless [argo] says how many."""
        if self.settings.gpu == "none":
            return 0
        if self.argo.gpus is not None:
            return self.argo.gpus
        distribution = self.job.distribution
        each = distribution.process_count_per_instance if distribution else 1
        return each if self.settings.gpu == "all" else 0

    def path_of(self, name: str) -> str:
        """Where an input is in the pod. A file keeps its name, by which programs know its kind."""
        one, folder = self.job.inputs[name], f"{INPUTS}/{name}"
        if name in self.handed:
            return f"{folder}/{self.handed[name].output}" if self.handed[name].is_file else folder
        last = posixpath.basename(re.sub(r"[?#].*", "", one.path or "").rstrip("/"))
        return f"{folder}/{last.partition(':')[0] or name}" if one.type == "uri_file" else folder

    def store_of(self, name: str) -> Store | None:
        """Where its data are in the cluster: as [argo.data] says, or by an address that Argo can
        fetch as it is."""
        one = self.job.inputs[name]
        for key in (name, one.origin):
            if key in self.argo.data:
                return self.argo.data[key]
        if one.type == "uri_file" and re.match(r"https?://", one.path or ""):
            return Artifact({"http": {"url": one.path}})
        return Volume({"emptyDir": {}}) if self.fills(name) else None

    def fills(self, name: str) -> bool:
        """Whether the program fills the folder itself (`create = true` in innerloop.toml)."""
        setting = self.settings.data.get(name)
        return setting is not None and setting.create
