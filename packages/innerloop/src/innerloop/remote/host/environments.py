"""The environment of a job on another machine: its image is built there, or its packages installed.

What it is made from is sent as a tree. Nothing is made again while the digest of that is there.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...docker import buildkit, conda_images, image_build, lock_images
from ...docker.image_build import BuildLog
from ...model.apptainer import PROGRAMS
from ...model.container import (
    DIGEST_LABEL,
    EXPERIMENT_LABEL,
    WORKSPACE_LABEL,
    image_name_part,
    require_image_name,
)
from ...model.dockerfiles.dockerfile import pruned
from ...model.environment import Image
from ...model.run import Run
from ...model.settings.remotes import APPTAINER, PODMAN
from ...util import console, files, process
from ...util.errors import UserError
from ...util.network import Network
from ...workspace.loader import files_below
from . import transfer
from .facts import HostFacts
from .host import MARKER, RemoteHost
from .transfer import RemoteTree

if TYPE_CHECKING:
    from ...local.venv_requirements import Packages

_LABEL = f'{{{{with .Config.Labels}}}}{{{{index . "{DIGEST_LABEL}"}}}}{{{{end}}}}'
_TAIL = 30


def image(host: RemoteHost, facts: HostFacts, run: Run, known: str | None = None) -> str:
    """The name of the run's image, which is there then. UserError if it cannot be had.

    `known` is the digest of the one that is there, "" without one; None: the host is asked.
    """
    found = run.environment.image
    if found is None:
        raise run.environment.missing or _no_environment(run)
    if facts.engine == APPTAINER:
        return _sif(host, facts, run, found)
    engine, name = facts.engine, require_image_name(found.name)
    there = known
    if there is None:
        labelled = host.answer("run", engine, "image", "inspect", "--format", _LABEL, name)
        there = labelled.out.strip() if labelled.ok else None
    if there is not None and there == found.digest:
        return name
    if not found.digest or found.dockerfile is None:
        if there is None:
            _pull(host, engine, name)
        return name
    if not _pulled_by_digest(host, engine, run, found):
        _build(host, facts, run, found)
    return name


def _no_environment(run: Run) -> UserError:
    return UserError(
        "the job names no environment",
        code="environment-missing",
        where=run.environment.position,
        hint="Name one after environment:",
    )


def _follow(
    host: RemoteHost, words: list[str], log: BuildLog, stdin: str | None = None, verb: str = "run"
) -> int:
    host.install()
    has_begun = False

    def on_line(line: str) -> None:
        nonlocal has_begun
        if has_begun:
            log.line(line)
        has_begun = has_begun or line == MARKER

    argv = host.connection.argv(host.command(verb, *words))
    return process.follow(argv, on_line, stdin=stdin)


def _pull(host: RemoteHost, engine: str, name: str) -> None:
    log = BuildLog(f"{name} on {host.ref.remote}", doing="pulling")
    code = _follow(host, [engine, "pull", name], log)
    log.end(code == 0)
    if code != 0:
        last = next((line for line in reversed(log.lines) if line.strip()), "no answer")
        raise UserError(
            f"the image {name} is not on {host.ref.remote} and cannot be pulled there: {last.strip()}",
            code="image-unavailable",
            hint=f"Check its name, and the network and the sign-in of {host.ref.remote}",
        )


def _pulled_by_digest(host: RemoteHost, engine: str, run: Run, image: Image) -> bool:
    """Whether the workspace's registry has the image of this very digest."""
    names = image_build.prebuilt_names(run.workspace, image)
    if names is None:
        return False
    exact = require_image_name(names.exact)
    if not host.answer("run", engine, "pull", "--quiet", exact).ok:
        console.say(f"{exact} cannot be pulled on {host.ref.remote}; building it there")
        return False
    return host.answer("run", engine, "tag", exact, image.name).ok


