"""What the tool proposes for a repository: its experiments, and the files that declare them. Pure."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from ...model.experiment_paths import default_folder
from ...model.jobs.job import DATA_TYPES
from ...model.settings import adoption, declarations, settings
from ...model.settings.adoption import FILE
from ...util import yaml_writer
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from ...util.yaml_writer import Noted
from . import environment_choice, proposed_names
from .environment_choice import EnvironmentChoice
from .findings import Findings, FoundJob
from .repository_tree import RepositoryTree, joined, upwards

# The folder of the data that a run takes.
DATA = "data"
# The folder of the job files that are made for components, which nothing else starts.
MADE = "innerloop"
_MARK = late_pattern(r"\A# As written: ([0-9a-f]{16})\n")
_BEGIN = "# innerloop init --here wrote what follows. As written:"
_END = "# innerloop init --here: end"
_ADDED = late_pattern(
    rf"\r?\n{re.escape(_BEGIN)} (?P<mark>[0-9a-f]{{16}})\r?\n(?P<tables>.*?){re.escape(_END)}\r?\n",
    re.DOTALL,
)
# The files that may declare experiments.
DECLARING = (declarations.PYPROJECT, declarations.ROOT_SETTINGS)
_HEAD = """\
# What innerloop knows of this repository: `scripts/loop help settings` explains each key. The file is
# yours: edit it, and run `scripts/loop sync`. Paths start at the root of the repository.
"""
# The ignore file of Azure ML's client that counts, at the root of the code.
_WHOLE = (
    "its code is the whole repository, so a submission sends the tool's files with it: an .amlignore "
    "at the root with /.innerloop/, /.vscode/, /scripts/loop* and /innerloop.toml leaves them out. It "
    "counts instead of .gitignore, so it needs the lines of that as well"
)


@dataclass(frozen=True, slots=True)
class ProposedExperiment:
    """An experiment to declare: paths relative to the root, "" for what needs no key.

    `environment`: a file, or an image. `made`: the text of its job file, if it is to be written.
    `source`: the file that it is found by. `notes`: what the person should know.
    """

    name: str
    source: str
    kind: str
    job: str
    folder: str = ""
    environment: str = ""
    context: str = ""
    tests: str = ""
    devcontainer: str = ""
    made: str = ""
    notes: tuple[str, ...] = ()

    @property
    def keys(self) -> Mapping[str, str]:
        """The keys of its table, in their order."""
        pairs = {
            "folder": self.folder,
            "job": self.job,
            "environment": self.environment,
            "context": self.context,
            "tests": self.tests,
            "devcontainer": self.devcontainer,
        }
        return {key: value for key, value in pairs.items() if value}


@dataclass(frozen=True, slots=True)
class Proposal:
    """`files` are the team's new files, path -> text. `clashes`: those that exist already."""

    experiments: tuple[ProposedExperiment, ...]
    files: Mapping[str, str]
    clashes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of a proposal.

    `container`: a dev container of the whole repository. `only`: patterns of the files whose jobs and
    components count; empty for all. `steps`: also those components that are steps of a pipeline.
    """

    container: bool = False
    only: tuple[str, ...] = ()
    steps: bool = False

    def takes(self, path: str) -> bool:
        """Whether a file fits one of the patterns, which may be a folder."""
        patterns = [pattern.replace("\\", "/").rstrip("/") for pattern in self.only]
        return not patterns or any(
            fnmatchcase(path, pattern) or path.startswith(f"{pattern}/") for pattern in patterns
        )


NO_WISHES = Wishes()


def propose(findings: Findings, tree: RepositoryTree, wishes: Wishes = NO_WISHES) -> Proposal:
    """An experiment for each job, and for each component that no pipeline of the repository uses.

    Jobs in the folder of an experiment under src/ are that experiment's own, and so are those that
    are declared already. UserError if innerloop.toml exists and cannot get the tables.
    """
    before = tree.texts.get(FILE)
    declared = declarations.read({name: tree.texts.get(name) for name in DECLARING})
    known = {path for one in declared.values() for path in one.paths.values()}

    def is_new(path: str) -> bool:
        return not _is_in(path, findings.sources) and path not in known and wishes.takes(path)

    jobs = [job for job in findings.jobs if is_new(job.path)]
    alone = [
        component
        for component in findings.components
        if is_new(component.path) and (wishes.steps or not _is_used(component, findings))
    ]
    taken = [*(folder.removeprefix("src/") for folder in findings.sources), *declared]
    names = proposed_names.choose([one.path for one in (*jobs, *alone)], taken)
    experiments = [
        *(_of_job(names[job.path], job, findings, tree) for job in jobs),
        *(_of_component(names[one.path], one, findings, tree) for one in alone),
    ]
    experiments.sort(key=lambda one: one.name)
    files = {one.job: one.made for one in experiments if one.made}
    clashes = tuple(sorted(path for path in files if path in tree.files))
    if before is None and FILE in tree.files:
        clashes = (*clashes, FILE)
    tables = tables_of(experiments, container=wishes.container)
    files[FILE] = _marked(_HEAD + tables) if before is None else added_to(before, tables)
    return Proposal(tuple(experiments), dict(sorted(files.items())), clashes)


def _is_in(path: str, folders: Sequence[str]) -> bool:
    return any(path.startswith(f"{folder}/") for folder in folders)


def _is_used(component: FoundJob, findings: Findings) -> bool:
    """Whether a job of the repository has it as a step or a trial, by its file or its name."""
    pattern = re.compile(rf"azureml:{re.escape(component.name)}(?:[:@].*)?\Z")
    return any(
        component.path in job.parts
        or (component.name and any(pattern.match(word) for word in job.references))
        for job in findings.jobs
    )


def _parts(job: FoundJob, findings: Findings) -> list[FoundJob]:
    """What runs as the steps of a pipeline or the trials of a sweep; else the job itself."""
    if job.form == "pipeline" or job.parts:
        by_path = {one.path: one for one in findings.components}
        return [*job.inner, *(by_path[path] for path in job.parts if path in by_path)]
    return [job]


def _of_job(
    name: str, job: FoundJob, findings: Findings, tree: RepositoryTree
) -> ProposedExperiment:
    parts = _parts(job, findings)
    environment = environment_choice.common(parts, findings, tree) if parts else EnvironmentChoice()
    folders = {_code_folder(part, tree) for part in parts}
    folder = folders.pop() if len(folders) == 1 else job.folder
    plain = ProposedExperiment(name, job.path, job.form, job.path)
    if any(part.code == "." for part in parts):
        plain = replace(plain, notes=(_WHOLE,))
    return _complete(plain, folder, environment, findings, tree)


def _of_component(
    name: str, component: FoundJob, findings: Findings, tree: RepositoryTree
) -> ProposedExperiment:
    environment = environment_choice.of_job(component, findings, tree)
    made = f"{MADE}/{name}.yml"
    plain = ProposedExperiment(
        name, component.path, "component", made, made=_job_of_component(name, component)
    )
    missing = [key for key, _ in _inputs(component)]
    if missing:
        words = ", ".join(missing)
        plain = replace(plain, notes=(f"write the values of its inputs in {made}: {words}",))
    return _complete(plain, _code_folder(component, tree), environment, findings, tree)


def _complete(
    plain: ProposedExperiment,
    folder: str,
    environment: EnvironmentChoice,
    findings: Findings,
    tree: RepositoryTree,
) -> ProposedExperiment:
    """With its folder (which is that of the job file without a key), environment and tests."""
    notes = [*plain.notes, *filter(None, [environment.note])]
    usual = posixpath.dirname(plain.job) or "."
    is_default = default_folder(plain.name) in tree.folders
    return replace(
        plain,
        folder=folder if is_default or folder != usual else "",
        environment=environment.file,
        context=environment.context,
        tests=_tests(folder, plain.name, findings),
        devcontainer=_devcontainer(folder, findings),
        notes=tuple(notes),
    )


def _devcontainer(folder: str, findings: Findings) -> str:
    """The team's dev container of the code, "" without one.

    It is in the folder or one around it. The one at the root is for the whole repository: VS Code and
    Codespaces offer it as ever. Several beside each other are for a person to choose from.
    """
    for around in upwards(folder):
        inside = [
            file.path
            for file in findings.dev_containers
            if file.path.startswith(f"{around}/.devcontainer")
        ]
        if around != "." and inside:
            return inside[0] if len(inside) == 1 else ""
    return ""


def _code_folder(job: FoundJob, tree: RepositoryTree) -> str:
    """The folder of the code; that of the job's file if it names none that is here."""
    if job.code in tree.files:
        return posixpath.dirname(job.code) or "."
    return job.code if job.code in tree.folders else job.folder


