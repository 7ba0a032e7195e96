"""The start-up module of F5 on a program, in Python itself: which imports it ends with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.scaffold.workspace_template import EXTENSION
from innerloop.sync.render import launch_json
from tests.support import ROOT

START = f"{EXTENSION}start"
# Of sysexits.h: the program did not start.
EXIT_CODE = 78


def started(root: Path, program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A program of the workspace, started as the launch configuration starts it."""
    folder = root / START
    folder.mkdir(parents=True, exist_ok=True)
    module = "sitecustomize.py"
    (folder / module).write_bytes((ROOT / START / module).read_bytes())
    path = root / "src" / "line" / "train.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(program, encoding="utf-8")
    paths = os.pathsep.join([str(folder), *filter(None, [variables.pop("PYTHONPATH", "")])])
    env = {key: text for key, text in os.environ.items() if key != "INNERLOOP_EXPERIMENT"}
    env |= {"PYTHONPATH": paths, **variables}
    return subprocess.run([sys.executable, path], env=env, capture_output=True, text=True)


def test_launch_configurations_name_the_folder_of_the_start_module() -> None:
    assert launch_json.START == "${workspaceFolder}/" + START


@pytest.mark.parametrize(
    "program",
    [
        "import nowhere",
        "from nowhere.part import thing as x",
        "try:\n    1 / 0\nexcept ArithmeticError:\n    import nowhere",
        "try:\n    import nowhere\nexcept (KeyError, ZeroDivisionError):\n    pass",
        "try:\n    import nowhere\nfinally:\n    print()",
        "with open(__file__):\n    import nowhere",
        "if True:\n    import nowhere",
        "class Model:\n    pass\n\n\nimport nowhere",
    ],
)
def test_import_at_the_top_that_fails_is_one_sentence(tmp_path: Path, program: str) -> None:
    done = started(tmp_path, program)
    line = program[: program.index("nowhere")].count("\n") + 1
    assert (done.returncode, len(done.stderr.splitlines())) == (EXIT_CODE, 1), done.stderr
    where = os.path.join("src", "line", "train.py")
    assert done.stderr.startswith(
        f"{where}:{line}: error: {sys.executable} has no module nowhere. "
    )
    assert f"run {where} --debug" in done.stderr


@pytest.mark.parametrize(
    "handled",
    [
        "try:\n    import nowhere\nexcept ImportError:\n    pass",
        "try:\n    import nowhere\nexcept:\n    pass",
        "try:\n    import nowhere\nexcept (KeyError, ModuleNotFoundError):\n    pass",
        "try:\n    if True:\n        import nowhere\nexcept Exception:\n    pass",
        "import contextlib\nwith contextlib.suppress(ImportError):\n    import nowhere",
        "import importlib.util\nassert importlib.util.find_spec('nowhere') is None",
        "def f():\n    import nowhere\ntry:\n    f()\nexcept ImportError:\n    pass",
        "import sys, os\nassert not [path for path in sys.path if 'extensions' in path]",
        "import os\nassert 'PYTHONPATH' not in os.environ",
    ],
)
def test_import_that_is_handled_stays_the_programs(tmp_path: Path, handled: str) -> None:
    done = started(tmp_path, f"{handled}\nprint('on')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "on\n", "")


@pytest.mark.parametrize(
    ("program", "variables"),
    [
        ("def main():\n    import nowhere\n\n\nmain()", {}),
        ("import nowhere", {"INNERLOOP_EXPERIMENT": "line"}),
        ("import os.nowhere", {}),
    ],
)
def test_import_that_fails_elsewhere_is_pythons_own_error(
    tmp_path: Path, program: str, variables: dict[str, str]
) -> None:
    """What has run may have something to lose, and the container has what it has."""
    done = started(tmp_path, program, **variables)
    assert done.returncode == 1 and "ModuleNotFoundError" in done.stderr


def test_start_module_imports_the_one_that_it_hides(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("print('theirs')\n", encoding="utf-8")
    program = (
        "import os, sys\nprint(os.environ['PYTHONPATH'], sys.modules['sitecustomize'].__file__)"
    )
    done = started(tmp_path, program, PYTHONPATH=str(theirs))
    assert done.stdout.split() == ["theirs", str(theirs), str(theirs / "sitecustomize.py")]
