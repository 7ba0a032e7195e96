"""Whether the image of a deploy folder answers where the deployment says, and holds what it starts.

The tool knows no server; but what a Dockerfile and a server's own settings say can be held against
the deployment's routes. Two servers' settings are read: TorchServe's config.properties, and the
arguments of Azure ML's inference server.
Sources: TorchServe, "Advanced configuration"; azureml-inference-server-http, "Server parameters".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...util.errors import UserError
from ..deployment import MODEL_VARIABLE, Deployment
from ..dockerfiles import dockerfile, dockerignore, serving_dockerfile
from ..dockerfiles.dockerfile import Dockerfile
from ..dockerfiles.serving_dockerfile import Copied
from .file_rules import dockerfile_of
from .finding import Files, Finding

CONFIG = "config.properties"
_LOCK = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)")
_QUOTED = re.compile(r"[\"']([\w./-]+\.(?:py|sh|ya?ml|json|xml|properties|toml|txt))[\"']")
_SCRIPTS = (".py", ".sh")


@dataclass(frozen=True, slots=True)
class Folder:
    """What the rules look at: the build's folder, its Dockerfile, and what of it is in the image."""

    deployment: Deployment
    context: str
    dockerfile: Dockerfile
    copies: tuple[Copied, ...]
    files: Files

    def text(self, name: str) -> str:
        return self.files.read(f"{self.context}/{name}") or ""

    def at(self, line: int) -> str:
        return f"{self.dockerfile.name}:{line}:1"


def check_server(
    deployment: Deployment, folder: str, names: Sequence[str], trained: str, files: Files
) -> Iterator[Finding]:
    environment = deployment.environment
    if environment.kind != "build" or environment.path is None:
        return
    context = posixpath.normpath(posixpath.join(folder, environment.path.replace("\\", "/")))
    name = posixpath.join(context, environment.dockerfile)
    where = deployment.where("environment", "build", "path")
    if not files.is_dir(context):
        what = f"there is no folder {context}"
        yield Finding(where, what, "Name the folder with the Dockerfile", "no-build-folder")
        return
    parsed = yield from dockerfile_of(name, where, context, files)
    if parsed is None:
        return
    copies = tuple(serving_dockerfile.copies(parsed))
    seen = Folder(deployment, context, parsed, copies, files)
    yield from _kept_out(seen)
    yield from _ports(seen)
    yield from _torchserve(seen)
    yield from _inference_server(seen)
    yield from _started(seen)
    yield from _spoken_of(seen, names if context == folder else ())
    yield from _model_is_read(seen)
    yield from _packages(seen, trained)


def _kept_out(seen: Folder) -> Iterator[Finding]:
    """What COPY wants and .dockerignore keeps from the builder."""
    ignored = dockerignore.matcher(seen.text(dockerignore.NAME))
    for one in seen.copies:
        if one.source != "." and ignored(one.source):
            what = (
                f"COPY {one.source}: {seen.context}/{dockerignore.NAME} keeps it from the builder"
            )
            yield Finding(seen.at(one.line), what, "Take it out there", "copy-of-ignored")


def _ports(seen: Folder) -> Iterator[Finding]:
    exposed = serving_dockerfile.exposed(seen.dockerfile)
    for key, route in seen.deployment.routes:
        if exposed and route.port not in exposed:
            port, line = next(iter(exposed.items()))
            yield Finding(
                _where(seen, key, "port"),
                f"{key} asks port {route.port}, and the image exposes {port} "
                f"({seen.dockerfile.name}:{line})",
                "Write the port at which the server listens in both",
                "other-port",
            )


# --- TorchServe ----------------------------------------------------------------------------------


def _torchserve(seen: Folder) -> Iterator[Finding]:
    if not any(posixpath.basename(one.source) == CONFIG for one in seen.copies):
        return
    text = seen.text(CONFIG)
    said = _properties(text)
    line, address = said.get("inference_address", (1, "http://127.0.0.1:8080"))
    where = f"{seen.context}/{CONFIG}:{line}:1"
    host, _, port = re.sub(r"^\w+://", "", address).rstrip("/").partition(":")
    if host in ("127.0.0.1", "localhost"):
        what = f"TorchServe listens at {address}, which nobody outside the container reaches"
        hint = "Write inference_address=http://0.0.0.0:8080"
        yield Finding(where, what, hint, "listens-inside")
    number = int(port) if port.isdigit() else 8080
    for key, route in seen.deployment.routes:
        if route.port != number:
            yield Finding(
                _where(seen, key, "port"),
                f"{key} asks port {route.port}, and TorchServe answers at {number} ({where})",
                f"Write port: {number}, or another inference_address",
                "other-port",
            )
    yield from _torchserve_paths(seen, said)


