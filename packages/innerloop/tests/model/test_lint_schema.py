"""Names and values, compared with the service's own published definitions of a job."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.jobs.job import Input, Job, parse_job
from innerloop.model.lint.job_file import check
from tests.model.test_lint_jobs import Disk
from tests.support import ROOT

SCHEMAS = Path(os.environ.get("INNERLOOP_SCHEMAS", ROOT.parent / "shared" / "schemas"))
FILE = SCHEMAS / "azureml" / "arm-2025-01-01-preview-Microsoft.MachineLearningServices.json"
pytestmark = pytest.mark.skipif(not FILE.is_file(), reason=f"no {FILE} (INNERLOOP_SCHEMAS)")
TEXTS = st.text(st.sampled_from("aZ0-_ ./égGmkb"), max_size=8)


@cache
def arm() -> Any:
    return json.loads(FILE.read_text(encoding="utf-8"))


def accepts(rule: dict[str, Any], text: str) -> bool:
    one = rule["oneOf"][0] if "oneOf" in rule else rule
    long_enough = len(text) >= one.get("minLength", 0)
    return long_enough and re.search(one["pattern"], text, re.ASCII) is not None


def found(job: Job, code: str) -> bool:
    return any(one.code == code for one in check(job, Disk(ROOT)))


def job_with(**keys: Any) -> Job:
    return parse_job(
        json.dumps({"command": "true", "environment": "azureml:e:1", **keys}), "job.yaml"
    )


@given(TEXTS)
def test_job_names(name: str) -> None:
    rule = arm()["resourceDefinitions"]["workspaces_jobs"]["properties"]["name"]
    assert found(job_with(name=name), "name-refused") == (not accepts(rule, name))


@given(TEXTS)
def test_literals(text: str) -> None:
    rule = arm()["definitions"]["LiteralJobInput"]["properties"]["value"]
    job = replace(job_with(), inputs={"x": Input("x", "literal", text)})
    assert found(job, "literal-empty") == (not accepts(rule, text))


@given(st.from_regex(r"[0-9]{0,3}[a-zA-Z ]{0,2}", fullmatch=True))
def test_sizes_of_shared_memory(size: str) -> None:
    rule = arm()["definitions"]["JobResourceConfiguration"]["properties"]["shmSize"]
    job = replace(job_with(), shm_size=size)
    whole = re.fullmatch(rule["oneOf"][0]["pattern"], size, re.ASCII) is not None
    zero = re.match("0+[a-zA-Z]", size) is not None  # matches, and is refused when it runs
    assert found(job, "shm-size-invalid") == (not whole or zero)
