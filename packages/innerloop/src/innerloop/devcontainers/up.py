"""`loop up`: starts an experiment's dev container.

The image is the one that `loop build --dev` builds, or the one of devcontainer.json; the
devcontainer CLI starts the container. Only one `up` of an experiment runs at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import field, replace
from pathlib import Path
from typing import Literal

from ..docker import (
    build_failure,
    client,
    docker_cli,
    engine,
    engine_location,
    gpus,
    image_build,
    image_staleness,
)
from ..model import grants
from ..model.container import EXPERIMENT_LABEL, GPU_LABEL, WORKSPACE_LABEL
from ..model.dockerfiles.dockerfile import parse
from ..model.environment import Image
from ..model.experiment import MARK, Experiment
from ..model.gpu import Gpu, GpuSetting
from ..model.workspace import Workspace
from ..util import consent, files, process
from ..util.errors import UserError
from ..util.position import Position
from ..util.quick_dataclasses import dataclass
from ..workspace import loader
from . import (
    cli_argv,
    configuration,
    data_links,
    dev_image,
    devcontainer_cli,
    discovery,
    git_mounts,
    gpu_request,
    host_programs,
    staleness,
    state_cache,
)
from .configuration import Configuration
from .data_links import DataLinks
from .devcontainer_cli import CliOutcome
from .discovery import Container

Say = Callable[[str], None]
Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Up:
    """A running dev container.

    `how`: "running" (it was), "started" (it was stopped) or "created". `outdated` has one phrase
    for each change since the container was created.
    """

    experiment: str
    how: Literal["running", "started", "created"]
    container: str
    user: str
    folder: str
    image: str
    outdated: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `up` was called with, and the open lock file (-1: none).

    `gpus` are what the command line asks for; None: what devcontainer.json asks for.
    """

    workspace: Workspace
    experiment: Experiment
    config: Configuration
    say: Say
    log: bool
    no_cache: bool
    links: DataLinks
    lock: int = -1
    gpus: GpuSetting | None = None

    @property
    def gpu_setting(self) -> GpuSetting:
        if self.gpus is not None:
            return self.gpus
        requested = gpu_request.requested(self.config.value)
        return replace(requested, where=Position(self.config.path))

    @property
    def root(self) -> Path:
        return Path(self.workspace.root)

    @property
    def file(self) -> Path:
        return self.root / self.config.path

    def containers(self) -> list[Container]:
        return discovery.find(self.workspace, self.experiment)


def up(
    workspace: Workspace,
    experiment: Experiment,
    *,
    say: Say,
    ask: Ask,
    rebuild: bool = False,
    no_cache: bool = False,
    log: bool = False,
    trusted: bool = False,
    gpus: GpuSetting | None = None,
) -> Up:
    """Start the dev container.

    A usable container is kept, an incomplete one is replaced. If it is outdated, the changes are
    printed, and it is rebuilt if `ask` returns True. What the container gets beyond the workspace is
    said, and asked the first time, unless the person has `trusted` it.
    """
    _refuse_in_container(experiment)
    config = configuration.load(workspace, experiment)
    granted = grants.of_devcontainer(config.value, config.path)
    links = data_links.of_experiment(workspace, experiment, config.value)
    lines = [str(grant) for grant in granted] + [f"it {grant}" for grant in links.grants]
    name = f"the dev container of {experiment.name}"
    consent.require(Path(workspace.root), name, lines, trusted=trusted)
    image = image_build.image_of(workspace, experiment, dev=True)
    facts = engine_location.ask(image.name, workspace.root)
    engine_location.require(facts)
    lock = Path(workspace.root, f".innerloop/up/{experiment.slug}.lock")
    waiting = f"innerloop: waiting for another `loop up {experiment.name}`"
    with files.locked(lock, waiting=waiting) as descriptor:
        options = UpOptions(
            workspace, experiment, config, say, log, no_cache, links, descriptor, gpus
        )
        containers = options.containers()
        usable = None if rebuild else _usable_container(options, containers)
        if usable is not None:
            changes = staleness.of_container(usable, workspace, experiment, config)
            changes = [
                *changes,
                *_missing_mount(options, usable),
                *_other_gpus(options, usable, facts),
            ]
            if changes:
                say(f"the container is outdated: {', '.join(changes)}")
            if not (changes and ask("Recreate it? Files outside mounted folders are lost.")):
                return _reuse(options, usable, changes)
        return _create(options, image, facts, containers)


def _missing_mount(options: UpOptions, container: Container) -> list[str]:
    """What a container lacks that an editor started, or that was made before a link."""
    if options.config.kind == "compose":
        return []
    mount = git_mounts.of_workspace(options.workspace, options.config.value)
    missing = [
        f"{link.target}, to which links lead, is not mounted"
        for link in options.links.mounts
        if link.target not in container.mounts
    ]
    if mount is not None and mount.target not in container.mounts:
        what = "the repository of this git worktree or submodule"
        missing.append(f"{mount.target}, {what}, is not mounted")
    return missing


