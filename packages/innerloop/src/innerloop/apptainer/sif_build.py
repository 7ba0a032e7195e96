"""Makes an image file, once, from what this machine has.

From an image of a registry or of this machine's engine as it is; from the image that CI has pushed
of the same environment; from the one that the engine builds; else by a definition file.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from ..docker import buildkit, docker_cli, engine, image_build, image_registry
from ..docker.engine import Engine
from ..docker.image_build import BuildLog
from ..model.apptainer import Apptainer
from ..model.container import require_image_name
from ..model.dockerfiles import definition
from ..model.dockerfiles.definition import FOLDER
from ..model.environment import Image
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..util import console, files, network, process
from ..util.cache_folder import cache_folder
from ..util.errors import UserError
from . import build_folder, sif_files

# The value of `loop build --backend`.
BACKEND = "apptainer"
# The file until it is whole.
_PARTIAL = "building.sif"
_NETWORK = "network.sh"


def ensure(workspace: Workspace, experiment: Experiment, image: Image, program: Apptainer) -> Path:
    """The image's file, made unless it is there. Of two commands at once, one waits.

    UserError if it cannot be made, with the end of the output and the step's line.
    """
    path = sif_files.path_of(experiment, image)
    if path.is_file():
        return path
    lock = path.parent.with_name(f"{path.parent.name}.lock")
    waiting = f"innerloop: waiting for another command that is making the image of {image.name}"
    with files.locked(lock, waiting=waiting):
        if not path.is_file():
            files.make_folder(path.parent)
            _Build(workspace, experiment, image, program, path).carry_out()
    return path


def obstacle(image: Image, facts: Engine) -> UserError | None:
    """Why the image cannot be made here, as far as that is known before; None if nothing is known."""
    if facts.answers or image.dockerfile is None:
        return None
    try:
        if not definition.plain_base(image.dockerfile, image.target):
            definition.define(image.dockerfile, image.target)
    except UserError as error:
        return error
    return None


class _Build:
    def __init__(
        self,
        workspace: Workspace,
        experiment: Experiment,
        image: Image,
        program: Apptainer,
        path: Path,
    ) -> None:
        self.workspace = workspace
        self.experiment = experiment
        self.image = image
        self.program = program
        self.path = path
        self.partial = path.with_name(_PARTIAL)

    def carry_out(self) -> None:
        files.remove(self.partial)
        try:
            source = self._make()
            about = (self.workspace, self.experiment, self.image, source)
            sif_files.write_about(self.path, *about)
            files.rename(self.partial, self.path)
        finally:
            files.remove(self.partial)
            if not self.path.is_file():
                files.remove(self.path.with_name(sif_files.ABOUT))
                files.remove_if_empty(self.path.parent)

    def _make(self) -> str:
        """Make the partial file. Returns what it was made from."""
        dockerfile, target = self.image.dockerfile, self.image.target
        facts = engine.ask(self.image.name)
        if dockerfile is None:
            return self._from_image(self.image.name, is_in_engine=facts.label is not None)
        if base := definition.plain_base(dockerfile, target):
            is_there = facts.answers and bool(engine.image_ids([base]))
            return self._from_image(base, is_in_engine=is_there)
        if not image_build.is_current(self.image, facts) and (pushed := self._from_pushed()):
            return pushed
        if facts.answers:
            image_build.build(self.workspace, self.experiment, self.image)
            return self._from_engine(self.image.name)
        return self._from_definition()

    def _from_image(self, name: str, *, is_in_engine: bool) -> str:
        if is_in_engine:
            return self._from_engine(name)
        source = f"docker://{require_image_name(name)}"
        self._build(source, source)
        return source

    def _from_pushed(self) -> str:
        """What CI has pushed of the same environment; "" if there is nothing, which is said."""
        names = image_build.prebuilt_names(self.workspace, self.image)
        if names is None or self.image.target is not None:
            return ""
        log = BuildLog(names.exact, doing="looking for")
        source, lines = f"docker://{names.exact}", list[str]()

        def keep(line: str) -> None:
            lines.append(line)
            log.quiet(line)

        code = process.follow(self._argv(source), keep, env=_environ())
        log.end(code == 0)
        if code == 0:
            return source
        files.remove(self.partial)
        console.say(f"{image_registry.why_not(chr(10).join(lines))}; building it here")
        return ""

    def _from_engine(self, name: str) -> str:
        """An image that the engine has, through an archive that is removed afterwards."""
        with files.temporary_folder("innerloop-sif-") as folder:
            archive = folder / "image.tar"
            done = process.run(docker_cli.save(name, str(archive)))
            if not done.ok:
                last = (done.err.strip() or "no answer").splitlines()[-1]
                raise UserError(
                    f"the engine does not hand over the image {name}: {last}",
                    code="sif-build-failed",
                    hint="Is there room for it in the folder for temporary files (TMPDIR)?",
                )
            self._build(f"docker-archive:{archive}", name)
        return f"docker-archive:{name}"

    def _from_definition(self) -> str:
        dockerfile = self.image.dockerfile
        assert dockerfile is not None
        planned = definition.define(dockerfile, self.image.target)
        with files.temporary_folder("innerloop-sif-") as folder:
            context = Path(self.image.context)
            path = build_folder.write(folder, planned, context, dockerfile.name)
            for stage in planned.stages:
                if stage.script:
                    self._write_network(folder / stage.name)
            self._build(path.name, self.image.name, folder, planned.notes)
        return "definition"

    def _write_network(self, folder: Path) -> None:
        """What the steps need to reach the network: in no layer, since the script removes it."""
        reach = buildkit.network_of(self.workspace)
        variables = dict(reach.proxies)
        if bundle := network.bundle(reach, cache_folder()):
            files.copy(bundle, folder / "ca.pem")
            variables |= network.trust(f"{FOLDER}/build/ca.pem")
        if reach.pip_conf:
            files.write_private(folder / "pip.conf", reach.pip_conf)
            variables["PIP_CONFIG_FILE"] = f"{FOLDER}/build/pip.conf"
            files.write_private(folder / "uv" / "uv.toml", reach.uv_toml)
            variables["XDG_CONFIG_DIRS"] = f"{FOLDER}/build:/etc/xdg"
        if variables:
            lines = (f"export {name}={shlex.quote(text)}\n" for name, text in variables.items())
            files.write_private(folder / _NETWORK, "".join(lines))

    def _argv(self, source: str, *, is_definition: bool = False) -> list[str]:
        """Apptainer takes `--fakeroot` by itself since 1.1; Singularity has to be told."""
        fakeroot = is_definition and os.geteuid() != 0
        options = ["--fakeroot"] if fakeroot else []
        return [self.program.program, "build", *options, str(self.partial), source]

    def _build(
        self, source: str, shown: str, cwd: Path | None = None, notes: tuple[str, ...] = ()
    ) -> None:
        doing = "building" if cwd is not None else "converting"
        log = BuildLog(f"the image file of {shown.removeprefix('docker://')}", notes, doing=doing)
        argv = self._argv(source, is_definition=cwd is not None)
        code = process.follow(argv, log.line, cwd=cwd, env=_environ())
        log.end(code == 0)
        if code != 0 or not self.partial.is_file():
            raise self._failure(log.lines)

    def _failure(self, lines: list[str]) -> UserError:
        dockerfile = self.image.dockerfile
        has_step = any(line.startswith("Step ") for line in lines)
        if dockerfile is not None and has_step:
            return image_build.failure(dockerfile, lines)
        last = [line for line in lines if line.strip()][-image_build.TAIL :]
        tail = "\n".join(f"    {line}" for line in last)
        return UserError(
            f"{self.program} cannot make the image:\n{tail}\n ",
            code="sif-build-failed",
            where=dockerfile.name if dockerfile is not None else self.image.name,
            hint=_hint("\n".join(lines)) or "Fix what the lines above name",
        )


def _environ() -> Mapping[str, str]:
    """This process's variables without those that a person gives to every container."""
    given = ("APPTAINERENV_", "SINGULARITYENV_")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(given)}
    return {**kept, "NO_COLOR": "1"}


