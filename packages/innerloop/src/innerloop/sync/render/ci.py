"""What is checked at every push: the workspace's form, the rendered files, the job files, and each
experiment's tests in its own image.

`.github/workflows/ci.yml` and `orchestration/azure-devops/ci.yml`. The experiments are listed when it
runs, so a new one needs no new file. With `[tool.innerloop] registry`, images come from there, or
take their layers from what was pushed last.
"""

from __future__ import annotations

from typing import Any

from ...util.yaml_writer import document
from .azure_devops import pool
from .generated_files import Specification
from .github import CHECKOUT
from .workflow_context import header

GITHUB_PATH = ".github/workflows/ci.yml"
AZURE_DEVOPS_PATH = "orchestration/azure-devops/ci.yml"

_CHECKS = (
    ("formatting, lint, types", "scripts/test --checks"),
    ("rendered files are in line with src/", "scripts/loop sync --check"),
    ("job files and schedules", "scripts/loop check"),
)
_LIST = """names=$(scripts/loop list --json | python3 -c '
import json, re, sys
names = [one["experiment"] for one in json.load(sys.stdin)]
print(json.dumps(MADE))')
"""
_LIST_FOR_GITHUB = (
    _LIST.replace("MADE", "names") + 'echo "experiments=$names" >> "$GITHUB_OUTPUT"\n'
)
_LIST_FOR_AZURE = (
    _LIST.replace("MADE", '{re.sub(r"\\W", "_", name): {"experiment": name} for name in names}')
    + 'echo "##vso[task.setvariable variable=experiments;isOutput=true]$names"\n'
)
_TEST = 'scripts/loop test "$EXPERIMENT" --backend docker'


def github(subject: Specification) -> str:
    registry = subject.workspace.settings.registry
    runner = subject.workspace.settings.orchestrators.github.runner
    checkout = {"uses": CHECKOUT, "with": {"persist-credentials": False}}
    listed = {"experiments": "${{ steps.list.outputs.experiments }}"}
    value = {
        "name": "ci",
        "on": {"push": {"branches": _branches(subject)}, "pull_request": {}},
        "permissions": {"contents": "read", **({"packages": "read"} if registry else {})},
        # A newer push to the same branch makes the run before it pointless.
        "concurrency": {"group": "ci-${{ github.ref }}", "cancel-in-progress": True},
        "jobs": {
            "workspace": {
                "runs-on": runner,
                "timeout-minutes": 15,
                "outputs": listed,
                "steps": [
                    checkout,
                    *({"name": name, "run": command} for name, command in _CHECKS),
                    {"name": "experiments", "id": "list", "run": _LIST_FOR_GITHUB},
                ],
            },
            "experiment": {
                "needs": "workspace",
                "if": "needs.workspace.outputs.experiments != '[]'",
                "runs-on": runner,
                "timeout-minutes": 45,
                "strategy": {
                    "fail-fast": False,
                    "matrix": {
                        "experiment": "${{ fromJSON(needs.workspace.outputs.experiments) }}"
                    },
                },
                "steps": [
                    checkout,
                    *([_login(registry)] if registry else []),
                    {
                        "name": "tests in the experiment's own image",
                        "env": {"EXPERIMENT": "${{ matrix.experiment }}"},
                        "run": _TEST,
                    },
                ],
            },
        },
    }
    return document(value, header(GITHUB_PATH, "[tool.innerloop] in pyproject.toml"))


def _branches(subject: Specification) -> list[str]:
    """The branch that people merge to, and those whose jobs are started by themselves."""
    return sorted({"main", *(schedule.branch for schedule in subject.schedules.values())})


def _login(registry: str) -> dict[str, Any]:
    """To read the images; who may not, builds them."""
    return {
        "name": "sign in to the registry of images",
        "env": {"REGISTRY": registry.split("/")[0], "TOKEN": "${{ github.token }}"},
        "run": 'echo "$TOKEN" | docker login "$REGISTRY" -u "$GITHUB_ACTOR" --password-stdin || true',
    }


def _login_of_a_group(registry: str) -> dict[str, Any]:
    """With the user and password that somebody put among the variables, if they did."""
    return {
        "bash": 'echo "$TOKEN" | docker login "$REGISTRY" -u "$REGISTRY_USER" --password-stdin || true',
        "displayName": "sign in to the registry of images",
        "condition": "and(succeeded(), ne(variables['REGISTRY_PASSWORD'], ''))",
        "env": {
            "REGISTRY": registry.split("/")[0],
            "REGISTRY_USER": "$(REGISTRY_USER)",
            "TOKEN": "$(REGISTRY_PASSWORD)",
        },
    }


def azure_devops(subject: Specification) -> str:
    settings = subject.workspace.settings.orchestrators.azure_devops
    registry = subject.workspace.settings.registry
    value = {
        "trigger": {"batch": "true", "branches": {"include": _branches(subject)}},
        "pr": {"branches": {"include": ["*"]}},
        "variables": [{"template": "variables.yml"}],
        "pool": pool(settings),
        "jobs": [
            {
                "job": "workspace",
                "timeoutInMinutes": "15",
                "steps": [
                    {"checkout": "self"},
                    *({"bash": command, "displayName": name} for name, command in _CHECKS),
                    {"bash": _LIST_FOR_AZURE, "name": "list", "displayName": "experiments"},
                ],
            },
            {
                "job": "experiment",
                "dependsOn": "workspace",
                "condition": "and(succeeded(), ne(dependencies.workspace.outputs['list.experiments'], '{}'))",
                "timeoutInMinutes": "45",
                "strategy": {"matrix": "$[ dependencies.workspace.outputs['list.experiments'] ]"},
                "steps": [
                    {"checkout": "self"},
                    *([_login_of_a_group(registry)] if registry else []),
                    {
                        "bash": _TEST,
                        "displayName": "tests in the experiment's own image",
                        "env": {"EXPERIMENT": "$(experiment)"},
                    },
                ],
            },
        ],
    }
    return document(value, header(AZURE_DEVOPS_PATH, "[tool.innerloop] in pyproject.toml"))
