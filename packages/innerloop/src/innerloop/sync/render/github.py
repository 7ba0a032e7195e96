"""`.github/workflows/train-<slug>.yml`: GitHub Actions starts the experiment by time or by hand.

Signing in needs no secret: the run asks GitHub for a token that Azure trusts (OpenID Connect), which
`loop submit` does by itself. Values reach the command by variables, never as text of a shell.
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

# So many inputs can a workflow that is started by hand have everywhere: newer github.com takes 25,
# Enterprise Server 10.
MOST_INPUTS = 10

# The repository's (or the deployment environment's) variables: names, and no secret among them.
VARIABLES = (
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "AZURE_SUBSCRIPTION_ID",
    "AZURE_RESOURCE_GROUP",
    "AZUREML_WORKSPACE_NAME",
)


def render(subject: Specification, experiment: Experiment, job: Job, schedule: Schedule) -> str:
    settings = subject.workspace.settings.orchestrators.github
    path = PATHS[GITHUB].format(slug=experiment.slug)
    every = fields(job, schedule)
    form = _offered(every)
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
    comment = header(path, f"src/{experiment.name}/innerloop.toml", job.name)
    return document(value, [*comment, *_left_out(every, form)])


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


def _left_out(every: tuple[Field, ...], form: list[Field]) -> list[str]:
    names = ", ".join(one.name for one in every if one not in form)
    most = f"GitHub takes {MOST_INPUTS} inputs; [schedule.set] changes the others: {names}"
    return [most] if names else []


def _input(field: Field) -> dict[str, Any]:
    """GitHub's defaults and options are text, but for a boolean's."""
    value: dict[str, Any] = {"description": f"inputs.{field.name}", "type": field.kind}
    if not field.is_literal:
        return value
    if field.options:
        value |= {"type": "choice", "options": [text_of(one) for one in field.options]}
    if field.default is not None:
        is_truth = field.kind == "boolean" and not field.options
        value["default"] = field.default if is_truth else text_of(field.default)
    return value


def _is_hosted(runner: str) -> bool:
    return runner.startswith(("ubuntu-", "windows-", "macos-"))
