"""The tasks as a table: one row each. `tasks_json` turns a row into what VS Code reads.

A label is the name of the command; a variant adds how it differs. VS Code searches labels only, so
those about Azure ML have its name in them.
"""

from __future__ import annotations

from dataclasses import dataclass

EXPERIMENT = "${input:experiment}"
# Commands accept a file of an experiment in place of its name.
OPEN_FILE = "${relativeFile}"


@dataclass(frozen=True, slots=True)
class VscodeTask:
    """One task.

    `group` is "build" or "test"; `default` makes it the default task of that group: "all" for any
    file, "open" for a file in an experiment, which then needs no pick list. `finds`: its output may
    name a position in a file, for the Problems panel. `typed`: it reads from the terminal.
    `several`: it may run more than once at a time. `ready`: the pattern of the line that says that
    a background task is up; "" for a task in the foreground.
    """

    label: str
    words: tuple[str, ...]
    detail: str
    icon: str
    color: str = ""
    group: str = ""
    default: str = ""
    ready: str = ""
    finds: bool = False
    typed: bool = False
    several: bool = False
    hidden: bool = False
    on_open: bool = False


# What a task asks as ${input:<name>}: the question, and the default answer.
QUESTIONS = (
    ("name", "Name of the experiment (lower-case letters, digits, _; / for a domain)", ""),
    ("common", "Which file or folder of src/common, such as digits.py", ""),
    ("command", "Which command", "python train.py"),
    ("asset", "Which data asset, such as azureml:mnist:1", "azureml:"),
    ("data", "Which folder or file", "data/"),
    ("traffic", "How much of the traffic for the new deployment, in percent", "100"),
)

