"""The JSON schema that editors read job files with.

To update the file: `INNERLOOP_SCHEMA=write scripts/test packages/innerloop/tests/sync/render/test_job_schema.py`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
import yaml

from innerloop.model.jobs.job_schema import schema, schema_text
from innerloop.model.lint.job_file import check_text
from innerloop.sync.render.settings_json import JOB_SCHEMA
from tests.model import broken_cases
from tests.model.test_lint_jobs import Disk
from tests.support import ROOT, repository_files

FILE = ROOT / JOB_SCHEMA
VALIDATOR = jsonschema.Draft7Validator(schema())


def problems(text: str) -> list[str]:
    value: Any = yaml.safe_load(text)
    return [error.message for error in VALIDATOR.iter_errors(value)]


def job_files() -> Iterator[tuple[str, str]]:
    """Job files of the repository, and those of the tests that have nothing wrong in their keys."""
    for path in repository_files():
        if path.endswith(("azure-ml-job.yaml", "azure-ml-job.yml")):
            yield path, (ROOT / path).read_text(encoding="utf-8")
    for name, case in broken_cases.cases("jobs").items():
        if name.startswith("right-"):
            for path, text in case.files.items():
                if path == "azure-ml-job.yaml":
                    yield f"{name}/{path}", text


def test_file_of_the_extension_is_the_schema() -> None:
    text = schema_text()
    assert json.loads(text) == schema()
    if os.environ.get("INNERLOOP_SCHEMA") == "write":
        FILE.write_text(text, encoding="utf-8")
    assert FILE.read_text(encoding="utf-8") == text
    jsonschema.Draft7Validator.check_schema(schema())


def test_job_files_without_problems_pass() -> None:
    files = dict(job_files())
    assert len(files) >= 15
    assert {name: problems(text) for name, text in files.items() if problems(text)} == {}


@pytest.mark.parametrize(
    "text",
    [
        "comand: ls\n",
        "command: ls\nresources: {shm_sise: 2g}\n",
        "command: ls\nenvironment: {build: {pth: .}}\n",
        "command: ls\nenvironment: {imag: x}\n",
        "command: ls\ninputs: {x: {typ: uri_file}}\n",
        "command: ls\ninputs: {x: {type: uri_fil}}\n",
        "command: ls\noutputs: {x: {mod: upload}}\n",
        "type: sweep\ntrial: {comand: ls}\n",
        "trial: {command: ls}\nsearchspace: {}\n",
        "type: sweep\ntrial: {command: ls}\nobjective: {goal: minimise}\n",
        "$schema: https://x/latest/sweepJob.schema.json\njobs: {}\n",
        "type: pipeline\njobs: {a: {comand: ls}}\n",
        "jobs: {}\nsetings: {}\n",
        "type: pipeline\ncommand: ls\njobs: {}\n",
    ],
)
def test_misspelt_keys_fail(text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize(
    "text",
    [
        "type: pipeline\njobs: {a: {component: ./a.yml, anything: 1}}\n",
        "version: 1\ncommand: ls\nanything: 1\n",
        "$schema: https://x/latest/commandComponent.schema.json\ninputs: {x: {type: integer, min: 1}}\n",
        "command: ls\ntags: {a: b}\nenvironment_variables: {A: b}\n",
        "command: ls\nenvironment: azureml:a:1\n",
        "command: ls\nidentity: {type: UserIdentity}\n",
        "command: ls\nlimits: {timeout: '${{parent.inputs.x}}'}\ninputs:\n",
    ],
)
def test_what_azure_ml_accepts_passes(text: str) -> None:
    assert problems(text) == []


def test_schema_refuses_no_key_that_check_accepts() -> None:
    """Of every broken job: an unknown key for the schema is one for `check` as well."""
    for name, case in broken_cases.cases("jobs").items():
        text = case.files.get("azure-ml-job.yaml")
        codes = {one.code for one in check_text(text or "", "job/azure-ml-job.yaml", Disk(ROOT))}
        if text is None or codes & {"not-yaml", "not-a-job-file", "key-duplicate", "not-a-mapping"}:
            continue
        if any("Additional properties" in problem for problem in problems(text)):
            assert codes & {"key-unknown", "command-missing", "no-local-equivalent"}, (
                name,
                problems(text),
            )
