"""Names and values that Azure ML refuses: at once, or only after the upload.

Sources: the schemas of azure-ai-ml 1.35, and the ARM definitions of the jobs that it sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...util.errors import close_words, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ..jobs.job import DISTRIBUTIONS as DISTRIBUTION_TYPES
from ..jobs.job import Job
from ..jobs.known_keys import BELOW, DISTRIBUTION, INPUT, OUTPUT, SERVICE, STEP, known_below
from ..jobs.legacy import normalize_type
from ..jobs.shm_size import SHM_SIZE
from .finding import INFO, WARNING, Finding, Severity, mapping_of, refused
from .fixes import as_text, other_key, other_value
from .input_rules import check_inputs
from .machine_rules import check_machine

_JOB_NAME = late_pattern(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_COMPUTE = late_pattern(r"[a-zA-Z](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")
# <your-cluster>, {{ cluster }} of a template, #{cluster}# of a pipeline of Azure DevOps
_TEMPLATED = r"(?<!\$)\{\{\s*\w+\s*\}\}|#\{\w+\}#"
_PLACEHOLDER = late_pattern(rf"<[^<>\n/!|]{{1,60}}>|{_TEMPLATED}")
_IN_COMMAND = late_pattern(rf"(?<![<\w])<[A-Za-z][\w.]*(?:[- ][\w.]+)*>|{_TEMPLATED}")
# $(cluster), ${CLUSTER} and $CLUSTER are expanded by the caller of `az`, in keys that no shell reads
_NO_SHELL = late_pattern(rf"{_PLACEHOLDER.pattern}|\$\(\w+\)|\$\{{\w+\}}|\$[A-Z_][A-Z0-9_]+")
_NAMES = ("compute", "environment", "image", "code", "path", "experiment_name")
_TEXTS = ("name", "display_name", "experiment_name", "description", "parent_job_name")


def check_values(job: Job, *, step: bool = False) -> Iterator[Finding]:
    """Findings of one job, or of one step of a pipeline.

    The component of a step may bring what the step lacks, and check_steps has the rules for steps
    only.
    """
    if not step:
        yield from check_keys(job)
        yield from _names(job)
        yield from check_tags(job)
        if _environment_is_missing(job):
            hint = "Write environment: {build: {path: ./environment}}"
            message = "the job has no environment"
            yield refused(job, ("environment",), message, hint, "environment-missing")
    yield from _compute(job)
    yield from check_machine(job)
    yield from check_inputs(job, step=step)
    yield from _variables(job)
    yield from _resources(job)
    yield from _choices(job)
    yield from _mappings_written(job)
    yield from _environment(job)
    if job.kind == "sweep" and not step:
        yield from check_sweep_keys(job)
        if job.document.get("sampling_algorithm") is None:
            hint = "Write sampling_algorithm: random"
            yield refused(job, (), "the sweep has no sampling_algorithm", hint, "sweep-incomplete")


def placeholders(job: Job) -> Iterator[Finding]:
    """`<your-cluster>`, `{{ cluster }}` and the like, left over from a template."""
    yield from _placeholders(job, job.document, ())


def _placeholders(job: Job, value: Any, path: tuple[str | int, ...]) -> Iterator[Finding]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            if path or key not in ("description", "tags", "$schema", "component"):
                yield from _placeholders(job, one, (*path, str(key)))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _placeholders(job, one, (*path, index))
    elif isinstance(value, str):
        pattern = _NO_SHELL if path[-1] in _NAMES else _PLACEHOLDER
        pattern = _IN_COMMAND if path[-1:] == ("command",) else pattern
        for match in pattern.finditer(value):
            severity = _severity(path)
            message, hint = f"{match[0]} is a placeholder", "Write the real value"
            if severity is INFO:
                message = f"{match[0]} looks like a placeholder"
                hint = "Write the real value, unless it is meant for the program"
            position = job.text.where_text((*job.at, *path), match[0])
            yield Finding(position, message, hint, "placeholder-left", severity)


def _severity(path: tuple[str | int, ...]) -> Severity:
    """A literal or a variable may be meant for the program: <mask>, a prompt with {{ question }}."""
    for_program = {"inputs", "environment_variables"} & set(path) and path[-1] not in _NAMES
    return INFO if for_program or path[-1:] == ("command",) else WARNING


def check_keys(job: Job) -> Iterator[Finding]:
    """Unknown keys, and keys without a value, of `job.document`, which is found at `job.at`."""
    schema = str(job.document.get("$schema", ""))
    if "component.schema" in schema.lower():
        message, hint = "this is a component, not a job", "Name it in a pipeline"
        yield refused(job, ("$schema",), message, hint, "component-not-job")
        return
    if isinstance(_body(job).get("code"), dict):
        message = "code is a mapping, a form that Azure ML no longer accepts"
        yield refused(job, ("code",), message, "Write code: . or the folder's path", "legacy-form")
    for path, mapping in _mappings(job):
        known = _known_keys(job, path, mapping)
        for key, value in mapping.items():
            name = ".".join([*path, str(key)])
            if known is not None and str(key) not in known:
                hint = _hint(path, str(key), known)
                if '"command"' in hint and "command" not in mapping:
                    continue  # reported as the missing command
                message = f'Azure ML has no key "{name}"'
                words = [word for word in close_words(str(key), list(known)) if word in hint]
                fixes = other_key(job, (*path, str(key)), words)
                yield refused(job, (*path, str(key)), message, hint, "key-unknown", fixes)
            elif (value is None and known is not None and not (path and known is OUTPUT)) or (
                value == {} and key == "distribution"
            ):
                hint = "Give it a value, or remove it"
                yield refused(job, (*path, str(key)), f'"{name}" is empty', hint, "key-empty")


def _mappings(job: Job) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Each mapping whose keys are checked, with its path in the document."""
    yield (), job.document
    for key in ("trial", *BELOW, "inputs", "outputs"):
        if key == "settings":  # accepts any key
            continue
        value = job.document.get(key)
        if isinstance(value, dict):
            yield (key,), value
            for name, one in value.items():
                if isinstance(one, dict) and key in ("trial", "environment", "inputs", "outputs"):
                    yield (key, str(name)), one
    for name, service in mapping_of(job.document.get("services")).items():
        if isinstance(service, dict):
            yield ("services", str(name)), service


