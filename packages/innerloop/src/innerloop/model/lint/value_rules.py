"""Names and values that Azure ML refuses: at once, or only after the upload.

Sources: the schemas of azure-ai-ml 1.35, and the ARM definitions of the jobs that it sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...util.errors import did_you_mean
from ..jobs.job import DISTRIBUTIONS as DISTRIBUTION_TYPES
from ..jobs.job import Job
from ..jobs.known_keys import BELOW, DISTRIBUTION, INPUT, OUTPUT, SERVICE, STEP, known_below
from ..jobs.legacy import normalize_type
from .finding import Finding, mapping_of, refused
from .input_rules import check_inputs

_JOB_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_COMPUTE = re.compile(r"[a-zA-Z](?:[a-zA-Z0-9-]{0,30}[a-zA-Z0-9])?")
_SHM = re.compile(r"0*[1-9][0-9]*[bBkKmMgG]")
# <your-cluster>, {{ cluster }} of a template, #{cluster}# of a pipeline of Azure DevOps
_TEMPLATED = r"(?<!\$)\{\{\s*\w+\s*\}\}|#\{\w+\}#"
_PLACEHOLDER = re.compile(rf"<[^<>\n/!|]{{1,60}}>|{_TEMPLATED}")
_IN_COMMAND = re.compile(rf"(?<![<\w])<[A-Za-z][\w.]*(?:[- ][\w.]+)*>|{_TEMPLATED}")
# $(cluster), ${CLUSTER} and $CLUSTER are filled in by who calls `az`, where no shell reads them
_NO_SHELL = re.compile(rf"{_PLACEHOLDER.pattern}|\$\(\w+\)|\$\{{\w+\}}|\$[A-Z_][A-Z0-9_]+")
_NAMES = ("compute", "environment", "image", "code", "path", "experiment_name")
_TEXTS = ("name", "display_name", "experiment_name", "description", "parent_job_name")


def check_values(job: Job, *, step: bool = False) -> Iterator[Finding]:
    """Of one job, or of one step of a pipeline: its component may bring what it lacks, and what a
    step alone may not say is in check_steps."""
    if not step:
        yield from check_keys(job)
        yield from _names(job)
        yield from check_tags(job)
        if _environment_is_missing(job):
            hint = "Write environment: {build: {path: ./environment}}"
            what = "the job has no environment"
            yield refused(job, ("environment",), what, hint, "no-environment")
    yield from _compute(job)
    yield from check_inputs(job, step=step)
    yield from _variables(job)
    yield from _resources(job)
    yield from _choices(job)
    yield from _environment(job)
    if job.kind == "sweep" and not step:
        yield from _sweep(job)


def placeholders(job: Job) -> Iterator[Finding]:
    """`<your-cluster>`, `{{ cluster }}` and the like, left as some template had them."""
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
        for found in pattern.finditer(value):
            what = f"{found[0]} stands for something that nobody has filled in"
            hint, level = "Write the real value", _level(path)
            if level == "hint":
                what = f"{found[0]} looks like something that nobody has filled in"
                hint = "Write the real value, unless the program wants it so"
            where = job.text.where_text((*job.at, *path), found[0])
            yield Finding(where, what, hint, "placeholder", level)


def _level(path: tuple[str | int, ...]) -> str:
    """A literal and a variable are the program's own: <mask>, a prompt with {{ question }} in it."""
    is_own = {"inputs", "environment_variables"} & set(path) and path[-1] not in _NAMES
    return "hint" if is_own or path[-1:] == ("command",) else "azure"