def _other_gpus(options: UpOptions, container: Container, facts: engine.Engine) -> list[str]:
    """Whether a container was created with other GPUs than the command line asks for."""
    if options.gpus is None or options.config.kind == "compose":
        return []
    asked, has = _label(gpus.for_container(options.gpus, facts)), container.labels.get(GPU_LABEL)
    if asked == has:
        return []
    of = "its GPUs are not known" if has is None else f"its GPUs are: {has}"
    return [f"{of}, and {options.gpus.shown} asks for: {asked}"]


def _label(gpu: Gpu) -> str:
    return ",".join(gpu.devices) or "none"


def _usable_container(options: UpOptions, containers: Sequence[Container]) -> Container | None:
    """The container that can be used.

    The others are removed; UserError if an editor is open in one of them.
    """
    usable = None
    for container in containers:
        reason = _defect(options, container) if usable is None else "there is another one"
        if not reason:
            usable = container
            continue
        if _has_editor(container):
            name = options.experiment.name
            raise UserError(
                f"VS Code is open in the dev container of {name}, which is not usable: {reason}",
                code="dev-container-in-use",
                hint="See its log (Dev Containers: Show Container Log), or recreate it with "
                f"`scripts/loop up {name} --rebuild`",
            )
        options.say(f"removing a container that is not usable: {reason}")
        _remove(container)
    return usable


def _defect(options: UpOptions, container: Container) -> str:
    """Why a container cannot be used; "" if it can."""
    if container.state in ("created", "dead", "removing"):
        return "its start failed"
    note = state_cache.read(options.root, options.experiment.slug, container.id)
    if note is not None and note.whole:
        return ""
    if image_staleness.CONFIGURATION in container.labels:
        return "its creation was stopped, or one of its commands failed"
    if container.running and not _commands_ended(container):
        return "one of its commands failed"
    return ""


# VS Code and the devcontainer CLI write a marker as each command begins, and begin the next command
# only if the last one succeeded. postStartCommand is the last command.
_ENDED = (
    "test -e ~/.devcontainer/.postStartCommandMarker"
    " -o -e ~/.vscode-server/data/Machine/.postStartCommandMarker"
    " -o ! -e ~/.devcontainer/.onCreateCommandMarker"
)


def _commands_ended(container: Container) -> bool:
    test = docker_cli.exec_in(container.id, ["sh", "-c", _ENDED], user=container.remote_user)
    return process.run(test, timeout=20).code != 1


def _has_editor(container: Container) -> bool:
    processes = process.run(docker_cli.top(container.id)).out if container.running else ""
    servers = (".vscode-server", ".cursor-server", ".windsurf-server")
    return any(server in processes for server in servers)


def _reuse(options: UpOptions, container: Container, changes: Sequence[str]) -> Up:
    """Use a container as it is; if it does not run, the CLI starts it."""
    if changes:
        options.say(f"`scripts/loop up {options.experiment.name} --rebuild` recreates it")
    note = state_cache.read(options.root, options.experiment.slug, container.id)
    if (
        note is not None
        and note.whole
        and container.running
        and "postAttachCommand" not in _without_generated(options.config)
    ):
        return _up(options, "running", note, container.image, changes)
    host_programs.require(options.root, options.config, builds=False)
    override = options.config.on(container.image, container.remote_user, {}, options.workspace)
    override.pop("updateRemoteUserUID")
    outcome = _cli_up(options, override if options.config.kind != "compose" else None, None)
    how: Literal["running", "started"] = "running" if container.running else "started"
    return _up(options, how, _learn(options, outcome), container.image, changes)


def _without_generated(config: Configuration) -> dict[str, object]:
    """The configuration without the command that is generated for VS Code alone."""
    value = dict(config.value)
    attach = value.get("postAttachCommand")
    if isinstance(attach, dict) and set(attach) == {"open"}:
        value.pop("postAttachCommand")
    return value


def _create(options: UpOptions, image: Image, facts: engine.Engine, old: Sequence[Container]) -> Up:
    """Create the container.

    The GPU and the programs of the host are checked first: if one is required and missing, nothing
    is built or created. The `old` containers are removed once the image is built.
    """
    devcontainer_cli.program()
    builds = not options.config.builds(options.experiment) and options.config.kind != "image"
    host_programs.require(options.root, options.config, builds=builds)
    own = "" if options.gpus is not None else gpu_request.own_device(options.config.value)
    gpu = (
        Gpu(False, f"GPU, because runArgs has {own}", devices=(own,))
        if own
        else (gpus.for_container(options.gpu_setting, facts))
    )
    if not gpu.needs_trial:
        options.say(gpu.why)
    if options.config.kind == "compose":
        _remove(*old)
        outcome = _cli_up(options, None, gpu.use and "--gpus" in gpu.options)
        made_from = image_staleness.configuration_label(options.config.decisive)
        return _up(options, "created", _learn(options, outcome, made_from), "", ())
    name, user = dev_image.prepare(
        options.workspace,
        options.experiment,
        options.config,
        image,
        facts,
        say=options.say,
        no_cache=options.no_cache,
        build=lambda argv: _raise_on_failure(options, _follow(options, argv)),
    )
    if gpu.needs_trial:
        gpu = gpus.settle(options.gpu_setting, facts, name, options.say)
        options.say(gpu.why)
    _remove(*old)
    labels = {
        EXPERIMENT_LABEL: options.experiment.name,
        WORKSPACE_LABEL: options.workspace.identity,
        GPU_LABEL: _label(gpu),
    }
    override = options.config.on(name, user, labels, options.workspace)
    override = gpu_request.replaced(override, gpu.options)
    mount = git_mounts.of_workspace(options.workspace, override)
    if mount is not None:
        options.say(mount.note)
        override = mount.added_to(override)
    for note in options.links.notes:
        options.say(note)
    override = options.links.added_to(override)
    outcome = _cli_up(options, override, False)
    return _up(options, "created", _learn(options, outcome), name, ())


