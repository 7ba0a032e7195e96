"""Files for the host of the repository (Renovate, issue forms) follow their schemas, and name files that exist."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support import CI_TOOLS, ROOT

FORMS = ROOT / ".github/ISSUE_TEMPLATE"


@pytest.mark.workflows
@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("vendor.renovate", ROOT / "renovate.json"),
        ("vendor.github-issue-config", FORMS / "config.yml"),
        ("vendor.github-issue-forms", FORMS / "bug.yml"),
        ("vendor.github-issue-forms", FORMS / "feature.yml"),
    ],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_hosting_file_follows_its_schema(schema: str, path: Path) -> None:
    program = CI_TOOLS / "workflows/venv/bin/check-jsonschema"
    done = subprocess.run(
        [program, "--builtin-schema", schema, path], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_renovate_patterns_match_every_compiled_lock() -> None:
    settings = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))
    patterns = [
        re.compile(pattern.strip("/")) for pattern in settings["pip-compile"]["managerFilePatterns"]
    ]
    locks = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "src").rglob("requirements*.txt")
        if path.with_suffix(".in").is_file()
    ]
    assert (
        locks
        and [name for name in locks if not any(pattern.search(name) for pattern in patterns)] == []
    )


def test_renovate_pin_rule_names_the_pin() -> None:
    settings = json.loads((ROOT / "renovate.json").read_text(encoding="utf-8"))
    names = [
        name
        for rule in settings["packageRules"]
        if rule.get("groupName") == "innerloop"
        for name in rule["matchFileNames"]
    ]
    assert names == ["scripts/loop-requirements.txt"]
    assert (ROOT / names[0]).is_file()
