"""The workers import their modules by name: what they name exists, also where there is no SDK."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

from innerloop.remote.argo.worker import main as argo
from innerloop.remote.azureml.worker import main as azureml


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("worker", [azureml, argo], ids=["azureml", "argo"])
def test_every_verb_is_a_function_of_its_module(worker: ModuleType) -> None:
    folder = Path(str(worker.__file__)).parent
    missing = [
        verb
        for verb, module in worker.VERBS.items()
        if verb not in functions(folder / f"{module}.py")
    ]
    assert worker.VERBS and missing == []


@pytest.mark.parametrize(
    ("worker", "module"), [(azureml, "client_setup"), (argo, "api_client")], ids=["azureml", "argo"]
)
def test_functions_of_the_client_module_exist(worker: ModuleType, module: str) -> None:
    path = Path(str(worker.__file__))
    names = set(re.findall(r"\bclient\.(\w+)\(", path.read_text(encoding="utf-8")))
    assert names and names <= functions(path.with_name(f"{module}.py"))


def test_every_verb_that_is_asked_for_exists() -> None:
    package = Path(str(azureml.__file__)).parents[3]
    asked = set()
    for path in [*(package / "remote").rglob("*.py"), *(package / "commands").rglob("*.py")]:
        text = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r"\.ask(?:_with_progress)?\(\s*\"(\w+)\"", text))
    assert asked and asked <= set(azureml.VERBS) | set(argo.VERBS)