# A part of the output, as a regular expression -> what to do.
_HINTS = (
    (
        r"no space left on device",
        "Name folders with more room: APPTAINER_TMPDIR for the build, INNERLOOP_CACHE for the images",
    ),
    (
        r"fakeroot|subuid|user namespace|must be root|as non-root user",
        (
            "This machine does not allow you a build by steps: build on one with Docker and push "
            "(`scripts/loop build EXP --push`, with [tool.innerloop] registry), ask for an entry in "
            "/etc/subuid, or use --backend venv"
        ),
    ),
    (
        r"unauthorized|denied|authentication required",
        (
            "Sign in: `apptainer registry login --username NAME docker://REGISTRY`, or APPTAINER_DOCKER_"
            "USERNAME and APPTAINER_DOCKER_PASSWORD"
        ),
    ),
    (
        r"manifest unknown|not found in registry|requested access to the resource",
        "There is no such image: check its name",
    ),
    (
        r"no such host|dial tcp|i/o timeout|tls handshake",
        (
            "The registry cannot be reached: many clusters have a network on their login nodes alone, so "
            "build there first (`scripts/loop build EXP --backend apptainer`)"
        ),
    ),
)


def _hint(output: str) -> str:
    low = output.lower()
    return next((hint for sign, hint in _HINTS if re.search(sign, low)), "")
