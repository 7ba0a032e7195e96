"""The devcontainer.json that is on the disk, rendered and then a person's to edit: what it asks
for, and what `loop up` hands to the devcontainer CLI in its place."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..docker.image_staleness import CONFIGURATION, configuration_label
from ..model.experiment import Experiment
from ..model.workspace import Workspace
from ..sync.render.devcontainer_json import path_of
from ..util import files, jsonc
from ..util.errors import UserError

Json = Any


@dataclass(frozen=True, slots=True)
class Configuration:
    """`path` is relative to the workspace's root, with "/"."""

    path: str
    value: Mapping[str, Json]

    @property
    def kind(self) -> str:
        """Where its image comes from: "compose", "image", "build" or "features" (a build that the
        devcontainer CLI alone can do)."""
        if "dockerComposeFile" in self.value:
            return "compose"
        if self.value.get("features"):
            return "features"
        return "image" if "image" in self.value else "build"

    @property
    def gpu(self) -> str:
        """What it asks for, in the words of the gpu setting."""
        run_args = [str(one) for one in self.value.get("runArgs") or []]
        if any(one == "--gpus" or one.startswith("--gpus=") for one in run_args):
            return "all"
        wanted = (self.value.get("hostRequirements") or {}).get("gpu")
        return "auto" if wanted == "optional" else "all" if wanted else "none"

    def builds(self, experiment: Experiment) -> bool:
        """Whether its image is the one that `loop build --dev` makes: the experiment's Dockerfile
        and context, the dev stage, and nothing of a person's own but names and labels."""
        if self.kind != "build":
            return False
        build = dict(self.value.get("build") or {})
        folder = posixpath.join(posixpath.dirname(self.path), "")
        environment = f"{experiment.folder}/environment"
        dockerfile = posixpath.normpath(folder + str(build.pop("dockerfile", "")))
        context = posixpath.normpath(folder + str(build.pop("context", ".")))
        target = str(build.pop("target", "") or "")
        options = [str(one) for one in build.pop("options", [])]
        return (
            (dockerfile, context) == (f"{environment}/Dockerfile", environment)
            and target.lower() == experiment.dev_stage.name.lower()
            and all(one.startswith(("--tag=", "--label=")) for one in options)
            and not {key for key in build if key != "cacheFrom"}
        )

    def on(
        self, image: str, user: str, labels: Mapping[str, str], workspace: Workspace
    ) -> dict[str, Json]:
        """The same configuration on an image that is there: it is what `up` opens, so nothing is
        built, no name is shared with another experiment, and its user is the person. From within
        the workspace's own container the engine is told the host's path."""
        value = {key: one for key, one in self.value.items() if key not in _ABOUT_THE_IMAGE}
        run_args = [str(one) for one in value.get("runArgs") or []]
        noted = {**labels, CONFIGURATION: configuration_label(self.value)}
        for key, text in noted.items():
            run_args += ["--label", f"{key}={text}"]
        if workspace.host and "workspaceMount" not in value:
            folder = f"/workspaces/{workspace.name}"
            mount = f"type=bind,source={workspace.host},target={folder}"
            value = {"workspaceFolder": folder, **value, "workspaceMount": mount}
        return {
            **value,
            "image": image,
            "runArgs": run_args,
            "remoteUser": user,
            "updateRemoteUserUID": False,
        }


_ABOUT_THE_IMAGE = {"build", "dockerFile", "context", "image", "features"}


def load(workspace: Workspace, experiment: Experiment) -> Configuration:
    path = path_of(experiment)
    text = files.read_text(Path(workspace.root, path))
    again = f"`scripts/loop sync --take '{path}:.'`"
    if text is None:
        hint = f"`scripts/loop sync` renders it from src/; where you removed it, {again} does"
        raise UserError("there is no such file", where=path, hint=hint)
    value = jsonc.parse(text, path).value
    if not isinstance(value, dict):
        raise UserError(
            "it holds no JSON object", where=path, hint=f"Mend it, or delete it, and {again}"
        )
    found = Configuration(path, value)
    for word in map(str, value.get("runArgs") or []):
        if re.match(r"--[\w-]+\s", word):
            raise UserError(
                f'runArgs has "{word}" as one word',
                where=path,
                hint="Write option and value as two: " + json.dumps(word.split(None, 1)),
            )
    build = value.get("build") or {}
    if not ({"image", "dockerComposeFile", "dockerFile"} & set(value) or "dockerfile" in build):
        raise UserError(
            "it names no image: neither build.dockerfile nor image",
            where=path,
            hint="Delete it and run `scripts/loop sync`, which renders it anew",
        )
    return found