def check_keys(job: Job) -> Iterator[Finding]:
    """Unknown keys, and keys without a value; `job.document` is what stands at `job.at`."""
    schema = str(job.document.get("$schema", ""))
    if "component.schema" in schema.lower():
        yield refused(job, ("$schema",), "this is a component, not a job", "Name it in a pipeline")
        return
    if isinstance(_body(job).get("code"), dict):
        what = "code is a mapping, a form that Azure ML no longer takes"
        yield refused(job, ("code",), what, "Write code: . or the folder's path")
    positions: list[tuple[tuple[str, ...], Any]] = [((), job.document)]
    for key in ("trial", *BELOW, "inputs", "outputs"):
        if key == "settings":  # takes any
            continue
        value = job.document.get(key)
        if isinstance(value, dict):
            positions.append(((key,), value))
            for name, one in value.items():
                if isinstance(one, dict) and key in ("trial", "environment", "inputs", "outputs"):
                    positions.append(((key, str(name)), one))
    services = job.document.get("services")
    for name, value in (services.items() if isinstance(services, dict) else ()):
        if isinstance(value, dict):
            positions.append((("services", str(name)), value))
    for path, value in positions:
        known = SERVICE if path[:1] == ("services",) else known_below(job.kind, path)
        if job.at and not path:
            known = STEP
        if path[-1:] == ("distribution",):
            known = DISTRIBUTION.get(str(value.get("type")).lower(), known)
        if path[:1] == ("inputs",) and len(path) == 2:
            known = INPUT
        for name, one in value.items():
            if known is not None and str(name) not in known:
                what = f'Azure ML knows no "{".".join([*path, str(name)])}"'
                hint = did_you_mean(str(name), list(known))
                if name == "schedule" and not path:
                    hint = (
                        "A schedule is a file of its own, which names this one: create_job: ./FILE"
                    )
                if '"command"' in hint and "command" not in value:
                    continue  # said of the command that is missing
                if path == ("trial",) and name == "compute":
                    hint = "Write compute: azureml:NAME at the top, beside trial:"
                yield refused(job, (*path, str(name)), what, hint, "unknown-key")
            elif (one is None and known is not None and not (path and known is OUTPUT)) or (
                one == {} and name == "distribution"
            ):
                what = f'"{".".join([*path, str(name)])}" is empty'
                yield refused(job, (*path, str(name)), what, "Give it a value, or remove it")


def _names(job: Job) -> Iterator[Finding]:
    document = job.document
    for key in _TEXTS:
        value = document.get(key)
        if value is not None and not isinstance(value, str):
            yield refused(job, (key,), f"{key} is no text: {value!r}", f'Write "{value}"')
    for key, rule in (("name", "job"), ("experiment_name", "experiment")):
        value = document.get(key)
        if isinstance(value, str) and not _JOB_NAME.fullmatch(value):
            yield refused(
                job,
                (key,),
                f'the {rule} name "{value}" is refused: it must begin with a letter or a digit, '
                "and hold only letters, digits, - and _, 255 at most",
                f'Write "{_clean(value)}"',
                "bad-name",
            )
    kind = document.get("type")
    if isinstance(kind, str) and kind != normalize_type(kind):
        yield refused(job, ("type",), f"type is {kind}", f"Write type: {normalize_type(kind)}")


def check_tags(job: Job) -> Iterator[Finding]:
    """Tags and properties: names and texts."""
    for kind, word in (("tags", "tag"), ("properties", "property")):
        for key, one in mapping_of(job.document.get(kind)).items():
            if one is not None and not isinstance(one, str):
                what = f'the {word} "{key}" is no text: {one!r}'
                yield refused(job, (kind, str(key)), what, "Put it in quotes")
    tags = job.document.get("tags")
    if tags is not None and not isinstance(tags, dict):
        what, hint = f"tags is no mapping: {tags!r}", "Write names and values: {stage: dev}"
        yield refused(job, ("tags",), what, hint)


def _compute(job: Job) -> Iterator[Finding]:
    compute = job.compute
    if isinstance(job.document.get("compute"), dict):
        what = "compute is a mapping, a form that Azure ML no longer takes"
        yield refused(job, ("compute",), what, "Write compute: azureml:NAME")
    elif isinstance(_body(job).get("compute"), dict):
        return  # said of the key, which a trial cannot have
    elif compute is not None and "/" not in compute and "${{" not in compute:
        name = compute.removeprefix("azureml:")
        if not _COMPUTE.fullmatch(name):
            yield refused(
                job,
                ("compute",),
                f'no compute can be called "{name}": a name begins with a letter and holds letters, '
                "digits and -, 32 at most",
                "Write compute: azureml:NAME",
                "bad-compute",
            )


