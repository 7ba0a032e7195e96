"""`.github/workflows/prebuild.yml`.

It builds the experiments' images and pushes them, so that a colleague's first build, Reopen in
Container or Codespace is a pull.

Which registry is read from pyproject.toml when it runs; without one it does nothing.
"""

from __future__ import annotations

from ...util.yaml_writer import Noted, document
from .generated_files import Specification
from .github import CHECKOUT
from .workflow_context import PREBUILD, header

LOGIN = Noted("docker/login-action@74a5d142397b4f367a81961eba4e8cd7edddf772", "v3.4.0")

_REGISTRY = """python3 - <<'END' >>"$GITHUB_OUTPUT"
import tomllib
settings = tomllib.load(open("pyproject.toml", "rb")).get("tool", {}).get("innerloop", {})
print("host=" + settings.get("registry", "").split("/")[0])
END
"""
_IF_REGISTRY = "steps.settings.outputs.host != ''"


def _paths(specification: Specification) -> list[str]:
    """What an image may be built from: the environments under src/, and those that are declared."""
    declared = {
        path
        for experiment in specification.experiments
        if experiment.paths.is_shared
        for path in (experiment.paths.environment, experiment.paths.dockerfile)
    }
    return ["src/**/environment/**", *sorted(declared), "pyproject.toml", PREBUILD]


def render(specification: Specification) -> str:
    value = {
        "name": "prebuild",
        "on": {
            "push": {
                "branches": ["main"],
                "paths": _paths(specification),
            },
            "workflow_dispatch": {},
        },
        "permissions": {"contents": "read", "packages": "write"},
        "concurrency": {"group": "prebuild-${{ github.ref }}", "cancel-in-progress": True},
        "jobs": {
            "images": {
                "runs-on": specification.workspace.settings.orchestrators.github.runner,
                "timeout-minutes": 90,
                "steps": [
                    {"uses": CHECKOUT, "with": {"persist-credentials": False}},
                    {"id": "settings", "name": "registry of images", "run": _REGISTRY},
                    {
                        "if": _IF_REGISTRY,
                        "uses": LOGIN,
                        "with": {
                            "registry": "${{ steps.settings.outputs.host }}",
                            "username": "${{ github.actor }}",
                            "password": "${{ secrets.GITHUB_TOKEN }}",
                        },
                    },
                    {"if": _IF_REGISTRY, "run": "scripts/loop build --all --push"},
                ],
            }
        },
    }
    comment = [
        *header(PREBUILD, "[tool.innerloop] in pyproject.toml"),
        "",
        "Builds the experiments' images and pushes them, so that a colleague's first build, Reopen in",
        "Container or Codespace is a pull. Does nothing until pyproject.toml names a registry:",
        "",
        "    [tool.innerloop]",
        '    registry = "ghcr.io/owner/name"',
    ]
    return document(value, comment)
