"""What may stand at a place of a job file that is being typed, and what stands there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, field
from typing import Any, Literal

from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from ..data_locations import locate
from .file_kind import is_component, kind_by_schema
from .job_fields import FileKind, JobField, field_at, fields_at
from .yaml_cursor import Cursor, cursor_at, document_of, entries

ItemKind = Literal["key", "value", "reference", "compute", "environment", "data", "component"]
# The beginning of a reference that is being typed, and a whole one.
_TYPED = late_pattern(r"\$\{\{\s*(?P<body>[\w.-]*)$")
_REFERENCE = late_pattern(r"\$\{\{\s*(?P<body>[\w.-]+)\s*\}\}")
_SPELLED = late_pattern(r"[\w.-]*\s*(?:\}\}|\})?")


@dataclass(frozen=True, slots=True)
class WorkspaceValues:
    """What a workspace's other job files name, and the files that may be named.

    `data_paths`: a local path by the name of an input, from the settings. `exists` says whether a
    path, relative to the root, is there. `described` has the file of each asset that one describes.
    """

    computes: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    build_folders: tuple[str, ...] = ()
    data_paths: Mapping[str, str] = field(default_factory=dict)
    exists: Callable[[str], bool] = lambda path: False
    described: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """A text that may stand at the place, with one line about it."""

    label: str
    kind: ItemKind
    detail: str
    text: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Completion:
    """The items, the columns that they replace, and what the word under the cursor means ("")."""

    items: tuple[Item, ...]
    line: int
    start: int
    end: int
    hover: str

    def as_json(self) -> dict[str, object]:
        return {
            "items": [item.as_json() for item in self.items],
            "line": self.line,
            "column": self.start,
            "end_line": self.line,
            "end_column": self.end,
            "hover": self.hover,
        }


def complete(text: str, name: str, line: int, column: int, known: WorkspaceValues) -> Completion:
    """What may stand before a column of a line (from 1) of a job file, whether or not it parses."""
    cursor = cursor_at(text, line, column)
    document = document_of(text, line)
    kind = kind_of(document)
    lines = text.split("\n")
    row = min(max(line, 1), len(lines))
    current = lines[row - 1].rstrip("\r")
    at = min(max(column, 1), len(current) + 1) - 1
    typed = _TYPED.search(current[:at])
    hover = _hover(current, at, cursor, document, kind, name, known)
    if typed is not None:
        start = at - len(typed["body"])
        end = at + _end_of(_SPELLED.match(current, at))
        items = tuple(_references(typed["body"], cursor, document, kind, name, known))
        return Completion(items, row, start + 1, end + 1, hover)
    if cursor.key:
        items = tuple(_values(cursor, document, kind, name, known))
    else:
        items = tuple(_keys(cursor, document, kind))
    return Completion(items, row, cursor.start, cursor.end, hover)


def kind_of(document: Mapping[str, Any]) -> FileKind:
    """The kind of file, as far as what is written so far tells."""
    schema = str(document.get("$schema") or "").lower()
    type_ = str(document.get("type") or "")
    if "component.schema" in schema or (not schema and is_component(document)):
        return "component"
    for kind in ("command", "sweep", "pipeline"):
        if type_ == kind or (not type_ and kind_by_schema(schema) == kind):
            return kind
    if "jobs" in document:
        return "pipeline"
    return "sweep" if "trial" in document else "command"


@dataclass(frozen=True, slots=True)
class Lens:
    """A place that can be run. `what` names it, "" for the job as a whole.

    `words` follow the job file in `loop run`. `actions`: run, debug, submit and runs.
    """

    line: int
    what: str
    words: tuple[str, ...] = ()
    actions: tuple[str, ...] = ("run", "debug", "submit", "runs")

    def as_json(self) -> dict[str, object]:
        return {
            "line": self.line,
            "what": self.what,
            "words": list(self.words),
            "actions": list(self.actions),
        }


def lenses(text: str) -> tuple[FileKind, tuple[Lens, ...]]:
    """The kind of file; the job, each step of a pipeline, the trial and the trials of a sweep."""
    document = document_of(text, 1)
    kind = kind_of(document)
    return kind, tuple(_lenses(text, kind, document))


def _lenses(text: str, kind: FileKind, document: Mapping[str, Any]) -> Iterator[Lens]:
    whole = {"command": "command", "pipeline": "jobs", "sweep": "search_space"}.get(kind)
    for entry in entries(text):
        if entry.path == (whole,) and kind == "sweep":
            count = _at(document, ("limits",)).get("max_total_trials")
            trials = count if isinstance(count, int) and 0 < count < 10_000 else 4
            words = ("--trials", str(trials))
            yield Lens(entry.line, f"{trials} trials", words, ("run", "submit", "runs"))
        elif entry.path == (whole,):
            yield Lens(entry.line, "")
        elif kind == "sweep" and entry.path == ("trial",):
            yield Lens(entry.line, "one trial", (), ("run", "debug"))
        elif kind == "pipeline" and entry.path[:1] == ("jobs",) and len(entry.path) == 2:
            step = entry.path[1]
            yield Lens(entry.line, step, ("--step", step), ("run", "debug"))


def _keys(cursor: Cursor, document: Mapping[str, Any], kind: FileKind) -> Iterator[Item]:
    present = _at(document, cursor.path)
    for one in fields_at(kind, cursor.path):
        if one.key in present and not cursor.before.startswith(one.key):
            continue
        ending = ":" if one.shape == "mapping" else ": "
        yield Item(one.key, "key", one.meaning, one.key + ending)
    if cursor.path[-1:] == ("inputs",) and len(cursor.path) > 1:
        for name in _at(document, ("inputs",)):
            yield Item(
                name, "key", "An input of the pipeline", f"{name}: ${{{{parent.inputs.{name}}}}}"
            )


def _values(
    cursor: Cursor,
    document: Mapping[str, Any],
    kind: FileKind,
    name: str,
    known: WorkspaceValues,
) -> Iterator[Item]:
    path, key = cursor.path, cursor.key
    one = field_at(kind, path, key)
    if one is not None:
        for value in one.values:
            yield Item(value, "value", one.meaning, value)
        if one.shape == "boolean":
            yield from (Item(word, "value", one.meaning, word) for word in ("true", "false"))
    if key in ("compute", "default_compute"):
        for compute in known.computes:
            yield Item(compute, "compute", "Named in a job file of this workspace", compute)
    elif key == "environment":
        for folder in known.build_folders:
            text = f"{{build: {{path: {folder}}}}}"
            yield Item(text, "environment", f"The Dockerfile in {folder}", text)
        for environment in known.environments:
            detail = _file_of(environment, known) or "Named in a job file of this workspace"
            yield Item(environment, "environment", detail, environment)
    elif key == "path" and path[-1:] == ("build",):
        yield from (
            Item(one, "environment", "A folder with a Dockerfile", one)
            for one in known.build_folders
        )
    elif key == "path" and len(path) > 1 and path[-2] == "inputs":
        for address in known.data:
            is_set = path[-1] in known.data_paths
            described = "" if is_set else _file_of(address, known)
            detail = described or _local(address, path[-1], name, known)
            yield Item(address, "data", detail, address)
    elif key == "component":
        for component in known.components:
            detail = _file_of(component, known) or "A component's file"
            yield Item(component, "component", detail, component)


def _file_of(reference: str, known: WorkspaceValues) -> str:
    file = known.described.get(reference, "")
    return f"Described in {file}" if file else ""


def _local(address: str, input_: str, name: str, known: WorkspaceValues) -> str:
    """The local file or folder that stands for data, and whether it is there."""
    path = known.data_paths.get(input_) or locate(name, address).path
    return f"here: {path}" if known.exists(path) else f"here: {path}, which does not exist"


def _references(
    typed: str,
    cursor: Cursor,
    document: Mapping[str, Any],
    kind: FileKind,
    name: str,
    known: WorkspaceValues,
) -> Iterator[Item]:
    """`inputs.NAME` and the like. The braces at the end are part of the text."""
    for reference, meaning in _names(cursor, document, kind, name, known):
        if _is_begun(typed, reference):
            yield Item(reference, "reference", meaning, reference + "}}")


def _is_begun(typed: str, reference: str) -> bool:
    """Whether a reference is meant by what is typed so far, with letters left out or not."""
    head, dot, _ = typed.rpartition(".")
    return reference.startswith(head + dot) if dot else True


def _names(
    cursor: Cursor,
    document: Mapping[str, Any],
    kind: FileKind,
    name: str,
    known: WorkspaceValues,
) -> Iterator[tuple[str, str]]:
    """Every reference that Azure ML fills in at the cursor, with what it stands for."""
    in_step = kind == "pipeline" and cursor.path[:1] == ("jobs",) and len(cursor.path) > 1
    if in_step and cursor.key != "command" and "trial" not in cursor.path:
        yield from _named("parent.inputs", _at(document, ("inputs",)), name, known)
        yield from _named("parent.outputs", _at(document, ("outputs",)), name, known)
        for step, body in _at(document, ("jobs",)).items():
            if step != cursor.path[1] and isinstance(body, dict):
                outputs = _at(body, ("outputs",))
                yield from _named(f"parent.jobs.{step}.outputs", outputs, name, known)
        if "environment_variables" not in cursor.path:
            return
    holder = _at(document, cursor.path[:2]) if in_step else document
    for group in ("inputs", "outputs", "search_space"):
        if group != "search_space" or kind == "sweep":
            yield from _named(group, _at(holder, (group,)), name, known)


def _named(
    prefix: str, names: Mapping[str, Any], name: str, known: WorkspaceValues
) -> Iterator[tuple[str, str]]:
    for key, value in names.items():
        yield f"{prefix}.{key}", _described(str(key), value, name, known)


def _described(key: str, value: Any, name: str, known: WorkspaceValues) -> str:
    """One line about the value of an input, an output or a search space."""
    if isinstance(value, dict):
        type_ = str(value.get("type") or "")
        address = value.get("path")
        if isinstance(address, str) and not address.startswith("${{"):
            return ", ".join(filter(None, [type_, address, _local(address, key, name, known)]))
        if "values" in value:
            return f"one of {value['values']}"
        rest = [f"{word}: {one}" for word, one in value.items() if word != "type"]
        return ", ".join(filter(None, [type_, *rest]))[:200]
    return "no value" if value is None else str(value)[:200]


def _hover(
    line: str,
    at: int,
    cursor: Cursor,
    document: Mapping[str, Any],
    kind: FileKind,
    name: str,
    known: WorkspaceValues,
) -> str:
    """What the reference, key or value under the cursor means; "" if nothing is known."""
    for match in _REFERENCE.finditer(line):
        if match.start() <= at <= match.end():
            names = dict(_names(cursor, document, kind, name, known))
            meaning = names.get(match["body"])
            return "" if meaning is None else f"{match['body']}: {meaning}"
    word = line[cursor.start - 1 : cursor.end - 1]
    if not word:
        return ""
    if not cursor.key:
        one = field_at(kind, cursor.path, word)
        if one is not None:
            return _of_field(one)
        group = cursor.path[-1] if cursor.path else ""
        if group in ("inputs", "outputs", "search_space"):
            values = _at(document, cursor.path)
            if word in values:
                return f"{word}: {_described(word, values[word], name, known)}"
        return ""
    if cursor.key == "path" and len(cursor.path) > 1 and cursor.path[-2] == "inputs":
        return f"{word}: {_local(word, cursor.path[-1], name, known)}"
    one = field_at(kind, cursor.path, cursor.key)
    return _of_field(one) if one is not None and word in one.values else ""


def _of_field(one: JobField) -> str:
    values = f" One of {', '.join(one.values)}." if one.values and one.key != "$schema" else ""
    return f"{one.key}: {one.meaning}.{values}"


def _at(document: Any, path: Sequence[str]) -> Mapping[str, Any]:
    """The mapping at a path, with its keys as text; empty if there is none."""
    for key in path:
        if isinstance(document, list) and key == "-":
            return {}
        document = document.get(key) if isinstance(document, dict) else None
    if not isinstance(document, dict):
        return {}
    return {str(key): value for key, value in document.items()}


def _end_of(match: re.Match[str] | None) -> int:
    return len(match[0]) if match else 0


def values_in(document: Any) -> Iterator[tuple[str, str]]:
    """(what it is, the text) of each compute, environment and data address of a job file."""
    if isinstance(document, list):
        for one in document[:1000]:
            yield from values_in(one)
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        if isinstance(value, str) and value and "${{" not in value and len(value) < 300:
            if key in ("compute", "default_compute"):
                yield "compute", value
            elif key == "environment":
                yield "environment", value
            elif key == "path" and value.startswith(("azureml:", "https:", "wasbs:", "abfss:")):
                yield "data", value
        elif key not in ("tags", "properties", "environment_variables"):
            yield from values_in(value)


def sorted_values(pairs: Iterable[tuple[str, str]], what: str) -> tuple[str, ...]:
    """The texts of one kind, each once."""
    return tuple(sorted({text for kind, text in pairs if kind == what}))
