"""No module but `model/experiment_paths` composes the paths of an experiment's parts.

An experiment may be declared with its parts anywhere, so `src/<name>/environment/Dockerfile` is right
for the usual ones alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import pytest

from tests.support import ROOT

PACKAGE = ROOT / "packages" / "innerloop" / "src" / "innerloop"
PARTS = re.compile(r"/(environment|innerloop\.toml|azure-ml-job\.yaml)(?=[/\s]|$)")
FOLDERS = {"src", "environment"}

# Modules that mean the usual place and no other.
ALLOWED = {
    "model/naming.py": "messages about names under src/, and paths in the text of a renamed folder",
    "scaffold/create.py": "a new experiment is made in src/",
    "scaffold/init.py": "a new workspace's experiments are in src/",
    "scaffold/made_files.py": "what `init` made is in src/",
    "scaffold/template_experiments.py": "what was made from the template is in src/",
    "scaffold/upgrade.py": "settings beside usual experiments are migrated; the root's are as well",
    "scaffold/uv_environment.py": "the template's own packages",
    "scaffold/leave.py": "the tool's own source, and empty folders under src/",
}


def composed(tree: ast.AST) -> Iterator[int]:
    """The lines of expressions that compose such a path."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            texts = [part.value if isinstance(part, ast.Constant) else None for part in node.values]
            is_in_src = isinstance(texts[0], str) and texts[0].startswith("src/") and len(texts) > 1
            after = [text for text in texts[1:] if isinstance(text, str)]
            if is_in_src or any(PARTS.match(text) for text in after):
                yield node.lineno
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            if isinstance(node.right, ast.Constant) and node.right.value in FOLDERS:
                yield node.lineno
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            name = node.func.id if isinstance(node.func, ast.Name) else name
            words = [one.value for one in node.args if isinstance(one, ast.Constant)]
            if name in ("Path", "join", "joinpath") and FOLDERS.intersection(map(str, words)):
                yield node.lineno


def test_no_other_module_composes_paths_of_experiments() -> None:
    faults = []
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name in ALLOWED or name.startswith(
            ("templates/", "scaffold/migrations/", "in_env_scripts/")
        ):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        faults += [f"{name}:{line}" for line in composed(tree)]
    assert not faults, "use Experiment.paths or Workspace.paths_of:\n" + "\n".join(faults)


def test_every_exception_is_needed() -> None:
    unused = [
        name
        for name in ALLOWED
        if not (PACKAGE / name).is_file()
        or not list(composed(ast.parse((PACKAGE / name).read_text("utf-8"))))
    ]
    assert not unused


@pytest.mark.parametrize(
    "text",
    [
        'f"src/{name}"',
        'f"src/{name}/train.py"',
        'f"{folder}/environment"',
        'f"{experiment.folder}/environment/Dockerfile"',
        'f"{folder}/innerloop.toml"',
        'f"{folder}/azure-ml-job.yaml"',
        'root / "src"',
        'root / folder / "environment"',
        'Path(root, "src", name)',
        'root.joinpath("src", name)',
        'os.path.join(root, experiment.folder, "environment")',
    ],
)
def test_guard_sees(text: str) -> None:
    assert list(composed(ast.parse(text)))


@pytest.mark.parametrize(
    "text", ['f"{folder}/deploy"', '"src/"', 'f"{root}/srcs"', 'root / "data"']
)
def test_guard_passes(text: str) -> None:
    assert not list(composed(ast.parse(text)))
