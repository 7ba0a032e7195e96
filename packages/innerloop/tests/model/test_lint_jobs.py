"""Job files with one problem each, or none (tests/broken/jobs)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.overrides import override
from innerloop.model.lint.finding import Finding, Severity
from innerloop.model.lint.job_file import check, check_text
from tests.model import broken_cases

JOB = "job/azure-ml-job.yaml"


class Disk:
    """The view that the checks have, of a folder on disk."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self, path: str) -> bool:
        try:
            return (self.root / path).exists()
        except OSError:
            return False

    def is_dir(self, path: str) -> bool:
        return (self.root / path).is_dir()

    def read(self, path: str) -> str | None:
        file = self.root / path
        return file.read_text(encoding="utf-8") if file.is_file() else None

    def links(self, folder: str) -> Sequence[tuple[str, str]]:
        found = []
        for parent, folders, names in os.walk(self.root / folder):
            for name in sorted([*folders, *names]):
                path = Path(parent, name)
                if path.is_symlink():
                    position = os.path.relpath(path, self.root).replace(os.sep, "/")
                    found.append((position, os.readlink(path)))
        return found


def write_case(name: str, root: Path) -> str:
    """Writes a case into the folder `job` of a workspace; returns its job file's text."""
    broken_cases.write(broken_cases.cases("jobs")[name], "_base", root / "job")
    return (root / JOB).read_text(encoding="utf-8")


def findings_of(name: str, root: Path) -> list[Finding]:
    return check_text(write_case(name, root), JOB, Disk(root))


@pytest.mark.parametrize("case", broken_cases.names("jobs"))
def test_job_file_has_the_expected_findings(case: str, tmp_path: Path) -> None:
    findings = findings_of(case, tmp_path)
    assert broken_cases.summary(findings) == broken_cases.cases("jobs")[case].expected
    assert len(findings) == (0 if case.startswith("right-") else 1)


def test_a_set_value_is_checked_too(tmp_path: Path) -> None:
    text = write_case("right-command", tmp_path)
    job = override(parse_job(text, JOB), ["compute=gpu cluster", "code=./gone"])
    assert [one.code for one in check(job, Disk(tmp_path))] == ["code-missing", "name-refused"]


def test_a_step_of_the_private_preview(tmp_path: Path) -> None:
    """A hint alone: who has the preview can send it."""
    text = (
        "type: pipeline\ncompute: azureml:c\njobs:\n"
        "  one: {command: ls, environment: {image: busybox}}\n"
        "  again: {type: do_while, body: '${{parent.jobs.one}}'}\n"
    )
    found = check_text(text, JOB, Disk(tmp_path))
    assert [(one.code, one.severity) for one in found] == [
        ("no-local-equivalent", Severity.INFO),
        ("preview-feature", Severity.INFO),
    ]
    assert "AZURE_ML_CLI_PRIVATE_FEATURES_ENABLED" in found[1].hint


def test_all_findings_at_once(tmp_path: Path) -> None:
    write_case("right-command", tmp_path)
    text = (
        "name: my job\ncommand: python gone.py ${{inputs.x}}\ncode: .\ncode: .\n"
        "environment: azureml:e\ninputs: {y: 1}\nresources: {shm_size: big}\ncompute: <mine>\n"
    )
    found = check_text(text, JOB, Disk(tmp_path))
    assert [one.code for one in found] == [
        "name-refused",
        "script-missing",
        "reference-undeclared",
        "key-duplicate",
        "version-missing",
        "input-unused",
        "shm-size-invalid",
        "placeholder-left",
    ]
    assert [one.position.line for one in found] == [1, 2, 2, 4, 5, 6, 7, 8]


KEYS = st.sampled_from(
    [
        *(
            "command",
            "code",
            "inputs",
            "outputs",
            "environment",
            "compute",
            "type",
            "jobs",
            "trial",
        ),
        *("resources", "limits", "distribution", "search_space", "component", "path", "value"),
        *("image", "build", "conda_file", "services", "tags", "environment_variables", "x", "mode"),
        *("sampling_algorithm", "objective", "settings", "default", "instance_count", "name"),
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 9),
    st.floats(allow_nan=True),
    st.text(max_size=8),
    st.sampled_from(
        [
            *("python a.py ${{inputs.x}} $[[${{inputs.y}}]]", "sweep", "pipeline", "command", "."),
            *("${{parent.inputs.x}}", "${{parent.jobs.x.outputs.x}}", "azureml:a:1", "./x.yaml"),
            *("choice", "uniform", "uri_file", "integer", "<name>", "${{parent.outputs.x}}"),
        ]
    ),
)
DOCUMENTS = st.dictionaries(
    KEYS,
    st.recursive(
        LEAVES,
        lambda below: st.one_of(
            st.lists(below, max_size=3), st.dictionaries(KEYS, below, max_size=5)
        ),
        max_leaves=20,
    ),
    max_size=8,
)


@given(DOCUMENTS)
def test_no_file_however_odd_ends_in_a_traceback(document: dict[str, object]) -> None:
    class Nothing:
        def exists(self, path: str) -> bool:
            return path.endswith("x")

        def is_dir(self, path: str) -> bool:
            return False

        def read(self, path: str) -> str | None:
            return yaml.safe_dump({**document, "type": "command"}) if "x" in path else None

        def links(self, folder: str) -> Sequence[tuple[str, str]]:
            return []

    text = yaml.safe_dump(document)
    for one in check_text(text, "job.yaml", Nothing()):
        assert one.message and broken_cases.is_whole(one.position), one
        assert one.position.file in ("job.yaml", "x.yaml"), one
