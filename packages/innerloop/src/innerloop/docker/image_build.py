"""Builds an experiment's image, and skips it when nothing under environment/ changed.

The digest of environment/ is a label on the image: the label decides, not the builder's cache.
"""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..model.container import DIGEST_LABEL, EXPERIMENT_LABEL, WORKSPACE_LABEL, image_name_part
from ..model.dockerfiles.dockerfile import Dockerfile, pruned
from ..model.dockerfiles.dockerfile_mounts import plain_step
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import process
from ..util.errors import UserError
from ..workspace.loader import digest_of
from . import buildkit, docker_cli, image_registry, image_staleness
from .engine import Engine, labels_of, raise_if_gone

TAIL = 30
_LOST_LAYER = re.compile(r"failed to get digest sha256:|[Nn]o such image: sha256:")


def image_of(workspace: Workspace, experiment: Experiment, dev: bool = False) -> Image:
    """The experiment's image for runs, or with `dev` the one that people work in."""
    stage = experiment.dev_stage
    is_last = stage == experiment.dockerfile.last
    target = stage.name if dev and not is_last else None
    tag = "dev" if target else "job"
    context = Path(workspace.root, experiment.folder, "environment")
    return Image(
        name=f"{workspace.image_name}/{image_name_part(experiment.slug)}:{tag}",
        target=target,
        digest=digest_of(context),
        context=str(context),
        dockerfile=experiment.dockerfile,
    )


def is_current(image: Image, engine: Engine) -> bool:
    """Whether there is nothing to build or fetch before it runs."""
    if not image.digest:
        return engine.label is not None
    return engine.label == image.digest


def build(
    workspace: Workspace,
    experiment: Experiment,
    image: Image,
    *,
    no_cache: bool = False,
    pull: bool = False,
    lend: bool = False,
) -> None:
    """Builds with live progress on stderr, or pulls the very image where CI has pushed it. A step
    that fails is a `Mistake` that shows the end of its own output and the line of the Dockerfile
    it stands on. `lend` writes into the image what others need to take layers from it."""
    if image.dockerfile is None:
        fetch(image.name)
        return
    shared = prebuilt_names(workspace, image)
    if shared and not (no_cache or pull or lend) and _fetched_prebuilt(shared, image):
        return
    wanted = buildkit.build_options(
        pruned(image.dockerfile, image.target),
        buildkit.network_of(workspace),
        buildkit=buildkit.has_buildkit(),
        lender="" if shared is None or no_cache else shared.moving,
        lend=lend,
    )
    argv = docker_cli.build(
        image.context,
        image=image.name,
        target=image.target,
        labels={
            DIGEST_LABEL: image.digest,
            WORKSPACE_LABEL: workspace.identity,
            EXPERIMENT_LABEL: experiment.name,
            **image_staleness.files_label(Path(image.context)),
        },
        no_cache=no_cache,
        pull=pull,
        options=wanted.options,
    )
    before = process.run(docker_cli.image_id(image.name))
    progress = Progress(image.name, (*_since(image), *wanted.notes))
    environment = {**os.environ, **wanted.env}
    code = follow(argv, progress, stdin=wanted.text, env=environment)
    progress.end(code == 0)
    if code != 0:
        if not _failed_by_itself(progress.lines):
            raise_if_gone()
        raise failure(image.dockerfile, progress.lines)
    after = process.run(docker_cli.image_id(image.name))
    if before.ok and before.out != after.out:
        # The one that lost its name would take gigabytes and be seen nowhere.
        process.run(docker_cli.remove_image(before.out.strip()))


def follow(
    argv: Sequence[str], progress: Progress, *, stdin: str | None, env: Mapping[str, str]
) -> int:
    """The builder's exit code. Where another program (`docker image prune`, a second workspace's
    `loop clean`) took away an image whose layers the older builder was just taking, it fails with
    a layer that it cannot find, and is right the second time."""
    code = process.follow(argv, progress.line, stdin=stdin, env=env)
    if code != 0 and any(_LOST_LAYER.search(line) for line in progress.lines[-TAIL:]):
        progress.line("innerloop: a layer went away meanwhile: once more")
        code = process.follow(argv, progress.line, stdin=stdin, env=env)
    return code


def _since(image: Image) -> tuple[str, ...]:
    """Why it is built again: what has changed since it was built last."""
    changed = image_staleness.of_labels(labels_of(image.name), Path(image.context), {}, "")
    return (f"since {', '.join(changed)}",) if changed else ()


def prebuilt_names(workspace: Workspace, image: Image) -> image_registry.Names | None:
    """Its names in the workspace's registry; None without one."""
    registry = workspace.settings.registry
    return image_registry.names(registry, image.name, image.digest) if registry else None


def _fetched_prebuilt(shared: image_registry.Names, image: Image) -> bool:
    progress = Progress(shared.exact, doing="looking for")
    reason = image_registry.fetch(shared, image.name, image.digest, progress.quiet)
    progress.end(not reason)
    if reason:
        print(f"innerloop: {reason}; building it here", file=sys.stderr, flush=True)
    return not reason


