"""What a repository has: jobs by kind, environments, data, notebooks, dev containers, tests, CI. Pure.

Source: CLI (v2) YAML schemas of Azure ML; the file names of the CI services and of pytest; the
Development Containers Specification for the places of devcontainer.json.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from fnmatch import fnmatch
from typing import Any, Literal

from ...model import team_formatter
from ...model.jobs import file_kind
from ...model.jobs.job import Environment, Reading, job_kind
from ...model.team_formatter import TeamFormatter
from ...util import jsonc, yaml_text
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from ...util.yaml_text import YamlText
from .repository_tree import RepositoryTree, joined

JobForm = Literal["command", "sweep", "pipeline", "component"]

_WORKFLOWS = (
    (".github/workflows/*.yml", "GitHub Actions"),
    (".github/workflows/*.yaml", "GitHub Actions"),
    ("*azure-pipelines*.yml", "Azure DevOps"),
    ("*azure-pipelines*.yaml", "Azure DevOps"),
    (".gitlab-ci.yml", "GitLab"),
    (".circleci/config.yml", "CircleCI"),
    (".travis.yml", "Travis CI"),
    ("Jenkinsfile", "Jenkins"),
)
# Files of an environment that no YAML describes, by their names.
_ENVIRONMENT_FILES = (
    ("dockerfile*", "Dockerfile"),
    ("*.dockerfile", "Dockerfile"),
    ("containerfile", "Dockerfile"),
    ("requirements*.txt", "requirements file"),
    ("uv.lock", "lock of uv"),
    ("pylock*.toml", "lock of packages"),
    ("pixi.lock", "lock of pixi"),
    ("poetry.lock", "lock of Poetry"),
)
_TEST = late_pattern(r"(?:test_[^/]*|[^/]*_test)\.py\Z")
# What makes jobs in Python: the SDK's builders, its decorator, and the first SDK's runs.
_SDK_IMPORT = late_pattern(
    r"(?m)^[ \t]*(?:from[ \t]+(?:azure\.ai\.ml|azureml\.(?:core|pipeline))\b|"
    r"import[ \t]+(?:azure\.ai\.ml|azureml\.core)\b)"
)
_SDK_JOB = late_pattern(
    r"@(?:dsl\.)?pipeline\b|(?<![\w.])(?:command|sweep|spark|load_job|parallel_run_function)\(|"
    r"\bjobs\.create_or_update\(|\b(?:ScriptRunConfig|Estimator|HyperDriveConfig|PythonScriptStep)\("
)
_ML = late_pattern(r"azureml|\$schema", re.IGNORECASE)


NO_ENVIRONMENT = Environment("none")


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file and what it is, as a noun phrase. `line` counts from 1; 0 for the whole file."""

    path: str
    kind: str
    line: int = 0

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job or a component. `name` is what the file itself says, "" for nothing.

    `code`: its folder or file of code, relative to the root, which may lead out of it; "" for none.
    `environment`: as the file says. `parts`: of a pipeline, the component of each step that is a
    file; `references`: the registered ones, as written. `inner`: the parts of a pipeline that are
    written in the file itself.
    """

    path: str
    form: JobForm
    name: str = ""
    code: str = ""
    environment: Environment = NO_ENVIRONMENT
    parts: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    inner: tuple[FoundJob, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def folder(self) -> str:
        """The folder of the file; "." for the root."""
        return posixpath.dirname(self.path) or "."


@dataclass(frozen=True, slots=True)
class FoundEnvironment:
    """A file that describes an environment of Azure ML by a name."""

    path: str
    name: str
    version: str
    environment: Environment


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything in the order of its paths. `unreadable` are files that only their own tool reads.

    `sources` are experiments already, by their folders; `tests` are folders.
    """

    jobs: tuple[FoundJob, ...] = ()
    components: tuple[FoundJob, ...] = ()
    unreadable: tuple[FoundFile, ...] = ()
    scripts: tuple[FoundFile, ...] = ()
    named_environments: tuple[FoundEnvironment, ...] = ()
    environments: tuple[FoundFile, ...] = ()
    data: tuple[FoundFile, ...] = ()
    notebooks: tuple[str, ...] = ()
    dev_containers: tuple[FoundFile, ...] = ()
    tests: tuple[str, ...] = ()
    ci: tuple[FoundFile, ...] = ()
    sources: tuple[str, ...] = ()
    formatter: TeamFormatter = team_formatter.NONE


