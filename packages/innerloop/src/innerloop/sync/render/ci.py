"""The workflows that run at every push.

They run `loop verify` without the experiments' tests, then each experiment's tests in its own
image, side by side.

`.github/workflows/ci.yml` and `orchestration/azure-devops/ci.yml`. The experiments are listed when it
runs, so a new one changes no file. With `[tool.innerloop] registry`, images come from there, or
take their layers from the newest push. The tool's environment is cached by its pin.
"""

from __future__ import annotations

from typing import Any

from ...util.yaml_writer import Noted, document
from .azure_devops import pool
from .generated_files import Specification
from .github import CHECKOUT
from .workflow_context import AZURE_DEVOPS_CI, GITHUB_CI, header

CACHE = Noted("actions/cache@5a3ec84eff668545956fd18022155c47e93e2684", "v4.2.3")
PIN = "scripts/loop-requirements.txt"
SOURCE = "[tool.innerloop] in pyproject.toml"

_VERIFY = "scripts/loop verify --skip-experiments"
_VERIFY_TITLE = "formatting, generated files, job files, the workspace's tests"
_LIST = """names=$(scripts/loop list --json | python3 -c '
import json, re, sys
names = [row["experiment"] for row in json.load(sys.stdin)]
print(json.dumps(RESULT))')
"""
_LIST_FOR_GITHUB = (
    _LIST.replace("RESULT", "names") + 'echo "experiments=$names" >> "$GITHUB_OUTPUT"\n'
)
_LIST_FOR_AZURE = (
    _LIST.replace("RESULT", '{re.sub(r"\\W", "_", name): {"experiment": name} for name in names}')
    + 'echo "##vso[task.setvariable variable=experiments;isOutput=true]$names"\n'
)
_TEST = 'scripts/loop test "$EXPERIMENT" --backend docker'
_TEST_TITLE = "tests in the experiment's own image"
_LOGIN_TITLE = "sign in to the registry of images"
_CACHE_TITLE = "the tool's environment"
# Not every agent has ~/.cache as its own; the folder of the pipeline it has.
_AZURE_CACHE = "$(Pipeline.Workspace)/.cache"


def github(specification: Specification) -> str:
    registry = specification.workspace.settings.registry
    runner = specification.workspace.settings.orchestrators.github.runner
    first = [{"uses": CHECKOUT, "with": {"persist-credentials": False}}, _github_cache(runner)]
    value = {
        "name": "ci",
        "on": {"push": {"branches": _branches(specification)}, "pull_request": {}},
        "permissions": {"contents": "read", **({"packages": "read"} if registry else {})},
        # A newer push to the same branch makes the run before it pointless.
        "concurrency": {"group": "ci-${{ github.ref }}", "cancel-in-progress": True},
        "jobs": {
            "workspace": {
                "runs-on": runner,
                "timeout-minutes": 15,
                "outputs": {"experiments": "${{ steps.list.outputs.experiments }}"},
                "steps": [
                    *first,
                    {"name": _VERIFY_TITLE, "run": _VERIFY},
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
                    *first,
                    *([_github_login(registry)] if registry else []),
                    {
                        "name": _TEST_TITLE,
                        "env": {"EXPERIMENT": "${{ matrix.experiment }}"},
                        "run": _TEST,
                    },
                ],
            },
        },
    }
    return document(value, header(GITHUB_CI, SOURCE))


def _branches(specification: Specification) -> list[str]:
    """The branch that people merge to, and those that schedules start jobs from."""
    return sorted({"main", *(schedule.branch for schedule in specification.schedules.values())})


def _github_cache(runner: str) -> dict[str, Any]:
    """The runner is in the key because the environment uses the machine's Python."""
    return {
        "name": _CACHE_TITLE,
        "uses": CACHE,
        "with": {
            "path": "~/.cache/innerloop",
            "key": f"innerloop-{runner}-${{{{ runner.arch }}}}-${{{{ hashFiles('{PIN}') }}}}",
        },
    }


def _github_login(registry: str) -> dict[str, Any]:
    """To pull images; whoever may not read them builds them."""
    return {
        "name": _LOGIN_TITLE,
        "env": {"REGISTRY": registry.split("/")[0], "TOKEN": "${{ github.token }}"},
        "run": 'echo "$TOKEN" | docker login "$REGISTRY" -u "$GITHUB_ACTOR" --password-stdin || true',
    }


def azure_devops(specification: Specification) -> str:
    settings = specification.workspace.settings.orchestrators.azure_devops
    registry = specification.workspace.settings.registry
    variables = {"XDG_CACHE_HOME": _AZURE_CACHE}
    first = [{"checkout": "self"}, _azure_cache()]
    value = {
        "trigger": {"batch": "true", "branches": {"include": _branches(specification)}},
        "pr": {"branches": {"include": ["*"]}},
        "variables": [{"template": "variables.yml"}],
        "pool": pool(settings),
        "jobs": [
            {
                "job": "workspace",
                "timeoutInMinutes": "15",
                "variables": variables,
                "steps": [
                    *first,
                    {"bash": _VERIFY, "displayName": _VERIFY_TITLE},
                    {"bash": _LIST_FOR_AZURE, "name": "list", "displayName": "experiments"},
                ],
            },
            {
                "job": "experiment",
                "dependsOn": "workspace",
                "condition": "and(succeeded(), ne(dependencies.workspace.outputs['list.experiments'], '{}'))",
                "timeoutInMinutes": "45",
                "strategy": {"matrix": "$[ dependencies.workspace.outputs['list.experiments'] ]"},
                "variables": variables,
                "steps": [
                    *first,
                    *([_azure_login(registry)] if registry else []),
                    {
                        "bash": _TEST,
                        "displayName": _TEST_TITLE,
                        "env": {"EXPERIMENT": "$(experiment)"},
                    },
                ],
            },
        ],
    }
    return document(value, header(AZURE_DEVOPS_CI, SOURCE))


def _azure_cache() -> dict[str, Any]:
    return {
        "task": "Cache@2",
        "displayName": _CACHE_TITLE,
        "inputs": {
            "key": f'innerloop | "$(Agent.OS)" | "$(Pipeline.Workspace)" | {PIN}',
            "path": f"{_AZURE_CACHE}/innerloop",
        },
    }


def _azure_login(registry: str) -> dict[str, Any]:
    """With the user and password from the variables, where somebody has set them."""
    return {
        "bash": 'echo "$TOKEN" | docker login "$REGISTRY" -u "$REGISTRY_USER" --password-stdin || true',
        "displayName": _LOGIN_TITLE,
        "condition": "and(succeeded(), ne(variables['REGISTRY_PASSWORD'], ''))",
        "env": {
            "REGISTRY": registry.split("/")[0],
            "REGISTRY_USER": "$(REGISTRY_USER)",
            "TOKEN": "$(REGISTRY_PASSWORD)",
        },
    }
