"""A task of a workflow that runs in its own pods: the job, one trial of it, or a pipeline's step."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import field

from ..model.jobs.job import Input, Job
from ..model.settings.argo_settings import ArgoSetting, Artifact, Store, Volume
from ..model.settings.settings import Settings
from ..util.quick_dataclasses import dataclass

# The folder of the code in a run's image, where the command starts.
CODE = "/code"
OUTPUTS = f"{CODE}/outputs"
INPUTS = "/mnt/inputs"


@dataclass(frozen=True, slots=True)
class StepInput:
    """An input that is an output of an earlier step's task."""

    task: str
    output: str
    is_file: bool

    @property
    def folder(self) -> str:
        """The path below the folder of all outputs ("prep/clean")."""
        return f"{self.task}/{self.output}"


@dataclass(frozen=True, slots=True)
class Task:
    """`name` is the template's. Strings may contain placeholders (see escaping).

    image, pull: the image of the pods, and its pull policy.
    run_id: the run's own name.
    folder: of its outputs, below the workflow's ("" for the job itself).
    step_inputs: inputs that are outputs of earlier steps.
    used_outputs: outputs that later steps take.
    parameters: of the template.
    """

    name: str
    job: Job
    image: str
    settings: Settings
    argo: ArgoSetting
    run_id: str
    pull: str = "IfNotPresent"
    folder: str = ""
    search_space: Mapping[str, str] = field(default_factory=dict)
    step_inputs: Mapping[str, StepInput] = field(default_factory=dict)
    used_outputs: frozenset[str] = frozenset()
    parameters: tuple[str, ...] = ()

    @property
    def data(self) -> dict[str, Input]:
        """The inputs that are a path in the pod."""
        return {
            name: input_
            for name, input_ in self.job.inputs.items()
            if name in self.step_inputs
            or (input_.kind == "data" and input_.has_value and not input_.passes_uri)
        }

    @property
    def gpus(self) -> int:
        """GPUs of each pod.

        A pod waits until it gets them: with gpu = "auto" it requests none unless [argo] has a
        count. Which ones they are is the cluster's choice.
        """
        if self.settings.gpu.kind == "none":
            return 0
        if self.argo.gpus is not None:
            return self.argo.gpus
        if chosen := self.settings.gpu.count or len(self.settings.gpu.devices):
            return chosen
        return self.job.processes if self.settings.gpu.is_required else 0

    def path_of(self, name: str) -> str:
        """The path of an input in the pod. A file keeps its name, because programs use its ending."""
        input_, folder = self.job.inputs[name], f"{INPUTS}/{name}"
        if name in self.step_inputs:
            return (
                f"{folder}/{self.step_inputs[name].output}"
                if self.step_inputs[name].is_file
                else folder
            )
        last = posixpath.basename(re.sub(r"[?#].*", "", input_.path or "").rstrip("/"))
        return f"{folder}/{last.partition(':')[0] or name}" if input_.type == "uri_file" else folder

    def store_of(self, name: str) -> Store | None:
        """Where the input's data are in the cluster; None if that is unknown.

        The place is in [argo.data], or is a URL that Argo downloads.
        """
        input_ = self.job.inputs[name]
        for key in (name, input_.origin):
            if key in self.argo.data:
                return self.argo.data[key]
        if input_.type == "uri_file" and re.match(r"https?://", input_.path or ""):
            return Artifact({"http": {"url": input_.path}})
        return Volume({"emptyDir": {}}) if self.creates(name) else None

    def creates(self, name: str) -> bool:
        """Whether the program creates the data itself (`create = true` in innerloop.toml)."""
        setting = self.settings.data.get(name)
        return setting is not None and setting.create