def _tests(folder: str, name: str, findings: Findings) -> str:
    """The nearest tests of the code, "" for those in its own folder and for none.

    Of a folder of tests around the code, the part that has the name of the experiment or the folder.
    """
    if any(tests == folder or tests.startswith(f"{folder}/") for tests in findings.tests):
        return ""
    own = {name, posixpath.basename(folder)}
    for around in upwards(folder):
        for word in ("tests", "test"):
            place = joined(around, word)
            inside = [one for one in findings.tests if one == place or one.startswith(f"{place}/")]
            if inside:
                matching = [one for one in inside if posixpath.basename(one) in own]
                return matching[0] if matching else posixpath.commonpath(inside)
    return ""


def _inputs(component: FoundJob) -> Iterator[tuple[str, Any]]:
    """(name, what the component says of it) of each input that a job has to give."""
    inputs = component.document.get("inputs")
    for name, value in inputs.items() if isinstance(inputs, dict) else ():
        table = value if isinstance(value, dict) else {}
        if not table.get("optional") and "default" not in table and "value" not in table:
            yield str(name), value


def _job_of_component(name: str, component: FoundJob) -> str:
    """A pipeline of one step, the component, which `az ml job create` takes as well.

    The inputs are those of the pipeline, so that `--set inputs.NAME=VALUE` gives them.
    """
    inputs = {key: _missing(key, value) for key, value in _inputs(component)}
    step = {
        "component": posixpath.relpath(component.path, MADE),
        "inputs": {key: f"${{{{parent.inputs.{key}}}}}" for key in inputs},
    }
    document = {
        "type": "pipeline",
        "display_name": name,
        "inputs": inputs,
        "jobs": {name: {key: value for key, value in step.items() if value}},
    }
    document = {key: value for key, value in document.items() if value}
    comment = f"Runs {component.path} by itself. `innerloop init --here` wrote it; it is yours."
    return _marked(yaml_writer.document(document, [_comment(comment)]))


