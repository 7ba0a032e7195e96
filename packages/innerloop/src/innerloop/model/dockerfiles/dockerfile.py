"""An experiment's Dockerfile: its stages, their images, and the users that run in them.

Source: Dockerfile reference (FROM, ARG, ENV, USER, ONBUILD, COPY --from, RUN --mount).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field

from ...util import git_markers, processor
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from . import shell_words
from .instructions import Instruction, parse_instructions
from .shell_words import WordError

__all__ = [
    "Dockerfile",
    "Instruction",
    "Stage",
    "expanded",
    "images_of",
    "needed_stages",
    "parse",
    "pruned",
    "source_of",
    "whole",
]


@dataclass(frozen=True, slots=True)
class Stage:
    """One FROM and what follows.

    `base` has the ARGs before the first FROM substituted; it is "" where they have no value. `user`
    is the last USER of this stage with the stage's ARG and ENV substituted, and `user_as_written`
    without; both are "" if it has none. `environment` is what ENV sets, in the stages below it too, and
    `variables` what ENV and ARG set. `below` is the stage that it starts from, None for an image.
    """

    name: str
    base: str
    user: str
    line: int
    instructions: tuple[Instruction, ...]
    user_as_written: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    below: Stage | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Dockerfile:
    """`head` is the text before the first FROM."""

    name: str
    head: str
    stages: tuple[Stage, ...]

    @property
    def last(self) -> Stage:
        return self.stages[-1]

    def stage(self, name: str) -> Stage | None:
        """The stage of a name, in any case; None if there is none. Of two, the later one counts."""
        return _named(reversed(self.stages), name)

    def target(self, name: str | None) -> Stage:
        """The stage to build: that of a name, or the last one. Raises UserError if there is none."""
        found = self.last if name is None else self.stage(name)
        if found is None:
            names = ", ".join(stage.name for stage in self.stages if stage.name)
            raise UserError(
                f'the Dockerfile has no stage "{name}"',
                code="stage-unknown",
                where=self.name,
                hint=f"It has: {names}",
            )
        return found

    def effective(self, stage: Stage) -> tuple[Instruction, ...]:
        """The stage's instructions after its FROM, with the ONBUILD triggers that it inherits."""
        below = stage.below
        triggers = _triggers(below) if below is not None else []
        return (*triggers, *stage.instructions[1:])

    def user_of(self, stage: Stage) -> str:
        """The user of a stage: its own USER, or that of a stage below it; "" for the image's."""
        while not stage.user and (below := stage.below) is not None:
            stage = below
        return stage.user

    def user_is_variable(self, stage: Stage) -> bool:
        """Whether an ARG or ENV decides the user's name, so that a build can choose another."""
        while not stage.user_as_written and (below := stage.below) is not None:
            stage = below
        return "$" in stage.user_as_written

    def image_of(self, stage: Stage) -> str:
        """The image at the bottom of this stage, as FROM names it."""
        while (below := stage.below) is not None:
            stage = below
        return stage.base


def parse(text: str, name: str) -> Dockerfile:
    """The stages of a Dockerfile. Raises `UserError` if it has no FROM."""
    if conflict := git_markers.first_line(text):
        raise UserError(
            "the Dockerfile contains a merge conflict",
            code="dockerfile-invalid",
            where=Position(name, conflict, 1),
            hint="Keep one of the two sides",
        )
    instructions = parse_instructions(text, name)
    head: list[Instruction] = []
    parts: list[list[Instruction]] = []
    for instruction in instructions:
        if instruction.keyword == "FROM":
            parts.append([])
        (parts[-1] if parts else head).append(instruction)
    if not parts:
        raise UserError(
            "the Dockerfile has no FROM",
            code="dockerfile-invalid",
            where=Position(name, 1, 1),
            hint="Name the image to start from",
        )
    arguments = _arguments(head)
    stages: list[Stage] = []
    above: dict[str, Stage] = {}  # of one name, the later one
    for part in parts:
        stages.append(_stage(part, arguments, above, name))
        above[stages[-1].name.lower()] = stages[-1]
    first = stages[0].line - 1
    lines = text.removeprefix("\ufeff").split("\n")[:first]
    return Dockerfile(name=name, head="".join(f"{line}\n" for line in lines), stages=tuple(stages))


