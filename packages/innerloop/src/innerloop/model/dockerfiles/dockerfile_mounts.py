"""The Dockerfile's text for BuildKit: the original with mounts on its RUN steps.

The file itself is unchanged, so that the older builder, VS Code and Azure ML can build it. A mount
exists while a step runs, and is in no layer.

Source: Dockerfile reference, `RUN --mount`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from ...util.quick_dataclasses import dataclass
from .dockerfile import Dockerfile, Instruction, parse

# The ids of the tool's mounts begin with this, so that steps can be recognized in a log.
OURS = "innerloop-"
PIP_CACHE = "/var/cache/innerloop-pip"
# Every user may write there, and several builds at once.
_CACHE = f"--mount=type=cache,id={OURS}pip-cache,target={PIP_CACHE},mode=0777"


@dataclass(frozen=True, slots=True)
class BuildMounts:
    """The mounts of the steps.

    secrets: their ids, each a file /run/secrets/<id> while a step runs.
    variables: name those files to the programs. Their values are in the image's history, so they
    must be paths and never secrets.
    pip_cache: whether pip keeps its downloads.
    """

    secrets: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    pip_cache: bool = False


def secret_path(name: str) -> str:
    return f"/run/secrets/{name}"


def mounted(text: str, mounts: BuildMounts) -> str:
    """The text with the mounts; the same text without any."""
    if not (mounts.secrets or mounts.pip_cache):
        return text
    if mounts.pip_cache and _caches_by_itself(text):
        return mounted(text, replace(mounts, pip_cache=False))
    dockerfile = parse(text, "Dockerfile")
    return dockerfile.head + "".join(_stages(dockerfile, mounts))


def plain_step(step: str) -> str:
    """A step as it is in the Dockerfile, from a builder's output."""
    return re.sub(rf"--mount=\S*{OURS}\S*\s*", "", step)


def is_added(instruction: Instruction) -> bool:
    """Whether `mounted` added this instruction, so that the Dockerfile does not have it."""
    return (
        instruction.keyword == "ARG"
        and re.search(rf"=(/run/secrets/{OURS}|{PIP_CACHE}(\s|$))", instruction.rest) is not None
    )


def _stages(dockerfile: Dockerfile, mounts: BuildMounts) -> Iterable[str]:
    for stage in dockerfile.stages:
        first, *rest = stage.instructions
        caches = mounts.pip_cache and any(_installs(one) for one in rest)
        yield first.text
        if any(one.keyword == "RUN" for one in rest):
            yield _variables(mounts, caches)
        for one in rest:
            yield _run(one, mounts, caches) if one.keyword == "RUN" else one.text


def _variables(mounts: BuildMounts, caches: bool) -> str:
    """ARG, not ENV: set for the steps of the stage, and not in the resulting image."""
    values = {**mounts.variables, **({"PIP_CACHE_DIR": PIP_CACHE} if caches else {})}
    words = " ".join(f"{name}={value}" for name, value in values.items())
    return f"ARG {words}\n" if words else ""


def _run(instruction: Instruction, mounts: BuildMounts, caches: bool) -> str:
    """In a stage that installs packages, every step has the cache: a script may call pip too."""
    flags = [f"--mount=type=secret,id={name},mode=0444" for name in mounts.secrets]
    text = instruction.text
    if caches:
        flags.append(_CACHE)
        # With a cache outside the layers, this flag would only cost downloads.
        text = re.sub(r"([ \t])--no-cache-dir(?=\s)[ \t]?", r"\1", text)
    if not flags:
        return text
    # The keyword's line may end right after it, with the character that continues it.
    start = re.compile(r"(?i)^((?:\s*[\\`]?[ \t]*\n)*\s*RUN)(?=[\s\\`])[ \t]*")
    return start.sub(lambda match: f"{match[1]} {' '.join(flags)} ", text, count=1)


def _installs(instruction: Instruction) -> bool:
    return (
        instruction.keyword == "RUN" and re.search(r"\bpip[\d.]*\b", instruction.text) is not None
    )


def _caches_by_itself(text: str) -> bool:
    """Whether the Dockerfile configures pip's cache itself; it is then left unchanged."""
    return re.search(r"PIP_CACHE_DIR|\s--cache-dir\b|type=cache", text) is not None
