"""What `init --here` found and does, for people and as JSON. Pure."""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ..workspace_template import EXTENSION
from .adoption import AdoptionPlan
from .findings import Findings, FoundFile, FoundJob

# Of a long list, so many are shown to people; --json has all.
_SHOWN = 8
# More experiments than these are shown by folder.
_MOST = 12


def lines(plan: AdoptionPlan) -> Iterator[str]:
    """What is there, what is declared, what is written, what is left alone."""
    yield from _found(plan.findings)
    is_long = len(plan.proposal.experiments) > _MOST
    yield from _grouped(plan) if is_long else _each(plan)
    if not plan.proposal.experiments:
        yield "no job file to declare: `scripts/loop new NAME` makes an experiment"
    tools = [path for path in plan.writes if path.startswith(EXTENSION)]
    containers = [path for path in plan.writes if is_long and path.startswith(".devcontainer/")]
    left_out = {*tools, *containers}
    yield from (f"writes: {path}" for path in plan.writes if path not in left_out)
    if containers:
        yield f"writes: .devcontainer/ ({_count(len(containers), 'file')})"
    if tools:
        yield f"writes: {EXTENSION} ({_count(len(tools), 'file')})"
    yield from (f"changes: {path}: {what}" for path, what in plan.edits.items())
    for path in plan.left_alone:
        yield (
            f"leaves alone: {path}: it is yours; `scripts/loop sync --take '{path}:.'` adds to it "
            "what is generated"
        )


def _each(plan: AdoptionPlan) -> Iterator[str]:
    for one in plan.proposal.experiments:
        yield f"experiment {one.name}: {one.source} ({one.kind})"
        yield from (f"    {key}: {value}" for key, value in one.keys.items() if key != "job")
        yield from (f"    note: {note}" for note in one.notes)


def _grouped(plan: AdoptionPlan) -> Iterator[str]:
    """The experiments of a large repository by the folder of their files, and the notes once each."""
    groups: dict[tuple[str, str], list[str]] = {}
    notes: Counter[str] = Counter()
    for one in plan.proposal.experiments:
        folder = posixpath.dirname(one.source) or "."
        groups.setdefault((folder, one.kind), []).append(one.name)
        notes.update(one.notes)
    for (folder, kind), names in sorted(groups.items()):
        yield f"{_count(len(names), 'experiment')} in {folder} ({kind}): {_shown(names)}"
    yield from (
        f"    note: {note} ({_count(times, 'time')})" for note, times in sorted(notes.items())
    )
    yield "--only 'GLOB' declares those of some files alone; --json lists each"


def _found(found: Findings) -> Iterator[str]:
    jobs = Counter(job.form for job in found.jobs)
    for form, number in sorted(jobs.items()):
        yield f"found: {_count(number, f'{form} job')}"
    for word, items in (
        ("component", found.components),
        ("named environment", found.named_environments),
        ("data asset", found.data),
        ("notebook", found.notebooks),
        ("folder with tests", found.tests),
    ):
        if items:
            yield f"found: {_count(len(items), word)}: {_shown([_path(one) for one in items])}"
    yield from (f"found: {file.path} ({file.kind})" for file in found.environments[:_SHOWN])
    if len(found.environments) > _SHOWN:
        yield f"found: {len(found.environments) - _SHOWN} more files of environments"
    yield from (f"found: {file.path} ({file.kind})" for file in found.dev_containers)
    yield from (f"found: {file.path} (CI: {file.kind})" for file in found.ci)
    if found.formatter.kind != "none":
        yield f"found: the formatter {found.formatter.name} ({found.formatter.where})"
    yield from (f"cannot be read: {file.where}: {file.kind}" for file in found.unreadable)
    yield from (f"cannot be read: {file.where}: it {file.kind}" for file in found.scripts)


def _path(item: object) -> str:
    return item if isinstance(item, str) else str(getattr(item, "path", item))


def _count(number: int, word: str) -> str:
    plural = word.replace("folder", "folders", 1) if word.startswith("folder") else f"{word}s"
    return f"{number} {word if number == 1 else plural}"


def _shown(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def as_json(plan: AdoptionPlan, *, is_written: bool) -> dict[str, Any]:
    """The same as one value. Paths are relative to the repository's root."""
    found = plan.findings
    return {
        "written": is_written,
        "experiments": [
            {"name": one.name, "source": one.source, "kind": one.kind, **one.keys}
            | {"notes": list(one.notes)}
            for one in plan.proposal.experiments
        ],
        "found": {
            "jobs": [_job(job) for job in found.jobs],
            "components": [_job(job) for job in found.components],
            "environments": [
                *({"path": one.path, "name": one.name} for one in found.named_environments),
                *map(_file, found.environments),
            ],
            "data": list(map(_file, found.data)),
            "notebooks": list(found.notebooks),
            "dev_containers": list(map(_file, found.dev_containers)),
            "tests": list(found.tests),
            "ci": list(map(_file, found.ci)),
            "formatter": found.formatter.name or None,
            "unreadable": [_file(file) for file in (*found.unreadable, *found.scripts)],
        },
        "writes": list(plan.writes),
        "changes": list(plan.edits),
        "left_alone": list(plan.left_alone),
        "problems": list(plan.problems),
        "notes": [*plan.notes, *plan.ignored],
    }


def _job(job: FoundJob) -> dict[str, Any]:
    return {"path": job.path, "kind": job.form}


def _file(file: FoundFile) -> dict[str, Any]:
    value: dict[str, Any] = {"path": file.path, "kind": file.kind}
    return {**value, "line": file.line} if file.line else value
