"""Run a notebook in the experiment's environment, to an HTML page in outputs/."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..model.experiment import Experiment
from ..model.notebook import values_of, with_parameters
from ..model.paths import is_within
from ..remote import base
from ..runner import dry_run, execute, gpu_option, written_files
from ..runner.interactive import tools_environment
from ..util import console, files, process
from ..util.errors import UserError, did_you_mean
from ..workspace import loader

EXAMPLES = """Prints a line per cell. The exit code is 1 if a cell fails, and the page shows where. --set changes
a variable of the cell tagged "parameters", as with papermill.

examples:
  loop notebook digit_recognition_svm digits.ipynb
  loop notebook digit_recognition_svm notebooks/digits.ipynb --set train_size=500
  loop notebook digit_recognition_svm digits.ipynb --open
"""

# The experiment's modules can be imported, whichever folder the notebook is in.
COMMAND = (
    'PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYDEVD_DISABLE_FILE_VALIDATION=1 exec python'
)
# A copy in the workspace, since containers may not have the tool's own folder.
PROGRAM = ".innerloop/scripts/run_notebook.py"
RUNNER = Path(__file__).resolve().parent.parent / "in_env_scripts" / "run_notebook.py"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "experiment", metavar="EXP", help="the experiment whose environment is used"
    )
    parser.add_argument(
        "notebook", metavar="FILE", help="a path, or a name in notebooks/ or in EXP's folder"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="x=v", help="change one parameter"
    )
    base.add_run_argument(parser)
    gpu_option.add_argument(parser)
    dry_run.add_arguments(parser)
    parser.add_argument("--open", action="store_true", help="open the page in your browser")


def run(args: argparse.Namespace) -> int:
    dry_run.require_dry(args)
    workspace = loader.open_workspace(args.root)
    experiment = loader.choose_experiment(workspace, args.experiment, args.cwd)
    experiment = gpu_option.applied(experiment, args.gpus)
    notebook = _find(args.root, args.cwd, experiment.folder, args.notebook)
    source = files.read_text(args.root / notebook) or ""
    text = with_parameters(source, values_of(args.set), notebook)
    target = f"outputs/{experiment.slug}/{execute.new_id()}/{Path(notebook).stem}"
    words = _words(experiment, notebook, target)
    if args.dry_run:
        started = tools_environment.start(
            workspace, experiment, args.backend, COMMAND, words, dry=True
        )
        dry_run.show(started.request, {"page": f"{target}.html"}, as_json=args.json)
        return 0
    with _prepared(args.root, target, text) as page:
        started = tools_environment.start(workspace, experiment, args.backend, COMMAND, words)
        states = _states(args.root, experiment, notebook)
        code = execute.carry_out(started)
        for state in states:
            if changes := written_files.changes(str(args.root), state):
                console.say(changes)
    if args.open and page.is_file():
        process.browse(page.as_uri())
    return code


def _states(root: Path, experiment: Experiment, notebook: str) -> list[written_files.Before]:
    """The files in the folders in which a notebook's program works: the experiment's and its own.

    A notebook in the workspace's root is not looked after there, where all the rest is too.
    """
    folders = dict.fromkeys([experiment.folder, Path(notebook).parent.as_posix()])
    outer = [folder for folder in folders if not is_within(folder, experiment.folder)]
    names = [experiment.folder, *(folder for folder in outer if folder != ".")]
    return [written_files.before_in(str(root / name), time.time()) for name in names]


def _words(experiment: Experiment, notebook: str, target: str) -> list[str]:
    """The program's arguments, with paths relative to the experiment's folder.

    They are the program, the notebook, the kernel's folder and the page.
    """
    up = experiment.paths.up
    paths = (PROGRAM, f"{target}.ipynb", Path(notebook).parent.as_posix(), target)
    return [f"{up}/{path}" for path in paths]


@contextmanager
def _prepared(root: Path, target: str, text: str) -> Iterator[Path]:
    """Write the notebook that runs next to its page, and yield the page's path.

    If there is no page at the end, remove all of it.
    """
    copy, page = root / f"{target}.ipynb", root / f"{target}.html"
    files.write_text(root / PROGRAM, files.read_text(RUNNER) or "")
    files.write_text(copy, text)
    try:
        yield page
    finally:
        if page.is_file():
            console.say(f"the page is {target}.html")
        else:
            files.remove_tree(copy.parent)
            for folder in (copy.parent.parent, copy.parent.parent.parent):
                files.remove_if_empty(folder)


def _find(root: Path, cwd: Path, folder: str, word: str) -> str:
    """The notebook's path relative to the root, with "/". UserError if there is none.

    `folder` is the experiment's.
    """
    for path in (cwd / word, root / word, root / "notebooks" / word, root / folder / word):
        if path.is_file():
            resolved = Path(*path.resolve().parts)
            if not resolved.is_relative_to(root):
                raise UserError(
                    "the notebook is outside the workspace",
                    code="outside-workspace",
                    where=str(path),
                    hint="Move it into the workspace",
                )
            return resolved.relative_to(root).as_posix()
    known = [path.name for path in (root / "notebooks").glob("*.ipynb")]
    known += [path.name for path in (root / folder).glob("*.ipynb")]
    raise UserError(
        f"there is no notebook {word}", code="notebook-missing", hint=did_you_mean(word, known)
    )
