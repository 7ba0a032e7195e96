"""The images that pods start from: a job's environment with its code on top.

A pod cannot mount a folder of this machine, and code that is not committed runs too. So the code
travels as the last layer of an image: the files that Azure ML would get (see `snapshot`). The
environment's image stays without code. The image's name has a digest of its content, so the same code
is built and pushed once.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...argo_manifest import image_names
from ...argo_manifest.task import CODE
from ...docker import build_failure, buildkit, docker_cli, engine, image_build, image_registry
from ...model.container import EXPERIMENT_LABEL, WORKSPACE_LABEL
from ...model.environment import Image
from ...model.experiment import Experiment
from ...model.jobs.job import Job
from ...model.paths import SCRATCH, code_root
from ...model.workspace import Workspace
from ...runner import environment_resolver
from ...util import files, process
from ...util.errors import UserError
from ...util.quick_dataclasses import dataclass
from .. import snapshot
from ..snapshot import Snapshot, SuspectedSecret


@dataclass(frozen=True, slots=True)
class RunImage:
    """An image of a run's pods.

    `repository` includes the registry, if one is configured; `tag` names the content.
    `digest` ("sha256:...") is "" until the registry has the image. `base` is the environment's
    image, None where this machine has none (`missing` says why); `code` is what is added to it.
    """

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
    def floating_name(self) -> str:
        """The name that always points at the image that was pushed last."""
        return f"{self.repository}:{image_names.RUN}"

    @property
    def reference(self) -> str:
        """The name for a pod: by digest once that is known."""
        return f"{self.repository}@{self.digest}" if self.digest else self.named

    @property
    def suspects(self) -> list[tuple[str, SuspectedSecret]]:
        code = self.code
        return [(code.folder, suspect) for suspect in code.suspects] if code else []


def images_of_jobs(
    workspace: Workspace, experiment: Experiment, jobs: list[Job]
) -> dict[str, RunImage]:
    """The images of the jobs by variant. A job that brings no code and names an image needs none."""
    images: dict[str, RunImage] = {}
    for job in jobs:
        variant = image_names.variant(experiment, job)
        if variant not in images and not image_names.is_bare(job):
            images[variant] = _image_of_job(workspace, experiment, job, variant)
    return images


def _image_of_job(workspace: Workspace, experiment: Experiment, job: Job, variant: str) -> RunImage:
    environment = environment_resolver.resolve(workspace, experiment, job, full=True)
    folder = code_root(job.name, job.code)
    code = None if folder is None else snapshot.read(Path(workspace.root), folder)
    base = environment.image
    content = [base.digest or base.name if base else "", code.digest if code else ""]
    tag = f"{image_names.RUN}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]}"
    registry = workspace.settings.registry
    repository = posixpath.join(registry, image_names.repository(experiment, variant))
    return RunImage(variant, repository, tag, base, code, environment.missing)


def require_registry(workspace: Workspace) -> None:
    if not workspace.settings.registry:
        raise UserError(
            "a cluster pulls images from a registry, and no registry is set",
            code="registry-missing",
            where="pyproject.toml",
            hint='Set registry = "ghcr.io/owner/name" under [tool.innerloop]',
        )


def with_registry_digest(image: RunImage) -> RunImage:
    """The image with the registry's digest; without one where the registry does not have it."""
    argv = docker_cli.manifest(image.named, insecure=_is_loopback(image.named))
    done = process.run(argv, timeout=60)
    return replace(image, digest=_parse_digest(done.out) if done.ok else "")


def _is_loopback(name: str) -> bool:
    """A registry on this machine has no certificate, and engines accept that."""
    return name.startswith(("127.", "localhost:", "localhost/"))


def _parse_digest(text: str) -> str:
    """The digest of the image itself where the registry has an index; "" for any other text."""
    try:
        value = json.loads(text)
        manifests = value if isinstance(value, list) else [value]
        descriptors = [manifest["Descriptor"] for manifest in manifests]
    except (ValueError, KeyError, TypeError):
        return ""
    images = [
        descriptor
        for descriptor in descriptors
        if (descriptor.get("platform") or {}).get("architecture") != "unknown"
    ]
    return str(images[0]["digest"]) if images else ""


def push(
    workspace: Workspace, experiment: Experiment, image: RunImage, say: Callable[[str], None]
) -> RunImage:
    """Builds what is missing and pushes it under both names; the result has the registry's digest."""
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
    say(f"innerloop: pushing {image.named}")
    try:
        digest = image_registry.push_as(image.named, [image.named, image.floating_name], say)
    finally:
        process.run(docker_cli.remove_image(image.named))
    return replace(image, digest=digest)


def _stage(image: RunImage, folder: Path) -> None:
    """Writes a build context with the code below `code/`, where no ignore file of it applies."""
    files.make_folder(folder / "code")
    for file in image.code.files if image.code else ():
        target = folder / "code" / file.name
        files.make_folder(target.parent)
        files.copy(Path(file.source), target)


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
        reason = build_failure.reason_of(log.lines)
        raise UserError(
            f"the code could not be added to {base.name}: {reason}\n{tail}\n ",
            code="image-build-failed",
            hint="Fix what the lines above report",
        )