def _variables(job: Job) -> Iterator[Finding]:
    given = mapping_of(_body(job).get("environment_variables"))
    for name, value in given.items():
        if not isinstance(value, str):
            shown = "empty" if value is None else f"no text: {value!r}"
            text = "" if value is None else str(value)
            yield refused(
                job,
                ("environment_variables", str(name)),
                f"the environment variable {name} is {shown}",
                f'Write {name}: "{text}"',
                "variable-no-text",
            )


def _resources(job: Job) -> Iterator[Finding]:
    if not _SHM.fullmatch(job.shm_size) and "${{" not in job.shm_size:
        yield Finding(
            _where_either(job, "resources", "shm_size"),
            f"resources.shm_size is {job.shm_size}: it must be a number and b, k, m or g",
            "Write shm_size: 2g",
            "bad-shm-size",
        )
    if job.instance_count < 1:
        what = f"resources.instance_count is {job.instance_count}"
        yield Finding(
            _where_either(job, "resources", "instance_count"),
            what, "Write 1 or more", "bad-count", "azure",
        )  # fmt: skip
    count = job.distribution.process_count_per_instance if job.distribution else 1
    if count < 1:
        yield Finding(
            _where_either(job, "distribution", "process_count_per_instance"),
            f"distribution.process_count_per_instance is {count}",
            "Write 1 or more",
            "bad-count",
        )
    if job.timeout is not None and job.timeout < 1:
        what = f"limits.timeout is {job.timeout} s"
        key = "trial_timeout" if job.kind == "sweep" else "timeout"
        yield refused(
            job, ("limits", key), what, "Write a number of seconds above 0", "bad-timeout"
        )


def _environment(job: Job) -> Iterator[Finding]:
    environment, path = job.environment, ("environment",)
    if environment.kind == "build":
        if environment.image is not None:
            what = "the environment has an image and a build: it can have only one"
            yield refused(job, path, what, "Remove one of them", "image-and-build")
        if environment.path is None:
            what, hint = "the environment's build has no path", "Write path: ./environment"
            yield Finding(job.where(*path), what, hint, "no-build-path")
    elif environment.kind == "conda" and environment.image is None:
        what = "the environment has a conda_file and no image to put it on"
        hint = "Add image: mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
        yield refused(job, path, what, hint, "conda-without-image")
    elif environment.kind in ("image", "conda"):
        if (environment.image or "").startswith("azureml:"):
            what = f"{environment.image} is an environment's name and no image"
            hint = f"Write environment: {environment.image}"
            yield refused(job, (*path, "image"), what, hint, "environment-as-image")
    elif environment.kind == "registered":
        yield from _registered(job, environment.reference or "")


def _registered(job: Job, reference: str) -> Iterator[Finding]:
    path = ("environment",)
    if reference.startswith("file:"):
        return  # read by check_files
    if reference.startswith("azureml://registries/"):
        if not re.search(r"/(versions|labels)/[^/]+$", reference):
            what = f"the environment has neither a version nor a label: {reference}"
            yield refused(job, path, what, "Add /labels/latest or /versions/1", "no-version")
    elif not reference.startswith("azureml:"):
        what = f'"{reference}" is no environment that Azure ML finds'
        hint = f"Write azureml:{reference}" + ("" if re.search("[:@]", reference) else ":1")
        yield refused(job, path, what, hint, "bad-environment")
    elif "/" not in reference and not re.fullmatch(r"azureml:[^/]+[:@][^:@/]+", reference):
        what = f"the environment has neither a version nor a label: {reference}"
        yield refused(job, path, what, f"Write {reference}:1 or {reference}@latest", "no-version")


