"""Which lists merge by name, which by value, which whole; and which keys merge as one group."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Literal

from ..util.json_values import Json, Maybe, canonical
from ..util.quick_dataclasses import dataclass
from .json_paths import Path


@dataclass(frozen=True)
class Kind:
    """How a list merges.

    `identity` is the key that names a member of a named list; a member that is a string names
    itself.
    """

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
class Group:
    """Top-level keys of a file that have a meaning only together.

    All of them are ours, or all of them are the person's.

    `items_of` names a list that merges as a set; those of its items for which `is_item` holds
    belong to the group, the others do not.
    """

    keys: frozenset[str]
    items_of: str = ""
    is_item: Callable[[Json], bool] = lambda item: False

    def fitting(self, yours: dict[str, Json]) -> Group:
        """The group for a file in which the list may be of another type: then without its items."""
        is_list = isinstance(yours.get(self.items_of, []), list)
        return self if is_list else Group(self.keys)

    def part(self, value: Maybe) -> dict[str, Json]:
        """What a file's value holds of the group; empty for a value that is no object.

        The items of the list stand under the list's key, in a canonical order.
        """
        if not isinstance(value, dict):
            return {}
        part = {key: item for key, item in value.items() if key in self.keys}
        items = value.get(self.items_of)
        own = [item for item in items if self.is_item(item)] if isinstance(items, list) else []
        return {**part, self.items_of: sorted(own, key=canonical)} if own else part

    def with_part(self, value: Maybe, part: dict[str, Json]) -> dict[str, Json]:
        """A copy of a file's value with another part."""
        rest = self._without(value)
        items = part.get(self.items_of, [])
        if items:
            rest[self.items_of] = [*rest.get(self.items_of, []), *items]
        return {**rest, **{key: item for key, item in part.items() if key != self.items_of}}

    def neutral(self, value: Maybe, yours: dict[str, Json], *, keeps_list: bool) -> dict[str, Json]:
        """A copy of a file's value in which the group does not differ from `yours`.

        `yours` is the person's part. The copy has their keys, and no items. `keeps_list`: also if
        the list has no others.
        """
        rest = self._without(value)
        if not keeps_list and rest.get(self.items_of) == [] != _list(value, self.items_of):
            del rest[self.items_of]
        return {**rest, **{key: item for key, item in yours.items() if key != self.items_of}}

    def _without(self, value: Maybe) -> dict[str, Json]:
        rest = value if isinstance(value, dict) else {}
        rest = {key: item for key, item in rest.items() if key not in self.keys}
        items = rest.get(self.items_of)
        if isinstance(items, list):
            rest[self.items_of] = [item for item in items if not self.is_item(item)]
        return rest

    def in_order_of(self, value: dict[str, Json], other: Maybe) -> dict[str, Json]:
        """The value with the items of the list in the order that they have in another value."""
        items = value.get(self.items_of)
        order = other.get(self.items_of) if isinstance(other, dict) else None
        if not isinstance(items, list) or not isinstance(order, list):
            return value
        places = {canonical(item): number for number, item in enumerate(order)}
        ordered = sorted(items, key=lambda item: places.get(canonical(item), len(places)))
        return {**value, self.items_of: ordered}


def _list(value: Maybe, key: str) -> Json:
    return value.get(key) if isinstance(value, dict) else None


@dataclass(frozen=True)
class MergeRules:
    """Path patterns such as `inputs.*.options`; `*` is any one key or name.

    A list that no pattern names is a sequence: it merges whole. `named` pairs a pattern with the
    key that gives the name.
    """

    named: tuple[tuple[str, str], ...] = ()
    sets: tuple[str, ...] = ()
    group: Group | None = None

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
        """The value with each named list sorted by name.

        The state file does not record the order of named lists: values that are equal in this form
        have the same record.
        """
        if isinstance(value, dict):
            return {key: self.by_name(item, (*path, key)) for key, item in value.items()}
        kind = self.kind(path)
        if not isinstance(value, list) or kind.merge != "named":
            return value
        named = {kind.name_of(item): item for item in value}
        if None in named or len(named) < len(value):
            return value
        return [self.by_name(named[name], (*path, str(name))) for name in sorted(map(str, named))]


def is_socket(mount: Json) -> bool:
    """Whether an entry of `mounts` binds a Unix socket, such as that of the container engine.

    It is an object, or text as `docker run --mount` takes it.
    """
    if isinstance(mount, dict):
        return any(str(mount.get(key, "")).endswith(".sock") for key in ("source", "target"))
    return isinstance(mount, str) and any(
        word.endswith(".sock") for word in mount.replace(":", ",").split(",")
    )


# What decides which container a devcontainer.json starts, as whom, and with which rights.
# Source: the Development Containers Specification (devcontainer.json reference).
CONTAINER = Group(
    keys=frozenset(
        {
            *("image", "build", "dockerFile", "context"),
            *("dockerComposeFile", "service", "runServices", "workspaceFolder", "workspaceMount"),
            *("containerUser", "remoteUser", "updateRemoteUserUID"),
            *("overrideCommand", "runArgs"),
        }
    ),
    items_of="mounts",
    is_item=is_socket,
)

# The files of VS Code and of dev containers. Their keys do not overlap, so one value serves all.
EDITOR_FILES = MergeRules(
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
    group=CONTAINER,
)
