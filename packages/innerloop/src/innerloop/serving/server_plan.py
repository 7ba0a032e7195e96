"""A server as a value, before anything is started: its image, model, port and container."""

from __future__ import annotations

import os
import posixpath
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..docker import (
    client,
    container_ports,
    docker_cli,
    engine_location,
    gpus,
    image_build,
    own_mounts,
)
from ..docker.engine import Engine
from ..model import link_mounts
from ..model.asset_files import note_of
from ..model.container import (
    EXPERIMENT_LABEL,
    RUN_LABEL,
    WORKSPACE_LABEL,
    ContainerContext,
    ContainerSpec,
    Mount,
    PublishedPort,
    image_name_part,
)
from ..model.deployment import MODEL_VARIABLE, Deployment, Route, with_environment
from ..model.dockerfiles import dockerfile, serving_dockerfile
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.folder_contents import count_links, listed
from ..model.gpu import Gpu
from ..model.paths import code_root
from ..model.run import Request
from ..model.workspace import Workspace
from ..runner.started_run import new_id
from ..util import console, files, ports, redaction
from ..util.errors import UserError, combine
from ..util.quick_dataclasses import dataclass
from ..workspace import asset_catalogue, folder_reader
from ..workspace.deploy_folder import DeployFolder
from ..workspace.loader import current_experiment, digest_of
from . import models
from .models import ServedModel

# Azure ML increments a model's version with each registration; here there is one version.
VERSION = "1"


@dataclass(frozen=True, slots=True)
class Server:
    """A server to start. `name` is the container's, `id` its label; `port` is the one of 127.0.0.1.

    `debugger` is the port where the editor connects, and the adapter's in the container.
    """

    workspace: Workspace
    experiment: Experiment
    folder: DeployFolder
    scoring: Route
    model: ServedModel
    image: Image
    facts: Engine
    request: Request
    name: str
    id: str
    port: int
    debugger: tuple[int, int] | None = None

    @property
    def deployment(self) -> Deployment:
        return self.folder.deployment

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.scoring.path}"

    @property
    def sample(self) -> Path:
        """The request that shows whether the server works. UserError without one."""
        if self.folder.sample is None:
            raise UserError(
                "there is no sample request to show whether the server works",
                code="sample-missing",
                where=self.folder.folder,
                hint="Add a file sample-request.json (or .png, .txt ...) with what a client sends",
            )
        return Path(self.workspace.root, self.folder.sample)


def plan(
    workspace: Workspace,
    experiment: Experiment,
    folder: DeployFolder,
    *,
    model: str | None,
    port: int | None,
    cwd: Path,
    dry: bool,
    detach: bool = False,
) -> Server:
    """The server. Everything that is missing is one UserError; a dry run gets a note for each."""
    deployment, named = resolved(workspace, folder.deployment)
    folder = replace(folder, deployment=deployment)
    scoring = _scoring(folder.deployment)
    image = image_of(workspace, experiment, folder.deployment)
    facts = engine_location.ask(image.name, workspace.root)
    missing = [] if facts.answers else [_no_engine(facts)]
    chosen = ServedModel("", "")
    try:
        chosen = models.choose(workspace, experiment, model, cwd)
        models.require_readable(chosen)
    except UserError as error:
        missing.append(error)
    try:
        gpu = gpus.for_container(experiment.settings.gpu, facts)
    except UserError as error:
        missing.append(error)
        gpu = Gpu(False, "no GPU is available")
    if missing and not dry:
        raise combine(missing)
    host_port, notes = _port(scoring.port, port)
    notes = [*named, *notes]
    id = new_id()
    if detach:
        notes.append(_OPEN)
    notes += [f"a real start needs more: {error.message()}" for error in missing]
    server = Server(
        workspace=workspace,
        experiment=experiment,
        folder=folder,
        scoring=scoring,
        model=chosen,
        image=image,
        facts=facts,
        request=_NO_REQUEST,
        name=f"innerloop-{image_name_part(experiment.slug)}-serve-{id}",
        id=id,
        port=host_port,
    )
    return replace(server, request=_request(server, gpu, notes, detach))


