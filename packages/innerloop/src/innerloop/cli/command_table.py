"""Every command of `loop`: its name, its group in `loop help` and its one-line summary.

The table is read without importing a command, so `loop help` and completion stay fast. A command is
a module of `commands` (help and completion are in this room) with EXAMPLES, add_arguments(parser)
and run(args).
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from types import ModuleType

from ..util.errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True)
class Command:
    """`group` is a title of `loop help`; `summary` is one sentence."""

    name: str
    group: str
    summary: str


# In the order in which `loop help` lists them within their group.
COMMANDS = (
    Command("list", "Experiments", "Shows the experiments, and where each can run."),
    Command("new", "Experiments", "Makes a new experiment and renders its files."),
    Command(
        "rename",
        "Experiments",
        "Gives an experiment another name; its job, links, outputs and rendered files follow.",
    ),
    Command(
        "remove",
        "Experiments",
        "Takes an experiment away; data and outputs stay, and it can be brought back.",
    ),
    Command(
        "share",
        "Experiments",
        "Shares a file or folder of src/common with an experiment, by a relative link.",
    ),
    Command(
        "sync",
        "The workspace",
        "Brings .devcontainer, .vscode and workflows in line with src; your own entries stay.",
    ),
    Command(
        "check",
        "The workspace",
        "Says all that is wrong with a job file and its schedule, here or on Azure ML, with the place.",
    ),
    Command(
        "format",
        "The workspace",
        "Formats the code with black and orders its imports; --check only says what it would do.",
    ),
    Command(
        "build",
        "Work in the environment",
        "Builds the experiment's image; skipped when nothing under environment/ changed.",
    ),
    Command(
        "image",
        "Azure ML and clusters",
        "Pushes the image that a cluster needs: the environment and the code, by digest.",
    ),
    Command(
        "run",
        "Run",
        "Runs the job's command, with the job file's inputs, in the experiment's environment.",
    ),
    Command(
        "test", "Run", "Runs the experiment's pytest suite, and that of the common code it uses."
    ),
    Command(
        "notebook",
        "Run",
        "Runs a notebook in the experiment's environment, to an HTML page in outputs/.",
    ),
    Command(
        "terminal",
        "Work in the environment",
        "Opens a shell in the experiment's environment, in its folder.",
    ),
    Command(
        "jupyter",
        "Work in the environment",
        "Starts JupyterLab in the experiment's environment, with notebooks/ open.",
    ),
    Command(
        "up",
        "Work in the environment",
        "Opens the experiment's dev container; what is there and up to date is kept.",
    ),
    Command(
        "exec",
        "Work in the environment",
        "Runs a command in the experiment's open dev container; its exit code passes through.",
    ),
    Command(
        "open",
        "Work in the environment",
        "Opens VS Code in the experiment's dev container, or says what to click.",
    ),
    Command(
        "down",
        "Work in the environment",
        "Stops and removes the experiment's dev container; caches stay in their volume.",
    ),
    Command(
        "outdated",
        "Work in the environment",
        "Says which dev containers and images are older than what they were made from.",
    ),
    Command(
        "serve",
        "Model serving",
        "Serves a run's model over HTTP, in the image and at the routes that Azure ML would use.",
    ),
    Command(
        "invoke",
        "Model serving",
        "Sends a request to the model that is served here, or with --endpoint to the deployed one.",
    ),
    Command(
        "submit",
        "Azure ML and clusters",
        "Sends the job to Azure ML or a cluster: checked, previewed, followed if you like.",
    ),
    Command(
        "status",
        "Azure ML and clusters",
        "Shows how a submitted job fares; the last one when none is named.",
    ),
    Command(
        "logs",
        "Azure ML and clusters",
        "Shows a submitted job's logs from their start; --follow to the job's end.",
    ),
    Command(
        "cancel", "Azure ML and clusters", "Stops a submitted job; the last one when none is named."
    ),
    Command(
        "download",
        "Azure ML and clusters",
        "Brings a submitted job's outputs and logs here, beside those of local runs.",
    ),
    Command(
        "data",
        "Azure ML and clusters",
        "Lists Azure ML's data assets, gets one into data/, registers data/NAME as one.",
    ),
    Command(
        "deploy",
        "Model serving",
        "Deploys a model to an Azure ML online endpoint, beside the one that serves now.",
    ),
    Command(
        "endpoint",
        "Model serving",
        "Shows an online endpoint, its logs and address; updates it, deletes it or one deployment.",
    ),
    Command(
        "runs",
        "Run",
        "Lists the runs with their scores and times; a page lays their curves over each other.",
    ),
    Command("parity", "Run", "Shows side by side what each place would run, and why some differ."),
    Command("doctor", "The workspace", "Says what is missing on this machine, and how to mend it."),
    Command(
        "clean",
        "The workspace",
        "Frees the disk of what this workspace made and needs no more; asks first.",
    ),
    Command(
        "completion",
        "The workspace",
        "Prints the completion script of a shell: commands, options, experiments, inputs.",
    ),
    Command(
        "help",
        "The workspace",
        "Shows every command, or explains one: its arguments and worked examples.",
    ),
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
# Commands whose arguments after -- are passed to the person's own program.
PASS_THROUGH = frozenset({"exec", "run", "terminal", "test"})
_IN_THIS_ROOM = frozenset({"completion", "help"})


def load(name: str) -> ModuleType:
    """The module of a command. UsageError when there is none of that name."""
    if name not in BY_NAME:
        known = list(BY_NAME)
        raise UsageError(f'there is no command "{name}"', hint=did_you_mean(name, known))
    room = "cli" if name in _IN_THIS_ROOM else "commands"
    return importlib.import_module(f"innerloop.{room}.{name}")