def _torchserve_paths(seen: Folder, said: dict[str, tuple[int, str]]) -> Iterator[Finding]:
    deployment = seen.deployment
    for key, route in deployment.routes:
        if key != "scoring_route" and route.path not in ("/ping", "/v2/health/live"):
            what = f"{key} asks {route.path}, and TorchServe answers for its health at /ping"
            yield Finding(_where(seen, key, "path"), what, "Write path: /ping", "other-path")
    scoring = deployment.scoring
    if scoring is None:
        return
    match = re.fullmatch(r"/(?:v1/models|v2/models|predictions)/([^/:]+).*", scoring.path)
    where = _where(seen, "scoring_route", "path")
    if match is None:
        what = f"scoring_route asks {scoring.path}, and TorchServe answers at /predictions/<model>"
        yield Finding(where, what, "Write path: /predictions/ and the model's name", "other-path")
    elif not any(_word(match[1], text) for text in _texts(seen, said)):
        what = f"scoring_route asks the model {match[1]}, and nothing in {seen.context} names it"
        hint = "Write the name under which TorchServe is started with its model"
        yield Finding(where, what, hint, "other-model")


def _texts(seen: Folder, said: dict[str, tuple[int, str]]) -> Iterator[str]:
    """Where a model's name may stand: what is started, with which variables and settings."""
    started = serving_dockerfile.starts(seen.dockerfile)
    yield " ".join(started.words) if started else ""
    yield from (value for _, value in said.values())
    yield from serving_dockerfile.variables(seen.dockerfile).values()
    yield from seen.deployment.environment_variables.values()
    yield from (seen.text(one.source) for one in seen.copies if one.source.endswith(_SCRIPTS))


