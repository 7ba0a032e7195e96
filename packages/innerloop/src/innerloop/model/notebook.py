"""A notebook's parameters.

They are the names that its cell tagged "parameters" sets. This module also makes a copy of the
notebook with other values.

The convention is papermill's: the cell's values are defaults, and a cell directly below it, tagged
"injected-parameters", overrides them. Source: https://papermill.readthedocs.io, "Parameterize".
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..util.errors import UsageError, UserError, did_you_mean
from ..util.jsonc import BOM
from ..util.position import Position
from ..util.printable import is_unicode

TAG, INJECTED = "parameters", "injected-parameters"
Cell = dict[str, Any]


def with_parameters(text: str, values: Mapping[str, Any], name: str) -> str:
    """The notebook's text with a cell that sets `values`; `name` is its file's, for the errors."""
    notebook = _parse(text, name)
    if not values:
        return text
    cells: list[Cell] = [cell for cell in notebook["cells"] if INJECTED not in _tags(cell)]
    at = next((n for n, cell in enumerate(cells) if TAG in _tags(cell)), None)
    if at is None:
        raise UserError(
            f'no cell is tagged "{TAG}", so --set has no parameters',
            code="notebook-without-parameters",
            where=name,
            hint="Tag the cell with the defaults (JupyterLab: the gears at the right; VS Code: "
            "the cell's menu, Add Cell Tag)",
        )
    known = names_set(_source(cells[at]))
    for parameter in values:
        if parameter not in known:
            raise UserError(
                f'the cell tagged "{TAG}" does not set "{parameter}"',
                code="parameter-unknown",
                where=name,
                hint=did_you_mean(parameter, known),
            )
    cells.insert(at + 1, _cell(notebook, values))
    notebook = {**notebook, "cells": cells}
    written = json.dumps(notebook, indent=1, ensure_ascii=False)
    if not is_unicode(written):
        written = json.dumps(notebook, indent=1)
    return written + "\n"


def parameters(text: str, name: str) -> list[str]:
    """The names that can be set; none if no cell is tagged."""
    cells = _parse(text, name)["cells"]
    return [one for cell in cells if TAG in _tags(cell) for one in names_set(_source(cell))]


def values_of(settings: Sequence[str]) -> dict[str, Any]:
    """The values of settings such as "n=500", "rate=1e-3", "name=a b", by name.

    They are Python literals (and true, false, null as in the job file), else strings.
    """
    values = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name.isidentifier():
            raise UsageError(
                f'--set "{setting}" is not of the form NAME=VALUE',
                code="override-invalid",
                hint="Write x=1",
            )
        values[name] = _value(text)
    return values


_WORDS = {"true": True, "false": False, "null": None}


def _value(text: str) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def names_set(source: str) -> list[str]:
    """The names that a cell assigns, in order."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return []
    targets = [
        target
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    ]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _cell(notebook: Mapping[str, Any], values: Mapping[str, Any]) -> Cell:
    lines = [f"{name} = {value!r}" for name, value in values.items()]
    cell: Cell = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": [INJECTED]},
        "outputs": [],
        "source": "\n".join(lines),
    }
    version = notebook.get("nbformat"), notebook.get("nbformat_minor", 0)
    if all(isinstance(number, int) for number in version) and version >= (4, 5):
        cell["id"] = INJECTED
    return cell


def _parse(text: str, name: str) -> dict[str, Any]:
    """UserError for a text that is not a notebook; its cells are mappings."""
    try:
        notebook = json.loads(text.removeprefix(BOM))
    except json.JSONDecodeError as error:
        raise UserError(
            f"not a notebook: {error.msg}",
            code="notebook-invalid",
            where=Position(name, error.lineno, error.colno),
        ) from error
    except (ValueError, RecursionError) as error:
        raise UserError(
            "not a notebook: it is nested too deeply, or has a number with too many digits",
            code="notebook-invalid",
            where=name,
        ) from error
    cells = notebook.get("cells") if isinstance(notebook, dict) else None
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise UserError(
            "not a notebook of format 4: it has no cells", code="notebook-invalid", where=name
        )
    return dict(notebook)


def _tags(cell: Any) -> list[str]:
    metadata = cell.get("metadata") if isinstance(cell, dict) else None
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return tags if isinstance(tags, list) else []


def _source(cell: Cell) -> str:
    source = cell.get("source", "")
    return "".join(map(str, source)) if isinstance(source, list) else str(source)
