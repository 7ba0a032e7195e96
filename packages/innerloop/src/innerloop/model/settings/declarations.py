"""Declared experiments: `[experiments.NAME]` of innerloop.toml at the workspace's root.

Or `[tool.innerloop.experiments.NAME]` of pyproject.toml. A table names the paths that are not in `src/NAME/`, and may hold the experiment's settings.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from ...util.errors import UsageError, UserError, did_you_mean
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.toml_positions import position_of
from .. import naming
from .settings import OWN, Settings, of_table, read_toml

# The keys that are paths. All others are settings of the experiment.
PATHS = ("folder", "job", "environment", "context", "tests")
TABLE = "experiments"
# The files that may hold declarations, each with the tables above them.
PYPROJECT, ROOT_SETTINGS = "pyproject.toml", "innerloop.toml"
_ABOVE: Mapping[str, tuple[str, ...]] = {PYPROJECT: ("tool", "innerloop"), ROOT_SETTINGS: ()}
_EXAMPLE = 'Write [experiments.train] and job = "jobs/train.yml"'


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a table says. `paths` are as written, with "/"; `settings` are its other keys."""

    name: str
    file: str
    text: str = field(repr=False)
    paths: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def position(self, *keys: str) -> Position:
        """The line of a key of the table, or of the table."""
        return position_of(self.text, self.file, *self.at, *keys)

    @property
    def at(self) -> tuple[str, ...]:
        return (*_ABOVE[self.file], TABLE, self.name)

    def settings_on(self, base: Settings) -> Settings:
        """The experiment's settings; UserError for one that is wrong."""
        return of_table(self.settings, self.text, self.file, self.at, base)


def read(texts: Mapping[str, str | None]) -> dict[str, Declaration]:
    """The declarations of a workspace, by name; `texts` has the text of each file that exists.

    UserError for a table or a name that is wrong, and for two that conflict.
    """
    found: dict[str, Declaration] = {}
    for file, text in texts.items():
        for declaration in _of_file(file, text) if text and TABLE in text else ():
            twin = found.get(declaration.name)
            if twin is not None and _content(twin) != _content(declaration):
                raise UserError(
                    f"{declaration.name} is declared here and in {twin.position()}, in other words",
                    code="experiment-declared-twice",
                    where=declaration.position(),
                    hint="Remove one of the two tables",
                )
            found.setdefault(declaration.name, declaration)
    return found


def _content(declaration: Declaration) -> tuple[Mapping[str, str], Mapping[str, Any]]:
    return declaration.paths, declaration.settings


def _of_file(file: str, text: str) -> Sequence[Declaration]:
    above = _ABOVE[file]
    tables: Any = read_toml(text, file, (*above, TABLE) if above else ())
    for key in above:
        tables = tables.get(key, {}) if isinstance(tables, dict) else {}
    tables = tables.get(TABLE, {}) if isinstance(tables, dict) else {}
    if not isinstance(tables, dict):
        raise _invalid(f"{TABLE} is not a table", position_of(text, file, *above, TABLE))
    return [_declaration(name, table, file, text) for name, table in tables.items()]


def _declaration(name: str, table: Any, file: str, text: str) -> Declaration:
    where = position_of(text, file, *_ABOVE[file], TABLE, name)
    if not isinstance(table, dict):
        raise _invalid(f"{TABLE}.{name} is not a table", where)
    try:
        naming.check_name(name)
    except UsageError as error:
        raise UserError(error.what, code=error.code, where=where, hint=error.hint) from None
    paths, others = {}, {}
    for key, value in table.items():
        # [experiments.NAME.environment] is the setting of that name.
        if key not in PATHS or (key == "environment" and isinstance(value, dict)):
            others[key] = value
            continue
        position = position_of(text, file, *_ABOVE[file], TABLE, name, key)
        if not isinstance(value, str) or not value.strip():
            raise _invalid(f"{TABLE}.{name}.{key} is not a path", position)
        paths[key] = value.strip() if key == "environment" else inner_path(value, position)
    for key in others:
        if key not in OWN:
            raise UserError(
                f'{TABLE}.{name}: "{key}" is unknown',
                code="setting-unknown",
                where=position_of(text, file, *_ABOVE[file], TABLE, name, key),
                hint=did_you_mean(key, [*PATHS, *OWN]),
            )
    return Declaration(name, file, text, paths, others)


def inner_path(text: str, where: Position) -> str:
    """The path, relative to the root with "/"; UserError for one that leads out of the workspace."""
    path = posixpath.normpath(text.strip().replace("\\", "/"))
    if path.startswith(("/", "../", "~")) or path == ".." or re.match("[A-Za-z]:", path):
        raise UserError(
            f"{text} is outside the workspace",
            code="outside-workspace",
            where=where,
            hint="Write a path from the workspace's root",
        )
    return path


def _invalid(what: str, where: Position) -> UserError:
    return UserError(what, code="setting-invalid", where=where, hint=_EXAMPLE)
