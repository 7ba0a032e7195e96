"""Completion: what may stand at the cursor, and that a Tab brings it in the real shells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from innerloop.cli import candidates
from innerloop.cli.command_table import BY_NAME as COMMANDS
from innerloop.cli.completion import SCRIPTS
from tests.support import Workspace
from tests.support_terminal import Terminal

NOTEBOOK = {
    "cells": [
        {
            "cell_type": "code",
            "metadata": {"tags": ["parameters"]},
            "source": "rate = 1\nn: int = 2",
        }
    ]
}


@pytest.fixture
def filled(workspace: Workspace) -> Workspace:
    workspace.add("tiny", "", job="inputs: {epochs: 8, rate: 0.1}\n")
    workspace.add("shop/churn", "")
    workspace.write("src/common/vision/augment.py", "")
    workspace.write("src/common/rates.py", "")
    workspace.write("src/tiny/other-job.yaml", "")
    workspace.write("outputs/tiny/20260102-b/model/weights", "")
    workspace.write("outputs/tiny/20260103-c/.run/run.json", "{}")
    workspace.write("outputs/shop.churn/20260104-d/.run/run.json", "{}")
    workspace.write("notebooks/look.ipynb", json.dumps(NOTEBOOK))
    return workspace


def words(workspace: Workspace, *line: str) -> list[str]:
    return [one.word for one in candidates.candidates(line, workspace.root, workspace.root)]


def test_every_command_and_every_option_can_be_had(filled: Workspace) -> None:
    assert words(filled, "") == list(COMMANDS)
    for name in COMMANDS:
        page = filled.loop("help", name).out
        options = set(re.findall(r"(?m)^  (?:-\w, )?(--[\w-]+)", page))
        assert options <= set(words(filled, name, "-")), name
    assert not [one for one in candidates.commands().values() if "%(" in str(one.arguments)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (["ru"], {"run", "runs"}),
        (["run", ""], {"tiny", "shop/churn", "churn"}),
        (["run", "t"], {"tiny"}),
        (["run", "--backend", ""], {"auto", "in-container", "docker", "apptainer", "venv"}),
        (["run", "--backend", "venv", "t"], {"tiny"}),
        (["run", "tiny", "--set", "inputs.e"], {"inputs.epochs="}),
        (["run", "tiny", "--file", "o"], {"other-job.yaml"}),
        (["deploy", "tiny", "--model", "2"], {"20260102-b"}),
        (["runs", "--log", ""], {"20260103-c", "20260104-d"}),
        (["runs", "tiny", "--log", ""], {"20260103-c"}),
        (["run", "tiny", "--from-run", "2"], {"20260103-c"}),
        (["clean", "o"], {"outputs"}),
        (["endpoint", "st"], {"status"}),
        (["run", "tiny", "--", "t"], set()),
        (["share", "tiny", ""], {"rates.py", "vision/"}),
        (["share", "tiny", "rates.py", "vision/"], {"vision/augment.py"}),
        (["notebook", "tiny", "l"], {"look.ipynb"}),
        (["notebook", "tiny", "look.ipynb", "--set", ""], {"rate=", "n="}),
        (["help", "back"], {"backends"}),
        (["completion", ""], set(SCRIPTS)),
        (["new", ""], set()),
        (["no-such-command", ""], set()),
    ],
)
def test_what_may_stand_at_the_cursor(filled: Workspace, line: list[str], found: set[str]) -> None:
    got = words(filled, *line)
    assert set(got) == found if found or line[0] != "new" else not any("tiny" in one for one in got)


def test_a_broken_job_file_brings_no_sentence_into_the_line(filled: Workspace) -> None:
    filled.write("src/tiny/azure-ml-job.yaml", "command: [\n")
    answer = filled.loop("completion", "words", "--", "run", "tiny", "--set", "")
    assert (answer.code, answer.out, answer.err) == (0, "", "")


def test_a_command_that_is_new_is_known_at_once(
    filled: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = candidates.commands()
    assert before == candidates.commands()  # the second time from the cache
    some = {name: COMMANDS[name] for name in ("list", "new", "run")}
    monkeypatch.setattr(candidates, "BY_NAME", some)
    assert set(candidates.commands()) == set(some)


@pytest.mark.shells
def test_bash_completes_the_real_line_at_a_tab(filled: Workspace, tmp_path: Path) -> None:
    (tmp_path / "rc").write_text('PS1="ready> "\neval "$(scripts/loop completion bash)"\n')
    terminal = Terminal(
        ["bash", "--rcfile", str(tmp_path / "rc"), "-i"], filled.root, {"TERM": "dumb"}
    )
    terminal.wait_for("ready> ")
    check_tabs(terminal)


@pytest.mark.shells
def test_zsh_completes_the_real_line_at_a_tab(filled: Workspace, tmp_path: Path) -> None:
    (tmp_path / ".zshrc").write_text(
        'PS1="ready> "\nautoload -Uz compinit && compinit -u -d "$ZDOTDIR/dump"\n'
        'eval "$(scripts/loop completion zsh)"\n'
    )
    env = {"TERM": "dumb", "ZDOTDIR": str(tmp_path)}
    terminal = Terminal(["zsh", "-i"], filled.root, env)
    terminal.wait_for("ready> ")
    check_tabs(terminal)


def check_tabs(terminal: Terminal) -> None:
    """A word that only one goes on, behind a path with a folder; an option's value.

    An input, after which no blank comes.
    """
    terminal.type("echo begin; scripts/loop run ti\t--ba\tven\t--dry-run --set inputs.ep\t5\n")
    terminal.wait_for("begin\r\n")
    shown = terminal.wait_for("ready> ")
    assert re.search(r"(?m)^\w+ +venv \(", shown), shown
    terminal.type("exit\n")
    terminal.end()


@pytest.mark.shells
def test_fish_offers_the_words_with_what_they_mean(filled: Workspace) -> None:
    import subprocess

    def offered(line: str) -> list[str]:
        script = f"scripts/loop completion fish | source; complete --do-complete '{line}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script], cwd=filled.root, capture_output=True, text=True
        )
        assert done.returncode == 0 and not done.stderr, done.stderr
        return done.stdout.splitlines()

    assert offered("scripts/loop run t") == ["tiny"]
    (line,) = offered("./scripts/loop shar")
    assert line.startswith("share\tShare a file or folder")
    assert "inputs.epochs=\tnow 8" in offered("scripts/loop run tiny --set ")
    assert "shop/churn" in offered("scripts/loop run ")
    assert offered("loop run ") == []  # it is on no PATH here


def test_each_shell_has_a_script_and_another_is_a_sentence(workspace: Workspace) -> None:
    for name in SCRIPTS:
        answer = workspace.loop("completion", name)
        assert answer.code == 0 and "completion words" in answer.out.replace("', '", " ")
    other = workspace.loop("completion", "tcsh")
    assert other.code == 2 and "bash, zsh, fish, powershell" in other.message
