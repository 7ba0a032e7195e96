"""Builds an experiment's image, unless nothing that it is built from has changed.

The image has the digest of environment/ as a label: that label decides, not the builder's cache.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ..model.container import (
    BASES_LABEL,
    DIGEST_LABEL,
    EXPERIMENT_LABEL,
    WORKSPACE_LABEL,
    image_name_part,
)
from ..model.dockerfiles.dockerfile import Dockerfile, pruned
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import console, process
from ..util.digests import sha256
from ..util.errors import UserError
from ..util.late_patterns import late_pattern
from ..util.position import Position
from ..util.progress import Progress
from ..workspace import cpu_locks
from ..workspace.loader import context_of, digest_of
from . import buildkit, docker_cli, image_bases, image_registry, image_staleness
from .engine import Engine, labels_of, raise_if_gone

TAIL = 30
_LOST_LAYER = late_pattern(r"failed to get digest sha256:|[Nn]o such image: sha256:")


def image_of(
    workspace: Workspace,
    experiment: Experiment,
    dev: bool = False,
    test: bool = False,
    *,
    full: bool = False,
) -> Image:
    """The experiment's image for runs; with `dev`, the image of its development stage.

    With `test` that of its stage for tests, if it has one. It has the lock for the CPU where this machine
    takes that; with `full` never, as for an image that other machines get.
    """
    tests = experiment.test_stage if test else None
    stage = tests or experiment.dev_stage
    is_last = stage == experiment.dockerfile.last
    target = stage.name if (dev or tests) and not is_last else None
    tag = ("test" if tests else "dev") if target else "job"
    if experiment.paths.source == "image":
        return Image(experiment.paths.environment)
    context = context_of(workspace, experiment)
    digest, dockerfile = digest_of(context), experiment.dockerfile
    lock = cpu_locks.CpuLock() if full else cpu_locks.lock_for(workspace, experiment)
    if (with_lock := lock.dockerfile_of(experiment)) is not None:
        digest = sha256(f"{digest}\0{lock.path}\0{lock.text}".encode()).hexdigest()
        dockerfile = with_lock
    return Image(
        name=f"{workspace.image_name}/{image_name_part(experiment.slug)}:{tag}",
        target=target,
        digest=digest,
        context=context.folder,
        dockerfile=dockerfile,
        files=context if context.is_shared else None,
    )


def is_current(image: Image, engine: Engine) -> bool:
    """Whether the image can be used without building or pulling it first."""
    if not image.digest:
        return engine.label is not None
    return engine.label == image.digest and not image_bases.changed_bases(engine.bases)


def build(
    workspace: Workspace,
    experiment: Experiment,
    image: Image,
    *,
    no_cache: bool = False,
    pull: bool = False,
    inline_cache: bool = False,
) -> None:
    """Build the image, with progress on stderr, or pull it if CI has pushed the same one.

    `inline_cache` writes into the image what others need to reuse its layers. UserError if a step
    fails, with the end of the step's output and its line in the Dockerfile.
    """
    if image.dockerfile is None:
        fetch(image.name)
        return
    prebuilt = prebuilt_names(workspace, image)
    # CI's image is built from CI's base image, so it is none for a base that changed here.
    bases = image_bases.changed_bases(labels_of(image.name).get(BASES_LABEL, ""))
    is_asked = no_cache or pull or inline_cache or bool(bases)
    if prebuilt and not is_asked and _fetch_prebuilt(prebuilt, image):
        return
    options = buildkit.build_options(
        pruned(image.dockerfile, image.target),
        buildkit.network_of(workspace),
        buildkit=buildkit.has_buildkit(),
        cache_from="" if prebuilt is None or no_cache else prebuilt.floating_tag,
        inline_cache=inline_cache,
    )
    argv = docker_cli.build(
        image.context,
        image=image.name,
        target=image.target,
        labels={
            DIGEST_LABEL: image.digest,
            WORKSPACE_LABEL: workspace.identity,
            EXPERIMENT_LABEL: experiment.name,
            **image_staleness.files_label(image.counted),
            **image_bases.bases_label(image.dockerfile, image.target),
        },
        no_cache=no_cache,
        pull=pull,
        options=options.options,
    )
    before = process.run(docker_cli.image_id(image.name))
    log = BuildLog(image.name, (*_changes(image), *options.notes))
    code = follow(argv, log, stdin=options.text, env={**os.environ, **options.env})
    log.end(code == 0)
    if code != 0:
        if not _step_failed(log.lines):
            raise_if_gone()
        raise failure(image.dockerfile, log.lines, image.target, options.text)
    after = process.run(docker_cli.image_id(image.name))
    if before.ok and before.out != after.out:
        # Without a name the old image would take gigabytes unnoticed.
        process.run(docker_cli.remove_image(before.out.strip()))


def follow(argv: Sequence[str], log: BuildLog, *, stdin: str | None, env: Mapping[str, str]) -> int:
    """Run the builder and return its exit code.

    If another program (`docker image prune`, `loop clean` of another workspace) removes an image
    whose layers the legacy builder is reusing, the build fails with a missing layer; it is then
    tried a second time.
    """
    code = process.follow(argv, log.line, stdin=stdin, env=env)
    if code != 0 and any(_LOST_LAYER.search(line) for line in log.lines[-TAIL:]):
        log.line("innerloop: another program removed a layer; building again")
        code = process.follow(argv, log.line, stdin=stdin, env=env)
    return code


def _changes(image: Image) -> tuple[str, ...]:
    """What has changed since the last build, as one note; empty if nothing is known."""
    changed = image_staleness.of_labels(labels_of(image.name), image.counted, {}, "")
    return (f"changed since the last build: {', '.join(changed)}",) if changed else ()


def prebuilt_names(workspace: Workspace, image: Image) -> image_registry.ImageNames | None:
    """The image's names in the workspace's registry; None without a registry."""
    registry = workspace.settings.registry
    return image_registry.names(registry, image.name, image.digest) if registry else None


def _fetch_prebuilt(names: image_registry.ImageNames, image: Image) -> bool:
    """Whether the image could be pulled; if not, why is printed."""
    log = BuildLog(names.exact, doing="looking for")
    reason = image_registry.fetch(names, image.name, image.digest, log.quiet)
    log.end(not reason)
    if reason:
        console.say(f"{reason}; building it here")
    return not reason


def fetch(name: str) -> None:
    """Pull an image, with progress on stderr. UserError if that fails."""
    log = BuildLog(name, doing="pulling")
    code = process.follow(docker_cli.pull(name), log.line, env={**os.environ, "NO_COLOR": "1"})
    log.end(code == 0)
    if code != 0:
        last = next((line for line in reversed(log.lines) if line.strip()), "no answer")
        raise UserError(
            f"the image {name} is not on this machine and cannot be pulled: {last.strip()}",
            code="image-unavailable",
            hint="Check its name and the network, sign in with `docker login`, or replace it in "
            f'innerloop.toml: [environment.images] and "{name}" = "IMAGE"',
        )


class BuildLog:
    """The output of a build or a pull. `lines` are all of it, without colours.

    On a terminal each step stays as a line, as long as the terminal is wide, and the step's output
    is the live line; elsewhere all of the output is printed, so that the log of a CI run is complete.
    The legacy builder prints a step for each of the tool's own labels, which nobody wrote: these are
    not shown.
    """

    def __init__(self, name: str, notes: Sequence[str] = (), doing: str = "building") -> None:
        self.lines: list[str] = []
        self._doing = doing
        self._is_label = False
        self._progress = Progress()
        self._progress.line(f"innerloop: {doing} {name}")
        for note in notes:
            self._progress.line(f"innerloop: {note}")

    def line(self, text: str) -> None:
        text = _COLOUR.sub("", text)
        if any(notice in text for notice in _NOTICES):
            return
        self.lines.append(text)
        self._is_label = _is_of_label(text, self._is_label)
        if self._is_label:
            return
        if not self._progress.is_live:
            self._progress.line(f"  {text}")
        elif _STEP.match(text):
            import shutil

            from ..util import tables

            width = shutil.get_terminal_size().columns - len("  ")
            self._progress.line(f"  {tables.cut(' '.join(text.split()), max(width, 20))}")
        else:
            self._progress.show(text)

    def quiet(self, text: str) -> None:
        """Show the line on a terminal only."""
        self._progress.show(text)

    def end(self, ok: bool) -> None:
        self._progress.end()
        if ok:
            done = {"building": "built", "installing": "installed"}.get(self._doing, "pulled")
            self._progress.line(f"innerloop: {done} in {self._progress.seconds:.0f} s")


_COLOUR = late_pattern(r"\x1b\[[0-9;]*m")
# The newer client's notices about the legacy builder, three lines at every build.
_NOTICES = (
    "DEPRECATED: The legacy builder",
    "BuildKit is currently disabled; enable it by",
    "environment-variable.",
    "Install the buildx component",
)
_STEP = late_pattern(r"^(Step \d+/\d+ :|#\d+ \[|(\[\d+/\d+\] )?STEP \d+/\d+: )")


# What the legacy builder prints for an option --label, and below such a step.
_OUR_LABEL = late_pattern(r"Step \d+/\d+ : LABEL \"?innerloop\.")
_BELOW_STEP = late_pattern(r" ---> |Remov(?:ing|ed) intermediate container ")


def _is_of_label(line: str, is_within: bool) -> bool:
    """Whether a line is of a step for one of the tool's labels; `is_within`: the one before is."""
    return bool(_OUR_LABEL.match(line)) or (is_within and bool(_BELOW_STEP.match(line)))