def _known_keys(
    job: Job, path: tuple[str, ...], mapping: Mapping[str, Any]
) -> tuple[str, ...] | None:
    """The keys that may occur in a mapping; None if any may."""
    if path[:1] == ("inputs",) and len(path) == 2:
        return INPUT
    known = SERVICE if path[:1] == ("services",) else known_below(job.kind, path)
    if job.at and not path:
        known = STEP
    if path[-1:] == ("distribution",) and known is not None:
        return DISTRIBUTION.get(str(mapping.get("type")).lower(), known)
    return known


def _hint(path: tuple[str, ...], key: str, known: tuple[str, ...]) -> str:
    if key == "schedule" and not path:
        return "A schedule is a file of its own that names this one: create_job: ./FILE"
    if path == ("trial",) and key == "compute":
        return "Write compute: azureml:NAME at the top, beside trial:"
    return did_you_mean(key, list(known))


def _names(job: Job) -> Iterator[Finding]:
    document = job.document
    for key in _TEXTS:
        value = document.get(key)
        if value is not None and not isinstance(value, str):
            message, hint = f"{key} is not a string: {value!r}", f'Write "{value}"'
            yield refused(job, (key,), message, hint, "not-a-string", as_text(job, (key,)))
    for key, rule in (("name", "job"), ("experiment_name", "experiment")):
        value = document.get(key)
        if isinstance(value, str) and not _JOB_NAME.fullmatch(value):
            yield refused(
                job,
                (key,),
                f'the {rule} name "{value}" is refused: it must begin with a letter or a digit, '
                "and contain only letters, digits, - and _, 255 at most",
                f'Write "{_clean(value)}"',
                "name-refused",
                other_value(job, (key,), (_clean(value),)),
            )
    kind = document.get("type")
    if kind is None and job.kind != "command":
        message = f"the job has no type, so Azure ML's client does not read it as a {job.kind}"
        yield refused(job, (), message, f"Write type: {job.kind}", "job-type-missing")
    if isinstance(kind, str) and kind != normalize_type(kind):
        hint = f"Write type: {normalize_type(kind)}"
        fixes = other_value(job, ("type",), (normalize_type(kind),))
        yield refused(job, ("type",), f"type is {kind}", hint, "legacy-form", fixes)


