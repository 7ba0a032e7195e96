"""Findings about what fails only after an upload, where a file has several."""

from __future__ import annotations

from pathlib import Path

import pytest

from innerloop.model.lint.finding import Finding, blocks_submission
from innerloop.model.lint.job_file import check_text
from innerloop.runner import preflight
from innerloop.workspace.loader import WorkspaceFiles

NAME = "src/one/job.yaml"
HEAD = "code: .\nenvironment:\n  build:\n    path: ./environment\ncompute: azureml:cpu\n"


def write(root: Path, text: str, **files: str) -> list[Finding]:
    (root / "src/one/environment").mkdir(parents=True)
    (root / "src/one/environment/Dockerfile").write_text("FROM python:3.11\n")
    (root / "src/one/train.py").write_text("print(1)\n")
    for path, content in files.items():
        (root / "src/one" / path).write_text(content)
    (root / NAME).write_text(text)
    return check_text(text, NAME, WorkspaceFiles(root))


def places(findings: list[Finding]) -> list[str]:
    return [f"{one.severity.value} {one.code} {one.position}" for one in findings]


def test_data_of_registered_steps_and_of_other_kinds_are_checked(tmp_path: Path) -> None:
    text = """type: pipeline
compute: azureml:cpu
jobs:
  prepare:
    component: azureml:prepare:1
    inputs:
      images: {type: uri_folder, path: ./images}
      rate: 1
      given: {type: uri_folder, path: "azureml:mnist:1"}
  many:
    type: parallel
    inputs:
      rows: {type: mltable, path: ./rows}
"""
    assert places(write(tmp_path, text)) == [
        f"info component-registered {NAME}:4:3",
        f"error data-missing {NAME}:7:34",
        f"info no-local-equivalent {NAME}:10:3",
        f"error data-missing {NAME}:13:29",
    ]


def test_each_reference_that_nobody_fills_in_is_a_finding(tmp_path: Path) -> None:
    text = f"""command: python train.py --x {{inputs.epochs}}
environment_variables:
  KEY: "${{{{secrets.KEY}}}}"
  WHERE: in ${{{{env.REGION}}}} and ${{{{ env.ZONE }}}}
  X: ${{{{inputs.nope}}}}
  Y: ${{{{inputs.epochs}}}}
inputs:
  epochs: 3
{HEAD}"""
    assert places(write(tmp_path, text)) == [
        f"info legacy-form {NAME}:1:30",
        f"warning reference-unknown {NAME}:3:9",
        f"warning reference-unknown {NAME}:4:13",
        f"warning reference-unknown {NAME}:4:33",
        f"warning reference-undeclared {NAME}:5:6",
    ]


def test_a_large_build_context_is_a_warning_with_its_size_and_is_sent(tmp_path: Path) -> None:
    (tmp_path / "src/one").mkdir(parents=True)
    with open(tmp_path / "src/one/data.bin", "wb") as file:
        file.truncate(500_000_000)
    text = f"command: python train.py\n{HEAD}".replace("path: ./environment", "path: .")
    text = text.replace(
        "    path: .\n", "    path: .\n    dockerfile_path: environment/Dockerfile\n"
    )
    findings = write(tmp_path, text)
    assert places(findings) == [f"warning build-context-large {NAME}:5:5"]
    assert "500 MB in 4 files" in findings[0].message
    assert not blocks_submission(findings)
    (tmp_path / "src/one/.amlignore").write_text("*.bin\n")
    assert check_text(text, NAME, WorkspaceFiles(tmp_path)) == []


def test_an_environment_in_a_start_file_is_a_warning_and_is_sent(tmp_path: Path) -> None:
    text = f"command: python train.py\n{HEAD}"
    write(tmp_path, text)
    dockerfile = tmp_path / "src/one/environment/Dockerfile"
    dockerfile.write_text("FROM python:3.11\nRUN echo '. /opt/env/bin/activate' >> ~/.bashrc\n")
    findings = check_text(text, NAME, WorkspaceFiles(tmp_path))
    assert [finding.code for finding in findings] == ["environment-in-start-file"]
    assert not blocks_submission(findings)


@pytest.mark.parametrize("name", [".amlignore", ".gitignore"])
def test_an_ignored_script_ends_a_submission_and_no_run_here(tmp_path: Path, name: str) -> None:
    findings = write(tmp_path, f"command: python train.py\n{HEAD}", **{name: "\ufeff*.py\n"})
    assert places(findings) == [f"error file-ignored src/one/{name}:1:1"]
    assert blocks_submission(findings)
    assert preflight.errors(findings) == []
