"""`loop sync` as a value: what would be written, then the writing.

A file that a person changed since it was last rendered is never overwritten: it is named, and
left. The memory of what was last rendered is `.innerloop/rendered.json`, one line per file.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from . import files, loading
from .errors import Mistake
from .render import Json, Subject, launch, wanted
from .spec.experiment import JOB_FILE, Experiment
from .spec.job import Job

MEMORY = ".innerloop/rendered.json"


@dataclass(frozen=True, slots=True)
class Change:
    """One file: its text before and after (None: not there)."""

    path: str
    before: str | None
    after: str | None

    @property
    def verb(self) -> str:
        if self.before is None:
            return "write"
        return "remove" if self.after is None else "update"


@dataclass(frozen=True, slots=True)
class Outcome:
    """`memory` is what to remember afterwards: path -> digest of the text that was written."""

    changes: tuple[Change, ...]
    problems: tuple[str, ...]
    memory: dict[str, str]


def plan(root: Path) -> Outcome:
    """Compares what is wanted with what is there; nothing is written."""
    subject, problems = _subject(root)
    texts = {path: text_of(value) for path, value in wanted(subject).items()}
    remembered = _remembered(root)
    memory = dict(remembered)
    changes = []
    # A broken experiment is not rendered; what was rendered for it before is left as it is.
    broken = {f".devcontainer/{name.replace('/', '.')}/devcontainer.json" for name in problems}
    if problems:  # files with something of every experiment would lose the broken one's part
        broken |= {path for path in texts if path.startswith(".vscode/")}
    for path in sorted({*texts, *remembered} - broken):
        found = files.read_text(root / path)
        after = texts.get(path)
        found_plain = None if found is None else found.replace("\r\n", "\n")
        if found_plain == after:
            memory = _with(memory, path, after)
        elif found_plain is None and path in remembered:
            if after is None:
                memory = _with(memory, path, None)
            # else: the person took the file away, and it stays away.
        elif found_plain is None or remembered.get(path) == digest(found_plain):
            changes.append(Change(path, found, after))
            memory = _with(memory, path, after)
        else:
            problems[path] = Mistake(
                "you changed this file since it was rendered, so it is left as it is",
                where=path,
                mend="`scripts/loop sync --diff` shows the rest; to have it rendered anew, remove it "
                f"and its line in {MEMORY}",
            ).sentence()
    return Outcome(tuple(changes), tuple(problems.values()), memory)


def carry_out(root: Path, outcome: Outcome) -> None:
    """Writes the files, then the memory. Killed in between, the next sync finds the files equal
    to what is wanted and only brings the memory up to date."""
    with files.locked(
        root / ".innerloop" / "sync.lock", waiting="innerloop: another sync is running"
    ):
        for change in outcome.changes:
            if change.after is None:
                files.remove(root / change.path)
                files.remove_if_empty((root / change.path).parent)
            else:
                files.write_text(root / change.path, change.after)
        text = (
            "{\n"
            + ",\n".join(
                f"{json.dumps(path)}: {json.dumps(value)}"
                for path, value in sorted(outcome.memory.items())
            )
            + "\n}\n"
        )
        if files.read_text(root / MEMORY) != text:
            files.write_text(root / MEMORY, text)


def text_of(value: Json) -> str:
    return json.dumps(value, indent=4, ensure_ascii=False) + "\n"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _with(memory: dict[str, str], path: str, text: str | None) -> dict[str, str]:
    if text is None:
        return {key: value for key, value in memory.items() if key != path}
    return {**memory, path: digest(text)}


def _subject(root: Path) -> tuple[Subject, dict[str, str]]:
    workspace = loading.open_workspace(root)
    experiments: list[Experiment] = []
    jobs: dict[str, Job] = {}
    problems: dict[str, str] = {}
    for name in workspace.experiments:
        try:
            experiment = loading.open_experiment(workspace, name)
            experiments.append(experiment)
            if JOB_FILE in experiment.files:
                job = loading.open_job(workspace, experiment)
                launch.configuration_of(experiment, job)
                jobs[name] = job
        except Mistake as mistake:
            problems[name] = mistake.sentence()
    return Subject(workspace, tuple(experiments), jobs), problems


def _remembered(root: Path) -> dict[str, str]:
    """Empty when it is lost or cannot be read: then every file that differs is the person's."""
    try:
        value = json.loads(files.read_text(root / MEMORY) or "{}")
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(key): str(digest) for key, digest in value.items()}