def check_tags(job: Job) -> Iterator[Finding]:
    """Tags and properties: Azure ML accepts strings only."""
    for kind, word in (("tags", "tag"), ("properties", "property")):
        for key, one in mapping_of(job.document.get(kind)).items():
            if one is not None and not isinstance(one, str):
                message = f'the {word} "{key}" is not a string: {one!r}'
                path, hint = (kind, str(key)), "Put it in quotes"
                yield refused(job, path, message, hint, "not-a-string", as_text(job, path))
    tags = job.document.get("tags")
    if tags is not None and not isinstance(tags, dict):
        message, hint = f"tags is not a mapping: {tags!r}", "Write names and values: {stage: dev}"
        yield refused(job, ("tags",), message, hint, "not-a-mapping")


def _compute(job: Job) -> Iterator[Finding]:
    compute = job.compute
    if isinstance(job.document.get("compute"), dict):
        message = "compute is a mapping, a form that Azure ML no longer accepts"
        yield refused(job, ("compute",), message, "Write compute: azureml:NAME", "legacy-form")
    elif isinstance(_body(job).get("compute"), dict):
        return  # reported as a key that a trial cannot have
    elif compute is not None and "/" not in compute and "${{" not in compute:
        name = compute.removeprefix("azureml:")
        if not _COMPUTE.fullmatch(name):
            yield refused(
                job,
                ("compute",),
                f'the compute name "{name}" is refused: it must begin with a letter and contain only '
                "letters, digits and -, 32 at most",
                "Write compute: azureml:NAME",
                "name-refused",
            )


def _variables(job: Job) -> Iterator[Finding]:
    for name, value in mapping_of(_body(job).get("environment_variables")).items():
        if not isinstance(value, str):
            shown = "empty" if value is None else f"not a string: {value!r}"
            text = "" if value is None else str(value)
            yield refused(
                job,
                path := ("environment_variables", str(name)),
                f"the environment variable {name} is {shown}",
                f'Write {name}: "{text}"',
                "not-a-string",
                as_text(job, path),
            )


def _resources(job: Job) -> Iterator[Finding]:
    if not SHM_SIZE.fullmatch(job.shm_size) and "${{" not in job.shm_size:
        yield Finding(
            _where_either(job, "resources", "shm_size"),
            f"resources.shm_size is {job.shm_size}: it must be a number with b, k, m or g",
            "Write shm_size: 2g",
            "shm-size-invalid",
        )
    if job.instance_count < 1:
        message = f"resources.instance_count is {job.instance_count}"
        yield Finding(
            _where_either(job, "resources", "instance_count"),
            message,
            "Write 1 or more",
            "number-out-of-range",
            WARNING,
        )
    written = mapping_of(_body(job).get("distribution"))
    for key, least in _COUNTS.items():
        count = _integer(written.get(key)) if job.distribution else None
        if count is not None and count < least:
            yield Finding(
                _where_either(job, "distribution", key),
                f"distribution.{key} is {count}",
                f"Write {least} or more",
                "number-out-of-range",
            )


# The smallest number of each kind of process.
_COUNTS = {"process_count_per_instance": 1, "worker_count": 1, "parameter_server_count": 0}


