"""Images that CI built and pushed: with `[tool.innerloop] registry`, a first build is a pull.

Each has two names in the registry: one with the digest of environment/, which is exactly the image
that is wanted or none, and one that moves, which lends its layers where environment/ has changed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..model.container import DIGEST_LABEL
from ..util import process
from ..util.errors import UserError
from . import docker_cli


@dataclass(frozen=True, slots=True)
class Names:
    """`exact` ends in the digest of environment/; `moving` is the newest that was pushed."""

    exact: str
    moving: str


def names(registry: str, image: str, digest: str) -> Names:
    """Of the local image "work-1a2b3c4d/<experiment>:<stage>". The registry's own part leaves the
    workspace's name out: every clone finds the same image."""
    moving = f"{registry}/{image.partition('/')[2]}"
    return Names(f"{moving}-{digest[:16]}", moving)


def fetch(wanted: Names, image: str, digest: str, on_line: Callable[[str], None]) -> str:
    """Pulls the exact image and gives it its local name: "" when it is there, else why not, in a
    few words."""
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        on_line(line)

    if process.follow(docker_cli.pull(wanted.exact), keep) != 0:
        return why_not("\n".join(lines))
    about = process.run(docker_cli.labels_of(wanted.exact))
    labels = (json.loads(about.out) or {}) if about.ok else {}
    if labels.get(DIGEST_LABEL) == digest and process.run(docker_cli.tag(wanted.exact, image)).ok:
        process.run(docker_cli.remove_image(wanted.exact))  # the name alone: the local one holds it
        return ""
    process.run(docker_cli.remove_image(wanted.exact))
    return "the image there was made from another environment/"


def why_not(output: str) -> str:
    """What a failed pull means to a person."""
    low = output.lower()
    if any(sign in low for sign in ("not found", "manifest unknown", "name unknown")):
        return "none has been pushed for this environment/ yet"
    if any(sign in low for sign in ("denied", "unauthorized", "no basic auth")):
        return "this user may not read there: sign in with `docker login`"
    last = next((line for line in reversed(output.splitlines()) if line.strip()), "no answer")
    return last.strip()[:200]


def push(wanted: Names, image: str, on_line: Callable[[str], None]) -> None:
    """Pushes the image under both names, the moving one last. A refusal is a `Mistake`."""
    push_as(image, [wanted.exact, wanted.moving], on_line)


def push_as(image: str, names: Sequence[str], on_line: Callable[[str], None]) -> str:
    """Pushes the image under each name; the digest that the registry gave it. Names that it had
    not before are taken away again."""
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        on_line(line)

    for name in names:
        if name != image:
            _must(docker_cli.tag(image, name), keep, name)
        try:
            _must(docker_cli.push(name), keep, name)
        finally:
            if name != image:
                process.run(docker_cli.remove_image(name))
    told = [found[1] for line in lines if (found := _DIGEST.search(line))]
    return told[-1] if told else ""


# The last line of a push. Source: docker's client, "TAG: digest: sha256:... size: N".
_DIGEST = re.compile(r"digest: (sha256:[0-9a-f]{64})")


def _must(argv: Sequence[str], on_line: Callable[[str], None], name: str) -> None:
    lines: list[str] = []

    def keep(line: str) -> None:
        lines.append(line)
        on_line(line)

    if process.follow(argv, keep) != 0:
        last = next((line for line in reversed(lines) if line.strip()), "no answer")
        raise UserError(
            f"{name} could not be pushed: {last.strip()}",
            hint="Sign in with `docker login`, and check [tool.innerloop] registry",
        )
