"""How the generated files of a workspace stand, and what is left of them without the tool."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ..util import files
from ..util.errors import UserError
from ..util.json_values import Json, same
from ..util.jsonc import ParseError, parse
from . import engine, three_way_text, transaction
from .merge_rules import EDITOR_FILES
from .transaction import Change

FileState = Literal[
    "as generated", "edited", "in conflict", "outdated", "missing", "removed", "taken over"
]
# Its tasks and configurations mean something only with it.


def read(root: Path) -> dict[str, FileState]:
    """The state of every file that sync generates here, by its path.

    "removed": the person removed it, and sync does not write it again. "missing": sync would.
    "outdated": sync would change what it generated. "taken over": the file is the person's.
    """
    outcome = engine.plan(root)
    before = transaction.parse_state(transaction.state_text(root))
    state = before if outcome.state is None else transaction.parse_state(outcome.state)
    changes = {change.path: change for change in outcome.changes}
    conflicted = {file.path for file in outcome.conflicted}
    states: dict[str, FileState] = {
        path: _state(root, path, base, changes.get(path), path in conflicted)
        for path, base in {**before.generated, **state.generated}.items()
    }
    states |= dict.fromkeys(sorted(state.unknown), "edited")
    states |= dict.fromkeys(sorted(state.ejected), "taken over")
    return dict(sorted(states.items()))


def _state(
    root: Path, path: str, base: Json, change: Change | None, is_conflicted: bool
) -> FileState:
    if is_conflicted:
        return "in conflict"
    if change is not None and change.before is None:
        return "missing"
    if change is not None:
        return "outdated"
    try:
        text = files.read_own(root / path, plain=True)
    except UserError:
        return "edited"
    if text is None:
        return "removed"
    return "as generated" if is_as_generated(text, base) else "edited"


def is_as_generated(text: str, base: Json) -> bool:
    """Whether a text has the generated content, however it is laid out."""
    if isinstance(base, str):
        return three_way_text.is_unchanged(text, base)
    try:
        document = parse(text)
    except ParseError:
        return False
    return not document.comments and same(
        EDITOR_FILES.by_name(document.value), EDITOR_FILES.by_name(base)
    )
