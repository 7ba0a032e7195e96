"""The devcontainer.json on disk, which is generated and may be edited.

This module reads its settings, and makes the configuration that `loop up` passes to the
devcontainer CLI instead.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from ..docker.image_staleness import CONFIGURATION, configuration_label
from ..model.container import Mount
from ..model.dockerfiles.dockerfile import whole
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..sync.render.devcontainer_json import path_of
from ..util import files, jsonc
from ..util.digests import digest_of
from ..util.errors import UserError
from ..util.quick_dataclasses import dataclass
from ..workspace import loader

Json = Any


@dataclass(frozen=True, slots=True)
class Configuration:
    """A devcontainer.json. `path` is relative to the workspace's root, with "/".

    `files` maps each file or folder that it refers to (a local Feature, a compose file, a file of
    variables) to a checksum. `has_edited_dockerfile`: a person wrote into the generated Dockerfile of an
    experiment whose environment is another file, so the image is built from what is on disk.
    """

    path: str
    value: Mapping[str, Json]
    files: Mapping[str, str] = field(default_factory=dict)
    has_edited_dockerfile: bool = False

    @property
    def decisive(self) -> Mapping[str, Json]:
        """All that decides about a container: the keys, and the files that they refer to."""
        return {**self.value, **{f"the file {name}": sum_ for name, sum_ in self.files.items()}}

    @property
    def kind(self) -> str:
        """Where its image comes from.

        One of "compose", "image", "build" or "features" (a build that only the devcontainer CLI can
        do).
        """
        if "dockerComposeFile" in self.value:
            return "compose"
        if self.value.get("features"):
            return "features"
        return "image" if "image" in self.value else "build"

    @property
    def dockerfile(self) -> str:
        """Its Dockerfile, relative to the workspace's root; "" if it names none."""
        build = self.value.get("build")
        own = build.get("dockerfile") if isinstance(build, dict) else self.value.get("dockerFile")
        if not isinstance(own, str):
            return ""
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.path), own))

    @property
    def target(self) -> str | None:
        """The stage of its Dockerfile; None for the last one."""
        build = self.value.get("build")
        own = build.get("target") if isinstance(build, dict) else None
        return own if isinstance(own, str) and own else None

    def builds(self, experiment: Experiment) -> bool:
        """Whether its image is the one that `loop build --dev` builds.

        That needs the experiment's Dockerfile and context, the dev stage, and no options of the
        person's but tags and labels.
        """
        if self.kind != "build" or self.has_edited_dockerfile:
            return False
        build = dict(self.value.get("build") or {})
        folder = posixpath.join(posixpath.dirname(self.path), "")
        dockerfile = posixpath.normpath(folder + str(build.pop("dockerfile", "")))
        context = posixpath.normpath(folder + str(build.pop("context", ".")))
        target = str(build.pop("target", "") or "")
        options = [str(option) for option in build.pop("options", [])]
        return (
            (dockerfile, context) == (experiment.paths.dockerfile, experiment.paths.context)
            and target.lower() == experiment.dev_stage.name.lower()
            and all(option.startswith(("--tag=", "--label=")) for option in options)
            and not {key for key in build if key != "cacheFrom"}
        )

    def on(
        self, image: str, user: str, labels: Mapping[str, str], workspace: Workspace
    ) -> dict[str, Json]:
        """The configuration that `up` starts.

        It uses an existing image, so that the CLI builds nothing and shares no image name between
        experiments, and the person's user. In the workspace's own container it mounts the host's
        path of the workspace; the CLI writes a path with a quote in a way that no engine can read.
        """
        value = {key: item for key, item in self.value.items() if key not in _IMAGE_KEYS}
        run_args = [str(arg) for arg in value.get("runArgs") or []]
        all_labels = {**labels, CONFIGURATION: configuration_label(self.decisive)}
        for key, text in all_labels.items():
            run_args += ["--label", f"{key}={text}"]
        if (workspace.host or '"' in workspace.root) and "workspaceMount" not in value:
            folder = f"/workspaces/{workspace.name}"
            mount = Mount(workspace.identity, folder).text()
            value = {"workspaceFolder": folder, **value, "workspaceMount": mount}
        return {
            **value,
            "image": image,
            "runArgs": run_args,
            "remoteUser": user,
            "updateRemoteUserUID": False,
        }


