"""Story: somebody adds the tool to a repository as it is, and takes it out again."""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from innerloop.model.settings.adoption import FILE
from innerloop.remote import snapshot
from innerloop.scaffold import tool_edits, upgrade
from innerloop.scaffold.adopt import adoption, findings, scan
from innerloop.sync.render import vscode_tasks
from innerloop.util import jsonc, undo_journal
from tests.scaffold.adopt.repositories import COMMAND, IGNORED, JOBS, SHAPES
from tests.stories import made
from tests.stories.made import git, loop, tree
from tests.support import ROOT, Answer

LAUNCH = '{"version": "0.2.0",\r\n\t"configurations": [\r\n\t\t{"name": "mine"}, // theirs\r\n\t]}'
TASKS = '{\n  // theirs\n  "version": "2.0.0", "tasks": [{"label": "mine", "command": "ls"}]\n}\n'


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _tool: None) -> Path:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "gitconfig").write_text("[user]\n\tname = a\n\temail = a@example.org\n")
    made.wheel(tmp_path)
    return tmp_path


def repository(folder: Path, texts: Mapping[str, str]) -> Path:
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    git(folder.parent, "init", "--quiet", str(folder))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "as it was")
    return folder


def here(folder: Path, *options: str) -> Answer:
    wheel = str(folder.parent / made.WHEEL)
    return loop(folder.parent, "init", "--here", str(folder), "--wheel", wheel, *options)


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """The new files, and the files that are other than before."""
    new = {path for path in after.keys() - before.keys() if not path.endswith("/")}
    return new, {path for path, text in before.items() if after.get(path) != text}


def value(answer: Answer) -> Any:
    assert answer.code == 0, answer.err
    return json.loads(answer.out)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_repository_gets_the_listed_files_alone_and_leave_takes_them_out(
    plain: Path, shape: str
) -> None:
    folder = repository(plain / "a repository é", SHAPES[shape])
    before, sent_before = tree(folder), sent(folder)
    answer = value(here(folder, "--json", "--yes"))
    after = tree(folder)
    new, other = changed(before, after)
    assert (sorted(new), sorted(other)) == (answer["writes"], answer["changes"])
    assert other == ({".gitignore"} & set(before))
    assert {one["job"] for one in answer["experiments"]} <= set(after)
    listed = json.loads(loop(folder, "list", "--json").out)
    names = [one["name"] for one in answer["experiments"]]
    assert [one["experiment"] for one in listed] == names
    assert not [one["problem"] for one in listed if one["problem"]]
    has_environment = [one["name"] for one in answer["experiments"] if "environment" in one]
    assert {f".devcontainer/{name}/devcontainer.json" for name in has_environment} <= new
    assert {code: digest for code, digest in sent(folder).items() if code in sent_before} == (
        sent_before
    )
    launch = jsonc.parse((folder / ".vscode/launch.json").read_text()).value
    for one in launch["configurations"]:
        paths = [one[key] for key in ("program", "cwd") if "${file" not in one.get(key, "${file")]
        for path in paths:
            assert (folder / path.replace("${workspaceFolder}", ".", 1)).exists(), one
    left = loop(folder, "leave", "--yes")
    assert left.code == 0 and "stays:" not in left.out, left
    assert tree(folder) == before
    assert git(folder, "status", "--porcelain") == ""


def sent(folder: Path) -> dict[str, str]:
    """The digest of what a submission sends for each folder of code that a job names."""
    found = findings.find(scan.read(folder))
    jobs = [part for job in (*found.jobs, *found.components) for part in (job, *job.inner)]
    codes = {job.code for job in jobs if job.code and (folder / job.code).is_dir()}
    return {code: snapshot.read(folder, code).digest for code in codes}


