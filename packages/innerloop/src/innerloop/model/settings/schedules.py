"""`[schedule]` of an experiment's innerloop.toml: when it is started, from which branch, by whom,
and with which values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ...util.errors import UserError, did_you_mean
from ...util.toml_positions import position_of
from ..jobs.overrides import as_set
from . import cron_expression
from . import orchestrators as names
from .cron_expression import Cron
from .settings import ScheduleText

_EXAMPLE = 'Write cron = "0 3 * * 1" (Mondays at 3, UTC)'


@dataclass(frozen=True, slots=True)
class Schedule:
    """`cron` in UTC. `branch`: the release branch, whose job is run. `orchestrators`: who starts it.
    `set`: what differs from the job file, as paths with "." ("inputs.epochs": 16). `allowed`: for
    an input, the values that a person may choose from at a manual start. `places`: "file:line" of
    a key ("cron", "set.inputs.epochs", "allowed.epochs")."""

    cron: Cron
    branch: str = "main"
    orchestrators: tuple[str, ...] = (names.GITHUB,)
    set: Mapping[str, Any] = field(default_factory=dict)
    allowed: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    positions: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def sets(self) -> tuple[str, ...]:
        """The overrides as `--set` takes them."""
        return tuple(as_set(path, value) for path, value in self.set.items())

    def where(self, key: str) -> str:
        """ "file:line" of a key, or of the nearest around it."""
        while key not in self.positions and "." in key:
            key = key.rpartition(".")[0]
        return self.positions.get(key, self.positions.get("", ""))


def read(source: ScheduleText, default: tuple[str, ...]) -> Schedule:
    """`default`: the orchestrators of the workspace. A `Mistake` with file:line."""
    return _Reading(source).schedule(default)


class _Reading:
    def __init__(self, source: ScheduleText) -> None:
        self.source = source
        self.positions = {"": self.position()}

    def position(self, *keys: str) -> str:
        return position_of(self.source.text, self.source.name, "schedule", *keys)

    def wrong(self, what: str, hint: str, *keys: str) -> UserError:
        return UserError(f"schedule{what}", where=self.position(*keys), hint=hint)

    def schedule(self, default: tuple[str, ...]) -> Schedule:
        table = self.source.table
        if not isinstance(table, dict):
            raise self.wrong(" is no table", f"Write [schedule] and below it: {_EXAMPLE[6:]}")
        known = ["cron", "branch", "orchestrators", "set", "allowed"]
        for key in table:
            if key not in known:
                raise self.wrong(f': "{key}" is no setting', did_you_mean(key, known), key)
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
            raise self.wrong(
                " has no cron" if text is None else ".cron is no text", _EXAMPLE, "cron"
            )
        try:
            return cron_expression.parse(text)
        except cron_expression.BadCron as error:
            raise self.wrong(f".cron: {error}", _EXAMPLE, "cron") from error

    def branch(self, name: Any) -> str:
        if not isinstance(name, str) or not is_branch(name):
            what = f".branch = {name!r} is no branch's name"
            raise self.wrong(what, 'Write branch = "main"', "branch")
        return name

    def set(self, table: Any, path: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        if not isinstance(table, dict):
            raise self.wrong(
                ".set is no table", 'Write [schedule.set] and "inputs.epochs" = 16', "set"
            )
        for key, value in table.items():
            keys = (*path, key)
            if isinstance(value, dict):
                yield from self.set(value, keys)
                continue
            where = ("set", *keys)
            if not is_plain(value):
                what = f".set: {'.'.join(keys)} = {value!r} is no text, number or truth value"
                raise self.wrong(what, "Write it in quotes", *where)
            self.positions[".".join(where)] = self.position(*where)
            yield ".".join(keys), value

    def allowed(self, table: Any) -> Iterator[tuple[str, tuple[Any, ...]]]:
        hint = "Write [schedule.allowed] and epochs = [8, 16, 32]"
        if not isinstance(table, dict):
            raise self.wrong(".allowed is no table", hint, "allowed")
        for key, values in table.items():
            is_list = isinstance(values, list) and values and all(map(is_plain, values))
            if not is_list or len({str(value) for value in values}) < len(values):
                what = f".allowed: {key} is no list of different values"
                raise self.wrong(what, hint, "allowed", key)
            self.positions[f"allowed.{key}"] = self.position("allowed", key)
            yield key, tuple(values)


def is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def is_branch(name: str) -> bool:
    """By git's own rules for a branch (git check-ref-format), less what a pattern would be."""
    return not re.search(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/$|\.$|^-|^/", name) and all(
        part and not part.startswith(".") and not part.endswith(".lock") for part in name.split("/")
    ) and name != "@"  # fmt: skip