def _cli_up(options: UpOptions, override: dict[str, object] | None, gpu: bool | None) -> CliOutcome:
    """Run `devcontainer up`, with `override` in place of devcontainer.json.

    `gpu`: whether the CLI adds GPUs itself; None lets it decide. On Ctrl-C incomplete containers are removed.
    """
    path = options.root / f".innerloop/up/{options.experiment.slug}.json"
    if override is not None:
        files.write_text(path, json.dumps(override, indent=2, ensure_ascii=False))
    argv = cli_argv.up(
        devcontainer_cli.program(),
        root=options.workspace.root,
        config=str(options.file),
        override=str(path) if override is not None else None,
        gpu=gpu,
        labels=discovery.labels_of(options.workspace, options.experiment),
        client=client.program(),
    )
    try:
        outcome = _follow(options, argv)
    except KeyboardInterrupt:
        for container in options.containers():
            note = state_cache.read(options.root, options.experiment.slug, container.id)
            if note is None or not note.whole:
                _remove(container)
        raise
    finally:
        files.remove(path)
    return _raise_on_failure(options, outcome)


def _follow(options: UpOptions, argv: Sequence[str]) -> CliOutcome:
    def follow() -> CliOutcome:
        # The CLI keeps the lock, too: it may outlive this process.
        locks = (options.lock,) if options.lock >= 0 else ()
        return devcontainer_cli.follow(
            argv, options.say, log=options.log, hand_over=locks, cwd=options.root
        )

    outcome = follow()
    if outcome.lost_container:
        options.say("another program removed a container; trying again")
        outcome = follow()
    return outcome


def _raise_on_failure(options: UpOptions, outcome: CliOutcome) -> CliOutcome:
    """The outcome, if it is a success.

    Otherwise removes containers that were not started and raises UserError.
    """
    if outcome.ok:
        return outcome
    containers = options.containers()
    refused = any("Error response from daemon" in line for line in outcome.tail)
    if not refused and not any(container.running for container in containers):
        engine.raise_if_gone()
    _remove(*(container for container in containers if container.state == "created"))
    if outcome.build_failed and (error := _build_error(options, outcome)):
        raise error
    raise UserError(
        outcome.failure(),
        code="dev-container-failed",
        where=options.config.path,
        hint=outcome.hint(options.experiment.name),
    )


def _build_error(options: UpOptions, outcome: CliOutcome) -> UserError | None:
    """The error of a step that failed in the CLI's own build, at its line; None of others."""
    name = options.config.dockerfile
    if not name or not build_failure.names_step(outcome.output):
        return None
    with suppress(UserError):
        text = files.read_own(options.root / name)
        if text is not None:
            return image_build.failure(
                parse(text, name), list(outcome.output), options.config.target
            )
    return None


def _learn(options: UpOptions, outcome: CliOutcome, configuration: str = "") -> state_cache.Note:
    """Ask the container for its facts and cache them, with what it was made from (or was before)."""
    containers = options.containers()
    container = next((one for one in containers if one.id == outcome.container), None)
    if container is None:
        raise UserError(
            "another program removed the new container",
            code="dev-container-failed",
            where=options.config.path,
            hint="Run the command again",
        )
    note = state_cache.learn(
        container, outcome.user, outcome.folder, options.config.value, whole=True
    )
    slug = options.experiment.slug
    before = state_cache.read(options.root, slug, container.id)
    kept = configuration or (before.configuration if before is not None else "")
    return state_cache.write(options.root, slug, replace(note, configuration=kept))


def _up(
    options: UpOptions,
    how: Literal["running", "started", "created"],
    note: state_cache.Note,
    image: str,
    changes: Sequence[str],
) -> Up:
    name = options.experiment.name
    return Up(name, how, note.container, note.user, note.folder, image, tuple(changes))


def _remove(*containers: Container) -> None:
    if containers:
        ids = (container.id for container in containers)
        process.run(docker_cli.remove(*ids), timeout=60)


def _refuse_in_container(experiment: Experiment) -> None:
    """UserError inside a dev container: only the host can start another one."""
    if (current := loader.current_experiment()) is not None:
        other = (
            "" if current == experiment.name else f", which cannot start that of {experiment.name}"
        )
        raise UserError(
            f"this is the dev container of {current}{other}",
            code="in-dev-container",
            hint=f"Run the command on the host ({MARK} is set here)",
        )