def resolved(workspace: Workspace, deployment: Deployment) -> tuple[Deployment, list[str]]:
    """The deployment with the environment of the workspace's file that stands for a name.

    A note says which file. Without one the deployment is unchanged. UserError if the choice is not
    clear, or the file is invalid.
    """
    named = deployment.environment
    reference = named.reference or named.image or ""
    if named.kind not in ("registered", "image"):
        return deployment, []
    where, root = deployment.where("environment"), Path(workspace.root)
    if reference.startswith("file:"):
        path = code_root(deployment.file, reference)
        text = None if path is None else files.read_text(root / path)
        if path is None or text is None:
            raise UserError(
                f"the environment file {path or reference} does not exist",
                code="environment-file-missing",
                where=where,
                hint="Check the path after file:",
            )
        return with_environment(deployment, text, path), []
    if not reference.startswith("azureml:"):
        return deployment, []
    asset = asset_catalogue.find(root, "environment", reference, deployment.file, where)
    if asset is None:
        return deployment, []
    text = files.read_text(root / asset.file) or ""
    return with_environment(deployment, text, asset.file), [note_of(reference, asset)]


def image_of(workspace: Workspace, experiment: Experiment, deployment: Deployment) -> Image:
    """The image of the deployment's environment.

    It is built from the folder that the environment names, or is an image that is used as it is.
    """
    environment = deployment.environment
    if environment.kind == "conda":
        raise UserError(
            "this environment is an image with a conda file, and no server is built from one here",
            code="environment-registered",
            where=deployment.where("environment"),
            hint="Write `build: {path: .}` with a Dockerfile beside this file, or `image:`",
        )
    is_name = (environment.image or "").startswith("azureml:")
    if environment.kind == "image" and environment.image and not is_name:
        return Image(environment.image)
    if environment.kind != "build" or environment.path is None:
        raise UserError(
            "this environment is registered in Azure ML: this machine has nothing for it",
            code="environment-registered",
            where=deployment.where("environment"),
            hint="Write `build: {path: .}` with a Dockerfile beside this file, or `image:`",
        )
    parent = posixpath.dirname(deployment.file)
    context = posixpath.normpath(posixpath.join(parent, environment.path.replace("\\", "/")))
    name = posixpath.join(context, environment.dockerfile)
    text = files.read_text(Path(workspace.root, name))
    if text is None:
        raise UserError(
            f"there is no {name}",
            code="dockerfile-missing",
            where=deployment.where("environment", "build", "path"),
            hint="Write a Dockerfile that installs and starts the server",
        )
    folder = Path(workspace.root, context)
    return Image(
        name=f"{workspace.image_name}/{image_name_part(experiment.slug)}:deploy",
        digest=digest_of(folder),
        context=str(folder),
        dockerfile=dockerfile.parse(text, name),
    )


def build(server: Server) -> Server:
    """The server with its image built, unless it is up to date, and with the GPU that it gets."""
    if not image_build.is_current(server.image, server.facts):
        image_build.build(server.workspace, server.experiment, server.image)
    request = server.request
    if not request.gpu.needs_trial or request.container is None:
        return server
    gpu = gpus.settle(server.experiment.settings.gpu, server.facts, server.image.name, console.say)
    container = replace(request.container, devices=gpu.options)
    return replace(server, request=replace(request, container=container, gpu=gpu, why=gpu.why))


def _no_engine(facts: Engine) -> UserError:
    if current_experiment() is None:
        return engine_location.unavailable(facts)
    return UserError(
        "a server is a container, and this dev container has no Docker engine to start one",
        code="engine-unavailable",
        hint="Run it on the host, or in the workspace's own container",
    )


def _scoring(deployment: Deployment) -> Route:
    if deployment.scoring is not None:
        return deployment.scoring
    raise UserError(
        "the deployment names no scoring_route, so the URL of the predictions is unknown",
        code="route-missing",
        where=deployment.where("environment"),
        hint="Write it below environment: inference_config: with the server's port and path",
    )