_MANY_STRINGS = "a list of strings"
# The keys that are read here, with the types that they have.
_TYPES: Mapping[str, str] = {
    "runArgs": _MANY_STRINGS,
    "build": "an object",
    "features": "an object",
    "containerEnv": "an object",
    "remoteEnv": "an object",
    "image": "a string",
    "dockerFile": "a string",
    "remoteUser": "a string",
    "containerUser": "a string",
    "workspaceFolder": "a string",
    "workspaceMount": "a string",
    "userEnvProbe": "a string",
    "hostRequirements": "an object",
}


def _require_types(value: Mapping[str, Any], path: str, restore: str) -> None:
    """UserError for a key that has another type than the specification says."""
    build = value.get("build")
    named = dict(value)
    if isinstance(build, dict):
        named |= {f"build.{key}": build.get(key) for key in ("dockerfile", "context", "target")}
    types = {
        **_TYPES,
        **dict.fromkeys(("build.dockerfile", "build.context", "build.target"), "a string"),
    }
    for key, kind in types.items():
        item = named.get(key)
        fits = {
            "an object": isinstance(item, dict),
            "a string": isinstance(item, str) and "\0" not in item,
            _MANY_STRINGS: isinstance(item, list)
            and all(isinstance(word, str) and "\0" not in word for word in item),
        }[kind]
        if item is not None and not fits:
            raise UserError(
                f"{key} is not {kind}",
                code="devcontainer-json-invalid",
                where=path,
                hint=f"Correct it, or restore it with {restore}",
            )


_IMAGE_KEYS = {"build", "dockerFile", "context", "image", "features"}


def load(workspace: Workspace, experiment: Experiment) -> Configuration:
    """Read the experiment's devcontainer.json. UserError if it is missing or cannot work."""
    loader.require_environment(workspace, experiment)
    path = path_of(experiment)
    text = files.read_text(Path(workspace.root, path))
    restore = f"`scripts/loop sync --take '{path}:.'`"
    if text is None:
        raise UserError(
            "there is no such file",
            code="devcontainer-json-missing",
            where=path,
            hint=f"`scripts/loop sync` generates it; if you deleted it, {restore} restores it",
        )
    value = jsonc.parse(text, path).value
    if not isinstance(value, dict):
        raise UserError(
            "not a devcontainer.json: expected a JSON object",
            code="devcontainer-json-invalid",
            where=path,
            hint=f"Correct it, or restore it with {restore}",
        )
    _require_types(value, path, restore)
    for word in map(str, value.get("runArgs") or []):
        if re.match(r"--[\w-]+\s", word):
            raise UserError(
                f'runArgs has "{word}" as one item',
                code="devcontainer-json-invalid",
                where=path,
                hint="Write option and value as two items: " + json.dumps(word.split(None, 1)),
            )
    build = value.get("build") or {}
    if not ({"image", "dockerComposeFile", "dockerFile"} & set(value) or "dockerfile" in build):
        raise UserError(
            "no image: neither build.dockerfile nor image is set",
            code="devcontainer-json-invalid",
            where=path,
            hint=f"Add one, or restore the generated file with {restore}",
        )
    root = Path(workspace.root)
    return Configuration(path, value, _files(root, path, value), _is_edited(root, experiment))


def _is_edited(root: Path, experiment: Experiment) -> bool:
    """Whether the generated Dockerfile is not as it would be generated now."""
    if not experiment.paths.is_generated:
        return False
    text = files.read_text(root / experiment.paths.dockerfile)
    return text is not None and text.split() != whole(experiment.dockerfile).split()


def _files(root: Path, path: str, value: Mapping[str, Json]) -> dict[str, str]:
    """The checksum of each file and folder of the workspace that the configuration refers to."""
    checksums = {}
    for reference in _references(value):
        plain = reference.replace("${localWorkspaceFolder}", str(root))
        for parent in (root / posixpath.dirname(path), root):
            place = Path(os.path.normpath(parent / plain))
            if place.is_relative_to(root) and place.exists():
                digest = loader.digest_of(place) if place.is_dir() else _digest(place)
                checksums[place.relative_to(root).as_posix()] = digest
                break
    return checksums


def _references(value: Mapping[str, Json]) -> Iterator[str]:
    features = value.get("features")
    if isinstance(features, dict):
        yield from (name for name in features if name.startswith(("./", "../")))
    compose = value.get("dockerComposeFile")
    yield from (str(name) for name in (compose if isinstance(compose, list) else [compose]) if name)
    words = [str(word) for word in value.get("runArgs") or []]
    for word, following in zip(words, [*words[1:], ""], strict=False):
        option, _, name = word.partition("=")
        if option == "--env-file" and (name or following):
            yield name or following


def _digest(path: Path) -> str:
    try:
        return digest_of(path.read_bytes().replace(b"\r\n", b"\n"))
    except OSError:
        return ""