def _choices(job: Job) -> Iterator[Finding]:
    """Keys that take one of a few words."""
    for path, known in _WORDS.items():
        value: Any = job.document
        for key in path:
            value = mapping_of(value).get(key)
        if value is None or "${{" in str(value):
            continue
        plain = re.sub(r"[^a-z]", "", str(value).lower())  # AMLToken is aml_token
        if plain not in {re.sub(r"[^a-z]", "", one) for one in known}:
            hint = f"Write {', '.join(known[:-1])} or {known[-1]}"
            yield refused(job, path, f"{'.'.join(path)} is {value}", hint, "unknown-word")
    kind = mapping_of(_body(job).get("distribution")).get("type")
    if job.distribution is not None and kind and str(kind).lower() not in DISTRIBUTION_TYPES:
        what = f"distribution.type is {kind}, which azure-ai-ml 1.35 does not take yet"
        where = _where_either(job, "distribution", "type")
        yield Finding(where, what, "Write type: pytorch", "unknown-word", "azure")
    kind = mapping_of(job.document.get("resources")).get("instance_type")
    if kind is not None and not isinstance(kind, str):
        what = f"resources.instance_type is no text: {kind!r}"
        yield refused(job, ("resources", "instance_type"), what, "Write one size, as text")
    for name, service in mapping_of(job.document.get("services")).items():
        nodes = mapping_of(service).get("nodes")
        if nodes not in (None, "all"):
            what = f'the nodes of service "{name}" are {nodes}'
            hint = "Write nodes: all, or leave it away for the first node"
            yield refused(job, ("services", str(name), "nodes"), what, hint)


_WORDS = {
    ("identity", "type"): ("managed", "managed_identity", "user_identity", "aml_token"),
    ("queue_settings", "job_tier"): ("spot", "basic", "standard", "premium", "null"),
    ("early_termination", "type"): ("bandit", "median_stopping", "truncation_selection"),
}


def _sweep(job: Job) -> Iterator[Finding]:
    for key, hint in (
        ("objective", "Write objective: {goal: minimize, primary_metric: loss}"),
        ("limits", "Write limits: {max_total_trials: 20}"),
        ("search_space", "Write search_space: and what to try"),
    ):
        if not isinstance(job.document.get(key), dict):
            yield refused(job, (key,), f"the sweep has no {key}", hint, "incomplete-sweep")
    goal = mapping_of(job.document.get("objective")).get("goal")
    if goal is not None and str(goal).lower() not in ("minimize", "maximize"):
        yield refused(job, ("objective", "goal"), f"the goal is {goal}", "minimize or maximize?")
    limits = job.document.get("limits")
    if isinstance(limits, dict) and limits.get("max_total_trials") is None:
        what, hint = "limits says no max_total_trials", "Write max_total_trials: 20 below it"
        yield refused(job, ("limits",), what, hint, "incomplete-sweep")
    for name, given in job.search_space.items():
        values = mapping_of(given).get("values")
        for value in values if isinstance(values, list) else ():
            if isinstance(value, bool):
                what = f'"{name}" has the choice {str(value).lower()}'
                hint = f'Put it in quotes: "{value}"'
                yield refused(job, ("search_space", name), what, hint)
    if job.document.get("sampling_algorithm") is None:
        hint = "Write sampling_algorithm: random"
        yield refused(job, (), "the sweep has no sampling_algorithm", hint, "incomplete-sweep")


def _environment_is_missing(job: Job) -> bool:
    return job.kind != "pipeline" and bool(_body(job)) and _body(job).get("environment") is None


def _body(job: Job) -> Mapping[str, Any]:
    """What holds the command: the job itself, or a sweep's trial."""
    return mapping_of(job.document.get("trial")) if job.kind == "sweep" else job.document


def _where_either(job: Job, *path: str) -> str:
    """The place of what may stand at the top of a sweep, or in its trial."""
    holder = mapping_of(job.document.get("trial")).get(path[0]) if job.kind == "sweep" else None
    return job.where("trial", *path) if holder is not None else job.where(*path)


def _clean(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_-]+", "-", name).strip("-_")[:255] or "experiment"