def _port(container_port: int, asked: int | None) -> tuple[int, list[str]]:
    """A port of this machine, and notes about it.

    UserError when the port that the user `asked` for is taken; without one, the next free port from
    the container's own on.
    """
    if asked is None:
        near = range(container_port, container_port + 100)
        free = next((port for port in near if ports.free(port) == port), None)
        port = ports.free(container_port) if free is None else free
        note = f"port {container_port} is in use; using {port}"
        return port, [] if port == container_port else [note]
    if ports.free(asked) == asked:
        return asked, []
    raise UserError(
        f"port {asked} of this machine is taken{_port_user(asked)}",
        code="port-taken",
        hint="Stop that first (a server: `scripts/loop serve EXP --stop`), or name another with "
        "--port",
    )


def _port_user(port: int) -> str:
    """Return " by NAME of WORKSPACE" when a container has the port, else ""."""
    name, workspace = container_ports.user_of(port)
    return f" by {name} of {workspace}" if workspace else f" by {name}" if name else ""


def _request(server: Server, gpu: Gpu, notes: Sequence[str], detach: bool) -> Request:
    deployment = server.deployment
    folder = deployment.model_folder(deployment.model.name or server.experiment.slug, VERSION)
    target = posixpath.join(folder, os.path.basename(server.model.path))
    context = ContainerContext(binds=own_mounts.own_binds())
    # Without `remove` the container stays when it ends, so that its log and exit code can be read.
    container = ContainerSpec(
        image=server.image.name,
        name=server.name,
        image_workdir=_workdir(server.image),
        env={MODEL_VARIABLE: folder, **deployment.environment_variables},
        ports=(PublishedPort(server.port, server.scoring.port, gated=not detach),),
        labels={
            WORKSPACE_LABEL: server.workspace.identity,
            EXPERIMENT_LABEL: server.experiment.name,
            RUN_LABEL: server.id,
            docker_cli.SERVER_PORT: str(server.port),
            docker_cli.SERVER_PATH: server.scoring.path,
        },
        devices=gpu.options,
        detach=True,
        remove=False,
        program=client.program(),
        init=client.has_init(server.facts.facts),
        apart=not server.facts.facts.has_own_networks,
    )
    if server.model.path:
        model = Mount(server.model.path, target, read_only=True)
        container = container.with_mounts(context.on_host(model))
        found = _link_mounts(server, model)
        container = container.with_mounts(*map(context.on_host, found.mounts))
        sources = found.outside(os.path.realpath(server.workspace.root))
        notes = [*notes, *(f"links of the model lead to {source}: mounted" for source in sources)]
        if found.missed:
            names = listed([f"{link.path} to {link.text}" for link in found.missed])
            notes.append(f"{count_links(len(found.missed), 'the model')} nowhere there: {names}")
    return Request(
        experiment=server.experiment.name,
        backend="docker",
        command=_command(server.image),
        container=container,
        can_start=bool(server.model.path),
        outputs="",
        why=gpu.why,
        gpu=gpu,
        notes=tuple(notes),
        redaction=redaction.of_process().with_values(
            redaction.known(deployment.environment_variables).values
        ),
    )


def _command(image: Image) -> str:
    """The command of the Dockerfile's ENTRYPOINT and CMD; "" if it is unknown."""
    start = None if image.dockerfile is None else serving_dockerfile.starts(image.dockerfile)
    return shlex.join(start.words) if start is not None else ""


def _link_mounts(server: Server, model: Mount) -> link_mounts.LinkMounts:
    """Mounts for links that lead out of the model's folder, as in a cache of Hugging Face."""
    if os.name == "nt":
        return link_mounts.LinkMounts()
    return link_mounts.plan(
        [(folder_reader.read(Path(model.source)), model.target)],
        [Mount(os.path.realpath(model.source), model.target)],
        root=os.path.realpath(server.workspace.root),
        home=os.path.realpath(os.path.expanduser("~")),
        resolve=os.path.realpath,
    )


def _workdir(image: Image) -> str:
    return serving_dockerfile.folder_of(image.dockerfile) if image.dockerfile is not None else ""


_OPEN = (
    "in the background nobody guards the port: every user of this machine can send requests to it "
    "(without --detach, only you)"
)
_NO_REQUEST = Request("", "docker", "", "", "", can_start=False)