def _properties(text: str) -> dict[str, tuple[int, str]]:
    """Java's properties, as far as TorchServe's need it: name -> (line, value)."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", "!")):
            found[name.strip()] = (number, value.strip())
    return found


def _word(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


# --- Azure ML's inference server -----------------------------------------------------------------


def _inference_server(seen: Folder) -> Iterator[Finding]:
    started = serving_dockerfile.starts(seen.dockerfile)
    if started is None or not started.words:
        return
    if posixpath.basename(started.words[0]) != "azmlinfsrv":
        return
    variables = serving_dockerfile.variables(seen.dockerfile)
    given = _options(started.words[1:])
    port = given.get("--port", "5001")
    for key, route in seen.deployment.routes:
        wanted = "/score" if key == "scoring_route" else "/"
        if str(route.port) != port:
            yield Finding(
                _where(seen, key, "port"),
                f"{key} asks port {route.port}, and the inference server answers at {port} "
                f"({seen.dockerfile.name}:{started.line})",
                f"Write port: {port}, or --port {route.port} there",
                "other-port",
            )
        if route.path != wanted:
            what = f"{key} asks {route.path}, and the inference server answers at {wanted}"
            yield Finding(_where(seen, key, "path"), what, f"Write path: {wanted}", "other-path")
    script = given.get("--entry_script") or variables.get("AZUREML_ENTRY_SCRIPT", "")
    root = variables.get("AML_APP_ROOT", serving_dockerfile.folder_of(seen.dockerfile))
    if script and not _in_image(seen, posixpath.join(root or "/", script)):
        what = f"the inference server starts {script}, and no COPY puts it into the image"
        yield Finding(
            seen.at(started.line), what, f"COPY it to {root or '/'}", "entry-not-in-image"
        )


def _options(words: Sequence[str]) -> dict[str, str]:
    found = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            found[name] = value if equals else following
    return found


# --- any server ----------------------------------------------------------------------------------


def _started(seen: Folder) -> Iterator[Finding]:
    """A script of the folder that the image starts, and that is not in it."""
    started = serving_dockerfile.starts(seen.dockerfile)
    words = started.words if started else ()
    script = next((word for word in words if re.fullmatch(r"[\w./-]+\.(?:py|sh)", word)), None)
    if started is None or script is None or words[0].endswith("azmlinfsrv"):
        return
    folder = serving_dockerfile.folder_of(seen.dockerfile)
    position = posixpath.join(folder or "/", script)
    ours = seen.files.exists(f"{seen.context}/{posixpath.basename(script)}")
    if not _in_image(seen, position) and (ours or not posixpath.isabs(script)):
        what = f"the image starts {script}, and no COPY puts it at {position}"
        yield Finding(seen.at(started.line), what, "COPY it there", "entry-not-in-image")


def _spoken_of(seen: Folder, names: Sequence[str]) -> Iterator[Finding]:
    """A file of the folder that a script in the image opens by its name, and that is not in it."""
    held = {posixpath.basename(one.source) for one in seen.copies}
    if "." in {one.source for one in seen.copies}:
        return
    for one in seen.copies:
        if not one.source.endswith(_SCRIPTS):
            continue
        for number, line in enumerate(seen.text(one.source).splitlines(), 1):
            for name in _QUOTED.findall(line):
                if name in names and name not in held:
                    what = f"{one.source} speaks of {name}, and no COPY puts that into the image"
                    where = f"{seen.context}/{one.source}:{number}:1"
                    hint = f"Add it to the COPY in {seen.dockerfile.name}:{one.line}"
                    yield Finding(where, what, hint, "not-in-image")


def _model_is_read(seen: Folder) -> Iterator[Finding]:
    if not (seen.deployment.model.name or seen.deployment.model.path):
        return
    texts = [seen.text(one.source) for one in seen.copies if "." in posixpath.basename(one.source)]
    texts += [one.text for one in serving_dockerfile.instructions(seen.dockerfile)]
    texts += [*seen.deployment.environment_variables.values()]
    mount = seen.deployment.model_mount_path.rstrip("/")
    if any(one.source == "." or "." not in posixpath.basename(one.source) for one in seen.copies):
        return  # whole folders: what is in them is not looked into
    if not any(MODEL_VARIABLE in text or mount in text for text in texts):
        what = f"nothing in the image reads {MODEL_VARIABLE}, where the model is mounted"
        yield Finding(
            seen.deployment.where("model"),
            what,
            f"The server finds it at {mount}/<model>/<version>",
            "model-not-read",
            "hint",
        )


def _packages(seen: Folder, trained: str) -> Iterator[Finding]:
    """Packages that both environments pin, at versions that differ."""
    train = _versions(trained, _locks_of(trained, seen.files), seen.files)
    serve = _versions(seen.context, [one.source for one in seen.copies], seen.files)
    for package, (versions, where) in serve.items():
        other = train.get(package, (versions, ""))[0]
        if versions != other:
            yield Finding(
                where,
                f"{package} {_listed(versions)} serves a model that {_listed(other)} has trained",
                f"Compile both from the same versions: copy {trained}/requirements.txt here",
                "other-package",
                "hint",
            )


def _locks_of(folder: str, files: Files) -> list[str]:
    text = files.read(f"{folder}/Dockerfile")
    if text is None:
        return []
    try:
        return [one.source for one in serving_dockerfile.copies(dockerfile.parse(text, folder))]
    except UserError:
        return []


def _versions(
    folder: str, names: Sequence[str], files: Files
) -> dict[str, tuple[frozenset[str], str]]:
    """Each pinned package: its versions (several for several Pythons), and the first one's place."""
    found: dict[str, tuple[frozenset[str], str]] = {}
    for name in names:
        if not re.fullmatch(r"[\w.-]*requirements[\w.-]*\.txt", posixpath.basename(name)):
            continue
        for number, line in enumerate((files.read(f"{folder}/{name}") or "").splitlines(), 1):
            if match := _LOCK.match(line):
                package = re.sub(r"[-_.]+", "-", match[1]).lower()
                before, where = found.get(package, (frozenset(), f"{folder}/{name}:{number}:1"))
                found[package] = (before | {match[2]}, where)
    return found


def _listed(versions: frozenset[str]) -> str:
    return " and ".join(sorted(versions))


def _in_image(seen: Folder, position: str) -> bool:
    """Whether COPY puts a file there, or a folder above it."""
    wanted = posixpath.normpath(position)
    return any(
        wanted == one.target
        or (wanted.startswith(f"{one.target.rstrip('/')}/") and _is_folder(seen, one))
        for one in seen.copies
    )


def _is_folder(seen: Folder, one: Copied) -> bool:
    return one.source == "." or seen.files.is_dir(f"{seen.context}/{one.source}")


def _where(seen: Folder, key: str, part: str) -> str:
    return seen.deployment.where("environment", "inference_config", key, part)
