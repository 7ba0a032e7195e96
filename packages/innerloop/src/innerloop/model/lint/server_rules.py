"""Whether a deploy folder's image answers where the deployment says, and contains what it starts.

The tool knows no server, but the Dockerfile and a server's own settings can be compared with the
deployment's routes. The settings of two servers are read: TorchServe's config.properties, and the
arguments of Azure ML's inference server.
Sources: TorchServe, "Advanced configuration"; azureml-inference-server-http, "Server parameters".
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence

from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ...util.quick_dataclasses import dataclass
from ..deployment import MODEL_VARIABLE, Deployment
from ..dockerfiles import dockerfile, serving_dockerfile
from ..dockerfiles.dockerfile import Dockerfile
from ..dockerfiles.serving_dockerfile import Copied
from .file_rules import dockerfile_of
from .finding import INFO, Files, Finding

CONFIG = "config.properties"
_LOCK = late_pattern(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^]]*\])?==([^\s;\\]+)")
_QUOTED = late_pattern(r"[\"']([\w./-]+\.(?:py|sh|ya?ml|json|xml|properties|toml|txt))[\"']")
_SCRIPTS = (".py", ".sh")


@dataclass(frozen=True, slots=True)
class ServerImage:
    """The build's folder, its Dockerfile, and the files that it copies into the image."""

    deployment: Deployment
    context: str
    dockerfile: Dockerfile
    copies: tuple[Copied, ...]
    files: Files

    def text(self, name: str) -> str:
        """A file of the build's folder; "" if it does not exist."""
        return self.files.read(f"{self.context}/{name}") or ""

    def at(self, line: int) -> Position:
        return Position(self.dockerfile.name, line, 1)

    def route_position(self, key: str, part: str) -> Position:
        return self.deployment.where("environment", "inference_config", key, part)

    def contains(self, path: str) -> bool:
        """Whether COPY puts a file, or a folder above it, at this path of the image."""
        path = posixpath.normpath(path)
        return any(
            path == copied.target
            or (path.startswith(f"{copied.target.rstrip('/')}/") and self._is_folder(copied))
            for copied in self.copies
        )

    def _is_folder(self, copied: Copied) -> bool:
        return copied.source == "." or self.files.is_dir(f"{self.context}/{copied.source}")


def check_server(
    deployment: Deployment, folder: str, names: Sequence[str], trained: str, files: Files
) -> Iterator[Finding]:
    """Findings of the server in a deploy folder.

    `names` are the files directly in the deploy folder. `trained` is the folder of the environment
    that trains the model.
    """
    environment = deployment.environment
    if environment.kind != "build" or environment.path is None:
        return
    context = posixpath.normpath(posixpath.join(folder, environment.path.replace("\\", "/")))
    name = posixpath.join(context, environment.dockerfile)
    position = deployment.where("environment", "build", "path")
    if not files.is_dir(context):
        message = f"the build folder {context} does not exist"
        hint = "Name the folder with the Dockerfile"
        yield Finding(position, message, hint, "build-folder-missing")
        return
    parsed = yield from dockerfile_of(name, position, context, files)
    if parsed is None:
        return
    copies = tuple(serving_dockerfile.copies(parsed))
    image = ServerImage(deployment, context, parsed, copies, files)
    yield from _ports(image)
    yield from _torchserve(image)
    yield from _inference_server(image)
    yield from _start_script(image)
    yield from _opened_files(image, names if context == folder else ())
    yield from _model_is_read(image)
    yield from _packages(image, trained)


def _ports(image: ServerImage) -> Iterator[Finding]:
    exposed = serving_dockerfile.exposed(image.dockerfile)
    for key, route in image.deployment.routes:
        if exposed and route.port not in exposed:
            port, line = next(iter(exposed.items()))
            yield Finding(
                image.route_position(key, "port"),
                f"{key} uses port {route.port}, and the image exposes {port} "
                f"({image.dockerfile.name}:{line})",
                "Write the port that the server listens on in both",
                "port-mismatch",
            )


# --- TorchServe ----------------------------------------------------------------------------------


