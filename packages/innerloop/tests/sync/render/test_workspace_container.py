"""The workspace's own dev container, as a value."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import HOST, INSIDE, Workspace
from innerloop.sync.render import workspace_container
from innerloop.sync.render.generated_files import Specification, generate
from tests.support import ROOT
from tests.sync.render.test_generated_files import SCHEMAS


def rendered() -> dict[str, Any]:
    subject = Specification(Workspace("/w", Settings(), ()), (), {})
    value: dict[str, Any] = generate(subject)[workspace_container.PATH]
    return value


def test_it_asks_for_nothing_from_the_network_but_its_image() -> None:
    value = rendered()
    assert "features" not in value and "image" not in value
    assert value["build"] == {"dockerfile": "Dockerfile", "context": "."}
    folder = ROOT / ".devcontainer"
    assert (folder / "Dockerfile").is_file() and (folder / "entrypoint.sh").is_file()


def test_of_what_is_bound_only_the_engines_socket_which_codespaces_allows() -> None:
    binds = [one["source"] for one in rendered()["mounts"] if one["type"] == "bind"]
    assert binds == ["/var/run/docker.sock"]


def test_it_tells_the_tool_where_the_workspace_lies_on_the_host() -> None:
    variables = rendered()["containerEnv"]
    assert variables[HOST] == "${localWorkspaceFolder}"
    assert variables[INSIDE] == "${containerWorkspaceFolder}"
    assert "INNERLOOP_EXPERIMENT" not in variables  # no experiment is chosen in it


@pytest.mark.skipif(not SCHEMAS.is_dir(), reason=f"no schemas at {SCHEMAS} (INNERLOOP_SCHEMAS)")
def test_valid_and_without_an_unknown_key() -> None:
    base = json.loads((SCHEMAS / "devcontainer/devContainer.base.schema.json").read_text())
    value = rendered()
    jsonschema.Draft201909Validator(base).validate(value)
    known = {key for part in base["definitions"].values() for key in part.get("properties", {})}
    assert set(value) - {"build"} <= known  # which stands in a choice below
