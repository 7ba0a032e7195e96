"""The keys that Azure ML has in a job file, and where it accepts any key.

Source: the schemas of azure-ai-ml 1.35 for command, sweep and pipeline jobs.
"""

from __future__ import annotations

_COMMON = (
    "$schema", "type", "name", "display_name", "experiment_name", "description", "tags",
    "properties", "compute", "identity", "services", "inputs", "outputs",
)  # fmt: skip
_WHAT = ("command", "code", "environment", "environment_variables", "distribution")

COMMAND = (*_COMMON, *_WHAT, "resources", "limits", "queue_settings", "parent_job_name")
SWEEP = (
    *_COMMON, "trial", "search_space", "sampling_algorithm", "objective", "early_termination",
    "limits", "resources", "queue_settings",
)  # fmt: skip
PIPELINE = (*_COMMON, "jobs", "component", "settings")
# Of a component's own file: a command, or a pipeline with jobs.
COMPONENT = (
    "$schema", "type", "name", "version", "display_name", "description", "tags", "inputs",
    "outputs", *_WHAT, "resources", "is_deterministic", "additional_includes", "jobs", "properties",
)  # fmt: skip
# Of a step with its own command; a step with a component accepts any key.
STEP = (*COMMAND, "component", "comment")

BELOW: dict[str, tuple[str, ...]] = {
    "trial": (*_WHAT, "resources", "queue_settings"),
    "resources": (
        "instance_count", "instance_type", "shm_size", "docker_args", "properties", "locations",
        "max_instance_count",
    ),
    "limits": ("timeout", "max_total_trials", "max_concurrent_trials", "trial_timeout"),
    "distribution": (
        "type", "process_count_per_instance", "worker_count", "parameter_server_count", "port",
        "address", "include_dashboard", "dashboard_port", "head_node_additional_args",
        "worker_node_additional_args",
    ),
    "settings": (
        "default_compute", "default_datastore", "continue_on_step_failure", "force_rerun",
    ),
    "queue_settings": ("job_tier", "priority"),
    "objective": ("goal", "primary_metric"),
    "build": ("path", "dockerfile_path"),
    "environment": (
        "name", "version", "image", "build", "conda_file", "description", "tags", "os_type",
        "inference_config", "datastore", "id", "auto_delete_setting",
    ),
}  # fmt: skip
DISTRIBUTION = {
    "pytorch": ("type", "process_count_per_instance"),
    "mpi": ("type", "process_count_per_instance"),
    "tensorflow": ("type", "worker_count", "parameter_server_count"),
}
# Keys of one input or output of a job, and of a component.
INPUT = ("type", "path", "mode", "value", "path_on_compute", "datastore")
COMPONENT_INPUT = (*INPUT, "default", "optional", "description", "min", "max", "enum")
SERVICE = ("type", "port", "nodes", "properties", "log_dir", "ssh_public_keys")
OUTPUT = ("type", "path", "mode", "name", "version")
# Any key is allowed below these.
FREE = ("tags", "properties", "environment_variables", "services", "identity")


def known_below(kind: str, path: tuple[str, ...]) -> tuple[str, ...] | None:
    """The keys of the mapping at a path of a job's document; None if any key is allowed."""
    if not path:
        return {"command": COMMAND, "sweep": SWEEP, "pipeline": PIPELINE}[kind]
    if kind == "pipeline" and path[0] == "jobs":
        if len(path) == 1:
            return None
        return STEP if len(path) == 2 else known_below("command", path[2:])
    if path[0] == "trial":
        return BELOW["trial"] if len(path) == 1 else known_below("command", path[1:])
    if path[0] in ("inputs", "outputs"):
        rules = {"inputs": COMPONENT_INPUT, "outputs": OUTPUT}
        return rules[path[0]] if len(path) == 2 else None
    if path[0] == "environment":
        return {1: BELOW["environment"], 2: BELOW.get(path[-1])}.get(len(path))
    return BELOW.get(path[0]) if len(path) == 1 else None
