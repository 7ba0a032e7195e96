"""The Dockerfile's text as BuildKit gets it: the person's own, with mounts on its RUN steps.

The file itself stays plain, so that the older builder, VS Code and Azure ML build it as it is.
A mount is there while a step runs and is in no layer. Pure.

Source: Dockerfile reference, `RUN --mount`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from .dockerfile import Dockerfile, Instruction, parse

# Every mount of ours has an id that begins so: it is how a step is known again in a log.
OURS = "innerloop-"
PIP_CACHE = "/var/cache/innerloop-pip"
# Whoever runs the step may write there, and several builds may do so at once.
_CACHE = f"--mount=type=cache,id={OURS}pip-cache,target={PIP_CACHE},mode=0777"


@dataclass(frozen=True, slots=True)
class Mounted:
    """What the steps get. `secrets`: their ids, each a file /run/secrets/<id> while a step
    runs. `variables` name those files to the programs; their values are paths and stand in the image's
    history, so a value must never be a secret itself. `pip_cache`: pip keeps what it downloads."""

    secrets: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    pip_cache: bool = False


def secret_path(name: str) -> str:
    return f"/run/secrets/{name}"


def mounted(text: str, wanted: Mounted) -> str:
    """The text with the mounts; the very same one where nothing is wanted."""
    if not (wanted.secrets or wanted.pip_cache):
        return text
    if wanted.pip_cache and _caches_by_itself(text):
        return mounted(text, replace(wanted, pip_cache=False))
    dockerfile = parse(text, "Dockerfile")
    return dockerfile.head + "".join(_stages(dockerfile, wanted))


def plain_step(step: str) -> str:
    """A step as the person wrote it, from what a builder prints."""
    return re.sub(rf"--mount=\S*{OURS}\S*\s*", "", step)


def _stages(dockerfile: Dockerfile, wanted: Mounted) -> Iterable[str]:
    for stage in dockerfile.stages:
        first, *rest = stage.instructions
        caches = wanted.pip_cache and any(_installs(one) for one in rest)
        yield first.text
        if any(one.keyword == "RUN" for one in rest):
            yield _variables(wanted, caches)
        for one in rest:
            yield _run(one, wanted, caches) if one.keyword == "RUN" else one.text


def _variables(wanted: Mounted, caches: bool) -> str:
    """ARG, not ENV: there for the steps of the stage, and not in the image that comes out."""
    values = {**wanted.variables, **({"PIP_CACHE_DIR": PIP_CACHE} if caches else {})}
    words = " ".join(f"{name}={value}" for name, value in values.items())
    return f"ARG {words}\n" if words else ""


def _run(one: Instruction, wanted: Mounted, caches: bool) -> str:
    """In a stage that installs, every step has the cache: a script may call pip as well."""
    flags = [f"--mount=type=secret,id={name},mode=0444" for name in wanted.secrets]
    text = one.text
    if caches:
        flags.append(_CACHE)
        # With a cache that is in no layer, the flag that keeps layers small only costs downloads.
        text = re.sub(r"([ \t])--no-cache-dir(?=\s)[ \t]?", r"\1", text)
    if not flags:
        return text
    return re.sub(r"(?i)^(\s*RUN)\s", lambda found: f"{found[1]} {' '.join(flags)} ", text, count=1)


def _installs(one: Instruction) -> bool:
    return one.keyword == "RUN" and re.search(r"\bpip[\d.]*\b", one.text) is not None


def _caches_by_itself(text: str) -> bool:
    """A Dockerfile with an own idea of pip's cache keeps it."""
    return re.search(r"PIP_CACHE_DIR|\s--cache-dir\b|type=cache", text) is not None