def test_preview_lists_what_is_written_and_a_second_run_changes_nothing(plain: Path) -> None:
    own = {".vscode/tasks.json": TASKS, ".gitattributes": "*.bin binary\r\n"}
    own |= {".vscode/launch.json": LAUNCH, FILE: '[experiments.mine]\njob = "jobs/train.yml"'}
    folder = repository(plain / "forecasts", {**JOBS, **own})
    before = tree(folder)
    preview = value(here(folder, "--json", "--dry-run"))
    shown = here(folder, "--dry-run")
    unasked = here(folder)  # there is no terminal to ask in
    assert (unasked.code, "no-terminal" in unasked.err) == (2, True)
    assert tree(folder) == before
    done = value(here(folder, "--json", "--yes"))
    assert {**preview, "written": True} == done
    assert all(
        f"writes: {path}" in shown.out for path in done["writes"] if "extensions" not in path
    )
    assert "jobs/automl.yml:2" in shown.out and "experiment sweep: jobs/sweep.yml" in shown.out
    changes = [".gitattributes", ".vscode/launch.json", ".vscode/tasks.json", FILE]
    assert done["changes"] == changes
    assert done["left_alone"] == []
    assert "changes: .vscode/tasks.json: adds " in shown.out and vscode_tasks.RUN in shown.out
    assert (folder / ".gitattributes").read_bytes().endswith(b"\r\n*.bin binary\r\n")
    after = tree(folder)
    again = here(folder, "--yes")
    assert again.code == 1 and "workspace-exists" in again.err
    assert tree(folder) == after
    assert loop(folder, "sync", "--check").code == 0
    # The tasks are added to theirs, and nothing of theirs is another.
    text = (folder / ".vscode/tasks.json").read_text()
    assert "// theirs" in text and '"mine"' in text and vscode_tasks.RUN in text
    assert '"isDefault"' not in text and vscode_tasks.NEW not in text
    assert "experiments.sweep" in (folder / FILE).read_text()
    left = loop(folder, "leave", "--yes")
    assert left.code == 0, left.err
    assert tree(folder) == before


def test_files_that_git_ignores_are_named_and_a_clone_without_them_fails(plain: Path) -> None:
    folder = repository(plain / "first", IGNORED)
    notes = "\n".join(value(here(folder, "--json", "--yes"))["notes"])
    assert "`.vscode/` in .gitignore:11" in notes and "`!/.vscode/tasks.json`" in notes
    assert "`!/scripts/loop-requirements.txt`" in notes
    with (folder / ".gitignore").open("a") as file:
        file.write(".devcontainer/\n")
    made = loop(folder, "new", "more")
    assert made.code == 0 and "git ignores src/more/environment/requirements" in made.err
    assert "*requirements*.txt` in .gitignore:12" in made.err
    assert "git ignores .devcontainer/more/devcontainer.json" in made.err
    renamed = loop(folder, "rename", "more", "other")
    assert "git ignores .devcontainer/other/devcontainer.json" in renamed.err
    assert loop(folder, "sync").err == ""
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "innerloop")
    git(plain, "clone", "--quiet", str(folder), "second")
    check = loop(plain / "second", "sync", "--check")
    assert check.code == 1 and "[generated-ignored]" in check.err
    assert ".gitignore:11" in check.err and "`!/.vscode/tasks.json`" in check.err


def test_own_container_comes_on_request_in_a_folder_of_its_own(plain: Path) -> None:
    theirs = {".devcontainer/devcontainer.json": '{"image": "python:3.13"}\n'}
    folder = repository(plain / "ws", {**JOBS, **theirs})
    before = tree(folder)
    answer = value(here(folder, "--json", "--yes", "--container"))
    own = {path for path in answer["writes"] if path.startswith(".devcontainer/innerloop-")}
    assert own == {
        f".devcontainer/innerloop-workspace/{name}"
        for name in ("Dockerfile", "devcontainer.json", "entrypoint.sh")
    }
    assert answer["left_alone"] == [] and changed(before, tree(folder))[1] == set()
    assert loop(folder, "leave", "--yes").code == 0
    assert tree(folder) == before


def test_entry_of_theirs_with_the_name_of_a_generated_one_leaves_the_file_alone(
    plain: Path,
) -> None:
    label = json.dumps(vscode_tasks.RUN)
    theirs = f'{{"version": "2.0.0", "tasks": [{{"label": {label}, "command": "ls"}}]}}\n'
    folder = repository(plain / "ws", {**JOBS, ".vscode/tasks.json": theirs, ".gitignore": ".v*\n"})
    preview, done = (value(here(folder, "--json", word)) for word in ("--dry-run", "--yes"))
    assert done["left_alone"] == preview["left_alone"] == [".vscode/tasks.json"]
    assert (folder / ".vscode/tasks.json").read_text() == theirs


@pytest.mark.parametrize("path", ["scripts/loop", "scripts/loop-requirements.txt"])
def test_file_of_theirs_in_the_tools_place_is_one_error_and_nothing_is_written(
    plain: Path, path: str
) -> None:
    folder = repository(plain / "ws", {**JOBS, path: "theirs\n"})
    before = tree(folder)
    answer = here(folder, "--yes")
    assert answer.code == 1 and f"{path}: " in answer.message and "[path-exists]" in answer.message
    assert tree(folder) == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--here", "ws", "--github"), "options-exclusive"),
        (("ws", "--yes"), "options-exclusive"),
        ((), "invalid-arguments"),
        (("--here", "nowhere"), "path-missing"),
    ],
)
def test_wrong_command_line_is_one_error(plain: Path, words: tuple[str, ...], code: str) -> None:
    answer = loop(plain, "init", *words, cwd=plain)
    assert answer.code != 0 and f"[{code}]" in answer.message


