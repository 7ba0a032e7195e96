"""The Dockerfile's text for BuildKit: the original with mounts on its RUN steps.

The file itself is unchanged, so that the older builder, VS Code and Azure ML can build it. A mount
exists while a step runs, and is in no layer.

Source: Dockerfile reference, `RUN --mount`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import field, replace

from ...util.late_patterns import late_pattern
from ...util.quick_dataclasses import dataclass
from .dockerfile import Dockerfile, Instruction, parse

# The ids of the tool's mounts begin with this, so that steps can be recognized in a log.
OURS = "innerloop-"
PIP_CACHE = "/var/cache/innerloop-pip"
UV_CACHE = "/var/cache/innerloop-uv"
# Every user may write there, and several builds at once.
_CACHE = f"--mount=type=cache,id={OURS}pip-cache,target={PIP_CACHE},mode=0777"
_UV_CACHE = f"--mount=type=cache,id={OURS}uv-cache,target={UV_CACHE},mode=0777"
# In a folder for each user, named by the step's shell: in another user's, uv fails where pip does not.
_UV_CACHE_OPTION = f"--cache-dir {UV_CACHE}/$(id -u)"
# uv looks there for uv/uv.toml, as for the machine's own: a project's settings come before it.
_UV_SETTINGS = f"/run/secrets/{OURS}settings"
# A command of uv that keeps no cache: apk has an option of that name, too.
_UV_WITHOUT_CACHE = late_pattern(
    r"((?<![\w.-])uv[ \t]+(?:pip|sync|add|run|tool)\b(?:[^|&;\n]|\\\n)*?[ \t])--no-cache(?=\s)"
)


@dataclass(frozen=True, slots=True)
class BuildMounts:
    """The mounts of the steps.

    secrets: their ids, each a file /run/secrets/<id> while a step runs.
    variables: name those files to the programs. Their values are in the image's history, so they
    must be paths and never secrets.
    uv_settings: the id of the secret that is a uv.toml, for the stages that use uv; "" for none.
    caches: whether pip and uv keep their downloads.
    """

    secrets: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    uv_settings: str = ""
    caches: bool = False


def secret_path(name: str) -> str:
    return f"/run/secrets/{name}"


def mounted(text: str, mounts: BuildMounts) -> str:
    """The text with the mounts; the same text without any."""
    if not (mounts.secrets or mounts.uv_settings or mounts.caches):
        return text
    if mounts.caches and _caches_by_itself(text):
        return mounted(text, replace(mounts, caches=False))
    dockerfile = parse(text, "Dockerfile")
    return dockerfile.head + "".join(_stages(dockerfile, mounts))


def plain_step(step: str) -> str:
    """A step as it is in the Dockerfile, from a builder's output."""
    step = step.replace(_UV_CACHE_OPTION, "--no-cache")
    return re.sub(rf"--mount=\S*{OURS}\S*\s*", "", step)


def is_added(instruction: Instruction) -> bool:
    """Whether `mounted` added this instruction, so that the Dockerfile does not have it."""
    return (
        instruction.keyword == "ARG"
        and re.search(
            rf"=/run/secrets/{OURS}|={PIP_CACHE}(\s|$)|^UV_LINK_MODE=copy$", instruction.rest
        )
        is not None
    )


def _stages(dockerfile: Dockerfile, mounts: BuildMounts) -> Iterable[str]:
    for stage in dockerfile.stages:
        first, *rest = stage.instructions
        steps = [one.text for one in rest if one.keyword == "RUN"]
        needed = mounts
        if not any(re.search(r"\buv\b", step) for step in steps):
            needed = replace(needed, uv_settings="")
        caches_pip = mounts.caches and any(re.search(r"\bpip[\d.]*\b", step) for step in steps)
        yield first.text
        if steps:
            yield _variables(needed, caches_pip, steps)
        for one in rest:
            yield _run(one, needed, caches_pip) if one.keyword == "RUN" else one.text


def _variables(mounts: BuildMounts, caches_pip: bool, steps: Iterable[str]) -> str:
    """ARG, not ENV: set for the steps of the stage, and not in the resulting image."""
    values = dict(mounts.variables)
    if mounts.uv_settings:
        values["XDG_CONFIG_DIRS"] = f"{_UV_SETTINGS}:/etc/xdg"
    if caches_pip:
        values["PIP_CACHE_DIR"] = PIP_CACHE
    if mounts.caches and any(_UV_WITHOUT_CACHE.search(step) for step in steps):
        values["UV_LINK_MODE"] = "copy"  # nothing can be linked out of a mount: uv would warn
    words = " ".join(f"{name}={value}" for name, value in values.items())
    return f"ARG {words}\n" if words else ""


def _run(instruction: Instruction, mounts: BuildMounts, caches_pip: bool) -> str:
    """In a stage that installs packages, every step has pip's cache: a script may call pip too."""
    flags = [f"--mount=type=secret,id={name},mode=0444" for name in mounts.secrets]
    text = instruction.text
    if mounts.uv_settings:
        target = f"{_UV_SETTINGS}/uv/uv.toml"
        flags.append(f"--mount=type=secret,id={mounts.uv_settings},target={target},mode=0444")
    # With a cache outside the layers, the options without one would only cost downloads.
    if caches_pip:
        flags.append(_CACHE)
        text = re.sub(r"([ \t])--no-cache-dir(?=\s)[ \t]?", r"\1", text)
    if mounts.caches and _UV_WITHOUT_CACHE.search(text):
        flags.append(_UV_CACHE)
        text = _UV_WITHOUT_CACHE.sub(lambda match: match[1] + _UV_CACHE_OPTION, text)
    if not flags:
        return text
    # The keyword's line may end right after it, with the character that continues it.
    start = re.compile(r"(?i)^((?:\s*[\\`]?[ \t]*\n)*\s*RUN)(?=[\s\\`])[ \t]*")
    return start.sub(lambda match: f"{match[1]} {' '.join(flags)} ", text, count=1)


def _caches_by_itself(text: str) -> bool:
    """Whether the Dockerfile configures pip's cache itself; it is then left unchanged."""
    return re.search(r"PIP_CACHE_DIR|\s--cache-dir\b|type=cache", text) is not None