TASKS = (
    VscodeTask(
        "run",
        ("run", EXPERIMENT),
        "Runs the job's command in the experiment's environment",
        "play",
        color="Green",
        group="build",
        default="all",
        several=True,
        finds=True,
    ),
    VscodeTask(
        "run this experiment",
        ("run", OPEN_FILE),
        "Runs the job's command of the open file's experiment",
        "play",
        color="Green",
        group="build",
        default="open",
        several=True,
        finds=True,
    ),
    VscodeTask(
        "run this file",
        ("run", OPEN_FILE, "--script", OPEN_FILE),
        "Runs the open file in its experiment's environment",
        "run-all",
        color="Green",
        several=True,
        finds=True,
    ),
    VscodeTask(
        "run with options",
        ("run", EXPERIMENT, "--backend", "${input:backend}", "--ask"),
        "Asks for the backend, and shows the job's inputs to change before it runs",
        "settings",
        color="Green",
        typed=True,
        several=True,
        finds=True,
    ),
    VscodeTask("runs", ("runs",), "Lists the runs with their scores and times", "graph-line"),
    VscodeTask(
        "runs page",
        ("runs", "--open"),
        "Shows the curves of the runs on a page in the browser",
        "graph",
    ),
    VscodeTask(
        "build",
        ("build", EXPERIMENT),
        "Builds the image; skipped when nothing under environment/ changed",
        "package",
        color="Cyan",
        group="build",
        finds=True,
    ),
    VscodeTask(
        "test",
        ("test", EXPERIMENT),
        "Runs the experiment's pytest suite in its environment",
        "beaker",
        color="Yellow",
        group="test",
        default="all",
        finds=True,
    ),
    VscodeTask(
        "test this experiment",
        ("test", OPEN_FILE),
        "Runs the pytest suite of the open file's experiment",
        "beaker",
        color="Yellow",
        group="test",
        default="open",
        finds=True,
    ),
    VscodeTask(
        "check",
        ("check",),
        "Reports every error in the job files, in the Problems panel",
        "checklist",
        finds=True,
    ),
    VscodeTask(
        "verify",
        ("verify",),
        "Runs every check and test of the workspace, and shows a table at the end",
        "check-all",
        finds=True,
    ),
    VscodeTask(
        "parity",
        ("parity", EXPERIMENT),
        "Compares what F5, containers and Azure ML would run, and explains each difference",
        "diff",
    ),
    VscodeTask(
        "format",
        ("format",),
        "Formats the code and orders its imports, as saving a file does",
        "symbol-color",
        finds=True,
    ),
    VscodeTask(
        "sync", ("sync",), "Brings .devcontainer and .vscode in line with src", "sync", finds=True
    ),
    VscodeTask(
        "upgrade",
        ("upgrade",),
        "Shows what a newer version of the tool changes, and asks",
        "arrow-circle-up",
        typed=True,
    ),
    VscodeTask(
        "list", ("list",), "Shows the experiments, and where each can run", "list-unordered"
    ),
    VscodeTask(
        "new",
        ("new", "${input:name}"),
        "Makes a new experiment and generates its files",
        "add",
        finds=True,
    ),
    VscodeTask(
        "new from an experiment",
        ("new", "${input:name}", "--from", EXPERIMENT),
        "Makes a new experiment as a copy of another",
        "copy",
        finds=True,
    ),
    VscodeTask(
        "rename",
        ("rename", EXPERIMENT, "${input:name}"),
        "Gives an experiment another name, with everything that belongs to it",
        "edit",
        finds=True,
    ),
    VscodeTask(
        "remove",
        ("remove", EXPERIMENT),
        "Removes an experiment; asks first, and keeps data and outputs",
        "trash",
        typed=True,
    ),
    VscodeTask(
        "share",
        ("share", EXPERIMENT, "${input:common}"),
        "Shares a file or folder of src/common with an experiment",
        "link",
        finds=True,
    ),
    VscodeTask(
        "terminal",
        ("terminal", EXPERIMENT),
        "Opens a shell in the experiment's environment",
        "terminal",
        color="Blue",
        typed=True,
        several=True,
    ),
    VscodeTask(
        "jupyter",
        ("jupyter", EXPERIMENT, "--open"),
        "Starts JupyterLab in the experiment's environment, and opens it",
        "notebook",
        color="Blue",
        ready="^JupyterLab of .* is ready: ",
        several=True,
    ),
    VscodeTask(
        "run this notebook",
        ("notebook", EXPERIMENT, OPEN_FILE, "--open"),
        "Runs the open notebook in an experiment's environment, to a page",
        "book",
        color="Green",
        several=True,
    ),
    VscodeTask(
        "open in container",
        ("open", EXPERIMENT),
        "Opens VS Code in the experiment's dev container",
        "vm-connect",
        color="Blue",
        finds=True,
    ),
    VscodeTask(
        "run in container",
        ("exec", EXPERIMENT, "--", "bash", "-c", "${input:command}"),
        "Runs a command of yours in the open dev container",
        "terminal-bash",
        color="Blue",
        typed=True,
        several=True,
    ),
    VscodeTask(
        "rebuild container",
        ("up", EXPERIMENT, "--rebuild"),
        "Makes the dev container again from environment/ and devcontainer.json",
        "vm-active",
        color="Blue",
        finds=True,
    ),
    VscodeTask(
        "remove container",
        ("down", EXPERIMENT),
        "Stops and removes the dev container; its caches stay",
        "vm-outline",
        color="Blue",
    ),
    VscodeTask(
        "serve",
        ("serve", EXPERIMENT),
        "Serves the last run's model over HTTP, as Azure ML would; shows the requests",
        "radio-tower",
        color="Green",
        ready="^.* is served at http://",
        several=True,
        finds=True,
    ),
    VscodeTask(
        "invoke",
        ("invoke", EXPERIMENT),
        "Sends the sample request to the model that is served on this machine",
        "call-outgoing",
        color="Green",
    ),
    VscodeTask(
        "submit to Azure ML",
        ("submit", EXPERIMENT),
        "Checks the job, shows what would be sent, and sends it to Azure ML",
        "cloud-upload",
        color="Magenta",
        several=True,
        finds=True,
    ),
    VscodeTask(
        "submit to Azure ML and follow",
        ("submit", EXPERIMENT, "--stream"),
        "Sends the job to Azure ML and shows its logs to its end",
        "cloud-upload",
        color="Magenta",
        several=True,
        finds=True,
    ),
    VscodeTask(
        "show what submit would send",
        ("submit", EXPERIMENT, "--dry-run"),
        "Shows every file, the command, compute and environment; sends nothing",
        "cloud",
        color="Magenta",
        finds=True,
    ),
    VscodeTask(
        "submit to the cluster",
        ("submit", EXPERIMENT, "--backend", "argo", "--stream"),
        "Pushes the image, submits the job as an Argo Workflow, and shows its logs to its end",
        "cloud-upload",
        color="Magenta",
        several=True,
        finds=True,
    ),
    VscodeTask(
        "image push",
        ("image", "push", EXPERIMENT),
        "Pushes the environment with the code to the registry, by digest",
        "package",
        color="Magenta",
        several=True,
        finds=True,
    ),
    VscodeTask(
        "job status",
        ("status",),
        "Shows the state of the last submitted job",
        "info",
        color="Magenta",
    ),
    VscodeTask(
        "job logs",
        ("logs", "--follow"),
        "Shows the logs of the last submitted job, from their start to its end",
        "output",
        color="Magenta",
        several=True,
    ),
    VscodeTask(
        "job cancel", ("cancel",), "Stops the last submitted job", "stop-circle", color="Magenta"
    ),
    VscodeTask(
        "job download",
        ("download",),
        "Downloads the last submitted job's outputs, beside those of local runs",
        "cloud-download",
        color="Magenta",
    ),
    VscodeTask(
        "deploy",
        ("deploy", EXPERIMENT, "--traffic", "${input:traffic}"),
        "Deploys the newest model to its Azure ML endpoint, tests it, and gives it traffic",
        "rocket",
        color="Magenta",
        finds=True,
    ),
    VscodeTask(
        "show what deploy would do",
        ("deploy", EXPERIMENT, "--dry-run"),
        "Shows the model, its environment, the endpoint and the traffic; sends nothing",
        "cloud",
        color="Magenta",
        finds=True,
    ),
    VscodeTask(
        "deploy: finish",
        ("deploy", EXPERIMENT, "--finish"),
        "Gives all traffic to the new deployment and deletes the old one; asks first",
        "pass",
        color="Magenta",
        typed=True,
    ),
    VscodeTask(
        "deploy: roll back",
        ("deploy", EXPERIMENT, "--rollback"),
        "Gives all traffic back to the old deployment, at once",
        "discard",
        color="Magenta",
    ),
    VscodeTask(
        "endpoint status",
        ("endpoint", "status", EXPERIMENT),
        "Shows the deployments of an Azure ML endpoint, their traffic and models",
        "info",
        color="Magenta",
    ),
    VscodeTask(
        "endpoint logs",
        ("endpoint", "logs", EXPERIMENT, "--follow"),
        "Shows the newest deployment's log as it grows",
        "output",
        color="Magenta",
        several=True,
    ),
    VscodeTask(
        "data list",
        ("data", "list"),
        "Lists Azure ML's data assets, and which of them are on this machine",
        "database",
        color="Magenta",
    ),
    VscodeTask(
        "data get",
        ("data", "get", "${input:asset}"),
        "Downloads an Azure ML data asset to data/",
        "database",
        color="Magenta",
    ),
    VscodeTask(
        "data register",
        ("data", "register", "${input:data}"),
        "Registers a folder of data/ as an Azure ML data asset",
        "database",
        color="Magenta",
    ),
    VscodeTask(
        "doctor", ("doctor",), "Reports what is missing on this machine, and how to fix it", "pulse"
    ),
    VscodeTask(
        "clean",
        ("clean",),
        "Frees disk space that this workspace no longer needs; asks first",
        "clear-all",
        typed=True,
    ),
    VscodeTask("help", ("help",), "Shows every command with an example", "question"),
    VscodeTask(
        "on opening the folder",
        ("sync", "--check"),
        "Reports when generated files are outdated; silent otherwise",
        "eye",
        hidden=True,
        on_open=True,
        finds=True,
    ),
    VscodeTask(
        "on opening the folder: containers",
        ("outdated", "--check"),
        "Reports when a dev container is outdated; silent otherwise",
        "history",
        hidden=True,
        on_open=True,
    ),
)