def find(tree: RepositoryTree) -> Findings:
    """What the repository has. A file that cannot be read is named, and stops nothing."""
    ci = tuple(_ci(tree))
    others = {file.path for file in ci} | {path for path in tree.paths if _is_own(path)}
    jobs: list[FoundJob] = []
    unreadable: list[FoundFile] = []
    named: list[FoundEnvironment] = []
    environments = [*_environment_files(tree)]
    data: list[FoundFile] = []
    for path in tree.paths:
        text = tree.texts.get(path)
        if text is None or path in others or not path.lower().endswith((".yml", ".yaml")):
            continue
        try:
            parsed = yaml_text.parse(text, path)
        except UserError as error:
            if _ML.search(text):
                line = error.position.line if error.position else 0
                unreadable.append(FoundFile(path, f"not readable: {error.what}", line))
            continue
        if not isinstance(parsed.value, dict):
            continue
        kind = file_kind.describe_file(parsed.value)
        if kind == "Azure ML data":
            data.append(FoundFile(path, f"data {_name(parsed.value)}".rstrip()))
        elif kind == "an Azure ML environment":
            named.append(_named_environment(parsed))
        elif kind == "a conda environment":
            environments.append(FoundFile(path, "conda file"))
        elif not kind and _is_of_azure(parsed.value):
            try:
                jobs.append(_job(parsed))
            except UserError as error:
                line = error.position.line if error.position else 0
                unreadable.append(FoundFile(path, error.what, line))
    return Findings(
        jobs=tuple(job for job in jobs if job.form != "component"),
        components=tuple(job for job in jobs if job.form == "component"),
        unreadable=tuple(unreadable),
        scripts=tuple(_scripts(tree)),
        named_environments=tuple(named),
        environments=tuple(sorted(environments, key=lambda file: file.path)),
        data=tuple(data),
        notebooks=tuple(path for path in tree.paths if path.endswith(".ipynb")),
        dev_containers=tuple(_dev_containers(tree)),
        tests=_test_folders(tree),
        ci=ci,
        sources=_sources(tree),
        formatter=team_formatter.of(
            {name: tree.texts[name] for name in team_formatter.FILES if name in tree.texts},
            is_adopted=True,
        ),
    )


def _is_own(path: str) -> bool:
    """Whether it is of an editor or another tool, whose YAML is not Azure ML's."""
    return path.startswith((".github/", ".vscode/", ".devcontainer/", ".circleci/"))


def _name(document: Mapping[str, Any]) -> str:
    name = document.get("name")
    return name if isinstance(name, str) else ""


def _is_of_azure(document: Mapping[str, Any]) -> bool:
    """Whether a YAML file that is no other known one may be a job or a component.

    A file of another program may have a key `command` or `jobs`, too.
    """
    keys = {str(key) for key in document}
    if "azureml" in str(document.get("$schema") or "").lower():
        return True
    if "jobs" in keys:
        steps = document["jobs"]
        return isinstance(steps, dict) and any(
            isinstance(step, dict) and {"component", "command", "trial"} & set(map(str, step))
            for step in steps.values()
        )
    if "trial" in keys:
        return bool({"search_space", "objective", "sampling_algorithm"} & keys)
    beside = {"code", "environment", "compute", "inputs", "outputs", "is_deterministic"}
    return "command" in keys and len(beside & keys) > 1


def _job(parsed: YamlText) -> FoundJob:
    """The job or component of a file. UserError for one that only Azure ML can run."""
    document: Mapping[str, Any] = parsed.value
    path = parsed.name
    schema = str(document.get("$schema") or "").rsplit("/", 1)[-1].lower()
    if "component." in schema or file_kind.is_component(document):
        if "command" not in document:
            kind = str(document.get("type") or schema.partition("component.")[0] or "other")
            raise UserError(
                f"a component of type {kind} cannot run here",
                code="no-local-equivalent",
                where=parsed.where("type"),
            )
        return _part(parsed, path, document, (), "component")
    form = job_kind(parsed)
    if form == "pipeline":
        return _pipeline(parsed)
    if form == "sweep" and isinstance(document.get("trial"), str):
        trial = str(document["trial"])
        parts = (joined(_folder(path), trial),) if not trial.startswith("azureml:") else ()
        return FoundJob(path, form, _name(document), parts=parts, document=document)
    body, at = (document["trial"], ("trial",)) if form == "sweep" else (document, ())
    if not isinstance(body, dict) or not isinstance(body.get("command"), str):
        raise UserError(
            "the job has no command", code="command-missing", where=parsed.where(*at, "command")
        )
    return _part(parsed, path, body, at, form)


def _part(
    parsed: YamlText,
    path: str,
    body: Mapping[str, Any],
    at: tuple[str, ...],
    form: JobForm,
) -> FoundJob:
    code = body.get("code")
    is_here = isinstance(code, str) and "://" not in code and not code.startswith("azureml:")
    return FoundJob(
        path,
        form,
        _name(parsed.value),
        joined(_folder(path), str(code)) if is_here else "",
        Reading(parsed).environment(body.get("environment"), (*at, "environment")),
        document=parsed.value,
    )