def _torchserve(image: ServerImage) -> Iterator[Finding]:
    if not any(posixpath.basename(copied.source) == CONFIG for copied in image.copies):
        return
    properties = _properties(image.text(CONFIG))
    line, address = properties.get("inference_address", (1, "http://127.0.0.1:8080"))
    position = Position(f"{image.context}/{CONFIG}", line, 1)
    host, _, port_text = re.sub(r"^\w+://", "", address).rstrip("/").partition(":")
    if host in ("127.0.0.1", "localhost"):
        message = f"TorchServe listens on {address}, which is unreachable from outside"
        hint = "Write inference_address=http://0.0.0.0:8080"
        yield Finding(position, message, hint, "listens-on-loopback")
    port = int(port_text) if port_text.isdigit() else 8080
    for key, route in image.deployment.routes:
        if route.port != port:
            yield Finding(
                image.route_position(key, "port"),
                f"{key} uses port {route.port}, and TorchServe listens on {port} ({position})",
                f"Write port: {port}, or another inference_address",
                "port-mismatch",
            )
    yield from _torchserve_routes(image, properties)


def _torchserve_routes(
    image: ServerImage, properties: Mapping[str, tuple[int, str]]
) -> Iterator[Finding]:
    for key, route in image.deployment.routes:
        if key != "scoring_route" and route.path not in ("/ping", "/v2/health/live"):
            message = f"{key} is {route.path}, and TorchServe reports its health at /ping"
            position = image.route_position(key, "path")
            yield Finding(position, message, "Write path: /ping", "route-mismatch")
    scoring = image.deployment.scoring
    if scoring is None:
        return
    match = re.fullmatch(r"/(?:v1/models|v2/models|predictions)/([^/:]+).*", scoring.path)
    position = image.route_position("scoring_route", "path")
    if match is None:
        message = (
            f"scoring_route is {scoring.path}, and TorchServe predicts at /predictions/<model>"
        )
        hint = "Write path: /predictions/ and the model's name"
        yield Finding(position, message, hint, "route-mismatch")
    elif not any(_has_word(match[1], text) for text in _texts(image, properties)):
        message = (
            f"scoring_route names the model {match[1]}, which {image.context} does not mention"
        )
        hint = "Write the name under which TorchServe starts its model"
        yield Finding(position, message, hint, "model-name-mismatch")


def _texts(image: ServerImage, properties: Mapping[str, tuple[int, str]]) -> Iterator[str]:
    """Where a model's name may occur: the command that is started, its variables and settings."""
    start = serving_dockerfile.starts(image.dockerfile)
    yield " ".join(start.words) if start else ""
    yield from (value for _, value in properties.values())
    yield from serving_dockerfile.variables(image.dockerfile).values()
    yield from image.deployment.environment_variables.values()
    yield from (
        image.text(copied.source) for copied in image.copies if copied.source.endswith(_SCRIPTS)
    )


def _properties(text: str) -> dict[str, tuple[int, str]]:
    """Java properties, as far as TorchServe's settings need them: name -> (line, value)."""
    properties = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.strip().partition("=")
        if equals and not name.startswith(("#", "!")):
            properties[name.strip()] = (number, value.strip())
    return properties


