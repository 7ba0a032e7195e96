"""`orchestration/azure-devops/train-<slug>.yml`.

Azure Pipelines starts the experiment on a schedule or by hand.

The service connection signs in: `loop submit` gets a token from the pipeline whenever it needs one.
Source: the YAML schema of Azure Pipelines.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from ...model.settings.dispatch_inputs import Field, fields, text_of
from ...model.settings.orchestrators import AZURE_DEVOPS, AzureDevOps
from ...util.yaml_writer import document
from .generated_files import Specification
from .workflow_context import PATHS, header, minutes

if TYPE_CHECKING:
    from ...model.experiment import Experiment
    from ...model.jobs.job import Job
    from ...model.settings.schedules import Schedule

# The form's values as JSON. The service would replace `$(NAME)` in them by a variable, even a secret
# one, so the bracket is escaped, which JSON reads as the same bracket.
PARAMETERS = r"${{ replace(convertToJson(parameters), '$(', '$\u0028') }}"


def render(
    specification: Specification, experiment: Experiment, job: Job, schedule: Schedule
) -> str:
    settings = specification.workspace.settings.orchestrators.azure_devops
    path = PATHS[AZURE_DEVOPS].format(slug=experiment.slug)
    form = fields(job, schedule)
    value = {
        "trigger": "none",
        "pr": "none",
        "schedules": [
            {
                "cron": schedule.cron.text,
                "displayName": f"train {experiment.name}",
                "branches": {"include": [schedule.branch]},
                # Also without a push since the last run: the data may have changed.
                "always": "true",
                "batch": "true",  # not while the run before is unfinished
            }
        ],
        **({"parameters": [_parameter(field) for field in form]} if form else {}),
        "variables": [{"template": "variables.yml"}, {"group": settings.variable_group}],
        "pool": pool(settings),
        "jobs": [
            {
                "job": "train",
                "displayName": f"train {experiment.name}",
                "timeoutInMinutes": str(minutes(job, hosted=not settings.pool)),
                "steps": [{"checkout": "self"}, _submit(experiment, settings, bool(form))],
            }
        ],
    }
    return document(value, header(path, experiment.paths.settings, job.name))


def variables() -> str:
    """The variables of all pipelines, for a person to fill in."""
    return document(
        {"variables": {"PYTHONUNBUFFERED": "1"}},
        [
            "Variables of every pipeline in this folder; add yours, sync keeps them. The names of the",
            "Azure ML workspace (AZURE_SUBSCRIPTION_ID, AZURE_RESOURCE_GROUP, AZUREML_WORKSPACE_NAME)",
            "may be here or in the variable group.",
        ],
    )


def pool(settings: AzureDevOps) -> dict[str, str]:
    return {"name": settings.pool} if settings.pool else {"vmImage": settings.vm_image}


def _submit(experiment: Experiment, settings: AzureDevOps, has_form: bool) -> dict[str, Any]:
    name = shlex.quote(experiment.name)
    inputs = ' --inputs "$INPUTS"' if has_form else ""
    summary = '"$AGENT_TEMPDIRECTORY/summary.md"'
    script = f"scripts/loop submit {name} --scheduled{inputs} --wait --summary {summary}"
    return {
        "task": "AzureCLI@2",
        "displayName": "submit the job and wait for its end",
        "inputs": {
            "azureSubscription": settings.service_connection,
            "scriptType": "bash",
            "scriptLocation": "inlineScript",
            "inlineScript": script,
        },
        "env": {
            "SYSTEM_ACCESSTOKEN": "$(System.AccessToken)",
            **({"INPUTS": PARAMETERS} if has_form else {}),
        },
    }


def _parameter(field: Field) -> dict[str, Any]:
    """Every value is text in the service's schema.

    A scheduled run needs a default for each parameter; one that is empty keeps the job's value.
    """
    has_default = field.default is not None and field.is_literal
    value: dict[str, Any] = {
        "name": field.name,
        "displayName": f"inputs.{field.name}",
        "type": field.kind if has_default else "string",
        "default": text_of(field.default) if has_default else "",
    }
    if not field.options or not has_default:
        return value
    return {**value, "values": [text_of(option) for option in field.options]}
