"""`.github/workflows/train-<slug>.yml`: GitHub Actions starts the experiment by time or by hand.

Signing in needs no secret: the run asks GitHub for a token that Azure trusts (OpenID Connect), which
`loop submit` does by itself. Values reach the command by variables, never as text of a shell.
Source: GitHub's workflow syntax.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from ..spec.orchestrators import GITHUB
from ..spec.start_form import Field, fields
from . import Subject
from .orchestration import PATHS, header, minutes
from .yaml_file import Noted, document

if TYPE_CHECKING:
    from ..spec.experiment import Experiment
    from ..spec.job import Job
    from ..spec.schedule import Schedule

CHECKOUT = Noted("actions/checkout@11bd71901bbe5b1630ceea73d27597364c9af683", "v4.2.2")

# So many inputs can a workflow have that is started by hand.
MOST_INPUTS = 25

# The repository's (or the deployment environment's) variables: names, and no secret among them.
VARIABLES = (
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZUREML_WORKSPACE_NAME",
)


def render(subject: Subject, experiment: Experiment, job: Job, schedule: Schedule) -> str:
    settings = subject.workspace.settings.orchestrators.github
    path = PATHS[GITHUB].format(slug=experiment.slug)
    form = _offered(fields(job, schedule))
    by_hand = {"inputs": {one.name: _input(one) for one in form}} if form else {}
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
    return document(value, header(path, f"src/{experiment.name}/innerloop.toml", job.name))


def _checkout(schedule: Schedule) -> dict[str, Any]:
    """By the schedule the release branch; by hand the branch that was chosen."""
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


def _offered(form: tuple[Field, ...]) -> list[Field]:
    """As many as can be; those whose values somebody listed before the others."""
    chosen = sorted(form, key=lambda one: not one.options)[:MOST_INPUTS]
    return [one for one in form if one in chosen]


def _input(field: Field) -> dict[str, Any]:
    """GitHub's defaults and options are text, but for a boolean's."""
    value: dict[str, Any] = {"description": f"inputs.{field.name}", "type": field.kind}
    if field.options:
        value |= {"type": "choice", "options": [_text(one) for one in field.options]}
    if field.default is not None:
        is_truth = field.kind == "boolean" and not field.options
        value["default"] = field.default if is_truth else _text(field.default)
    return value


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_hosted(runner: str) -> bool:
    return runner.startswith(("ubuntu-", "windows-", "macos-"))