def _missing(name: str, input_: Any) -> dict[str, Any]:
    """An input of a pipeline that has no value yet: `--set inputs.NAME=VALUE` gives one."""
    type_ = str(input_.get("type", "string") if isinstance(input_, dict) else "string")
    if type_ in DATA_TYPES:
        path = f"{posixpath.relpath(DATA, MADE)}/{name}"
        note = "put them there, or name another path, or azureml:NAME@latest"
        return {"type": type_, "path": Noted(path, note)}
    return {"type": Noted(type_, "it has no value yet: write value: below this line")}


def tables_of(experiments: Sequence[ProposedExperiment], *, container: bool) -> str:
    """The tables of innerloop.toml."""
    lines = ["[adopted]\n"]
    if container:
        lines.append("container = true\n")
    for one in experiments:
        lines.append(f"\n[experiments.{one.name}]\n")
        lines += [f"# {_comment(note)}\n" for note in one.notes]
        lines += [f"{key} = {_quoted(value)}\n" for key, value in one.keys.items()]
    return "".join(lines)


def added_to(text: str, tables: str) -> str:
    """The person's innerloop.toml with the tables at its end. UserError if that is not TOML.

    Nothing of theirs changes: `without_added` gives back each byte.
    """
    if adoption.is_adopted("", text):
        tables = tables.split("\n", 1)[1].removeprefix("container = true\n")
    block = f"{_BEGIN} {_digest(tables)}\n{tables}{_END}\n"
    end = "\r\n" if "\r\n" in text else "\n"
    added = text + end + block.replace("\n", end)
    try:
        settings.read_toml(added, FILE)
    except UserError as error:
        raise UserError(
            f"the tables of the experiments cannot be added to this file: {error.what}",
            code="declaration-not-editable",
            where=FILE,
            hint="Write its tables as [experiments.NAME], and correct what is no TOML",
        ) from error
    return added


def without_added(text: str) -> str | None:
    """The text before `added_to`; None if it has no such part, or somebody has edited it."""
    found = _ADDED.search(text)
    if found is None or found["mark"] != _digest(found["tables"].replace("\r\n", "\n")):
        return None
    return text[: found.start()] + text[found.end() :]


def has_added(text: str) -> bool:
    """Whether a file has a part that `added_to` wrote, edited or not."""
    return f"{_BEGIN} " in text


def _marked(text: str) -> str:
    """The text, which then says of itself whether it is still as written."""
    return f"# As written: {_digest(text)}\n{text}"


def _quoted(text: str) -> str:
    """A TOML string. JSON escapes all that TOML does not allow, but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(note: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f]+", " ", note)


def is_as_written(text: str) -> bool:
    """Whether nobody has edited a file of the team's since `init --here` wrote it."""
    plain = text.replace("\r\n", "\n")
    found = _MARK.match(plain)
    return found is not None and found[1] == _digest(plain[found.end() :])


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
