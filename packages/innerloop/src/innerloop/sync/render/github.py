"""`.github/workflows/train-<slug>.yml`.

GitHub Actions starts the experiment on a schedule or by hand.

Signing in needs no secret: `loop submit` asks GitHub for a token that Azure trusts (OpenID Connect).
Values reach the command in environment variables, never as part of a shell command.
Source: GitHub's workflow syntax.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from ...model.settings.dispatch_inputs import Field, fields, text_of
from ...model.settings.orchestrators import GITHUB
from ...util.yaml_writer import Noted, document
from .generated_files import Specification
from .workflow_context import PATHS, header, minutes

if TYPE_CHECKING:
    from ...model.experiment import Experiment
    from ...model.jobs.job import Job
    from ...model.settings.schedules import Schedule

CHECKOUT = Noted("actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683", "v4.2.2")

# The most inputs of a workflow that is started by hand. Source: GitHub's changelog of December 2025,
# "Actions workflow dispatch workflows now support 25 inputs".
MAX_INPUTS = 25

# Variables of the repository or of the deployment environment; none of them is a secret.
VARIABLES = (
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZUREML_WORKSPACE_NAME",
)


def render(
    specification: Specification, experiment: Experiment, job: Job, schedule: Schedule
) -> str:
    settings = specification.workspace.settings.orchestrators.github
    path = PATHS[GITHUB].format(slug=experiment.slug)
    every = fields(job, schedule)
    offered = _offered(every)
    inputs = {field.name: _input(field) for field in offered}
    by_hand = {"inputs": inputs} if offered else {}
    value = {
        "name": f"train {experiment.name}",
        "on": {"schedule": [{"cron": schedule.cron.text}], "workflow_dispatch": by_hand},
        "permissions": {"contents": "read", "id-token": "write"},
        "concurrency": {"group": f"train-{experiment.slug}", "cancel-in-progress": False},
        "jobs": {
            "train": {
                "runs-on": settings.runner,
                **({"environment": settings.environment} if settings.environment else {}),
                "timeout-minutes": minutes(job, hosted=_is_hosted(settings.runner)),
                "steps": [_checkout(schedule), _submit(experiment)],
            }
        },
    }
    comment = header(path, experiment.paths.settings, job.name)
    return document(value, [*comment, *_left_out(every, offered)])


def _checkout(schedule: Schedule) -> dict[str, Any]:
    """The schedule's branch; by hand, the branch that was chosen."""
    branch = schedule.branch.replace("'", "''")
    ref = f"${{{{ github.event_name == 'schedule' && '{branch}' || github.ref }}}}"
    return {"uses": CHECKOUT, "with": {"ref": ref, "persist-credentials": False}}


def _submit(experiment: Experiment) -> dict[str, Any]:
    name = shlex.quote(experiment.name)
    return {
        "name": "submit the job and wait for its end",
        "env": {
            **{name: f"${{{{ vars.{name} }}}}" for name in VARIABLES},
            "INPUTS": "${{ toJSON(inputs) }}",
        },
        "run": f'scripts/loop submit {name} --scheduled --inputs "$INPUTS" --wait --summary "$GITHUB_STEP_SUMMARY"',
    }


def _offered(every: tuple[Field, ...]) -> list[Field]:
    """As many as are allowed; those with a list of allowed values first."""
    chosen = sorted(every, key=lambda field: not field.options)[:MAX_INPUTS]
    return [field for field in every if field in chosen]


def _left_out(every: tuple[Field, ...], offered: list[Field]) -> list[str]:
    """A comment with the inputs that the form lacks; empty if it has all."""
    names = ", ".join(field.name for field in every if field not in offered)
    line = f"GitHub takes {MAX_INPUTS} inputs; [schedule.set] changes the others: {names}"
    return [line] if names else []


def _input(field: Field) -> dict[str, Any]:
    """GitHub's defaults and options are text, except for a boolean's."""
    value: dict[str, Any] = {"description": f"inputs.{field.name}", "type": field.kind}
    if not field.is_literal:
        return value
    if field.options:
        value |= {"type": "choice", "options": [text_of(option) for option in field.options]}
    if field.default is not None:
        is_boolean = field.kind == "boolean" and not field.options
        value["default"] = field.default if is_boolean else text_of(field.default)
    return value


def _is_hosted(runner: str) -> bool:
    return runner.startswith(("ubuntu-", "windows-", "macos-"))