def _pipeline(parsed: YamlText) -> FoundJob:
    document = parsed.value
    steps = document.get("jobs")
    parts: list[str] = []
    references: list[str] = []
    inner: list[FoundJob] = []
    for name, step in steps.items() if isinstance(steps, dict) else ():
        body = step if isinstance(step, dict) else {}
        component = body.get("component", body.get("trial"))
        if isinstance(component, str) and component.startswith("azureml:"):
            references.append(component)
        elif isinstance(component, str) and "://" not in component:
            parts.append(joined(_folder(parsed.name), component))
        elif isinstance(body.get("command"), str):
            inner.append(_part(parsed, parsed.name, body, ("jobs", str(name)), "command"))
    return FoundJob(
        parsed.name,
        "pipeline",
        _name(document),
        parts=tuple(dict.fromkeys(parts)),
        references=tuple(dict.fromkeys(references)),
        inner=tuple(inner),
        document=document,
    )


def _folder(path: str) -> str:
    return posixpath.dirname(path)


def _named_environment(parsed: YamlText) -> FoundEnvironment:
    version = parsed.value.get("version")
    return FoundEnvironment(
        parsed.name,
        _name(parsed.value),
        "" if version is None else str(version),
        Reading(parsed).environment(
            {
                key: parsed.value[key]
                for key in ("image", "build", "conda_file")
                if key in parsed.value
            },
            (),
        ),
    )


def _environment_files(tree: RepositoryTree) -> Iterator[FoundFile]:
    for path in tree.paths:
        if path.startswith(".devcontainer/") or "/.devcontainer/" in path:
            continue
        name = posixpath.basename(path).lower()
        kind = next((kind for glob, kind in _ENVIRONMENT_FILES if fnmatch(name, glob)), "")
        if kind and not name.endswith(".dockerignore"):
            yield FoundFile(path, kind)


def _scripts(tree: RepositoryTree) -> Iterator[FoundFile]:
    """Python files that make jobs with an SDK, with the line of the import."""
    for path in tree.paths:
        text = tree.texts.get(path, "") if path.endswith(".py") else ""
        found = _SDK_IMPORT.search(text)
        if found and _SDK_JOB.search(text):
            line = text.count("\n", 0, found.start()) + 1
            yield FoundFile(path, "makes jobs by Azure ML's SDK", line)


def _dev_containers(tree: RepositoryTree) -> Iterator[FoundFile]:
    for path in tree.paths:
        folder, name = posixpath.split(path)
        if name != ".devcontainer.json" and not (
            name == "devcontainer.json"
            and ".devcontainer" in (posixpath.basename(folder), posixpath.basename(_folder(folder)))
        ):
            continue
        try:
            value = jsonc.parse(tree.texts.get(path, "{}"), path).value
        except jsonc.ParseError as error:
            yield FoundFile(path, f"not readable: {error}")
            continue
        table = value if isinstance(value, dict) else {}
        kind = "an image"
        if "dockerComposeFile" in table:
            kind = "Docker Compose"
        elif "build" in table or "dockerFile" in table:
            kind = "a Dockerfile"
        yield FoundFile(path, f"dev container by {kind}")


def _ci(tree: RepositoryTree) -> Iterator[FoundFile]:
    for path in tree.paths:
        kind = next((kind for glob, kind in _WORKFLOWS if fnmatch(path, glob)), "")
        text = tree.texts.get(path, "")
        if (
            not kind
            and path.endswith((".yml", ".yaml"))
            and re.search(r"(?m)^(?:trigger|pool|stages|steps)\s*:", text)
        ):
            with_kind = _described(text, path)
            kind = "Azure DevOps" if with_kind == "a pipeline of Azure DevOps" else ""
        if kind:
            yield FoundFile(path, kind)


def _described(text: str, path: str) -> str:
    try:
        value = yaml_text.parse(text, path).value
    except UserError:
        return ""
    return file_kind.describe_file(value) if isinstance(value, dict) else ""


def _test_folders(tree: RepositoryTree) -> tuple[str, ...]:
    """The folders in which pytest finds tests, without those inside another one."""
    folders = sorted({_folder(path) or "." for path in tree.paths if _TEST.search(path)})
    return tuple(folders)


def _sources(tree: RepositoryTree) -> tuple[str, ...]:
    """The folders under src/ that are experiments without a declaration."""
    end = "/environment/Dockerfile"
    found = (path.removesuffix(end) for path in tree.paths if path.endswith(end))
    return tuple(folder for folder in found if folder.startswith("src/"))