def fetch(name: str) -> None:
    """Pulls an image that somebody else built, with live progress on stderr."""
    progress = Progress(name, doing="fetching")
    code = process.follow(docker_cli.pull(name), progress.line, env={**os.environ, "NO_COLOR": "1"})
    progress.end(code == 0)
    if code != 0:
        last = next((line for line in reversed(progress.lines) if line.strip()), "no answer")
        raise UserError(
            f"the image {name} is not on this machine and could not be fetched: {last.strip()}",
            hint="Check its name and the network, sign in with `docker login`, or name another for "
            f'it in innerloop.toml: [environment.images] and "{name}" = "IMAGE"',
        )


class Progress:
    """Each step as a line; what the step prints in place below it on a terminal, and the whole
    output where stderr is a file, so that a CI's log is complete."""

    def __init__(self, name: str, notes: Sequence[str] = (), doing: str = "building") -> None:
        self.name = name
        self.doing = doing
        self.lines: list[str] = []
        self.live = sys.stderr.isatty()
        self.started = time.monotonic()
        self._print(f"innerloop: {doing} {name}")
        for note in notes:
            self._print(f"innerloop: {note}")

    def line(self, text: str) -> None:
        text = _COLOUR.sub("", text)
        if any(note in text for note in _NOT_NEWS):
            return
        self.lines.append(text)
        if not self.live:
            self._print(f"  {text}")
        elif _is_step(text):
            self._print(f"\r\x1b[K  {text}")
        elif text.strip():
            width = max(os.get_terminal_size(sys.stderr.fileno()).columns - 6, 20)
            print(f"\r\x1b[K    {text.strip()[:width]}", end="", file=sys.stderr, flush=True)

    def quiet(self, text: str) -> None:
        """A line in place on a terminal; elsewhere, where nobody waits, nothing."""
        if self.live:
            self.line(text)

    def end(self, well: bool) -> None:
        if self.live:
            print("\r\x1b[K", end="", file=sys.stderr)
        if well:
            done = "built" if self.doing == "building" else "fetched"
            self._print(f"innerloop: {done} in {time.monotonic() - self.started:.0f} s")

    def _print(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# The newer client's word on the older builder, three lines at every build.
_NOT_NEWS = (
    "DEPRECATED: The legacy builder",
    "BuildKit is currently disabled; enable it by",
    "environment-variable.",
    "Install the buildx component",
)
_STEP = re.compile(r"^(Step \d+/\d+ :|#\d+ \[)")


def _is_step(line: str) -> bool:
    return _STEP.match(line) is not None


def _failed_by_itself(lines: list[str]) -> bool:
    """Whether a step's own program failed, as both builders say it."""
    return any(one in line for line in lines[-5:] for one in ("non-zero code", "exit code: "))


def failure(dockerfile: Dockerfile, lines: list[str]) -> UserError:
    """The end of the builder's output as a `Mistake`, with the Dockerfile's line of the step."""
    kept = [line for line in lines if line.strip()][-TAIL:]
    tail = "\n".join(f"    {line}" for line in kept)
    steps = [match["step"] for line in lines if (match := _STEP_TEXT.match(line))]
    where = dockerfile.name
    if steps:
        where = f"{where}:{_line_of(dockerfile, steps[-1])}"
    return UserError(
        f"the image did not build:\n{tail}\n ", where=where, hint=_mend("\n".join(lines))
    )


_STEP_TEXT = re.compile(r"^(Step \d+/\d+ : |#\d+ \[[^\]]*\d+/\d+\] )(?P<step>.*)")

_MENDS = (
    (
        "no space left on device",
        "The disk is full: `docker system df` shows what takes the room, `docker image prune` frees some",
    ),
    ("cannot connect to the docker", "The Docker engine went away: start it and run it again"),
    (
        "pull access denied",
        "The base image could not be fetched: check its name, or sign in with `docker login`",
    ),
    (
        "certificate_verify_failed",
        (
            "A certificate was not trusted: name your company's authority with [tool.innerloop] "
            f"ca = ... in pyproject.toml or with SSL_CERT_FILE; on an older builder, {buildkit.INSTALL_BUILDX}"
        ),
    ),
    (
        "407 proxy auth",
        "The proxy wants a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT",
    ),
    (
        "no such host",
        "Something could not be fetched: check the network and the proxy, and run it again",
    ),
    (
        "read timed out",
        "A download stood still: run it again; with BuildKit (docker-buildx) what has come is kept",
    ),
    (
        "i/o timeout",
        "Something could not be fetched: check the network and the proxy, and run it again",
    ),
)


def _mend(text: str) -> str:
    found = (hint for sign, hint in _MENDS if sign in text.lower())
    return next(
        found,
        "Mend what the lines above name; `scripts/loop build --no-cache` begins from the start",
    )


def _line_of(dockerfile: Dockerfile, step: str) -> int:
    """The Dockerfile's line of a step as the builder prints it (continuations joined)."""

    def squeezed(text: str) -> str:
        flags = r"--no-cache-dir\b|--mount=\S+"
        return re.sub(r"[\s\\]+", " ", re.sub(flags, "", text)).strip().lower()

    wanted = squeezed(plain_step(step))
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            if squeezed(f"{instruction.keyword} {instruction.rest}")[:60] == wanted[:60]:
                return instruction.line
    return dockerfile.stages[0].line