def _has_word(name: str, text: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


# --- Azure ML's inference server -----------------------------------------------------------------


def _inference_server(image: ServerImage) -> Iterator[Finding]:
    start = serving_dockerfile.starts(image.dockerfile)
    if start is None or not start.words or posixpath.basename(start.words[0]) != "azmlinfsrv":
        return
    variables = serving_dockerfile.variables(image.dockerfile)
    options = _options(start.words[1:])
    port = options.get("--port", "5001")
    for key, route in image.deployment.routes:
        path = "/score" if key == "scoring_route" else "/"
        if str(route.port) != port:
            yield Finding(
                image.route_position(key, "port"),
                f"{key} uses port {route.port}, and the inference server listens on {port} "
                f"({image.dockerfile.name}:{start.line})",
                f"Write port: {port}, or --port {route.port} there",
                "port-mismatch",
            )
        if route.path != path:
            message = f"{key} is {route.path}, and the inference server answers at {path}"
            position = image.route_position(key, "path")
            yield Finding(position, message, f"Write path: {path}", "route-mismatch")
    script = options.get("--entry_script") or variables.get("AZUREML_ENTRY_SCRIPT", "")
    root = variables.get("AML_APP_ROOT", serving_dockerfile.folder_of(image.dockerfile))
    if script and not image.contains(posixpath.join(root or "/", script)):
        message = f"the inference server starts {script}, and no COPY puts it into the image"
        hint = f"COPY it to {root or '/'}"
        yield Finding(image.at(start.line), message, hint, "entry-not-in-image")


def _options(words: Sequence[str]) -> dict[str, str]:
    options = {}
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name.startswith("--"):
            options[name] = value if equals else following
    return options


# --- any server ----------------------------------------------------------------------------------


def _start_script(image: ServerImage) -> Iterator[Finding]:
    """A script that the image starts and does not contain."""
    start = serving_dockerfile.starts(image.dockerfile)
    words = start.words if start else ()
    script = next((word for word in words if re.fullmatch(r"[\w./-]+\.(?:py|sh)", word)), None)
    if start is None or script is None or words[0].endswith("azmlinfsrv"):
        return
    path = posixpath.join(serving_dockerfile.folder_of(image.dockerfile) or "/", script)
    is_in_context = image.files.exists(f"{image.context}/{posixpath.basename(script)}")
    if not image.contains(path) and (is_in_context or not posixpath.isabs(script)):
        message = f"the image starts {script}, and no COPY puts it at {path}"
        yield Finding(image.at(start.line), message, "COPY it there", "entry-not-in-image")


def _opened_files(image: ServerImage, names: Sequence[str]) -> Iterator[Finding]:
    """A file of the folder that a script in the image opens by name, and that is not in it."""
    copied_names = {posixpath.basename(copied.source) for copied in image.copies}
    if "." in {copied.source for copied in image.copies}:
        return
    for copied in image.copies:
        if not copied.source.endswith(_SCRIPTS):
            continue
        for number, line in enumerate(image.text(copied.source).splitlines(), 1):
            for name in _QUOTED.findall(line):
                if name in names and name not in copied_names:
                    message = f"{copied.source} uses {name}, and no COPY puts it into the image"
                    position = Position(f"{image.context}/{copied.source}", number, 1)
                    hint = f"Add it to the COPY in {image.at(copied.line)}"
                    yield Finding(position, message, hint, "file-not-in-image")


def _model_is_read(image: ServerImage) -> Iterator[Finding]:
    if not (image.deployment.model.name or image.deployment.model.path):
        return
    sources = [copied.source for copied in image.copies]
    texts = [image.text(source) for source in sources if "." in posixpath.basename(source)]
    texts += [one.text for one in serving_dockerfile.instructions(image.dockerfile)]
    texts += [*image.deployment.environment_variables.values()]
    mount = image.deployment.model_mount_path.rstrip("/")
    if any(source == "." or "." not in posixpath.basename(source) for source in sources):
        return  # whole folders: their files are not read
    if not any(MODEL_VARIABLE in text or mount in text for text in texts):
        yield Finding(
            image.deployment.where("model"),
            f"nothing in the image reads {MODEL_VARIABLE}, where the model is mounted",
            f"The server finds the model at {mount}/<model>/<version>",
            "model-not-read",
            INFO,
        )


def _packages(image: ServerImage, trained: str) -> Iterator[Finding]:
    """Packages that both environments pin, with different versions."""
    train = _versions(trained, _locks_of(trained, image.files), image.files)
    serve = _versions(image.context, [copied.source for copied in image.copies], image.files)
    for package, (versions, position) in serve.items():
        train_versions = train[package][0] if package in train else versions
        if versions != train_versions:
            yield Finding(
                position,
                f"{package} {_joined(versions)} serves a model trained with "
                f"{_joined(train_versions)}",
                f"Compile both from the same versions: copy {trained}/requirements.txt here",
                "package-version-mismatch",
                INFO,
            )


def _locks_of(folder: str, files: Files) -> list[str]:
    text = files.read(f"{folder}/Dockerfile")
    if text is None:
        return []
    try:
        copies = serving_dockerfile.copies(dockerfile.parse(text, folder))
    except UserError:
        return []
    return [copied.source for copied in copies]


def _versions(
    folder: str, names: Sequence[str], files: Files
) -> dict[str, tuple[frozenset[str], Position]]:
    """The versions of each pinned package, and the position of the first one.

    There are several versions for several Pythons.
    """
    pins: dict[str, tuple[frozenset[str], Position]] = {}
    for name in names:
        if not re.fullmatch(r"[\w.-]*requirements[\w.-]*\.txt", posixpath.basename(name)):
            continue
        for number, line in enumerate((files.read(f"{folder}/{name}") or "").splitlines(), 1):
            if match := _LOCK.match(line):
                package = re.sub(r"[-_.]+", "-", match[1]).lower()
                new = (frozenset[str](), Position(f"{folder}/{name}", number, 1))
                versions, position = pins.get(package, new)
                pins[package] = (versions | {match[2]}, position)
    return pins


def _joined(versions: frozenset[str]) -> str:
    return " and ".join(sorted(versions))
