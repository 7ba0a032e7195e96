"""The range of every finding, and the changes that an editor offers for it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from innerloop.model.lint.finding import Finding, Fix
from innerloop.model.lint.job_file import check_text
from innerloop.util.position import Position
from tests.model import broken_cases, test_lint_deploy, test_lint_jobs
from tests.model.test_lint_jobs import JOB, Disk

BASE = "code: .\nenvironment: {build: {path: ./environment}}\n"


def token(text: str, position: Position) -> str:
    """What an editor underlines."""
    line = text.splitlines()[position.line - 1]
    return line[position.column - 1 : position.end_column - 1]


def with_fix(text: str, fix: Fix) -> str:
    """The text after a fix."""
    at = fix.position
    lines = text.splitlines(keepends=True)
    line = lines[at.line - 1]
    lines[at.line - 1] = line[: at.column - 1] + fix.text + line[at.end_column - 1 :]
    return "".join(lines)


def findings_in(text: str, root: Path) -> list[Finding]:
    """The findings of a job beside which train.py and a Dockerfile lie."""
    broken_cases.write(broken_cases.cases("jobs")["_base"], "_base", root / "job")
    return check_text(text, JOB, Disk(root))


def test_findings_of_yaml_files_underline_whole_tokens(tmp_path: Path) -> None:
    """No finding ends within a word, or has no width, in a file that is not empty."""
    seen = 0
    for kind, module in (("jobs", test_lint_jobs), ("deploys", test_lint_deploy)):
        for name in broken_cases.names(kind):
            root = tmp_path / kind / name
            for finding in module.findings_of(name, root):
                file = root / finding.position.file
                if file.suffix not in (".yaml", ".yml") or not file.is_file():
                    continue
                text = file.read_text(encoding="utf-8")
                position = finding.position.in_text(text)
                if position.line > len(text.splitlines()):
                    continue
                line = text.splitlines()[position.line - 1]
                shown = token(text, position)
                if not line.strip() or finding.code == "not-yaml":
                    continue
                seen += 1
                assert shown.strip() == shown != "", (name, finding)
                around = line[max(position.column - 2, 0) : position.end_column]
                assert not re.search(r"\w$", shown) or not re.match(
                    r"\w", line[position.end_column - 1 :]
                ), (name, finding, around)
    assert seen > 150


def test_each_fix_of_a_broken_job_mends_its_finding(tmp_path: Path) -> None:
    fixed: dict[str, int] = {}
    for name in broken_cases.names("jobs"):
        root = tmp_path / name
        text = test_lint_jobs.write_case(name, root)
        for finding in check_text(text, JOB, Disk(root)):
            if finding.position.file != JOB:
                continue
            for fix in finding.fixes:
                changed = with_fix(text, fix)
                left = [(one.code, one.message) for one in check_text(changed, JOB, Disk(root))]
                assert (finding.code, finding.message) not in left, (name, fix, changed)
                assert "not-yaml" not in {code for code, _ in left}, (name, fix, changed)
                fixed[finding.code] = fixed.get(finding.code, 0) + 1
    assert set(fixed) >= {
        "input-undeclared",
        "key-unknown",
        "legacy-form",
        "name-refused",
        "not-a-choice",
        "not-a-string",
        "reference-misspelt",
        "reference-undeclared",
        "reference-unknown",
        "reference-with-blanks",
        "search-space-invalid",
        "step-type-unknown",
        "version-missing",
    }


@pytest.mark.parametrize(
    ("inputs", "changed"),
    [
        ("", "inputs:\n  rate:\ncommand: "),
        ("inputs:\n  epochs: 3\n", "inputs:\n  rate:\n  epochs: 3\n"),
        ("inputs:\n    epochs: 3\n", "inputs:\n    rate:\n    epochs: 3\n"),
        ("inputs: {epochs: 3}\n", "inputs: {rate: , epochs: 3}\n"),
        ("inputs: {}\n", "inputs: {rate: }\n"),
        ("inputs:\n", "inputs:\n  rate:\ncommand: "),
    ],
)
def test_an_undeclared_input_can_be_added(inputs: str, changed: str, tmp_path: Path) -> None:
    text = inputs + "command: python train.py --rate ${{inputs.rate}}\n" + BASE
    finding = next(one for one in findings_in(text, tmp_path) if one.code == "reference-undeclared")
    assert token(text, finding.position) == "${{inputs.rate}}"
    (fix,) = [one for one in finding.fixes if one.title.startswith("Add")]
    assert with_fix(text, fix).startswith(changed)
    left = findings_in(with_fix(text, fix), tmp_path)
    assert {one.code for one in left} & {"input-without-value", "reference-undeclared"} == {
        "input-without-value"
    }


def test_the_input_of_a_step_is_added_to_the_step(tmp_path: Path) -> None:
    text = (
        "type: pipeline\ncompute: azureml:c\njobs:\n  train:\n    type: command\n"
        "    command: python train.py ${{inputs.rate}}\n    code: .\n"
        "    environment: {image: busybox}\n"
    )
    finding = next(one for one in findings_in(text, tmp_path) if one.code == "reference-undeclared")
    (fix,) = finding.fixes
    assert "    type: command\n    inputs:\n      rate:\n    command:" in with_fix(text, fix)


def test_a_misspelt_input_is_replaced_within_its_reference(tmp_path: Path) -> None:
    text = "command: python train.py ${{ inputs.epoch }}\ninputs: {epochs: 3}\n" + BASE
    finding = next(one for one in findings_in(text, tmp_path) if one.code == "reference-undeclared")
    assert "${{ inputs.epochs }}" in with_fix(text, finding.fixes[0])