def _build(host: RemoteHost, facts: HostFacts, run: Run, image: Image) -> None:
    tree = _context(run, image)
    transfer.send(host, facts, [tree])
    assert image.dockerfile is not None
    is_podman = facts.engine == PODMAN
    has_buildkit = is_podman or host.answer("run", facts.engine, "buildx", "version").ok
    options = buildkit.build_options(
        pruned(image.dockerfile, image.target), Network(), buildkit=has_buildkit
    )
    env = [f"{name}={value}" for name, value in options.env.items()]
    words = ["env", *env, facts.engine, "build", "--force-rm", "--file", "-", "--tag", image.name]
    words += ["--target", image.target] if image.target else []
    for label, value in (
        (DIGEST_LABEL, image.digest),
        (WORKSPACE_LABEL, run.workspace.identity),
        (EXPERIMENT_LABEL, run.experiment.name),
    ):
        words += ["--label", f"{label}={value}"]
    log = BuildLog(f"{image.name} on {host.ref.remote}", options.notes)
    with _copy(host, facts, tree) as context:
        code = _follow(host, [*words, *options.options, context], log, options.text)
    log.end(code == 0)
    if code != 0:
        raise image_build.failure(image.dockerfile, log.lines, image.target, options.text)


@contextmanager
def _copy(host: RemoteHost, facts: HostFacts, tree: RemoteTree) -> Iterator[str]:
    """A copy of a tree there: nobody may write to the tree itself, and an image has its modes."""
    folder = f"{facts.root}/incoming/{tree.digest}.{os.urandom(4).hex()}"
    command = 'cp -R "$1" "$2" && chmod -R u+w "$2"'
    source = f"{facts.root}/trees/{tree.digest}"
    copied = host.answer("run", "sh", "-c", command, "sh", source, folder)
    if not copied.ok:
        raise host.error(copied.err, f"{tree.title} cannot be copied")
    try:
        yield folder
    finally:
        with suppress(UserError):
            host.answer("run", "rm", "-rf", folder)


def _context(run: Run, image: Image) -> RemoteTree:
    if run.environment.conda is not None:
        conda_images.write_context(image, run.environment.conda)
    if run.environment.lock is not None:
        lock_images.write_context(image, run.environment.lock)
    folder = Path(image.context)
    title = f"what the image of {run.experiment.name} is built from"
    below = files_below(image.counted)
    names = [path.relative_to(folder).as_posix() for path in below if path.is_file()]
    return transfer.tree_of_folder(title, folder, names)


def _sif(host: RemoteHost, facts: HostFacts, run: Run, image: Image) -> str:
    """The path of Apptainer's image file, made from an image of a registry."""
    name = registry_image(host, run)
    key = hashlib.sha256(f"{name}\0{image.digest}".encode()).hexdigest()[:16]
    path = f"{facts.root}/images/{image_name_part(name)}-{key}.sif"
    if host.answer("run", "test", "-s", path).ok:
        return path
    program = next(name for name in PROGRAMS if name in facts.programs)
    log = BuildLog(f"{name} on {host.ref.remote}", doing="pulling")
    command = 'mkdir -p "${2%/*}" && "$1" build --force "$2.new" "docker://$3" && mv "$2.new" "$2"'
    code = _follow(host, ["sh", "-c", command, "sh", program, path, name], log)
    log.end(code == 0)
    if code != 0:
        raise host.error("\n".join(log.lines), "the image file cannot be made")
    return path


def registry_image(host: RemoteHost, run: Run) -> str:
    """The name of the run's image in a registry. UserError if none has it."""
    image = run.environment.image
    if image is None:
        raise run.environment.missing or _no_environment(run)
    if image.dockerfile is None:
        return require_image_name(image.name)
    names = image_build.prebuilt_names(run.workspace, image)
    if names is None:
        raise UserError(
            f"{host.ref.remote} has no engine that builds an image from a Dockerfile",
            code="remote-image-needs-engine",
            where=run.environment.position,
            hint="Push the image with `scripts/loop image push` to a registry that it reaches, "
            "or set an environment from the lock: `engine` of [remote.NAME], `environment` of "
            "[remote.NAME.slurm]",
        )
    return require_image_name(names.exact)