def expanded(text: str, variables: Mapping[str, str], escape: str = "\\") -> str:
    """The text with its variables replaced; as written if one of them is unknown."""
    try:
        # `${X:-word}` needs no value, so a variable is unknown only if it stays as a whole.
        known = _Known(variables)
        value = shell_words.expand(text, known, escape)
    except WordError:
        return text
    return text if known.missing else value


class _Known(dict[str, str]):
    """Variables that remember whether one was asked for that is not among them."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.missing = False

    def get(self, key: str, default: str | None = None) -> str | None:  # type: ignore[override]
        if key not in self and default is not None:
            self.missing = True
        return super().get(key, default)


def pruned(dockerfile: Dockerfile, target: str | None) -> str:
    """The text with only the stages that `target` (None: the last stage) needs.

    The layers are the same. The builder without BuildKit builds every stage above its target; with
    this text it builds only those that BuildKit would build.
    """
    return dockerfile.head + "".join(
        "".join(instruction.text for instruction in stage.instructions)
        for stage in needed_stages(dockerfile, target)
    )


def whole(dockerfile: Dockerfile) -> str:
    """The text with all its stages."""
    stages = ("".join(one.text for one in stage.instructions) for stage in dockerfile.stages)
    return dockerfile.head + "".join(stages)


def needed_stages(dockerfile: Dockerfile, target: str | None) -> list[Stage]:
    """The stages that `target` (None: the last stage) needs, in the order of the file."""
    needed = _closure(dockerfile, dockerfile.target(target))
    return [stage for stage in dockerfile.stages if stage in needed]


def source_of(dockerfile: Dockerfile, stage: Stage, name: str) -> Stage | None:
    """The stage that `--from=NAME` means in a stage; None for an image."""
    if _NUMBER.fullmatch(name):
        number = int(name)
        return dockerfile.stages[number] if number < len(dockerfile.stages) else None
    return _before(dockerfile.stages, stage.line, name)


def images_of(dockerfile: Dockerfile, target: str | None) -> list[str]:
    """The images that `target` (None: the last stage) starts from, copies from or mounts."""
    goal = dockerfile.last if target is None else dockerfile.stage(target)
    images: dict[str, None] = {}
    for stage in [] if goal is None else _closure(dockerfile, goal):
        references = [name for one in dockerfile.effective(stage) for name in _references(one)]
        for name in [stage.base, *references]:
            is_stage = (
                _NUMBER.fullmatch(name) or _before(dockerfile.stages, stage.line, name) is not None
            )
            if name and name != "scratch" and not is_stage:
                images[name] = None
    return list(images)


def _closure(dockerfile: Dockerfile, goal: Stage) -> list[Stage]:
    needed: list[Stage] = []
    todo = [goal]
    while todo:
        stage = todo.pop()
        if stage in needed:
            continue
        needed.append(stage)
        below = stage.below
        todo += [] if below is None else [below]
        for name in (name for one in dockerfile.effective(stage) for name in _references(one)):
            if _NUMBER.fullmatch(name):
                # Without a stage below it, a number would name another stage.
                return [other for other in dockerfile.stages if other.line <= goal.line]
            other = _before(dockerfile.stages, stage.line, name)
            todo += [] if other is None else [other]
    return needed


def _references(instruction: Instruction) -> Iterator[str]:
    """The stages or images that an instruction copies from or mounts."""
    for flag in instruction.flags:
        key, _, value = flag.removeprefix("--").partition("=")
        if instruction.keyword == "COPY" and key == "from":
            yield value
        if instruction.keyword == "RUN" and key == "mount":
            fields = (part.partition("=") for part in value.split(","))
            yield from (source for name, _, source in fields if name == "from")


def _triggers(stage: Stage) -> list[Instruction]:
    """What the stage's ONBUILD instructions add to a stage that starts from it."""
    triggers = (instruction.trigger for instruction in stage.instructions)
    return [trigger for trigger in triggers if trigger is not None]


def _before(stages: Iterable[Stage], line: int, name: str) -> Stage | None:
    """The last stage of a name among those above a line."""
    return _named(reversed([stage for stage in stages if stage.line < line]), name)


def _named(stages: Iterable[Stage], name: str) -> Stage | None:
    lower = name.lower()
    return next((stage for stage in stages if stage.name and stage.name.lower() == lower), None)


