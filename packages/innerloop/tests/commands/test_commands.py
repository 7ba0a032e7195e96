"""list, new, sync, help, doctor and test on small workspaces, as a person runs them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from innerloop.cli.command_table import BY_NAME as COMMANDS
from tests.support import Workspace
from tests.support_terminal import Terminal


def test_list_names_each_experiment_with_its_command(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    workspace.add("search/ranking", "", job="command: python -u rank.py\n")
    answer = workspace.loop("list", "--json")
    rows = {row["experiment"]: row for row in json.loads(answer.out)}
    assert list(rows) == ["search/ranking", "tiny"]
    assert rows["search/ranking"]["command"] == "python -u rank.py"
    assert {"docker", "venv"} <= set(rows["tiny"]["backends"])
    table = workspace.loop("list")
    assert table.code == 0 and "search/ranking" in table.out


def test_a_list_in_a_pipe_has_whole_lines_whatever_a_command_holds(workspace: Workspace) -> None:
    """A script greps for names; and what stands in brackets is no markup."""
    name = "a_name_of_an_experiment_that_is_as_long_as_a_name_may_well_be"
    command = f"python train.py --layers [big] --close [/big] {'--word ' * 20}".strip()
    workspace.add(name, "", job=f"command: '{command}'\n")
    workspace.add("broken", "", toml='gpu = "[red]"\n')
    answer = workspace.loop("list", env={"COLUMNS": "40"})
    assert f"{name}  docker, apptainer, venv, azureml  auto  {command}\n" in answer.out
    assert answer.code == 1 and "broken: src/broken/innerloop.toml:1: gpu = '[red]'" in answer.out


def test_help_explains_every_command(workspace: Workspace) -> None:
    overview = workspace.loop("help")
    bare = workspace.loop()
    assert overview.code == bare.code == 0 and overview.out == bare.out
    for name, command in COMMANDS.items():
        assert (f"  {name} " in overview.out) != command.is_for_editors
        page = workspace.loop("help", name)
        assert page.code == 0 and f"loop {name}" in page.out and "examples:" in page.out
    for page_name in ("settings", "job"):
        assert workspace.loop("help", page_name).code == 0


def test_new_makes_an_experiment_that_runs_at_once(workspace: Workspace) -> None:
    made = workspace.loop("new", "churn")
    assert made.code == 0, made.err
    assert "scripts/loop run churn" in made.out
    assert (workspace.root / ".devcontainer/churn/devcontainer.json").is_file()
    run = workspace.loop("run", "churn", "--backend", "venv")
    assert run.code == 0, run.err
    assert workspace.loop("sync", "--check").code == 0
    left = [path for path in workspace.root.rglob("*") if "experiment_name_here" in path.name]
    assert left == []
    for path in (workspace.root / "src/churn").rglob("*"):
        if path.is_file() and path.suffix != ".pyc":
            assert "experiment_name_here" not in path.read_text(encoding="utf-8"), path


def test_new_in_a_domain_and_from_another(workspace: Workspace) -> None:
    workspace.add("tiny", "print('copied')")
    assert workspace.loop("new", "search/ranking", "--from", "tiny").code == 0
    run = workspace.loop("run", "ranking", "--backend", "venv")
    assert (run.code, run.out) == (0, "copied\n"), run.err
    assert (workspace.root / ".devcontainer/search.ranking/devcontainer.json").is_file()


def test_sync_settles_and_check_changes_nothing(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    before = workspace.loop("sync", "--check")
    assert before.code == 1 and "would write" in before.out
    assert not (workspace.root / ".devcontainer").exists()
    first = workspace.loop("sync")
    assert first.code == 0, first.err
    second = workspace.loop("sync")
    assert (second.code, second.out) == (0, "everything is up to date\n")
    assert workspace.loop("sync", "--check").code == 0


def test_sync_takes_away_what_a_deleted_experiment_had(workspace: Workspace) -> None:
    for name in ("tiny", "other"):
        workspace.add(name, "")
    assert workspace.loop("sync").code == 0
    shutil.rmtree(workspace.root / "src/other")
    answer = workspace.loop("sync")
    assert answer.code == 0 and "remove .devcontainer/other/devcontainer.json" in answer.out
    assert not (workspace.root / ".devcontainer/other").exists()
    assert '"other"' not in workspace.read(".vscode/tasks.json")  # not "another"


def test_sync_never_overwrites_what_a_person_changed(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    assert workspace.loop("sync").code == 0
    path = ".devcontainer/tiny/devcontainer.json"
    mine = workspace.read(path).replace("{", "{\n    // mine", 1)
    workspace.write(path, mine)
    workspace.add("tiny", "", toml="ports = [4321]\n")
    answer = workspace.loop("sync")
    assert (answer.code, answer.out) == (0, f"update {path}\n")
    after = workspace.read(path)
    assert after.startswith("{\n    // mine") and "4321" in after
    assert workspace.loop("sync", "--check").code == 0


def test_doctor_names_what_is_missing(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    workspace.add("bad", "")
    workspace.write("src/bad/azure-ml-job.yaml", "command: [\n")
    answer = workspace.loop("doctor", "--json")
    facts = {fact["name"]: fact for fact in json.loads(answer.out)}
    assert facts["experiments"]["state"] == "ok" and facts["experiments"]["what"].startswith(
        "tiny:"
    )
    assert facts["bad"]["state"] == "bad" and answer.code == 1
    assert "azure-ml-job.yaml" in facts["bad"]["what"]
    table = workspace.loop("doctor")
    assert table.code == 1 and "BAD" in table.out and table.message == ""


def test_a_reader_that_has_gone_is_no_complaint(workspace: Workspace) -> None:
    """`loop help | head`: the reader ends before what is left is written, at our end."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing) as closed:
        argv = [str(workspace.root / "scripts" / "loop"), "help"]
        done = subprocess.run(argv, stdout=closed, stderr=subprocess.PIPE, cwd=workspace.root)
    assert (done.returncode, done.stderr) == (141, b"")


