"""Prebuilt images in a registry: with `[tool.innerloop] registry`, a first build is a pull.

An image has two tags: an exact one with the digest of environment/, and a floating one of the
newest image, whose layers are reused when environment/ has changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from ..model.container import DIGEST_LABEL
from ..util import process
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from . import docker_cli


@dataclass(frozen=True, slots=True)
class ImageNames:
    """Two references of one image.

    `exact` ends in the digest of environment/, `floating_tag` refers to the newest image that was
    pushed.
    """

    exact: str
    floating_tag: str


def names(registry: str, image: str, digest: str) -> ImageNames:
    """Registry names of the local image "work-1a2b3c4d/<experiment>:<stage>".

    They do not contain the workspace's name, so that every clone uses the same image.
    """
    floating_tag = f"{registry}/{image.partition('/')[2]}"
    return ImageNames(f"{floating_tag}-{digest[:16]}", floating_tag)


def fetch(names: ImageNames, image: str, digest: str, on_line: Callable[[str], None]) -> str:
    """Pulls the exact image and gives it its local name. Returns "" or why that failed."""
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        on_line(line)

    if process.follow(docker_cli.pull(names.exact), keep) != 0:
        return why_not("\n".join(lines))
    inspected = process.run(docker_cli.labels_of(names.exact))
    labels = (json.loads(inspected.out) or {}) if inspected.ok else {}
    if labels.get(DIGEST_LABEL) == digest and process.run(docker_cli.tag(names.exact, image)).ok:
        process.run(
            docker_cli.remove_image(names.exact)
        )  # removes the tag; the image has its local name
        return ""
    process.run(docker_cli.remove_image(names.exact))
    return "the image in the registry was built from another environment/"


def why_not(output: str) -> str:
    """Why a pull failed, from the client's output."""
    low = output.lower()
    if any(sign in low for sign in ("not found", "manifest unknown", "name unknown")):
        return "no image has been pushed for this environment/ yet"
    if any(sign in low for sign in ("denied", "unauthorized", "no basic auth")):
        return "this user may not read from the registry: sign in with `docker login`"
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no answer")
    return last.strip()[:200]


def push(names: ImageNames, image: str, on_line: Callable[[str], None]) -> None:
    """Pushes the image under both names, the floating tag last. UserError if it is refused."""
    push_as(image, [names.exact, names.floating_tag], on_line)


def push_as(image: str, names: Sequence[str], on_line: Callable[[str], None]) -> str:
    """Pushes the image under each name and removes the added names again.

    Returns the digest that the registry reports, "" if it reports none.
    """
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        on_line(line)

    for name in names:
        if name != image:
            _run(docker_cli.tag(image, name), keep, name)
        try:
            _run(docker_cli.push(name), keep, name)
        finally:
            if name != image:
                process.run(docker_cli.remove_image(name))
    digests = [match[1] for line in lines if (match := _DIGEST.search(line))]
    return digests[-1] if digests else ""


# The last line of a push. Source: docker's client, "TAG: digest: sha256:... size: N".
_DIGEST = late_pattern(r"digest: (sha256:[0-9a-f]{64})")


def _run(argv: Sequence[str], on_line: Callable[[str], None], name: str) -> None:
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        on_line(line)

    if process.follow(argv, keep) != 0:
        last = next((line for line in reversed(lines) if line.strip()), "no answer")
        raise UserError(
            f"{name} cannot be pushed: {last.strip()}",
            code="push-failed",
            hint="Sign in with `docker login`, and check [tool.innerloop] registry",
        )
