"""Deploy folders with one problem each, or none (tests/broken/deploys)."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.lint.deploy_rules import check_folder
from innerloop.model.lint.finding import Finding
from innerloop.workspace.loader import WorkspaceFiles
from tests.model import broken_cases
from tests.support import ROOT


def findings(root: Path, home: str = "") -> list[Finding]:
    names = sorted(path.name for path in (root / home / "deploy").iterdir() if path.is_file())
    at = f"{home}/" if home else ""
    return check_folder(f"{at}deploy", names, f"{at}environment", WorkspaceFiles(root))


def findings_of(name: str, root: Path) -> list[Finding]:
    base = "_server" if name.startswith("server") else "_torchserve"
    broken_cases.write(broken_cases.cases("deploys")[name], base, root)
    return findings(root)


@pytest.mark.parametrize("case", broken_cases.names("deploys"))
def test_deploy_folder_has_the_expected_findings(case: str, tmp_path: Path) -> None:
    found = findings_of(case, tmp_path)
    assert broken_cases.summary(found) == broken_cases.cases("deploys")[case].expected
    assert bool(found) == (not case.endswith("-right"))


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
        assert one.message and one.position.file.startswith("deploy/"), one
        assert broken_cases.is_whole(one.position), one