SILENT = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@pytest.mark.docker
def test_where_the_engine_is_silent_nothing_is_said_of_what_is_in_it(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    entered = workspace.loop("exec", "tiny", "--", "true", env=SILENT)
    assert entered.code == 1 and "its engine is not running" in entered.message
    assert "DOCKER_HOST" in entered.err and "loop up" not in entered.err
    old = workspace.loop("outdated", env=SILENT)
    assert old.code == 0 and "its engine is not running: images and dev" in old.message
    assert workspace.loop("outdated", "--check", env=SILENT).err == ""
    cleaned = workspace.loop("clean", "--dry-run", env=SILENT)
    assert cleaned.code == 0 and "containers, images and volumes are not listed" in cleaned.err
    answer = workspace.loop("doctor", "--json", env=SILENT)
    facts = {fact["name"]: fact["what"] for fact in json.loads(answer.out)}
    assert "without what is in Docker" in facts["disk usage"]


def test_colours_and_width_are_those_of_the_terminal(workspace: Workspace, tmp_path: Path) -> None:
    workspace.add("tiny", "")
    slow = tmp_path / "bin" / "devcontainer"  # long enough for the live line to show
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nsleep 2\necho 1.0\n")
    slow.chmod(0o755)
    path = f"{slow.parent}{os.pathsep}{os.environ['PATH']}"
    for env, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        loop = workspace.root / "scripts" / "loop"
        terminal = Terminal(
            [loop, "doctor"], workspace.root, {**env, "PATH": path, "COLUMNS": "50"}
        )
        shown = terminal.wait_for("disk usage") + terminal.text
        assert terminal.end() == 0
        assert ("\x1b[32m" in shown) is coloured
        plain = re.sub(r"\x1b\[[0-9;]*[mK]", "", shown).replace("\r", "\n")
        assert re.search(r"\n {24}\w", plain)  # what is too long goes on below its beginning
        live = re.findall(r"checking: [^\r\n\x1b]*", shown)
        assert live and max(map(len, live)) < 50
        terminal = Terminal([loop, "help"], workspace.root, {**env, "COLUMNS": "50"})
        shown = terminal.wait_for("Topics").replace("\r", "")
        assert terminal.end() == 0
        entries = [line for line in shown.splitlines() if line.startswith("  ")]
        assert len(entries) > len(COMMANDS) and max(map(len, entries)) <= 50


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_answers_help(workspace: Workspace, name: str) -> None:
    answer = workspace.loop(name, "--help")
    assert answer.code == 0 and "usage: loop" in answer.out
