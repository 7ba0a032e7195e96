"""An experiment's dev container from its configuration to its outcome: `loop up`.

The image is the one that `loop build --dev` makes, or the one that the person's devcontainer.json
names; the devcontainer CLI opens it. One `up` of an experiment works at a time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..docker import docker_cli, engine, image_build, image_staleness
from ..model.container import EXPERIMENT_LABEL, WORKSPACE_LABEL
from ..model.environment import Image
from ..model.experiment import MARK, Experiment
from ..model.workspace import Workspace
from ..util import files, process
from ..util.errors import UserError
from ..workspace import loader
from . import (
    cli_argv,
    configuration,
    dev_image,
    devcontainer_cli,
    discovery,
    staleness,
    state_cache,
)
from .configuration import Configuration
from .devcontainer_cli import Outcome
from .discovery import Container

Say = Callable[[str], None]
Ask = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Up:
    """An open dev container. `how`: "running" (it was), "started" (it was stopped) or "created".
    `stale` says what has changed since it was made."""

    experiment: str
    how: str
    container: str
    user: str
    folder: str
    image: str
    stale: Sequence[str] = field(default=())


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `up` was asked for, and where it is to happen."""

    workspace: Workspace
    experiment: Experiment
    config: Configuration
    say: Say
    log: bool
    no_cache: bool
    lock: int = -1

    @property
    def root(self) -> Path:
        return Path(self.workspace.root)

    @property
    def file(self) -> Path:
        return self.root / self.config.path

    def there(self) -> list[Container]:
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
) -> Up:
    """Opens the dev container and says what happens. What is there and whole is kept; what was
    left half-made is made again. A stale one is named, and rebuilt when `ask` answers so."""
    _refuse_inside(experiment)
    config = configuration.load(workspace, experiment)
    image = image_build.image_of(workspace, experiment, dev=True)
    facts = engine.ask(image.name)
    engine.require(facts)
    lock = Path(workspace.root, f".innerloop/up/{experiment.slug}.lock")
    waiting = f"innerloop: another `loop up {experiment.name}` is at work; waiting for it"
    with files.locked(lock, waiting=waiting) as number:
        wish = UpOptions(workspace, experiment, config, say, log, no_cache, number)
        found = wish.there()
        whole = None if rebuild else _usable_container(wish, found)
        if whole is not None:
            stale = staleness.of_container(whole, workspace, experiment, config)
            if stale:
                say(f"the container is older than this: {', '.join(stale)}")
            if not (stale and ask("Make it anew now? What is not in a mounted folder is lost.")):
                return _reuse(wish, whole, stale)
        return _create(wish, image, facts, found)


def _usable_container(wish: UpOptions, found: Sequence[Container]) -> Container | None:
    """The container that can be used; what cannot be is taken away, unless an editor is in it."""
    kept = None
    for one in found:
        reason = _broken(wish, one) if kept is None else "there is another one"
        if not reason:
            kept = one
            continue
        if _editor_is_in(one):
            raise UserError(
                f"VS Code is in the dev container of {wish.experiment.name}, which cannot be used "
                f"from here: {reason}",
                hint="See its log there (Dev Containers: Show Container Log), or make it anew "
                f"with `scripts/loop up {wish.experiment.name} --rebuild`",
            )
        wish.say(f"taking away a container that cannot be used: {reason}")
        _remove(one)
    return kept


def _broken(wish: UpOptions, one: Container) -> str:
    """Why a container cannot be used; "" when it can."""
    if one.state in ("created", "dead", "removing"):
        return "its start failed"
    known = state_cache.read(wish.root, wish.experiment.slug, one.id)
    if known is not None and known.whole:
        return ""
    if image_staleness.CONFIGURATION in one.labels:
        return "its creation did not end: it was stopped, or one of its commands failed"
    if one.running and not _commands_ended(one):
        return "one of its commands failed"
    return ""


# VS Code and the devcontainer CLI note each command as it begins, the next one only when the last
# went well: postStartCommand is the last of them.
_ENDED = (
    "test -e ~/.devcontainer/.postStartCommandMarker"
    " -o -e ~/.vscode-server/data/Machine/.postStartCommandMarker"
    " -o ! -e ~/.devcontainer/.onCreateCommandMarker"
)


def _commands_ended(one: Container) -> bool:
    look = docker_cli.exec_in(one.id, ["sh", "-c", _ENDED], user=one.remote_user)
    return process.run(look, timeout=20).code != 1


def _editor_is_in(one: Container) -> bool:
    listed = process.run(docker_cli.top(one.id)).out if one.running else ""
    return any(name in listed for name in (".vscode-server", ".cursor-server", ".windsurf-server"))


def _reuse(wish: UpOptions, there: Container, stale: Sequence[str]) -> Up:
    """It runs already and needs nothing, or the CLI starts it."""
    if stale:
        wish.say(f"`scripts/loop up {wish.experiment.name} --rebuild` makes it anew")
    known = state_cache.read(wish.root, wish.experiment.slug, there.id)
    if (
        known is not None
        and known.whole
        and there.running
        and "postAttachCommand" not in _own(wish.config)
    ):
        return _outcome(wish, "running", known, there.image, stale)
    override = wish.config.on(there.image, there.remote_user, {}, wish.workspace)
    override.pop("updateRemoteUserUID")
    outcome = _through_the_cli(wish, override if wish.config.kind != "compose" else None, None)
    note = _note(wish, outcome)
    how = "running" if there.running else "started"
    return _outcome(wish, how, note, there.image, stale)


