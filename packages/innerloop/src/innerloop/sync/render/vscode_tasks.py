"""The tasks as a table: one row each. `tasks_json` turns a row into what VS Code reads.

VS Code sorts the list of tasks by label, shows seven on its first screen and searches labels only.
So a label starts with the part of the day it belongs to, and holds the words that people type. The
commands that are not here are behind the last task, in the menu of `loop menu`.
"""

from __future__ import annotations

from ...util.quick_dataclasses import dataclass

# Commands accept a file of an experiment in place of its name.
OPEN_FILE = "${relativeFile}"


@dataclass(frozen=True, slots=True)
class VscodeTask:
    """One task.

    `group` is "build" or "test"; the task is the default of that group. `finds`: its output may
    name a position in a file, for the Problems panel. `typed`: it always reads from the terminal.
    `several`: it may run more than once at a time. `ready`: the pattern of the line that says that
    a background task is up; "" for a task in the foreground. `restarts`: that of the line after which it
    is not up. `starts`: the entry of EDITOR_COMMANDS
    that it is for. A hidden task is started by VS Code
    alone, and has no icon.
    """

    label: str
    words: tuple[str, ...]
    detail: str
    icon: str = ""
    color: str = ""
    group: str = ""
    ready: str = ""
    restarts: str = ""
    finds: bool = False
    typed: bool = False
    several: bool = False
    starts: str = ""
    hidden: bool = False
    on_open: bool = False


# What a task asks as ${input:<name>}: the question, and the default answer.
QUESTIONS = (
    ("name", "Name of the experiment (lower-case letters, digits, _; / for a domain)", ""),
)
# What ${input:<name>} starts in VS Code itself. A task has to start a program as well.
EDITOR_COMMANDS = (
    ("stop", "workbench.action.tasks.terminate"),
    ("debug", "workbench.action.debug.selectandstart"),
)

RUN = "1 run this experiment (train)"
RUN_FILE = "1 run this file"
STOP = "1 stop what is running"
DEBUG = "2 debug"
TEST = "2 test this experiment"
COMPARE = "3 compare runs (curves)"
NOTEBOOK = "3 open a notebook (jupyter)"
TERMINAL = "3 open a terminal"
SUBMIT = "4 submit this experiment"
NEW = "5 create a new experiment"
SHARE = "5 share code with this experiment"
BUILD = "6 build this experiment"
FORMAT = "6 format the code"
MORE = "7 more: every command, help, add a package"
ON_OPEN = "report what is outdated (changes nothing)"

TASKS = (
    VscodeTask(
        RUN,
        ("run", OPEN_FILE),
        "Runs the job of the open file's experiment; asks if the file belongs to none or several",
        "play",
        color="Green",
        group="build",
        several=True,
        finds=True,
    ),
    VscodeTask(
        RUN_FILE,
        ("run", OPEN_FILE, "--script", OPEN_FILE),
        "Runs the open file in its experiment's environment",
        "run-all",
        color="Green",
        several=True,
        finds=True,
    ),
    VscodeTask(
        STOP,
        ("--version",),
        "Lists the tasks that run, and stops the one you choose",
        "debug-stop",
        color="Red",
        starts="stop",
    ),
    VscodeTask(
        DEBUG,
        ("--version",),
        "Lists the launch configurations; F5 starts the last one again",
        "debug-alt",
        color="Yellow",
        starts="debug",
    ),
    VscodeTask(
        TEST,
        ("test", OPEN_FILE),
        "Runs the pytest suite of the open file's experiment",
        "beaker",
        color="Yellow",
        group="test",
        finds=True,
    ),
    VscodeTask(
        COMPARE,
        ("runs", "--open"),
        "Shows the scores and curves of the runs on a page in the browser",
        "graph",
    ),
    VscodeTask(
        NOTEBOOK,
        ("jupyter", OPEN_FILE, "--open"),
        "Starts JupyterLab in the environment of the open file's experiment, and opens it",
        "notebook",
        color="Blue",
        ready="^JupyterLab of .* is ready: ",
        several=True,
    ),
    VscodeTask(
        TERMINAL,
        ("terminal", OPEN_FILE),
        "Opens a shell in the environment of the open file's experiment",
        "terminal",
        color="Blue",
        typed=True,
        several=True,
    ),
    VscodeTask(
        SUBMIT,
        ("submit", OPEN_FILE),
        "Checks the job, shows what would be sent, and sends it to Azure ML",
        "cloud-upload",
        color="Magenta",
        several=True,
        finds=True,
    ),
    VscodeTask(
        NEW,
        ("new", "${input:name}"),
        "Makes a new experiment and generates its files",
        "add",
        finds=True,
    ),
    VscodeTask(
        SHARE,
        ("share", OPEN_FILE),
        "Shares the open file of src/common, or asks which one the open file's experiment gets",
        "link",
        typed=True,
        finds=True,
    ),
    VscodeTask(
        BUILD,
        ("build", OPEN_FILE),
        "Builds the image; skipped when nothing under environment/ changed",
        "package",
        color="Cyan",
        finds=True,
    ),
    VscodeTask(
        FORMAT,
        ("format",),
        "Formats the code and orders its imports, as saving a file does",
        "symbol-color",
        finds=True,
    ),
    VscodeTask(
        MORE,
        ("menu",),
        "Lists every command that works here, with its help; type to filter",
        "list-selection",
        typed=True,
        several=True,
        finds=True,
    ),
    VscodeTask(
        ON_OPEN,
        ("outdated", "--check", "--files"),
        "Reports generated files and dev containers that are outdated; silent otherwise",
        hidden=True,
        on_open=True,
        finds=True,
    ),
)
