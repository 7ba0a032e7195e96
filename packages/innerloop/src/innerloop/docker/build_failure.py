"""Why an image could not be built, and at which line, from what the builder printed. Pure.

Each builder has its own words: the classic builder and Apptainer's build by steps (`Step 2/3 :`),
Podman's (`[1/2] STEP 2/3:`), and BuildKit's plain progress (`#7 [base 2/3]`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..model.dockerfiles.dockerfile import Dockerfile, Stage, needed_stages
from ..model.dockerfiles.dockerfile_mounts import is_added, plain_step
from ..model.dockerfiles.instructions import Instruction, parse_instructions
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.printable import one_line
from ..util.quick_dataclasses import dataclass

_LONGEST = 200
# A builder's header of a step: its number and its text.
_CLASSIC = late_pattern(r"Step (?P<number>\d+)/\d+ : (?P<text>.*)")
_PODMAN = late_pattern(r"(?:\[(?P<stage>\d+)/\d+\] )?STEP (?P<number>\d+)/\d+: (?P<text>.*)")
_BUILDKIT = late_pattern(
    r"#(?P<id>\d+) \[(?P<name>[^\]]*?) ?(?P<number>\d+)/\d+\] (?P<text>.*)|"
    r"#(?P<internal>\d+) \[internal\] load metadata for (?P<image>\S+)"
)
_BUILDKIT_FAILED = late_pattern(r"#(?P<id>\d+) ERROR: (?P<reason>.*)")
_BUILDKIT_OUTPUT = late_pattern(r"#(?P<id>\d+) (?:\d+\.\d+ )?(?P<text>.*)")
# BuildKit's excerpt of the Dockerfile: the failed instruction's first line.
_EXCERPT = late_pattern(r"Dockerfile:(\d+)")
_PARSE_ERROR = late_pattern(r"dockerfile parse error (?:on )?line (\d+): ")
_BUILDERS = late_pattern(
    r"(?:failed to solve: (?:rpc error: .*? desc = )?(?:dockerfile parse error on line \d+: )?|building at STEP \".*?\": "
    r"|dockerfile parse error (?:on )?line \d+: |failed to parse \S+: |parsing main Dockerfile: \S+ "
    r"|creating build container: )(?P<reason>.*)"
)
_ENDED = late_pattern(r"(?:non-zero code|exit code|exit status)[: ]+(\d+)")
# What the builders say around a step, and what programs say that is no reason.
_AROUND = late_pattern(
    r"\s*---> |Removing intermediate container|The command '.*' returned a non-zero code"
    r"|ERROR: process |(?:Error: )?Command failed: |\s+at |[-=]{6,}|\s*$|Error: building at STEP|\[notice\]|\s*\d+ \|"
    r"|Note: This error originates|This is an issue with the package|hint: |make: "
    r"|ERROR: ResolutionImpossible|WARNING: |CACHED$|DONE \d|\s+>"
)
# How a line begins that names an error: pip, apt, compilers, Python's exceptions, shells.
_ERROR = late_pattern(
    r"\s*(?:error|fatal|E|ERR!|npm error|failed)\b ?[:!]|\s*(?:\w+\.)*\w+(?:Error|Exception|NotFound)\b:"
    r"|.*?:\d+: (?:fatal )?error: |.*: (?:command )?not found$|curl: \(\d+\)|COPY failed|ADD failed"
    r"|\s*× ",
    re.IGNORECASE,
)
_PREFIX = late_pattern(r"^(?:(?:Error response from daemon|ERROR|Error|error|E): )+")
# Instructions that BuildKit counts as steps; FROM is the first of a stage.
_COUNTED = frozenset({"FROM", "RUN", "COPY", "ADD", "WORKDIR"})


@dataclass(frozen=True, slots=True)
class BuildFailure:
    """`line` counts from 1. `reason` is one line."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Step:
    """The step that failed, as the builder names it.

    `number` counts in the whole text, or in the stage if `stage` is one. `output` is what the step
    printed. `from_image` is the image of a FROM that could not be read.
    """

    text: str
    output: tuple[str, ...]
    number: int = 0
    stage: int | str | None = None
    from_image: str = ""


def explain(
    dockerfile: Dockerfile, target: str | None, lines: Sequence[str], sent: str = ""
) -> BuildFailure:
    """The line and the reason of a failed build.

    `target` is the stage that was built, None for the last one. `sent` is the text that the builder
    was given, if its lines differ from those of the Dockerfile.
    """
    instructions = _instructions(dockerfile, target)
    step = _buildkit_step(lines) or _step(lines)
    reason = _reason(step, lines)
    found = _by_number_of_line(lines, instructions, sent)
    if found is None and step is not None:
        found = _of_step(step, dockerfile, target, instructions)
    if found is None and (
        unknown := re.search(r"unknown instruction: \W?(\w+)", reason, re.IGNORECASE)
    ):
        found = next((one for one in instructions if one.keyword == unknown[1].upper()), None)
    if found is None:
        return BuildFailure(dockerfile.target(target).line, reason)
    return BuildFailure(_within(found, reason), reason)


def names_step(lines: Sequence[str]) -> bool:
    """Whether a builder began a step in this output."""
    return any(pattern.match(line) for line in lines for pattern in (_CLASSIC, _PODMAN, _BUILDKIT))


def reason_of(lines: Sequence[str]) -> str:
    """Why a build failed whose Dockerfile is no file of the workspace."""
    return _reason(_buildkit_step(lines) or _step(lines), lines)


def _instructions(dockerfile: Dockerfile, target: str | None) -> list[Instruction]:
    """What the builder gets: the head, and the stages that the target needs."""
    try:
        head = parse_instructions(dockerfile.head, dockerfile.name)
    except UserError:
        head = []
    stages = needed_stages(dockerfile, target)
    return [*head, *(one for stage in stages for one in stage.instructions)]