def test_interruption_at_any_step_leaves_the_repository_as_it_was(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between two steps, or when all is written (None); afterwards it works."""
    folder = repository(plain / "ws", {**JOBS, ".gitignore": "*.log\n"})
    before = tree(folder)
    monkeypatch.setenv("INNERLOOP_CACHE", str(plain / "cache"))
    request = adoption.AdoptionRequest(folder, wheel=plain / made.WHEEL)
    perform = undo_journal._perform

    def stop(outcome: object) -> None:
        raise KeyboardInterrupt

    for number in (1, 20, 30, None):
        count = itertools.count(1)

        def stopping(
            root: Path, record: Any, number: int | None = number, count: Iterator[int] = count
        ) -> None:
            perform(root, record)
            if next(count) == number:
                signal.raise_signal(signal.SIGINT)

        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(undo_journal, "_perform", stopping)
            if number is None:
                patched.setattr(adoption, "_require_generated", stop)
            adoption.carry_out(request)
        assert tree(folder) == before, number
    assert len(adoption.carry_out(request).proposal.experiments) == 2


KILLED = """import os
from innerloop.util import undo_journal
perform, left = undo_journal._perform, [None] * 12
def dying(root, record):
    perform(root, record)
    left.pop() if left else os._exit(9)
undo_journal._perform = dying
"""


def test_killed_run_is_undone_by_the_next_one(plain: Path) -> None:
    folder = repository(plain / "ws", {**JOBS, ".gitignore": "*.log\n"})
    before = tree(folder)
    head, rest = made.START.split("sys.argv[:]", 1)
    program = f"{head}{KILLED}sys.argv[:]{rest}"
    words = ["init", "--here", str(folder), "--wheel", str(plain / made.WHEEL), "--yes"]
    argv = [
        sys.executable,
        "-c",
        program,
        str(ROOT / "packages/innerloop/src"),
        str(folder),
        *words,
    ]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300)
    assert done.returncode == 9 and tree(folder) != before, done
    killed = tree(folder)
    preview = here(folder, "--dry-run")
    assert preview.code == 1 and "[init-interrupted]" in preview.message
    assert tree(folder) == killed
    again = here(folder, "--json", "--yes")
    assert f"undid {adoption.WHAT}" in again.err
    assert value(again)["changes"] == [".gitignore"]
    assert loop(folder, "leave", "--yes").code == 0 and tree(folder) == before


def test_upgrade_to_the_same_version_changes_nothing(plain: Path) -> None:
    folder = repository(plain / "ws", JOBS)
    value(here(folder, "--json", "--yes"))
    upgrade.require_upgradable(folder)
    scratch = plain / "scratch"
    new = tool_edits.running(folder, folder, lambda: scratch)
    assert upgrade.plan(folder, new).changes_nothing
    (folder / "scripts/loop.cmd").write_text("mine\n")
    step, kept = (tool_edits.edits(folder, new, new.version), "scripts/loop.cmd.yours")
    assert [one.path for one in step.steps] == [kept, "scripts/loop.cmd"]
    assert loop(folder, "leave", "--yes").code == 0
    assert (folder / "scripts/loop.cmd").read_text() == "mine\n"


def test_tasks_for_azure_are_there_where_a_job_is_for_azure(plain: Path) -> None:
    job = "command: python train.py\ncode: .\n"
    dockerfile = "FROM python:3.11-slim-bookworm\n"
    own = {f"src/{name}/environment/Dockerfile": dockerfile for name in ("here", "there")}
    own |= {"src/here/azure-ml-job.yaml": f"{job}environment: {{image: 'a:1'}}\n"}
    folder = repository(plain / "ws", {**own, "pyproject.toml": "[tool.black]\n"})
    value(here(folder, "--json", "--yes"))
    labels = (folder / ".vscode/tasks.json").read_text()
    assert vscode_tasks.SUBMIT not in labels and vscode_tasks.FORMAT in labels
    (folder / "src/there/azure-ml-job.yaml").write_text(f"$schema: {COMMAND}\n{job}")
    assert loop(folder, "sync").code == 0
    assert vscode_tasks.SUBMIT in (folder / ".vscode/tasks.json").read_text()
