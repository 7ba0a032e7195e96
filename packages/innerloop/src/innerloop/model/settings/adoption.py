"""`[adopted]`: the repository was there before the tool, which adds only what it needs.

It is a table of the root's `innerloop.toml`, or `[tool.innerloop.adopted]` in pyproject.toml.
"""

from __future__ import annotations

from typing import Any

from ...util.errors import UserError, did_you_mean
from ...util.position import Position
from ...util.quick_dataclasses import dataclass

# The file of an adopted repository that `init --here` writes.
FILE = "innerloop.toml"
_HINT = "Write [adopted], and below it container = true or nothing"


@dataclass(frozen=True, slots=True)
class Adoption:
    """`container`: a dev container of the workspace itself is generated, in a folder of its own."""

    container: bool = False


def is_adopted(pyproject: str, own: str) -> bool:
    """Whether one of the two texts has the table; "" for no file.

    Nothing else of them counts, so that an upgrade can ask before the settings have their new names.
    A text that cannot be read has no table.
    """
    places = ((pyproject, ("tool", "innerloop", "adopted")), (own, ("adopted",)))
    return any(_has(text, keys) for text, keys in places if "adopted" in text)


def _has(text: str, keys: tuple[str, ...]) -> bool:
    from ...util import toml_text

    try:
        table: Any = toml_text.parse(text)
    except (ValueError, RecursionError):
        return False
    for key in keys:
        table = table.get(key) if isinstance(table, dict) else None
    return table is not None


def of_table(table: Any, where: Position) -> Adoption | None:
    """The value of the table; None if there is none. UserError for one that is invalid."""
    if table is None:
        return None
    if not isinstance(table, dict):
        what = "adopted is not a table"
        raise UserError(what, code="setting-invalid", where=where, hint=_HINT)
    for key, value in table.items():
        if key != "container":
            raise UserError(
                f'[adopted] "{key}" is unknown',
                code="setting-unknown",
                where=where,
                hint=did_you_mean(key, ["container"]),
            )
        if not isinstance(value, bool):
            what = "[adopted] container is not true or false"
            raise UserError(what, code="setting-invalid", where=where, hint=_HINT)
    return Adoption(bool(table.get("container", False)))