def _integer(value: Any) -> int | None:
    """The integer as azure-ai-ml reads it; None for what is reported as no integer."""
    try:
        return None if value is None or isinstance(value, bool) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _environment(job: Job) -> Iterator[Finding]:
    environment, path = job.environment, ("environment",)
    if environment.kind == "build":
        if environment.image is not None:
            message = "the environment has both an image and a build"
            yield refused(job, path, message, "Remove one of them", "environment-ambiguous")
        if environment.path is None:
            message, hint = "the environment's build has no path", "Write path: ./environment"
            yield Finding(job.where(*path), message, hint, "build-path-missing")
    elif environment.kind == "conda" and environment.image is None:
        message = "the environment has a conda_file and no base image"
        hint = "Add image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
        yield refused(job, path, message, hint, "conda-without-image")
    elif environment.kind in ("image", "conda"):
        if (environment.image or "").startswith("azureml:"):
            message = f"{environment.image} is the name of an environment, not of an image"
            hint = f"Write environment: {environment.image}"
            yield refused(job, (*path, "image"), message, hint, "environment-as-image")
    elif environment.kind == "registered":
        written = _body(job).get("environment")
        if isinstance(written, dict):
            message = f'the environment "{written.get("name")}" has neither an image nor a build'
            hint = f"Write environment: {_with_version(environment.reference or '')}"
            yield refused(job, path, message, hint, "environment-reference-invalid")
        else:
            yield from _registered(job, environment.reference or "")
    image = mapping_of(_body(job).get("environment")).get("image")
    if image is not None and not isinstance(image, str):
        message = f"environment.image is not a string: {image!r}"
        yield refused(job, (*path, "image"), message, f'Write "{image}"', "not-a-string")


def _with_version(reference: str) -> str:
    """The reference to an asset with a version, as an example."""
    return reference if re.search(r"[^:]:[^:]+$|@", reference[8:]) else f"{reference}:1"


def _registered(job: Job, reference: str) -> Iterator[Finding]:
    path = ("environment",)
    if reference.startswith("file:"):
        return  # check_files reads the file
    if reference.startswith("azureml://registries/"):
        if not re.search(r"/(versions|labels)/[^/]+$", reference):
            message = f"the environment has neither a version nor a label: {reference}"
            yield refused(
                job, path, message, "Add /labels/latest or /versions/1", "version-missing"
            )
    elif not reference.startswith("azureml:"):
        message = f'Azure ML does not find an environment by "{reference}"'
        hint = f"Write azureml:{reference}" + ("" if re.search("[:@/]", reference) else ":1")
        if re.search(r"\.ya?ml$", reference):
            hint = f"Write file:{reference} for the environment in that file"
        elif not reference.startswith("/") and re.search("[/:]", reference):
            hint = f"Write environment: {{image: {reference}}} for an image"
            if "/" not in reference:
                hint += f", or azureml:{reference} for an environment of Azure ML"
        yield refused(job, path, message, hint, "environment-reference-invalid")
    elif "/" not in reference and not re.fullmatch(r"azureml:[^/]+[:@][^:@/]+", reference):
        message = f"the environment has neither a version nor a label: {reference}"
        fixes = other_value(job, path, (f"{reference}@latest", f"{reference}:1"))
        hint = f"Write {reference}:1 or {reference}@latest"
        yield refused(job, path, message, hint, "version-missing", fixes)
    elif reference.endswith(":latest"):
        message = f"{reference} is a version with the name latest, not the latest version"
        hint = f"Write {reference.removesuffix(':latest')}@latest"
        fixes = other_value(job, path, (f"{reference.removesuffix(':latest')}@latest",))
        yield Finding(job.where(*path), message, hint, "version-missing", INFO, fixes)


def _mappings_written(job: Job) -> Iterator[Finding]:
    """Keys whose value must be a mapping, and that no run here reads."""
    for key in ("identity", "queue_settings", "properties", "settings", "early_termination"):
        value = job.document.get(key)
        if value is not None and not isinstance(value, dict):
            message = f"{key} is not a mapping: {value!r}"
            yield refused(job, (key,), message, "Write names and values below it", "not-a-mapping")
    identity = job.document.get("identity")
    if isinstance(identity, dict) and not identity.get("type"):
        message, hint = "the identity has no type", "Write type: managed, or remove it"
        yield refused(job, ("identity",), message, hint, "key-empty")
    priority = mapping_of(job.document.get("queue_settings")).get("priority")
    if priority is not None and str(priority).lower() not in ("low", "medium", "high"):
        message, hint = f"queue_settings.priority is {priority}", "Write low, medium or high"
        path = ("queue_settings", "priority")
        fixes = other_value(job, path, ("low", "medium", "high"))
        yield refused(job, path, message, hint, "not-a-choice", fixes)


