"""`[schedule]` of an experiment's innerloop.toml.

It says when the experiment starts, from which branch, on which orchestrators, and with which
values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from ...util.errors import UserError, did_you_mean
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ...util.toml_positions import position_of
from ..jobs.overrides import as_set
from . import cron_expression
from . import orchestrators as names
from .cron_expression import Cron
from .orchestrators import Orchestrator
from .settings import UnparsedTable

_EXAMPLE = 'Write cron = "0 3 * * 1" (Mondays at 3, UTC)'


@dataclass(frozen=True, slots=True)
class Schedule:
    """`cron` is in UTC; `branch` is the release branch whose job runs.

    set: overrides of the job file by their path ("inputs.epochs": 16).
    allowed: the values of an input that can be chosen at a manual start.
    positions: of the keys ("cron", "set.inputs.epochs", "allowed.epochs"); "" is the table.
    """

    cron: Cron
    branch: str = "main"
    orchestrators: tuple[Orchestrator, ...] = (names.GITHUB,)
    set: Mapping[str, Any] = field(default_factory=dict)
    allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    positions: Mapping[str, Position] = field(default_factory=dict, compare=False)

    @property
    def sets(self) -> tuple[str, ...]:
        """The overrides as `--set` takes them."""
        return tuple(as_set(path, value) for path, value in self.set.items())

    def where(self, key: str) -> Position:
        """The position of a key, or of the nearest key around it."""
        while key not in self.positions and "." in key:
            key = key.rpartition(".")[0]
        return self.positions.get(key) or self.positions.get("", Position("innerloop.toml"))


def read(source: UnparsedTable, default: tuple[Orchestrator, ...]) -> Schedule:
    """`default` are the orchestrators of the workspace. Raises `UserError` with a position."""
    return _ScheduleReader(source).schedule(default)


class _ScheduleReader:
    def __init__(self, source: UnparsedTable) -> None:
        self.source = source
        self.positions: dict[str, Position] = {"": self.position()}

    def position(self, *keys: str) -> Position:
        return position_of(self.source.text, self.source.name, *self.source.at, *keys)

    def error(self, what: str, hint: str, *keys: str, code: str = "setting-invalid") -> UserError:
        return UserError(f"schedule{what}", code=code, where=self.position(*keys), hint=hint)

    def schedule(self, default: tuple[Orchestrator, ...]) -> Schedule:
        table = self.source.table
        if not isinstance(table, dict):
            raise self.error(" is not a table", f"Write [schedule] and below it: {_EXAMPLE[6:]}")
        known = ["cron", "branch", "orchestrators", "set", "allowed"]
        for key in table:
            if key not in known:
                raise self.error(
                    f': "{key}" is unknown',
                    did_you_mean(key, known),
                    key,
                    code="setting-unknown",
                )
            self.positions[key] = self.position(key)
        chosen = table.get("orchestrators")
        return Schedule(
            cron=self.cron(table.get("cron")),
            branch=self.branch(table.get("branch", "main")),
            orchestrators=(
                default
                if chosen is None
                else names.names_of(chosen, self.positions["orchestrators"], "schedule.")
            ),
            set=dict(self.set(table.get("set", {}), ())),
            allowed=dict(self.allowed(table.get("allowed", {}))),
            positions=self.positions,
        )

    def cron(self, text: Any) -> Cron:
        if not isinstance(text, str):
            raise self.error(
                " has no cron" if text is None else ".cron is not a string", _EXAMPLE, "cron"
            )
        try:
            return cron_expression.parse(text)
        except cron_expression.BadCron as error:
            raise self.error(f".cron: {error}", _EXAMPLE, "cron", code="cron-invalid") from error

    def branch(self, name: Any) -> str:
        if not isinstance(name, str) or not is_branch(name):
            what = f".branch = {name!r} is not a branch name"
            raise self.error(what, 'Write branch = "main"', "branch")
        return name

    def set(self, table: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if not isinstance(table, dict):
            raise self.error(
                ".set is not a table", 'Write [schedule.set] and "inputs.epochs" = 16', "set"
            )
        for key, value in table.items():
            keys = (*path, key)
            if isinstance(value, dict):
                yield from self.set(value, keys)
                continue
            where = ("set", *keys)
            if not is_plain(value):
                what = f".set: {'.'.join(keys)} = {value!r} is not a string, number or boolean"
                raise self.error(what, "Write it in quotes", *where)
            self.positions[".".join(where)] = self.position(*where)
            yield ".".join(keys), value

    def allowed(self, table: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
        hint = "Write [schedule.allowed] and epochs = [8, 16, 32]"
        if not isinstance(table, dict):
            raise self.error(".allowed is not a table", hint, "allowed")
        for key, values in table.items():
            is_list = isinstance(values, list) and values and all(map(is_plain, values))
            if not is_list or len({str(value) for value in values}) < len(values):
                what = f".allowed: {key} is not a list of different values"
                raise self.error(what, hint, "allowed", key)
            self.positions[f"allowed.{key}"] = self.position("allowed", key)
            yield key, tuple(values)


def is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def is_branch(name: str) -> bool:
    """Whether git accepts the name for a branch (git check-ref-format) and it is not a pattern."""
    return not re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/$|\.$|^-|^/", name) and all(
        part and not part.startswith(".") and not part.endswith(".lock") for part in name.split("/")
    ) and name != "@"  # fmt: skip
