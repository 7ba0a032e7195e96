"""An experiment's Dockerfile: its stages, and the users that run in them.

Source: Dockerfile reference (FROM, ARG, USER, COPY --from; the directives `escape` and `syntax`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ...util.errors import UserError
from ...util.position import Position


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction with its continuation lines; `line` counts from 1."""

    keyword: str
    rest: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and what follows.

    `base` has the ARGs before the first FROM substituted; `user` is the last USER of this stage, ""
    if it has none.
    """

    name: str
    base: str
    user: str
    line: int
    instructions: tuple[Instruction, ...]


@dataclass(frozen=True, slots=True)
class Dockerfile:
    name: str
    head: str
    stages: tuple[Stage, ...]

    @property
    def last(self) -> Stage:
        return self.stages[-1]

    def stage(self, name: str) -> Stage | None:
        """The stage of a name, in any case; None if there is none."""
        lower = name.lower()
        return next((stage for stage in self.stages if stage.name.lower() == lower), None)

    def user_of(self, stage: Stage) -> str:
        """The user of a stage: its own USER, or that of a stage below it; "" for the image's."""
        while not stage.user and (below := self._below(stage)) is not None:
            stage = below
        return stage.user

    def image_of(self, stage: Stage) -> str:
        """The image at the bottom of this stage, as FROM names it."""
        while (below := self._below(stage)) is not None:
            stage = below
        return stage.base

    def _below(self, stage: Stage) -> Stage | None:
        below = self.stage(stage.base)
        return None if below is None or below.line >= stage.line else below


_FROM = re.compile(r"(?:--platform=\S+\s+)?(?P<base>\S+)(?:\s+[Aa][Ss]\s+(?P<name>\S+))?\s*$")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::-(?P<default>[^}]*))?\}|(?P<plain>\w+))")
_NUMBER = re.compile("[0-9]{1,6}")
_CONFLICT = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
_COPY_FROM = re.compile(r"--(?:from=|mount=\S*from=)(?P<stage>[^\s,]+)")


def parse(text: str, name: str) -> Dockerfile:
    """The stages of a Dockerfile. Raises `UserError` if it has no FROM."""
    conflict = _CONFLICT.search(text)
    if conflict is not None:
        raise UserError(
            "the Dockerfile contains a merge conflict",
            code="dockerfile-invalid",
            where=Position(name, text.count("\n", 0, conflict.start()) + 1, 1),
            hint="Keep one of the two sides",
        )
    instructions = list(_instructions(text))
    arguments = _arguments(instructions)
    stages: list[Stage] = []
    current: list[Instruction] = []
    start: Instruction | None = None
    for instruction in instructions:
        if instruction.keyword == "FROM":
            if start is not None:
                stages.append(_stage(start, current, arguments, name))
            start, current = instruction, []
        current.append(instruction)
    if start is None:
        raise UserError(
            "the Dockerfile has no FROM",
            code="dockerfile-invalid",
            where=Position(name, 1, 1),
            hint="Name the image to start from",
        )
    stages.append(_stage(start, current, arguments, name))
    head = "".join(text.splitlines(keepends=True)[: stages[0].line - 1])
    return Dockerfile(name=name, head=head, stages=tuple(stages))


def pruned(dockerfile: Dockerfile, target: str | None) -> str:
    """The text with only the stages that `target` (None: the last stage) needs.

    The layers are the same. The builder without BuildKit builds every stage above its target; with
    this text it builds only those that BuildKit would build.
    """
    goal = dockerfile.last if target is None else dockerfile.stage(target)
    if goal is None:
        names = ", ".join(stage.name for stage in dockerfile.stages if stage.name)
        raise UserError(
            f'the Dockerfile has no stage "{target}"',
            code="stage-unknown",
            where=dockerfile.name,
            hint=f"It has: {names}",
        )
    needed = _closure(dockerfile, goal)
    return dockerfile.head + "".join(
        "".join(instruction.text for instruction in stage.instructions)
        for stage in dockerfile.stages
        if stage in needed
    )


def _closure(dockerfile: Dockerfile, goal: Stage) -> list[Stage]:
    needed: list[Stage] = []
    todo = [goal]
    while todo:
        stage = todo.pop()
        if stage in needed:
            continue
        needed.append(stage)
        names = [
            stage.base,
            *(ref for i in stage.instructions for ref in _COPY_FROM.findall(i.rest)),
        ]
        for ref in names:
            numbered = (
                next(iter(dockerfile.stages[int(ref) :][:1]), None)
                if _NUMBER.fullmatch(ref)
                else None
            )
            other = dockerfile.stage(ref) or numbered
            if other is not None and other.line < stage.line:
                todo.append(other)
    return needed


def _stage(
    start: Instruction, body: Iterable[Instruction], arguments: dict[str, str], name: str
) -> Stage:
    match = _FROM.match(start.rest.strip())
    if match is None:
        raise UserError(
            f"FROM is invalid: {start.rest.strip()}",
            code="dockerfile-invalid",
            where=Position(name, start.line, 1),
            hint="Write FROM image, or FROM image AS name",
        )
    users = [i.rest.strip() for i in body if i.keyword == "USER"]
    return Stage(
        name=match["name"] or "",
        base=_substitute(match["base"], arguments),
        user=users[-1] if users else "",
        line=start.line,
        instructions=tuple(body),
    )


def _arguments(instructions: list[Instruction]) -> dict[str, str]:
    """The ARGs before the first FROM, which are the only ones in FROM lines."""
    values: dict[str, str] = {}
    for instruction in instructions:
        if instruction.keyword == "FROM":
            break
        if instruction.keyword == "ARG" and "=" in instruction.rest:
            key, _, value = instruction.rest.strip().partition("=")
            values[key] = value.strip("\"'")
    return values


def _substitute(text: str, values: dict[str, str]) -> str:
    def value(match: re.Match[str]) -> str:
        return values.get(match["braced"] or match["plain"], match["default"] or "")

    return _VARIABLE.sub(value, text)


def _instructions(text: str) -> Iterable[Instruction]:
    """The instructions of a Dockerfile.

    Continuation lines are joined, comments and blank lines between instructions skipped, and
    here-documents kept with their instruction. `text` keeps the comments within.
    """
    escape = "`" if re.match(r"\s*#\s*escape\s*=\s*`", text) else "\\"
    lines = text.splitlines(keepends=True)
    index = 0
    while index < len(lines):
        if not lines[index].strip() or lines[index].lstrip().startswith("#"):
            index += 1
            continue
        first = index
        joined = ""
        while index < len(lines):
            piece = lines[index].rstrip("\r\n")
            index += 1
            if joined and piece.lstrip().startswith("#"):
                continue
            if piece.rstrip().endswith(escape):
                joined += piece.rstrip()[:-1] + " "
                continue
            joined += piece
            break
        for ending in re.findall(r"<<-?\s*[\"']?(\w+)[\"']?", joined):
            while index < len(lines) and lines[index].strip() != ending:
                index += 1
            index += 1
        keyword, _, rest = joined.strip().partition(" ")
        if not rest:
            keyword, _, rest = joined.strip().partition("\t")
        body = "".join(lines[first:index])
        yield Instruction(
            keyword.upper(), rest, first + 1, body if body.endswith("\n") else body + "\n"
        )