def _step_failed(lines: list[str]) -> bool:
    """Whether the program of a step failed, in the words of any builder."""
    signs = ("non-zero code", "exit code: ", "exit status ")
    return any(sign in line for line in lines[-5:] for sign in signs)


def failure(
    dockerfile: Dockerfile, lines: list[str], target: str | None = None, sent: str = ""
) -> UserError:
    """The error for a failed build: the line in the Dockerfile, the reason, the end of the output.

    `target` and `sent`: see `build_failure.explain`. The first line of the message has the
    position and the reason, for VS Code's Problems panel.
    """
    last_lines = [line for line in lines if line.strip()][-TAIL:]
    tail = "\n".join(f"    {line}" for line in last_lines)
    from . import build_failure

    reason = build_failure.explain(dockerfile, target, lines, sent)
    return UserError(
        f"the image cannot be built: {reason.reason}\n{tail}\n ",
        code="image-build-failed",
        where=Position(dockerfile.name, reason.line),
        hint=_hint("\n".join(lines)),
    )


# Part of the builder's output, in lower case -> what to do.
_HINTS = (
    (
        "no space left on device",
        "The disk is full: `docker system df` shows what uses it, `docker image prune` frees some",
    ),
    (
        "cannot connect to the docker",
        "The Docker engine has stopped: start it and run the command again",
    ),
    (
        "pull access denied",
        "The base image cannot be pulled: check its name, or sign in with `docker login`",
    ),
    (
        "certificate_verify_failed",
        (
            "A certificate is not trusted: set your company's authority with [tool.innerloop] "
            "ca = ... in pyproject.toml or with SSL_CERT_FILE; with the legacy builder, "
            f"{buildkit.INSTALL_BUILDX}"
        ),
    ),
    (
        "407 proxy auth",
        "The proxy requires a name and a password: HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT",
    ),
    (
        "no such host",
        "A download failed: check the network and the proxy, and run the command again",
    ),
    (
        "read timed out",
        "A download stalled: run the command again; BuildKit (docker-buildx) keeps finished parts",
    ),
    (
        "i/o timeout",
        "A download failed: check the network and the proxy, and run the command again",
    ),
)


def _hint(output: str) -> str:
    hints = (hint for sign, hint in _HINTS if sign in output.lower())
    return next(
        hints, "Fix what the lines above name; `scripts/loop build --no-cache` repeats every step"
    )
