"""Every command of `loop`: its name, its group in `loop help` and its one-line summary.

Reading the table imports no command, so that `loop help` is fast. A command is a module in
`commands` (help, menu and completion: in `cli`) with EXAMPLES, add_arguments(parser) and run(args).
"""

from __future__ import annotations

import importlib
from types import ModuleType

from ..util.errors import UsageError, did_you_mean
from ..util.quick_dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """A command. `group` is a heading of `loop help`; `summary` is one sentence.

    `is_for_editors`: no person types it, and `loop help` does not list it.
    """

    name: str
    group: str
    summary: str
    is_for_editors: bool = False


# Within a group, in the order of `loop help`.
COMMANDS = (
    Command("list", "Experiments", "List the experiments and the backends each can use."),
    Command("new", "Experiments", "Create an experiment and its generated files."),
    Command(
        "rename",
        "Experiments",
        "Rename an experiment with its job, links, outputs and generated files.",
    ),
    Command("add", "Experiments", "Add packages to an experiment's environment, and lock them."),
    Command("lock", "Experiments", "Compile the locks of an experiment's environment."),
    Command("remove", "Experiments", "Remove an experiment; data and outputs stay."),
    Command(
        "share",
        "Experiments",
        "Share a file or folder of src/common with an experiment, by a relative link.",
    ),
    Command("init", "The workspace", "Create a workspace in a new or empty folder."),
    Command("owners", "The workspace", "List whose each file is: the tool's, shared or yours."),
    Command("leave", "The workspace", "Take the tool out; what you wrote or edited stays."),
    Command("sync", "The workspace", "Bring generated files in line with src/; your edits stay."),
    Command(
        "upgrade",
        "The workspace",
        "Bring the workspace to another version of the tool; your edits stay.",
    ),
    Command(
        "check",
        "The workspace",
        "Report errors and warnings in job files, schedules and deploy folders.",
    ),
    Command(
        "complete",
        "The workspace",
        "Print what may stand at a place of a job file that is being typed.",
        is_for_editors=True,
    ),
    Command(
        "format", "The workspace", "Format code with black and sort imports; --check only reports."
    ),
    Command(
        "verify",
        "The workspace",
        "Run all checks and all tests of the workspace; a table at the end.",
    ),
    Command(
        "build",
        "Work in the environment",
        "Build the experiment's image, if environment/ has changed.",
    ),
    Command(
        "image",
        "Azure ML and clusters",
        "Push the image that a cluster needs: the environment with the code, by digest.",
    ),
    Command("run", "Run", "Run the job's command in the experiment's environment."),
    Command("test", "Run", "Run the experiment's tests, and those of the shared code it uses."),
    Command(
        "notebook",
        "Run",
        "Run a notebook in the experiment's environment, to an HTML page in outputs/.",
    ),
    Command("terminal", "Work in the environment", "Open a shell in the experiment's environment."),
    Command(
        "jupyter", "Work in the environment", "Start JupyterLab in the experiment's environment."
    ),
    Command(
        "up",
        "Work in the environment",
        "Start the experiment's dev container, or keep the running one if it is current.",
    ),
    Command(
        "exec",
        "Work in the environment",
        "Run a command in the open dev container; its exit code passes through.",
    ),
    Command("open", "Work in the environment", "Open VS Code in the experiment's dev container."),
    Command(
        "down", "Work in the environment", "Stop and remove the dev container; its caches stay."
    ),
    Command(
        "outdated",
        "Work in the environment",
        "List dev containers, images and generated files that are older than their sources.",
    ),
    Command("serve", "Model serving", "Serve a run's model over HTTP on this machine."),
    Command(
        "invoke",
        "Model serving",
        "Send a request to the model that is served here, or with --endpoint to the deployed one.",
    ),
    Command(
        "submit",
        "Azure ML and clusters",
        "Check, preview and submit the job to Azure ML or a cluster.",
    ),
    Command(
        "status",
        "Azure ML and clusters",
        "Show what waits, runs and has ended, here and elsewhere; or one job or run.",
    ),
    Command(
        "logs", "Azure ML and clusters", "Show the logs of a job or run; --follow until it ends."
    ),
    Command("cancel", "Azure ML and clusters", "Stop a job or run; by default the last one."),
    Command(
        "download",
        "Azure ML and clusters",
        "Download a submitted job's outputs and logs, next to those of local runs.",
    ),
    Command(
        "data",
        "Azure ML and clusters",
        "List Azure ML's data assets, download one into data/, register data/NAME as one.",
    ),
    Command(
        "deploy",
        "Model serving",
        "Deploy a model to an Azure ML online endpoint, beside the current deployment.",
    ),
    Command("endpoint", "Model serving", "Show, update or delete an online endpoint."),
    Command("runs", "Run", "List, compare, tag and remove runs; --page plots their curves."),
    Command("tensorboard", "Run", "Start TensorBoard over the outputs of runs, on 127.0.0.1."),
    Command("mlflow", "Run", "Start MLflow's pages over all runs, on 127.0.0.1."),
    Command("parity", "Run", "Compare what each backend would run, and explain each difference."),
    Command("doctor", "The workspace", "List what is missing on this machine, and how to fix it."),
    Command(
        "clean",
        "The workspace",
        "Remove outdated containers, images and environments of this workspace; asks first.",
    ),
    Command(
        "vendor",
        "The workspace",
        "Put the pinned wheels into .innerloop/wheels, so that a clone needs no package index.",
    ),
    Command(
        "mcp", "The workspace", "Serve the commands to a coding agent (Model Context Protocol)."
    ),
    Command(
        "completion",
        "The workspace",
        "Print a completion script for bash, zsh, fish or PowerShell.",
    ),
    Command(
        "menu", "The workspace", "List every command that works here, and run the one you choose."
    ),
    Command("help", "The workspace", "List the commands, or explain one with examples."),
)
BY_NAME = {command.name: command for command in COMMANDS}
# The order of the groups in `loop help`.
GROUPS = (
    "Run",
    "Work in the environment",
    "Experiments",
    "Azure ML and clusters",
    "Model serving",
    "The workspace",
)
# Commands whose output depends on the workspace's files alone, for a sync as long as it changes
# nothing: see `output_cache`.
CACHED_COMMANDS = frozenset({"check", "list", "sync"})
# Commands that only read the workspace: they report a change that was interrupted. All others undo
# it first, but for those that have nothing to do with a workspace.
READING_COMMANDS = frozenset(
    {"check", "complete", "doctor", "list", "logs", "mcp", "menu"}
    | {"outdated", "owners", "parity", "runs", "status", "verify", "tensorboard"}
)
READING_OPTIONS = frozenset({"--check", "--diff", "--dry-run", "--list"})
WITHOUT_WORKSPACE = frozenset({"completion", "help", "init"})
# Commands that pass the arguments after -- on to another program.
PASS_THROUGH = frozenset({"exec", "run", "terminal", "test", "verify"})
_IN_THIS_ROOM = frozenset({"completion", "help", "menu"})


def load(name: str) -> ModuleType:
    """Import a command's module. UsageError if there is no such command."""
    if name not in BY_NAME:
        known = list(BY_NAME)
        raise UsageError(
            f'there is no command "{name}"', code="unknown-command", hint=did_you_mean(name, known)
        )
    room = "cli" if name in _IN_THIS_ROOM else "commands"
    return importlib.import_module(f"innerloop.{room}.{name}")
