"""The paths of an experiment's parts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from innerloop.model.dockerfiles import dockerfile, generated
from innerloop.model.experiment_paths import default_paths, generated_dockerfile
from innerloop.model.traceback_parser import PathMapping


@pytest.mark.parametrize(
    ("folder", "job", "context", "up"),
    [
        ("", "src/a/b/azure-ml-job.yaml", "src/a/b/environment", "../../.."),
        ("ml", "ml/azure-ml-job.yaml", "ml/environment", ".."),
        (".", "azure-ml-job.yaml", "environment", "."),
    ],
)
def test_default_paths_are_in_one_folder(folder: str, job: str, context: str, up: str) -> None:
    paths = default_paths("a/b", folder)
    assert (paths.job, paths.context, paths.up) == (job, context, up)
    assert paths.job_file == "azure-ml-job.yaml"
    assert paths.dockerfile == paths.environment == f"{context}/Dockerfile"
    assert not paths.is_generated and not paths.is_shared


def test_job_file_is_relative_to_the_code() -> None:
    paths = replace(default_paths("a", "packages/a"), job="jobs/a.yml")
    assert paths.job_file == "../../jobs/a.yml"
    assert replace(
        paths, context=".", dockerfile=generated_dockerfile("s/a")
    ).dockerfile_in_context == (".devcontainer/s.a/Dockerfile")


def test_generated_dockerfile_keeps_the_places_of_its_files() -> None:
    text = generated.of_requirements(
        "a", "env/all.txt", "python:3.11", ["env/all.txt", "with 'it.txt"]
    )
    parsed = dockerfile.parse(text, "Dockerfile")
    copies = [one.exec_form for one in parsed.last.instructions if one.keyword == "COPY"]
    assert copies == [
        ("env/all.txt", "/opt/innerloop/files/env/all.txt"),
        ("with 'it.txt", "/opt/innerloop/files/with 'it.txt"),
    ]
    assert parsed.last.base == "python:3.11"


@pytest.mark.parametrize(
    ("requirements", "installs"), [((), False), (("numpy>=1; x", "it's"), True)]
)
def test_generated_dockerfile_of_conda_has_a_way_without_conda(
    requirements: tuple[str, ...], installs: bool
) -> None:
    text = generated.of_conda("a", "env.yml", "base:1", ["env.yml"], requirements, requirements)
    (run,) = (
        one
        for one in dockerfile.parse(text, "Dockerfile").last.instructions
        if one.keyword == "RUN"
    )
    assert ("-m pip install" in run.rest) is installs
    assert ("--constraint" in run.rest) is installs
    assert "env create" in run.rest


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/w/ml/train.py", "ml/train.py"),
        ("/w/tests/unit/test_a.py", "tests/unit/test_a.py"),
        ("/w/src/a/train.py", "src/a/train.py"),
        ("/w/other/x.py", None),
        ("/w/.venv/lib/x.py", None),
        ("/w/ml/site-packages/x.py", None),
        ("/usr/lib/python3/x.py", None),
        ("train.py", "ml/train.py"),
        ("../../etc/x.py", None),
    ],
)
def test_traceback_is_of_the_declared_code_and_its_tests(path: str, found: str | None) -> None:
    mapping = PathMapping(cwd="/w/ml", folder="ml", roots=["/w"], others=["ml", "tests/unit"])
    assert mapping.to_workspace(path) == found