def _choices(job: Job) -> Iterator[Finding]:
    """Keys with a closed set of values."""
    for path, known in _CHOICES.items():
        value: Any = job.document
        for key in path:
            value = mapping_of(value).get(key)
        if value is None or "${{" in str(value):
            continue
        plain = re.sub(r"[^a-z]", "", str(value).lower())  # AMLToken means aml_token
        if plain not in {re.sub(r"[^a-z]", "", one) for one in known}:
            hint = f"Write {', '.join(known[:-1])} or {known[-1]}"
            message = f"{'.'.join(path)} is {value}"
            fixes = other_value(job, path, known)
            yield refused(job, path, message, hint, "not-a-choice", fixes)
    kind = mapping_of(_body(job).get("distribution")).get("type")
    if job.distribution is not None and kind and str(kind).lower() not in DISTRIBUTION_TYPES:
        message = f"distribution.type is {kind}, which azure-ai-ml 1.35 does not support"
        position = _where_either(job, "distribution", "type")
        yield Finding(position, message, "Write type: pytorch", "not-a-choice", WARNING)
    kind = mapping_of(job.document.get("resources")).get("instance_type")
    if kind is not None and not isinstance(kind, str):
        message = f"resources.instance_type is not a string: {kind!r}"
        hint = "Write one size, as a string"
        yield refused(job, ("resources", "instance_type"), message, hint, "not-a-string")
    for name, service in mapping_of(job.document.get("services")).items():
        nodes = mapping_of(service).get("nodes")
        if nodes not in (None, "all"):
            message = f'the nodes of service "{name}" are {nodes}'
            hint = "Write nodes: all, or remove the key for the first node"
            at = ("services", str(name), "nodes")
            yield refused(job, at, message, hint, "not-a-choice")


_CHOICES = {
    ("identity", "type"): ("managed", "managed_identity", "user_identity", "aml_token"),
    ("queue_settings", "job_tier"): ("spot", "basic", "standard", "premium", "null"),
    ("early_termination", "type"): ("bandit", "median_stopping", "truncation_selection"),
}


def check_sweep_keys(job: Job) -> Iterator[Finding]:
    """Keys that a sweep needs, as a job or as a step."""
    for key, hint in (
        ("objective", "Write objective: {goal: minimize, primary_metric: loss}"),
        ("limits", "Write limits: {max_total_trials: 20}"),
        ("search_space", "Write search_space: with a distribution for each value"),
    ):
        if not isinstance(job.document.get(key), dict):
            yield refused(job, (key,), f"the sweep has no {key}", hint, "sweep-incomplete")
    goal = mapping_of(job.document.get("objective")).get("goal")
    if goal is not None and str(goal).lower() not in ("minimize", "maximize"):
        hint = "Write minimize or maximize"
        path = ("objective", "goal")
        fixes = other_value(job, path, ("minimize", "maximize"))
        yield refused(job, path, f"the goal is {goal}", hint, "not-a-choice", fixes)
    limits = job.document.get("limits")
    if isinstance(limits, dict) and limits.get("max_total_trials") is None:
        message, hint = "limits has no max_total_trials", "Write max_total_trials: 20 below it"
        yield refused(job, ("limits",), message, hint, "sweep-incomplete")
    for name, distribution in job.search_space.items():
        values = mapping_of(distribution).get("values")
        for value in values if isinstance(values, list) else ():
            if isinstance(value, bool):
                message = f'"{name}" has the choice {str(value).lower()}'
                hint = f'Put it in quotes: "{value}"'
                yield refused(job, ("search_space", name), message, hint, "literal-unsupported")


def _environment_is_missing(job: Job) -> bool:
    return job.kind != "pipeline" and bool(_body(job)) and _body(job).get("environment") is None


def _body(job: Job) -> Mapping[str, Any]:
    """The mapping with the command: the job itself, or a sweep's trial."""
    return mapping_of(job.document.get("trial")) if job.kind == "sweep" else job.document


def _where_either(job: Job, *path: str) -> Position:
    """The position of a key that may be at the top of a sweep or in its trial."""
    holder = mapping_of(job.document.get("trial")).get(path[0]) if job.kind == "sweep" else None
    return job.where("trial", *path) if holder is not None else job.where(*path)


def _clean(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", name).strip("-_")[:255] or "experiment"