def _step(lines: Sequence[str]) -> _Step | None:
    """The last step that the classic builder or Podman's began."""
    for at in range(len(lines) - 1, -1, -1):
        match = _CLASSIC.match(lines[at]) or _PODMAN.match(lines[at])
        if match is None:
            continue
        parts = match.groupdict()
        stage = int(parts["stage"]) if parts.get("stage") else None
        is_classic = "stage" not in parts
        number = int(match["number"]) if is_classic else 0
        return _Step(match["text"], tuple(lines[at + 1 :]), number, stage)
    return None


def _buildkit_step(lines: Sequence[str]) -> _Step | None:
    """The step that BuildKit calls failed; stages are built at the same time, so not the last."""
    headers = [match for line in lines if (match := _BUILDKIT.match(line))]
    if not headers:
        return None
    failed = [match["id"] for line in lines if (match := _BUILDKIT_FAILED.match(line))]
    chosen = failed[0] if failed else headers[-1]["id"] or headers[-1]["internal"]
    header = next((one for one in headers if chosen in (one["id"], one["internal"])), None)
    if header is None:
        return None
    matches = [match for line in lines if (match := _BUILDKIT_OUTPUT.match(line))]
    output = [match["text"] for match in matches if match["id"] == chosen][1:]
    if header["image"]:
        return _Step("", tuple(output), from_image=header["image"])
    return _Step(header["text"], tuple(output), int(header["number"]), header["name"])


def _reason(step: _Step | None, lines: Sequence[str]) -> str:
    """The program's own words if it has some; else the builder's."""
    output = [line for line in (step.output if step else ()) if not _AROUND.match(line)]
    errors = [line for line in output if _ERROR.match(line)]
    if errors:
        return _shortened(errors[-1])
    ended = [match[1] for line in lines if (match := _ENDED.search(line))]
    if ended:
        words = [line for line in output if not _BUILDERS.search(line)]
        code = f"exit code {ended[-1]}"
        return f"{_shortened(words[-1])} ({code})" if words else f"the command ended with {code}"
    builders = [match["reason"] for line in lines if (match := _BUILDERS.search(line))]
    others = [line for line in lines if not _AROUND.match(line)]
    return _shortened((builders or output or others or ["the builder gave no reason"])[-1])


def _shortened(text: str) -> str:
    text = one_line(_PREFIX.sub("", text.strip()))
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


def _by_number_of_line(
    lines: Sequence[str], instructions: list[Instruction], sent: str
) -> Instruction | None:
    """The instruction at a line of the sent text that the builder names.

    Only with that text: instructions are the same in both but for those that were added.
    """
    numbers = [
        int(match[1])
        for line in lines
        if (match := _EXCERPT.fullmatch(line.strip()) or _PARSE_ERROR.search(line))
    ]
    if not numbers or not sent:
        return None
    try:
        given = [one for one in parse_instructions(sent, "Dockerfile") if not is_added(one)]
    except UserError:
        return None
    before = [at for at, one in enumerate(given) if one.line <= numbers[-1]]
    if len(given) != len(instructions) or not before:
        return None
    return instructions[before[-1]]


def _of_step(
    step: _Step, dockerfile: Dockerfile, target: str | None, instructions: list[Instruction]
) -> Instruction | None:
    stages = needed_stages(dockerfile, target)
    if step.from_image:
        last = step.from_image.rpartition("/")[2]
        return next((stage.instructions[0] for stage in stages if last in stage.base), None)
    among = instructions
    if step.stage is not None and (stage := _stage(step.stage, stages)) is not None:
        among = list(stage.instructions)
        counted = [one for one in among if one.keyword in _COUNTED]
    else:
        counted = among
    at = counted[step.number - 1] if 0 < step.number <= len(counted) else None
    text = _normalized(plain_step(step.text))
    same = [one for one in among if _normalized(f"{one.keyword} {one.rest}")[:60] == text[:60]]
    if at is not None and (at in same or not same) and at.keyword == step.text.split()[0].upper():
        return at
    return same[0] if same else None


def _stage(name: int | str, stages: Sequence[Stage]) -> Stage | None:
    """The stage of a builder's number (Podman: from 1) or name (BuildKit: `stage-0` without one)."""
    if isinstance(name, int):
        return stages[name - 1] if name <= len(stages) else None
    if number := re.fullmatch(r"stage-(\d+)", name):
        return stages[int(number[1])] if int(number[1]) < len(stages) else None
    if not name:
        return stages[-1]
    words = name.lower().split()  # with several platforms: `linux/amd64 base`
    return next((stage for stage in stages if stage.name.lower() == words[-1]), None)


def _normalized(text: str) -> str:
    flags = r"--no-cache-dir\b|--mount=\S+"
    return re.sub(r"[\s\\]+", " ", re.sub(flags, "", text)).strip().lower()


def _within(instruction: Instruction, reason: str) -> int:
    """The line of a long instruction that has the name which the reason ends with."""
    lines = instruction.text.rstrip("\n").split("\n")
    for word in reversed(re.findall(r"[\w.@/+-]*\w", reason)):
        if len(word) < 3 or not (
            re.search(r"[-_./@\d]", word) or reason.rstrip("'\".").endswith(word)
        ):
            continue
        pattern = re.compile(rf"(?<![\w.@/+-]){re.escape(word)}(?![\w/+-])")
        at = [
            number
            for number, line in enumerate(lines)
            if pattern.search(line) and not line.lstrip().startswith("#")
        ]
        if len(at) == 1:
            return instruction.line + at[0]
    return instruction.line