def python(host: RemoteHost, facts: HostFacts, run: Run, say: Callable[[str], None]) -> str:
    """The folder of the run's Python environment, which is there then."""
    if "python3" not in facts.programs:
        raise UserError(
            f"{host.ref.remote} has no container engine that answers, and no python3",
            code="remote-without-engine",
            where=host.ref.remote,
            hint="Install Docker, Podman, Apptainer, or Python 3 there",
        )
    from ...local import venv_requirements  # here, since it is slow to import

    packages = venv_requirements.packages_for(run.workspace, run.environment)
    if packages.missing is not None:
        raise packages.missing
    program, version = _interpreter(host, packages, say)
    with files.temporary_folder("il-lock-") as scratch:
        tree, options = _requirements(run, packages, scratch)
        key = _key(run, tree, options, version, facts)
        folder = f"{facts.root}/envs/{key}"
        if host.answer("run", "test", "-f", f"{folder}/.complete").ok:
            return folder
        transfer.send(host, facts, [tree])
    log = BuildLog(f"{run.experiment.name}'s environment on {host.ref.remote}", doing="installing")
    code = _follow(host, [key, program, tree.digest, *options], log, verb="venv")
    log.end(code == 0)
    if code != 0:
        tail = "\n".join(f"    {line}" for line in log.lines[-_TAIL:])
        raise UserError(
            f"the environment cannot be made on {host.ref.remote}:\n{tail}\n ",
            code="remote-environment-failed",
            where=run.environment.source or run.environment.folder,
            hint=f"Fix what the lines above name; {host.ref.remote} needs Python's venv and a "
            "package index",
        )
    return folder


def _interpreter(
    host: RemoteHost, packages: Packages, say: Callable[[str], None]
) -> tuple[str, str]:
    wanted = packages.python if re.fullmatch(r"3\.\d+", packages.python) else ""
    there = host.pythons(*([f"python{wanted}"] if wanted else []))
    if wanted in there:
        return there[wanted], wanted
    if not there:
        raise UserError(
            f"no Python of {host.ref.remote} starts",
            code="remote-without-engine",
            where=host.ref.remote,
            hint="Install Docker, Podman, Apptainer, or Python 3 there",
        )
    version, program = next(iter(there.items()))
    if wanted:
        say(f"the environment has Python {wanted}, {host.ref.remote} has {version}")
    return program, version


def _requirements(run: Run, packages: Packages, scratch: Path) -> tuple[RemoteTree, list[str]]:
    """What pip installs, and its options; none for an environment without packages."""
    title = f"the requirements of {run.experiment.name}"
    if packages.lock is not None:
        raise UserError(
            f"{packages.lock.source.path} is installed by uv, which only an engine's image does there",
            code="environment-needs-docker",
            where=packages.lock.source.path,
            hint="Export it (`uv export -o requirements.txt`), or start an engine there",
        )
    texts: Mapping[str, Path] = {}
    if packages.files:
        folder = packages.files[0].parent
        beside = {path.name for path in folder.glob("*.txt") if path.is_file()}
        own = {path.relative_to(folder).as_posix() for path in packages.files}
        tree = transfer.tree_of_folder(title, folder, beside | own)
        names = [path.relative_to(folder).as_posix() for path in packages.files]
        contents = [path.read_text(encoding="utf-8") for path in packages.files]
    else:
        files.write_text(scratch / "requirements.txt", packages.text)
        texts = {"requirements.txt": scratch / "requirements.txt"}
        if packages.constraints:
            files.write_text(scratch / "constraints.txt", packages.constraints)
            texts = {**texts, "constraints.txt": scratch / "constraints.txt"}
        tree = transfer.tree_of_texts(title, texts)
        names, contents = ["requirements.txt"], [packages.text]
    if not any(re.search(r"^\s*[^#\s]", text, re.MULTILINE) for text in contents):
        return tree, []
    options = [word for name in names for word in ("-r", name)]
    options += ["-c", "constraints.txt"] if "constraints.txt" in texts else []
    if all("--hash=" in text for text in contents):
        options.append("--require-hashes")
    return tree, options


def _key(run: Run, tree: RemoteTree, options: list[str], version: str, facts: HostFacts) -> str:
    parts = [tree.digest, *options, version, facts.system, facts.machine]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
    return f"{image_name_part(run.experiment.slug)}-{digest}"