def _own(config: Configuration) -> dict[str, object]:
    """Its keys without what is rendered for VS Code alone."""
    value = dict(config.value)
    attach = value.get("postAttachCommand")
    if isinstance(attach, dict) and set(attach) == {"open"}:
        value.pop("postAttachCommand")
    return value


def _create(wish: UpOptions, image: Image, facts: engine.Engine, before: Sequence[Container]) -> Up:
    """The GPU first: where it cannot be had, nothing is built and no container is left behind.
    What was there `before` goes when the new image is there, and not when it does not build."""
    devcontainer_cli.program()
    gpu = engine.decide_gpu(wish.config.gpu, device=engine.has_gpu(), runtime=facts.has_nvidia)
    wish.say(gpu.why)
    if wish.config.kind == "compose":
        _remove(*before)
        outcome = _through_the_cli(wish, None, gpu.use)
        return _outcome(wish, "created", _note(wish, outcome), "", ())
    name, user = dev_image.prepare(
        wish.workspace,
        wish.experiment,
        wish.config,
        image,
        facts,
        say=wish.say,
        no_cache=wish.no_cache,
        build=lambda argv: _raise_on_failure(wish, _follow(wish, argv)),
    )
    _remove(*before)
    labels = {EXPERIMENT_LABEL: wish.experiment.name, WORKSPACE_LABEL: wish.workspace.identity}
    opened = wish.config.on(name, user, labels, wish.workspace)
    outcome = _through_the_cli(wish, opened, gpu.use)
    return _outcome(wish, "created", _note(wish, outcome), name, ())


def _through_the_cli(
    wish: UpOptions, override: dict[str, object] | None, gpu: bool | None
) -> Outcome:
    path = wish.root / f".innerloop/up/{wish.experiment.slug}.json"
    if override is not None:
        files.write_text(path, json.dumps(override, indent=2, ensure_ascii=False))
    argv = cli_argv.up(
        devcontainer_cli.program(),
        root=wish.workspace.root,
        config=str(wish.file),
        override=str(path) if override is not None else None,
        gpu=gpu,
        labels=discovery.labels_of(wish.workspace, wish.experiment),
    )
    try:
        outcome = _follow(wish, argv)
    except KeyboardInterrupt:
        for one in wish.there():
            known = state_cache.read(wish.root, wish.experiment.slug, one.id)
            if known is None or not known.whole:
                _remove(one)
        raise
    finally:
        files.remove(path)
    return _raise_on_failure(wish, outcome)


def _follow(wish: UpOptions, argv: Sequence[str]) -> Outcome:
    def follow() -> Outcome:
        held = (wish.lock,) if wish.lock >= 0 else ()
        return devcontainer_cli.follow(argv, wish.say, log=wish.log, hand_over=held, cwd=wish.root)

    outcome = follow()
    if outcome.lost_one:
        wish.say("a container went away meanwhile: once more")
        outcome = follow()
    return outcome


def _raise_on_failure(wish: UpOptions, outcome: Outcome) -> Outcome:
    """The CLI's own outcome, as a sentence when it is a bad one. What it left behind cannot be
    used: it goes."""
    if outcome.ok:
        return outcome
    found = wish.there()
    refused = any("Error response from daemon" in line for line in outcome.tail)
    if not refused and not any(one.running for one in found):
        engine.raise_if_gone()
    _remove(*(one for one in found if one.state == "created"))
    raise UserError(
        outcome.failure(), where=wish.config.path, hint=outcome.hint(wish.experiment.name)
    )


def _note(wish: UpOptions, outcome: Outcome) -> state_cache.Note:
    there = next((one for one in wish.there() if one.id == outcome.container), None)
    if there is None:
        raise UserError(
            "the container is gone that was just made",
            where=wish.config.path,
            hint="Somebody removed it: run it again",
        )
    note = state_cache.learn(there, outcome.user, outcome.folder, wish.config.value, whole=True)
    return state_cache.write(wish.root, wish.experiment.slug, note)


def _outcome(
    wish: UpOptions, how: str, note: state_cache.Note, image: str, stale: Sequence[str]
) -> Up:
    name = wish.experiment.name
    return Up(name, how, note.container, note.user, note.folder, image, tuple(stale))


def _remove(*found: Container) -> None:
    if found:
        process.run(docker_cli.remove(*(one.id for one in found)), timeout=60)


def _refuse_inside(experiment: Experiment) -> None:
    if (marked := loader.current_experiment()) is not None:
        raise UserError(
            (
                f"this is the dev container of {marked}, from which no other is opened"
                if marked != experiment.name
                else f"this is the dev container of {marked} already"
            ),
            hint=f"Run it on the host ({MARK} is set here)",
        )
