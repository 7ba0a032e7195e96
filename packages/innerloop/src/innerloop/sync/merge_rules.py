"""Which lists merge by name, which by value, and which whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from ..util.json_values import Json
from .json_paths import Path


@dataclass(frozen=True)
class Kind:
    """What a list is. `identity` is the key that names a member of a named list; a member that is
    a string names itself."""

    merge: Literal["named", "set", "whole"]
    identity: str = ""

    def name_of(self, item: Json) -> str | None:
        """The name of a member, or None when it has none."""
        if isinstance(item, dict):
            item = item.get(self.identity)
        return item if isinstance(item, str) else None


WHOLE = Kind("whole")
SET = Kind("set")


@dataclass(frozen=True)
class Rules:
    """Path patterns such as `inputs.*.options`; `*` is any one key or name. What no pattern names
    is a sequence: whole or not at all. `named` pairs a pattern with the key that gives the name.
    """

    named: tuple[tuple[str, str], ...] = ()
    sets: tuple[str, ...] = ()

    @cached_property
    def _by_length(self) -> dict[int, list[tuple[list[str], Kind]]]:
        table: dict[int, list[tuple[list[str], Kind]]] = {}
        kinds = [(pattern, Kind("named", key)) for pattern, key in self.named]
        for pattern, kind in kinds + [(pattern, SET) for pattern in self.sets]:
            steps = pattern.split(".")
            table.setdefault(len(steps), []).append((steps, kind))
        return table

    def kind(self, path: Path) -> Kind:
        for steps, kind in self._by_length.get(len(path), []):
            if all(step in ("*", key) for step, key in zip(steps, path, strict=True)):
                return kind
        return WHOLE

    def by_name(self, value: Json, path: Path = ()) -> Json:
        """The value with each named list in the order of its names: two values that are then the
        same differ in nothing that is remembered."""
        if isinstance(value, dict):
            return {key: self.by_name(item, (*path, key)) for key, item in value.items()}
        kind = self.kind(path)
        if not isinstance(value, list) or kind.merge != "named":
            return value
        named = {kind.name_of(item): item for item in value}
        if None in named or len(named) < len(value):
            return value
        return [self.by_name(named[name], (*path, str(name))) for name in sorted(map(str, named))]


# The files of VS Code and of dev containers; their paths do not meet, so one value serves all.
EDITOR_FILES = Rules(
    named=(
        ("tasks", "label"),
        ("inputs", "id"),
        ("inputs.*.options", "value"),
        ("configurations", "name"),
        ("compounds", "name"),
    ),
    sets=(
        "recommendations",
        "unwantedRecommendations",
        "forwardPorts",
        "mounts",
        "customizations.vscode.extensions",
        "customizations.codespaces.openFiles",
    ),
)
