"""What each key of a job file means, and which values it takes: completion, hover and the schema.

Which keys there are is in `known_keys`; here each has one line about what it does, on Azure ML and
on this machine. Source: CLI (v2) YAML schemas of command, sweep and pipeline jobs and components.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from ...util.quick_dataclasses import dataclass
from .job import DATA_TYPES, LITERAL_TYPES
from .known_keys import COMPONENT, COMPONENT_INPUT, INPUT, OUTPUT, SERVICE, STEP, known_below

FileKind = Literal["command", "sweep", "pipeline", "component"]
Shape = Literal["text", "number", "boolean", "mapping", "list", "any"]

SCHEMA = "https://azuremlschemas.azureedge.net/latest/{}.schema.json"
_BUILD = "Folder of the environment's Dockerfile, relative to this file: the build context"
_MODE = "How the data reach the program. On this machine they are always a path, except with direct"

# By the place of the mapping ("" is the top of a file) and the key; "*" for every place.
_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "": {
        "$schema": "Azure ML's schema of this file: it also says what kind of job this is",
        "type": "The kind of job: command, sweep or pipeline",
        "name": "The job's own name on Azure ML. Leave it out: a name can be used only once",
        "display_name": "The name that Azure ML's studio shows",
        "experiment_name": "The experiment on Azure ML that the job is listed under",
        "description": "What the job is for, in words",
        "tags": "Names and values to find the job by; values are strings",
        "properties": "Names and values that never change; values are strings",
        "compute": "Where Azure ML runs it: azureml:NAME. This machine ignores it",
        "identity": "Whose rights the job has on Azure ML",
        "services": "Ports of the job that can be opened: TensorBoard, JupyterLab, SSH",
        "inputs": "Values and data of the command: ${{inputs.NAME}}",
        "outputs": "Folders or files that the command writes: ${{outputs.NAME}}",
        "command": "What runs, in bash, in the folder that code names",
        "code": "The folder that is sent and mounted, relative to this file: it becomes the working directory",
        "environment": "What the job needs: a Dockerfile's folder, an image, or azureml:NAME:VERSION",
        "environment_variables": "Variables of the program; values are strings",
        "distribution": "Several processes: pytorch, mpi, tensorflow or ray",
        "resources": "Number of machines, shared memory and options of the container",
        "limits": "Time limits, and the number of trials of a sweep",
        "queue_settings": "Tier and priority of serverless compute",
        "parent_job_name": "The job on Azure ML that this one belongs to",
        "trial": "The job that each trial runs: command, code and environment",
        "search_space": "A distribution for each value that the sweep varies: ${{search_space.NAME}}",
        "sampling_algorithm": "How trials choose their values: random, grid or bayesian",
        "objective": "The metric that tells the best trial",
        "early_termination": "The policy that ends bad trials early",
        "jobs": "The steps, each a job with a name",
        "component": "The component that the step runs: a file, or azureml:NAME:VERSION",
        "settings": "Defaults of the steps",
        "comment": "A note about the step",
        "version": "The component's version when it is registered",
        "is_deterministic": "Whether the same inputs give the same outputs: then Azure ML reuses them",
        "additional_includes": "Files and folders outside of code that are sent as well",
    },
    "resources": {
        "instance_count": "Number of machines. It is 1 here",
        "instance_type": "Size of the machine, for serverless compute and Kubernetes",
        "shm_size": "Shared memory of the container, as 2g: data loaders with workers need it",
        "docker_args": "Options of docker run, as on a command line",
        "properties": "Settings of the compute",
        "locations": "Regions of serverless compute",
        "max_instance_count": "The largest number of machines, for elastic training",
    },
    "limits": {
        "timeout": "Seconds after which the job ends; of a sweep, all trials together",
        "max_total_trials": "Number of trials",
        "max_concurrent_trials": "Trials that run at the same time",
        "trial_timeout": "Seconds after which one trial ends",
    },
    "distribution": {
        "type": "The framework that connects the processes",
        "process_count_per_instance": "Processes on each machine: usually its number of GPUs",
        "worker_count": "Workers of TensorFlow",
        "parameter_server_count": "Parameter servers of TensorFlow",
        "port": "Port of Ray's head",
        "address": "Address of Ray's head",
        "include_dashboard": "Whether Ray starts its dashboard",
        "dashboard_port": "Port of Ray's dashboard",
        "head_node_additional_args": "More arguments of Ray's head",
        "worker_node_additional_args": "More arguments of Ray's workers",
    },
    "settings": {
        "default_compute": "The compute of steps that name none: azureml:NAME",
        "default_datastore": "The datastore of outputs that name none",
        "continue_on_step_failure": "Whether other steps go on when one fails",
        "force_rerun": "Whether steps run that could be reused",
    },
    "queue_settings": {
        "job_tier": "Price and priority of serverless compute; spot can be interrupted",
        "priority": "Place in the queue",
    },
    "objective": {
        "goal": "Whether a larger or a smaller metric is better",
        "primary_metric": "The metric's name, as the program logs it",
    },
    "build": {
        "path": _BUILD,
        "dockerfile_path": "The Dockerfile in that folder, if it has another name",
    },
    "environment": {
        "name": "The environment's name when it is registered",
        "version": "The environment's version when it is registered",
        "image": "The image, as docker pull names it",
        "build": "A folder with a Dockerfile, built here and on Azure ML",
        "conda_file": "Conda packages that are added to the image: a file, or the list itself",
        "description": "What the environment is for, in words",
        "tags": "Names and values to find the environment by",
        "os_type": "The system of the image",
        "inference_config": "Routes of a server in the image",
        "datastore": "Where the build context is kept",
        "id": "The identifier that Azure ML gives it",
        "auto_delete_setting": "When Azure ML deletes it",
    },
    "input": {
        "type": "What the input is: data of this kind, or a plain value",
        "path": "The data: azureml:NAME:VERSION, a datastore's path, a URL, or a path beside this file",
        "mode": _MODE,
        "value": "The plain value",
        "path_on_compute": "Where the data are mounted on Azure ML",
        "datastore": "The datastore of the data",
        "default": "The value of a step that sets none",
        "optional": "Whether a step may leave it out: $[[--x ${{inputs.x}}]]",
        "description": "What the input is for, in words",
        "min": "The smallest number that is allowed",
        "max": "The largest number that is allowed",
        "enum": "The values that are allowed",
    },
    "output": {
        "type": "uri_folder (a folder to write into), uri_file (a file to write) or another kind",
        "path": "Where Azure ML keeps it: a datastore's path. Here it is in outputs/",
        "mode": "How Azure ML stores it",
        "name": "Register it as data by this name",
        "version": "The version of the registered data",
    },
    "service": {
        "type": "What answers at the port",
        "port": "The port; here it answers on 127.0.0.1",
        "nodes": "all, or the first machine alone",
        "properties": "Settings of the service",
        "log_dir": "The folder that TensorBoard shows",
        "ssh_public_keys": "Keys that may log in",
    },
    "identity": {
        "type": "Whose rights: the compute's (managed), the person's (user_identity) or the workspace's",
        "client_id": "The managed identity, if the compute has several",
        "object_id": "The managed identity, if the compute has several",
        "msi_resource_id": "The managed identity, if the compute has several",
    },
    "sampling_algorithm": {
        "type": "How trials choose their values",
        "rule": "sobol or random, for random sampling",
        "seed": "The same seed gives the same values",
        "logbase": "The base of the exponents of loguniform and lognormal",
    },
    "early_termination": {
        "type": "How bad trials are found",
        "evaluation_interval": "How often the policy looks at a trial, in logged metrics",
        "delay_evaluation": "Metrics that a trial logs before the policy looks at it",
        "slack_factor": "How much worse than the best a trial may be, as a ratio",
        "slack_amount": "How much worse than the best a trial may be, as a difference",
        "truncation_percentage": "How many percent of the trials are ended",
    },
    "distribution of values": {
        "type": "The distribution that values are drawn from",
        "values": "The choices",
        "min_value": "The smallest value, or exponent",
        "max_value": "The largest value, or exponent",
        "q": "Values are rounded to multiples of it",
        "mu": "The mean",
        "sigma": "The standard deviation",
        "upper": "Values are integers below it",
    },
}  # fmt: skip

_INPUT_MODES = ("ro_mount", "download", "direct", "eval_mount", "eval_download")
_VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "": {"type": ("command", "sweep", "pipeline"),
         "sampling_algorithm": ("random", "grid", "bayesian")},
    "input": {"type": (*DATA_TYPES, *LITERAL_TYPES[:4]), "mode": _INPUT_MODES},
    "output": {"type": DATA_TYPES, "mode": ("rw_mount", "mount", "upload", "direct")},
    "distribution": {"type": ("pytorch", "mpi", "tensorflow", "ray")},
    "queue_settings": {"job_tier": ("spot", "basic", "standard", "premium"),
                       "priority": ("low", "medium", "high")},
    "objective": {"goal": ("minimize", "maximize")},
    "identity": {"type": ("managed", "managed_identity", "user_identity", "aml_token")},
    "early_termination": {"type": ("bandit", "median_stopping", "truncation_selection")},
    "sampling_algorithm": {"type": ("random", "grid", "bayesian"), "rule": ("random", "sobol")},
    "service": {"type": ("tensor_board", "jupyter_lab", "vs_code", "ssh", "custom"),
                "nodes": ("all",)},
    "distribution of values": {"type": (
        "choice", "uniform", "quniform", "loguniform", "qloguniform", "normal", "qnormal",
        "lognormal", "qlognormal", "randint")},
    "environment": {"os_type": ("linux", "windows")},
}  # fmt: skip
_SCHEMAS = ("commandJob", "sweepJob", "pipelineJob", "commandComponent", "pipelineComponent")

_MAPPINGS = {
    "inputs", "outputs", "tags", "properties", "services", "environment_variables", "distribution",
    "resources", "limits", "queue_settings", "trial", "search_space", "objective", "settings",
    "early_termination", "jobs", "identity", "build", "inference_config", "auto_delete_setting",
}  # fmt: skip
_LISTS = {"values", "enum", "additional_includes", "locations"}
_NUMBERS = {
    "instance_count", "max_instance_count", "timeout", "max_total_trials", "max_concurrent_trials",
    "trial_timeout", "process_count_per_instance", "worker_count", "parameter_server_count",
    "min_value", "max_value", "mu", "sigma", "upper", "seed", "evaluation_interval",
    "delay_evaluation", "slack_factor", "slack_amount", "truncation_percentage", "port",
    "dashboard_port",
}  # fmt: skip
_BOOLEANS = {
    "optional", "is_deterministic", "continue_on_step_failure", "force_rerun", "include_dashboard",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class JobField:
    """A key of a mapping. `values` is empty where any value may stand."""

    key: str
    meaning: str
    shape: Shape = "any"
    values: tuple[str, ...] = ()


def place_of(kind: FileKind, path: tuple[str, ...]) -> str | None:
    """The mapping at a path, as a key of the tables; None where a person chooses the names."""
    if kind == "pipeline" and path[:1] == ("jobs",):
        return None if len(path) == 1 else place_of(_step_kind(path[2:]), path[2:])
    if path[:1] == ("trial",):
        return "" if len(path) == 1 else place_of("command", path[1:])
    if not path:
        return ""
    if path[0] in ("inputs", "outputs", "services", "search_space"):
        below = {"inputs": "input", "outputs": "output", "services": "service"}
        return below.get(path[0], "distribution of values") if len(path) == 2 else None
    if path[0] == "environment":
        return {1: "environment", 2: path[-1]}.get(len(path)) if path[-1:] != ("tags",) else None
    return path[0] if len(path) == 1 and path[0] in _MEANINGS else None


def fields_at(kind: FileKind, path: tuple[str, ...]) -> tuple[JobField, ...]:
    """The keys that may stand in the mapping at a path; none where a person chooses the names."""
    place = place_of(kind, path)
    if place is None or place not in _MEANINGS:
        return ()
    return tuple(_field(kind, place, key) for key in _keys(kind, path, place))


def is_closed(kind: FileKind, path: tuple[str, ...]) -> bool:
    """Whether Azure ML refuses every key of the mapping at a path that `fields_at` does not have."""
    if kind == "component":
        return False
    if kind == "pipeline" and path[:1] == ("jobs",) and len(path) >= 2:
        return len(path) > 2 and is_closed(_step_kind(path[2:]), path[2:])
    if path == ("settings",):  # accepts any key
        return False
    return known_below(kind, path) is not None


def field_at(kind: FileKind, path: tuple[str, ...], key: str) -> JobField | None:
    """One key of the mapping at a path; None if there is no such key."""
    return next((field for field in fields_at(kind, path) if field.key == key), None)


def _step_kind(path: tuple[str, ...]) -> Literal["command", "sweep"]:
    """The kind of a step, as far as the keys on the way to a place in it tell."""
    return "sweep" if path[:1] in (("trial",), ("search_space",), ("objective",)) else "command"


def _keys(kind: FileKind, path: tuple[str, ...], place: str) -> tuple[str, ...]:
    if kind == "component":
        if not path:
            return COMPONENT
        known = known_below("command", path)
    else:
        known = known_below(kind, path)
    if kind == "pipeline" and path[:1] == ("jobs",) and len(path) == 2:
        known = (*STEP, *_OF_A_SWEEP)
    fixed = {"input": COMPONENT_INPUT if kind == "component" else INPUT, "output": OUTPUT}
    known = {**fixed, "service": SERVICE}.get(place, known)
    return known if known is not None else tuple(_MEANINGS[place])


_OF_A_SWEEP = ("trial", "search_space", "sampling_algorithm", "objective", "early_termination")


def _field(kind: FileKind, place: str, key: str) -> JobField:
    values = _VALUES.get(place, {}).get(key, ())
    if not place and key == "$schema":
        values = tuple(SCHEMA.format(name) for name in _SCHEMAS)
    if not place and key == "type" and kind == "component":
        values = ("command", "pipeline")
    if place == "input" and key == "type" and kind != "component":
        values = DATA_TYPES
    return JobField(key, _MEANINGS[place].get(key, ""), _shape(key, values), values)


def _shape(key: str, values: tuple[str, ...]) -> Shape:
    if key == "sampling_algorithm":
        return "any"
    for keys, shape in _SHAPES:
        if key in keys:
            return shape
    return "text" if values else "any"


_SHAPES: tuple[tuple[set[str], Shape], ...] = (
    (_MAPPINGS, "mapping"),
    (_LISTS, "list"),
    (_NUMBERS, "number"),
    (_BOOLEANS, "boolean"),
)
# The places whose keys Azure ML fixes, for the test that each key has a meaning.
PLACES = tuple(_MEANINGS)
