"""Every folder of tests/broken/deploys is a deploy folder that is wrong in exactly one way (or right),
and `expected.txt` says what a person reads: all of it, a line per finding, with its level.

A case is laid over `_torchserve` or, where its name begins so, `_server`; `without.txt` names files
that it lacks. To write an expected.txt anew: INNERLOOP_EXPECT=write.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from innerloop.model.lint.deploy_rules import check_folder
from innerloop.model.lint.finding import Finding
from innerloop.workspace.loader import WorkspaceFiles

from tests.support import ROOT

CASES = Path(__file__).resolve().parents[1] / "broken" / "deploys"
NAMES = sorted(path.name for path in CASES.iterdir() if not path.name.startswith("_"))


def lay(case: str, root: Path) -> None:
    base = "_server" if case.startswith("server") else "_torchserve"
    shutil.copytree(CASES / base, root, dirs_exist_ok=True)
    ignored = shutil.ignore_patterns("expected.txt", "without.txt")
    shutil.copytree(CASES / case, root, dirs_exist_ok=True, ignore=ignored)
    without = CASES / case / "without.txt"
    for line in without.read_text().splitlines() if without.exists() else ():
        (root / line).unlink()


def findings(root: Path, home: str = "") -> list[Finding]:
    names = sorted(path.name for path in (root / home / "deploy").iterdir() if path.is_file())
    at = f"{home}/" if home else ""
    return check_folder(f"{at}deploy", names, f"{at}environment", WorkspaceFiles(root))


@pytest.mark.parametrize("case", NAMES)
def test_a_deploy_folder_and_what_is_said_of_it(case: str, tmp_path: Path) -> None:
    lay(case, tmp_path)
    said = [f"{one.level} {one.code}: {one.message()}" for one in findings(tmp_path)]
    expected = CASES / case / "expected.txt"
    if os.environ.get("INNERLOOP_EXPECT") == "write":
        expected.write_text("".join(line + "\n" for line in said), encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8").splitlines()
    if case.endswith("-right"):
        assert said == []
    else:
        assert said


@pytest.mark.parametrize("name", ["digit_recognition", "digit_recognition_svm"])
def test_those_of_this_workspace_are_right(name: str) -> None:
    assert findings(ROOT, f"src/{name}") == []


KEYS = st.sampled_from(
    [
        *("name", "endpoint_name", "model", "environment", "build", "path", "inference_config"),
        *("scoring_route", "liveness_route", "port", "instance_type", "instance_count", "image"),
        *("request_settings", "request_timeout_ms", "liveness_probe", "period", "version"),
        *("model_mount_path", "environment_variables", "dockerfile_path"),
    ]
)
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 9), st.floats(), st.text(max_size=8),
    st.sampled_from([".", "azureml:a:1", "azureml:a@b", "/ping", "Standard_DS3_v2", "/"]),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda below: st.one_of(st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=5)),
    max_leaves=20,
)


@given(st.dictionaries(KEYS, VALUES, max_size=8), VALUES)
def test_no_file_however_odd_ends_in_a_traceback(document: object, endpoint: object) -> None:
    texts = {
        "deploy/a-deployment.yaml": yaml.safe_dump(document),
        "deploy/endpoint.yaml": yaml.safe_dump(endpoint),
        "deploy/Dockerfile": 'FROM a\nCOPY b.py c/\nENTRYPOINT ["azmlinfsrv"]\n',
    }

    class Few(WorkspaceFiles):
        def exists(self, path: str) -> bool:
            return path in texts

        def is_dir(self, path: str) -> bool:
            return path == "deploy"

        def read(self, path: str) -> str | None:
            return texts.get(path)

    names = ["a-deployment.yaml", "endpoint.yaml"]
    for one in check_folder("deploy", names, "environment", Few(Path("/nowhere"))):
        assert one.what and one.where.startswith("deploy/"), one
