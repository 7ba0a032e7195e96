"""`loop format` formats the person's code and nothing else, once for each file.

It uses the versions that the editor and CI have.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from innerloop.model.team_formatter import FormatterKind, TeamFormatter
from innerloop.scaffold import format as formatting
from innerloop.scaffold.format import first_changes
from innerloop.util import process
from innerloop.util.errors import UserError
from tests.support import ROOT, Workspace

UGLY = "import sys\nimport json\n\nx = {  'a':1 }\n"
# With it black has other words for what it cannot read.
TARGET = '[tool.black]\ntarget-version = ["py311"]\n'
FINE = 'import json\nimport sys\n\nx = {"a": 1}\n'


@pytest.fixture
def ugly(workspace: Workspace) -> Workspace:
    workspace.write("src/common/rates.py", UGLY)
    for name in ("tiny", "other"):
        workspace.add(name, UGLY)
        assert workspace.loop("share", name, "rates.py").code == 0
    workspace.write("src/tiny/outputs/generated.txt", "x  =  1")
    workspace.write("benchmarks/mine.py", UGLY)
    return workspace


def test_check_names_each_position_once_and_changes_nothing(ugly: Workspace) -> None:
    answer = ugly.loop("format", "--check")
    assert answer.code == 1 and answer.message.replace("innerloop: ", "").count("format") <= 2
    assert sorted(answer.out.splitlines()) == [
        f"src/{name}:{line}:1: warning: {text} [format]"
        for name in ("common/rates.py", "other/train.py", "tiny/train.py")
        for line, text in (
            (1, "isort would change the imports"),
            (4, "black would change the layout"),
        )
    ]
    assert ugly.read("src/tiny/train.py") == UGLY


def test_a_diff_is_one_for_each_file_and_can_be_applied(ugly: Workspace) -> None:
    ugly.write("src/tiny/no_end.py", "x = {  1:2}")
    diff = ugly.loop("format", "tiny", "--diff")
    assert diff.code == 1 and "warning" not in diff.out
    assert re.findall(r"(?m)^\+\+\+ (.*)$", diff.out) == [
        f"b/src/{name}" for name in ("common/rates.py", "tiny/no_end.py", "tiny/train.py")
    ]
    subprocess.run(["git", "apply", "-"], input=diff.out, text=True, cwd=ugly.root, check=True)
    assert ugly.read("src/tiny/train.py") == ugly.read("src/common/rates.py") == FINE
    assert ugly.read("src/tiny/no_end.py") == "x = {1: 2}\n"
    assert ugly.loop("format", "tiny", "--diff").out == ""


def test_one_experiment_and_the_common_code_it_uses(ugly: Workspace) -> None:
    ugly.write("src/common/unused.py", UGLY)
    answer = ugly.loop("format", "tiny")
    assert answer.code == 0
    assert answer.out.splitlines() == [
        "formatted src/common/rates.py",
        "formatted src/tiny/train.py",
    ]
    assert ugly.read("src/tiny/train.py") == ugly.read("src/common/rates.py") == FINE
    for path in ("src/other/train.py", "src/common/unused.py", "benchmarks/mine.py"):
        assert ugly.read(path) == UGLY
    assert (ugly.root / "src/tiny/common/rates.py").is_symlink()
    again = ugly.loop("format", "tiny")
    assert (again.code, again.out) == (0, "all files are formatted\n")
    assert ugly.loop("format", "tiny", "--check").code == 0


def test_all_of_the_teams_code_and_nothing_else(ugly: Workspace) -> None:
    assert ugly.loop("format").code == 0
    assert ugly.read("src/other/train.py") == FINE
    assert ugly.read("benchmarks/mine.py") == UGLY
    assert ugly.loop("format", "--check").code == 0


def test_invalid_python_is_named_with_its_position(ugly: Workspace) -> None:
    ugly.write("src/tiny/broken.py", "x = 1\ndef f(:\n    pass\n")
    for target, words in (("", ["format", "tiny"]), (TARGET, ["format", "tiny", "--check"])):
        ugly.write("pyproject.toml", target)
        answer = ugly.loop(*words)
        assert answer.code == 1
        assert re.search(
            r"^src/tiny/broken.py:2:\d+: error: not valid Python", answer.out, re.MULTILINE
        )
    assert ugly.read("src/tiny/train.py") == FINE


def test_the_first_change_in_each_file_of_a_diff() -> None:
    diff = (
        "--- a.py\t2026-01-01\n+++ a.py\t2026-01-02\n@@ -3,7 +3,7 @@\n one\n two\n-three\n+3\n"
        "@@ -30,2 +30,2 @@\n-x\n+y\n"
        "--- /w s/b.py:before\t2026\n+++ /w s/b.py:after\t2026\n@@ -1,2 +1,2 @@\n+new\n old\n"
    )
    assert list(first_changes(diff)) == [("a.py", 5), ("/w s/b.py", 1)]


def versions(path: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^(black|isort)==(\S+)", (ROOT / path).read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "path",
    [
        "packages/innerloop/requirements-test.txt",
        "packages/innerloop/src/innerloop/templates/experiment/environment/requirements-dev.txt",
        *(
            p.relative_to(ROOT).as_posix()
            for p in ROOT.glob("src/*/environment/requirements-dev.txt")
        ),
    ],
)
def test_the_editor_the_task_and_ci_have_the_same_versions(path: str) -> None:
    wanted = versions("packages/innerloop/src/innerloop/locks/format.txt")
    assert set(wanted) == {"black", "isort"} and versions(path) == wanted


# --- The team's own formatter -------------------------------------------------------------------
QUOTES = "[format]\nquote-style = 'single'\n"


@pytest.fixture
def ruff(workspace: Workspace) -> Workspace:
    """A workspace whose team formats with Ruff, which is on PATH, in a way of its own."""
    workspace.env["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    workspace.write("ruff.toml", QUOTES)
    workspace.add("tiny", UGLY)
    workspace.write("benchmarks/mine.py", UGLY)
    return workspace


def test_ruff_formats_where_the_team_names_it(ruff: Workspace) -> None:
    findings = ruff.loop("format", "--check")
    assert findings.code == 1
    assert findings.out == "src/tiny/train.py:4:1: warning: Ruff would change the layout [format]\n"
    diff = ruff.loop("format", "--diff").out
    assert ruff.read("src/tiny/train.py") == UGLY
    answer = ruff.loop("format")
    assert (answer.code, answer.out) == (0, "formatted src/tiny/train.py\n")
    formatted = ruff.read("src/tiny/train.py")
    assert formatted == "import sys\nimport json\n\nx = {'a': 1}\n"
    assert "+x = {'a': 1}\n" in diff and not (ruff.root / ".ruff_cache").exists()
    assert ruff.loop("format", "--check").code == 0
    assert ruff.read("benchmarks/mine.py") == UGLY


def test_file_that_ruff_cannot_read_is_an_error_with_its_line(ruff: Workspace) -> None:
    ruff.write("src/tiny/broken.py", "x = 1\ny = (\n")
    for words in (("--check",), ()):
        answer = ruff.loop("format", *words)
        assert answer.code == 1
        assert re.search(r"(?m)^src/tiny/broken\.py:\d+:\d+: error: not valid Python", answer.out)
    assert "'a'" in ruff.read("src/tiny/train.py")  # the others are formatted
    assert ruff.read("src/tiny/broken.py") == "x = 1\ny = (\n"


def test_wrong_setting_of_ruff_is_one_error(ruff: Workspace) -> None:
    ruff.write("ruff.toml", "[format]\nquote-style = 'no'\n")
    answer = ruff.loop("format")
    assert answer.code == 1 and "[formatter-failed]" in answer.message
    assert ruff.read("src/tiny/train.py") == UGLY


@pytest.mark.parametrize(
    ("kind", "code"), [("ruff", "formatter-missing"), ("other", "formatter-unknown")]
)
def test_formatter_that_cannot_run_is_one_error(
    monkeypatch: pytest.MonkeyPatch, kind: FormatterKind, code: str
) -> None:
    monkeypatch.setattr(process, "which", lambda program: None)
    with pytest.raises(UserError) as caught:
        formatting._programs(TeamFormatter(kind, "name", "ruff.toml"), [])
    assert (caught.value.code, caught.value.where) == (code, "ruff.toml")


def test_adopted_repository_is_formatted_where_it_has_a_formatter(workspace: Workspace) -> None:
    workspace.write("innerloop.toml", "[adopted]\n")
    workspace.write("pyproject.toml", "[project]\nname = 'a'\n")
    for path in ("train.py", "mlops/score.py", "data/make.py", ".hidden/x.py"):
        workspace.write(path, UGLY)
    answer = workspace.loop("format")
    assert answer.code == 0 and "no formatter" in answer.out
    assert workspace.loop("format", "--check").code == 0
    workspace.write("pyproject.toml", "[tool.black]\nline-length = 80\n")
    answer = workspace.loop("format")
    assert answer.out == "formatted mlops/score.py\nformatted train.py\n", answer
    assert workspace.read("train.py").startswith("import sys\nimport json\n")  # no isort there
