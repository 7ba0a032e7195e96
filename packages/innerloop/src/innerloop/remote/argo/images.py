"""The images that pods start from: a job's environment, and its code on top of it.

A pod has no folder of this machine to mount, and code that is not committed runs too: so the code
travels as the last layer of an image, the very files that Azure ML would get (see
`cloud/snapshot.py`). The environment's image stays without code. Each has a name with the digest of
what is in it, so the same code is built and pushed once.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ...argo_manifest import image_names
from ...argo_manifest.task import CODE
from ...docker import buildkit, docker_cli, engine, image_build, image_registry
from ...model.container import EXPERIMENT_LABEL, WORKSPACE_LABEL
from ...model.environment import Image
from ...model.experiment import Experiment
from ...model.jobs.job import Job
from ...model.paths import SCRATCH, code_root
from ...model.workspace import Workspace
from ...runner import environment_resolver
from ...util import files, process
from ...util.errors import UserError
from .. import snapshot
from ..snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class RunImage:
    """`repository` with the registry ("" before a registry is set it is a bare name), `tag` of what
    is in it, `digest` ("sha256:...") once the registry has said it. `base` is the environment's
    image, None where nothing on this machine stands for it (`missing`); `code` what is added."""

    variant: str
    repository: str
    tag: str
    base: Image | None
    code: Snapshot | None
    missing: UserError | None = None
    digest: str = ""

    @property
    def named(self) -> str:
        return f"{self.repository}:{self.tag}" if self.tag else self.repository

    @property
    def moving(self) -> str:
        return f"{self.repository}:{image_names.RUN}"

    @property
    def reference(self) -> str:
        """What a pod names: by digest, where that is known."""
        return f"{self.repository}@{self.digest}" if self.digest else self.named


def of_jobs(workspace: Workspace, experiment: Experiment, jobs: list[Job]) -> dict[str, RunImage]:
    """By variant; each once. Bare ones, which somebody else built, are not among them."""
    found: dict[str, RunImage] = {}
    for job in jobs:
        variant = image_names.variant(experiment, job)
        if variant not in found and not image_names.is_bare(job):
            found[variant] = _of(workspace, experiment, job, variant)
    return found


def _of(workspace: Workspace, experiment: Experiment, job: Job, variant: str) -> RunImage:
    environment = environment_resolver.resolve(workspace, experiment, job)
    code = code_root(job.name, job.code)
    sent = None if code is None else snapshot.read(Path(workspace.root), code)
    base = environment.image
    told = [base.digest or base.name if base else "", sent.digest if sent else ""]
    tag = f"{image_names.RUN}-{hashlib.sha256(json.dumps(told).encode()).hexdigest()[:16]}"
    registry = workspace.settings.registry
    repository = posixpath.join(registry, image_names.repository(experiment, variant))
    return RunImage(variant, repository, tag, base, sent, environment.missing)


def require_registry(workspace: Workspace) -> None:
    if not workspace.settings.registry:
        raise UserError(
            "a cluster takes images from a registry, and there is none",
            where="pyproject.toml",
            hint='Set registry = "ghcr.io/owner/name" under [tool.innerloop]',
        )


def found(image: RunImage) -> RunImage:
    """With the digest, where the registry has it already."""
    done = process.run(docker_cli.manifest(image.named, insecure=_is_here(image.named)), timeout=60)
    return replace(image, digest=_digest_in(done.out) if done.ok else "")


def _is_here(name: str) -> bool:
    """A registry on this machine has no certificate; the engine takes it as well."""
    return name.startswith(("127.", "localhost:", "localhost/"))


def _digest_in(text: str) -> str:
    """Of the image itself, where the registry keeps an index with it."""
    try:
        value = json.loads(text)
        several = value if isinstance(value, list) else [value]
        known = [one["Descriptor"] for one in several]
    except (ValueError, KeyError, TypeError):
        return ""
    real = [d for d in known if (d.get("platform") or {}).get("architecture") != "unknown"]
    return str(real[0]["digest"]) if real else ""


def push(
    workspace: Workspace, experiment: Experiment, image: RunImage, tell: Callable[[str], None]
) -> RunImage:
    """Builds what is missing and pushes it under both names; the digest as the registry said it."""
    if image.missing is not None:
        raise image.missing
    assert image.base is not None
    base = image.base
    facts = engine.ask(base.name)
    engine.require(facts)
    if not image_build.is_current(base, facts):
        image_build.build(workspace, experiment, base)
    folder = Path(workspace.root, SCRATCH, experiment.slug, f"image-{image.tag}")
    try:
        _stage(image, folder)
        _build(workspace, experiment, image, base, folder)
    finally:
        files.remove_tree(folder)
        files.remove_if_empty(folder.parent)
    tell(f"innerloop: pushing {image.named}")
    try:
        digest = image_registry.push_as(image.named, [image.named, image.moving], tell)
    finally:
        process.run(docker_cli.remove_image(image.named))
    return replace(image, digest=digest)


def _stage(image: RunImage, folder: Path) -> None:
    """A build context with the code below `code/`, where no ignore file of it counts."""
    files.make_folder(folder / "code")
    for one in image.code.files if image.code else ():
        target = folder / "code" / one.name
        files.make_folder(target.parent)
        files.copy(Path(one.source), target)


def _build(
    workspace: Workspace, experiment: Experiment, image: RunImage, base: Image, folder: Path
) -> None:
    text = f"FROM {base.name}\nCOPY code {CODE}\nWORKDIR {CODE}\n"
    argv = docker_cli.build(
        str(folder),
        image=image.named,
        target=None,
        labels={WORKSPACE_LABEL: workspace.identity, EXPERIMENT_LABEL: experiment.name},
    )
    kit = {"DOCKER_BUILDKIT": "1" if buildkit.has_buildkit() else "0", "NO_COLOR": "1"}
    env = {**os.environ, **kit, "BUILDKIT_PROGRESS": "plain"}
    log = image_build.BuildLog(image.named)
    code = process.follow(argv, log.line, stdin=text, env=env)
    log.end(code == 0)
    if code != 0:
        tail = "\n".join(f"    {line}" for line in log.lines[-10:])
        raise UserError(
            f"the code could not be added to {base.name}:\n{tail}\n ",
            hint="Mend what the lines above name",
        )