_NUMBER = late_pattern(r"[0-9]+")
_NAME = late_pattern(r"[a-z][a-z0-9-_.]*")


def _stage(
    part: list[Instruction], arguments: Mapping[str, str], above: Mapping[str, Stage], file: str
) -> Stage:
    """`above` are the stages before it, by their names in small letters."""
    start, *body = part
    words = start.arguments.split()
    is_named = len(words) == 3 and words[1].lower() == "as"
    flags = [flag for flag in start.flags if not flag.startswith("--platform=")]
    if flags or not (is_named or len(words) == 1):
        raise _invalid(start, file, "Write FROM image, or FROM image AS name")
    name = words[2] if is_named else ""
    if name and not _NAME.fullmatch(name.lower()):
        raise _invalid(start, file, "A stage's name has letters, digits, -, _ and .")
    try:
        base = shell_words.expand(words[0], arguments, start.escape)
    except WordError as error:
        raise _invalid(start, file, f"Check its variables: {error}") from error
    below = above.get(base.lower()) if base else None
    triggers = _triggers(below) if below is not None else []
    environment = dict(below.environment) if below is not None else {}
    variables = dict(below.variables) if below is not None else {}
    written, user = _user([*triggers, *body], environment, variables, arguments)
    return Stage(name, base, user, start.line, tuple(part), written, environment, variables, below)


def _invalid(start: Instruction, file: str, hint: str) -> UserError:
    return UserError(
        f"FROM is invalid: {start.rest}",
        code="dockerfile-invalid",
        where=Position(file, start.line, 1),
        hint=hint,
    )


def _user(
    body: Iterable[Instruction],
    environment: dict[str, str],
    variables: dict[str, str],
    arguments: Mapping[str, str],
) -> tuple[str, str]:
    """The last USER, as written and with its variables replaced.

    `environment` gets the stage's ENV, `variables` its ENV and ARG: of one name, the later counts.
    """
    written, user = "", ""
    for instruction in body:
        if instruction.keyword == "ENV":
            values = assignments(instruction, variables)
            environment.update(values)
            variables.update(values)
        elif instruction.keyword == "ARG":
            declared = assignments(instruction, variables)
            for name in (word.partition("=")[0] for word in _raw_words(instruction)):
                if name in declared or name in arguments:
                    variables[name] = declared.get(name, arguments.get(name, ""))
        elif instruction.keyword == "USER":
            written = instruction.rest
            user = expanded(written, variables, instruction.escape)
    return written, user


def _raw_words(instruction: Instruction) -> list[str]:
    try:
        return shell_words.raw_words(instruction.rest)
    except WordError:
        return []


def assignments(instruction: Instruction, variables: Mapping[str, str]) -> dict[str, str]:
    """The values that an ENV or ARG sets. In one ENV, all see the values before it."""
    words = _raw_words(instruction)
    if instruction.keyword == "ENV" and words and "=" not in words[0]:  # ENV NAME any text
        value = instruction.rest.partition(words[0])[2].strip()
        return {words[0]: expanded(value, variables, instruction.escape)}
    pairs = (word.partition("=") for word in words)
    return {
        name: expanded(value, variables, instruction.escape)
        for name, equals, value in pairs
        if equals
    }


def _arguments(head: Iterable[Instruction]) -> dict[str, str]:
    """The ARGs before the first FROM, which are the only ones in FROM lines."""
    values = dict(_platform())
    for instruction in head:
        if instruction.keyword != "ARG":
            continue
        for word in _raw_words(instruction):
            name, equals, value = word.partition("=")
            if equals:
                # Each ARG sees those before it, also in one instruction.
                values[name] = _argument(value, values, instruction.escape)
    return values


def _argument(value: str, values: Mapping[str, str], escape: str) -> str:
    try:
        return shell_words.expand(value, values, escape)
    except WordError:
        return ""


def _platform() -> dict[str, str]:
    """The platform arguments of a build for this machine, which FROM lines may use.

    Source: Dockerfile reference, "Automatic platform ARGs in the global scope".
    """
    machine = processor.machine()
    arch = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    values = {"PLATFORM": f"linux/{arch}", "OS": "linux", "ARCH": arch, "VARIANT": ""}
    return {f"{side}{key}": value for side in ("BUILD", "TARGET") for key, value in values.items()}
