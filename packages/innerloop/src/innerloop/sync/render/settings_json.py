"""`.vscode/settings.json`: makes the editor agree with the tasks.

Settings of a container (which interpreter, which tests) are in its devcontainer.json, because
workspace settings would override them, and each experiment has its own.
"""

from __future__ import annotations

from ...model.experiment_paths import SOURCES
from ...model.paths import SCRATCH
from .devcontainer_json import EXTENSION
from .generated_files import Json, Specification

NOISE = (
    "**/__pycache__",
    "**/.pytest_cache",
    "**/.mypy_cache",
    "**/.ruff_cache",
    "**/.hypothesis",
    "**/.ipynb_checkpoints",
)
# Large, and not code: neither watched nor searched.
BULK = ("data", "outputs", SCRATCH)
# Of the tool's own folder: made of the tables in model/jobs/job_fields.
JOB_SCHEMA = f"{EXTENSION}/job.schema.json"
JOB_FILES = ("src/**/azure-ml-job*.yaml", "src/**/azure-ml-job*.yml")
# What a file is made from or made of, shown below it.
NESTED = {
    "requirements.in": "requirements.txt",
    "requirements-*.in": "requirements-${capture}.txt",
    "Dockerfile": ".dockerignore",
}


def render(specification: Specification) -> Json:
    return {
        "[python]": {
            "editor.defaultFormatter": "ms-python.black-formatter",
            "editor.formatOnSave": True,
            "editor.codeActionsOnSave": {"source.organizeImports": "explicit"},
        },
        # The formatters of the experiment's environment, whose versions are those of `loop format`.
        "black-formatter.importStrategy": "fromEnvironment",
        "isort.importStrategy": "fromEnvironment",
        # Otherwise F5 asks each time there is any error in the Problems panel, such as the failed test
        # that it is pressed for: a task that waits for the debugger has no exit code to go by.
        "debug.onTaskErrors": "debugAnyway",
        "explorer.fileNesting.enabled": True,
        "explorer.fileNesting.patterns": NESTED,
        "files.eol": "\n",  # a script with carriage returns does not start in a container
        "files.exclude": dict.fromkeys(NOISE, True),
        "files.watcherExclude": {f"**/{folder}/**": True for folder in BULK},
        "jupyter.notebookFileRoot": "${workspaceFolder}",
        "python.terminal.activateEnvInCurrentTerminal": False,
        "search.exclude": dict.fromkeys(BULK, True),
        "search.followSymlinks": False,  # shared code is found once, in src/common
        "task.autoDetect": "off",
        "workbench.startupEditor": "readme",
        **_schemas(specification),
        **_path(),
    }


def _schemas(specification: Specification) -> Json:
    """Completion, hover and problems in job files while typing, by the YAML extension.

    It warns at every job file about a schema that is not there.
    """
    if not specification.extension:
        return {}
    return {"yaml.schemas": {f"./{JOB_SCHEMA}": [*JOB_FILES, *_other_jobs(specification)]}}


def _other_jobs(specification: Specification) -> list[str]:
    """The job files that a declaration names, or a link leads to."""
    jobs = (experiment.paths.job for experiment in specification.experiments if experiment.has_job)
    return list(dict.fromkeys(job for job in jobs if not job.startswith(f"{SOURCES}/")))


def _path() -> Json:
    """`loop` in every terminal. Last on PATH: scripts/ also holds a program called `test`."""
    scripts = "${env:PATH}%s${workspaceFolder}/scripts"
    separators = {"linux": ":", "osx": ":", "windows": ";"}
    return {
        f"terminal.integrated.env.{system}": {"PATH": scripts % separator}
        for system, separator in separators.items()
    }
