"""`loop terminal` without an engine: the person's own shell, with the environment active in it."""

from __future__ import annotations

import shutil
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from innerloop.runner.interactive import shells
from tests.support import Workspace
from tests.support_terminal import Terminal

VENV = ("--backend", "venv")


def test_a_command_and_a_script_run_in_the_environment(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    look = "import sys, os; print(sys.prefix != sys.base_prefix, os.path.basename(os.getcwd()))"
    one = workspace.loop("terminal", "tiny", *VENV, "--", "python", "-c", look)
    assert (one.code, one.out) == (0, "True tiny\n"), one.err
    assert workspace.loop("terminal", "tiny", *VENV, "--", "sh", "-c", "exit 7").code == 7
    quoted = workspace.loop("terminal", "tiny", *VENV, "--", "printf", "%s|", "a b", "$HOME", "'")
    assert quoted.out == "a b|$HOME|'|"
    missing = workspace.loop("terminal", "tiny", *VENV, "--", "no-such-program")
    assert missing.code == 127


@pytest.mark.shells
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "dash"])
def test_the_persons_shell_has_the_environment_first_whatever_its_files_say(
    workspace: Workspace, tmp_path: Path, shell: str
) -> None:
    program = str(shutil.which(shell))
    workspace.add("tiny", "")
    assert workspace.loop("terminal", "tiny", *VENV, "--", "true").code == 0
    home = tmp_path / "ho me"
    other = home / "other"
    other.mkdir(parents=True)
    (other / "python").write_text("#!/bin/sh\necho the wrong one\n")
    (other / "python").chmod(0o755)
    for name in (".bashrc", ".zshrc"):
        (home / name).write_text(f'export PATH="{other}:$PATH" MINE=read\n')
    config = home / ".config/fish/config.fish"
    config.parent.mkdir(parents=True)
    config.write_text(f'set -gx PATH "{other}" $PATH; set -gx MINE read\n')
    env = {"HOME": str(home), "SHELL": program, "XDG_CONFIG_HOME": str(home / ".config")}
    env |= {"TERM": "dumb", "ZDOTDIR": str(home)} if shell == "zsh" else {"TERM": "dumb"}
    terminal = Terminal(
        [workspace.root / "scripts/loop", "terminal", *VENV], workspace.root / "src/tiny", env
    )
    terminal.wait_for("tiny")
    terminal.type(
        'python -c \'import sys; print("en" + "v", sys.prefix != sys.base_prefix)\'; echo "<$MINE>"\n'
    )
    terminal.wait_for("env True")
    terminal.wait_for("<>" if shell == "dash" else "<read>")
    terminal.type("exit 3\n")
    assert terminal.end() == 3


def test_the_prompt_and_the_start_of_each_kind_of_shell() -> None:
    environment, folder = PurePosixPath("/c/e'nv"), PurePosixPath("/w/shell")
    bash = shells.activated("/bin/bash", environment, "tiny", folder, windows=False)
    assert bash.argv == ("/bin/bash", "--rcfile", "/w/shell/bashrc", "-i")
    assert "PS1='(tiny) '\"$PS1\"" in bash.files["bashrc"]
    zsh = shells.activated("/usr/bin/zsh", environment, "tiny", folder, windows=False)
    assert zsh.env == {"ZDOTDIR": "/w/shell"} and set(zsh.files) == {".zshenv", ".zshrc"}
    fish = shells.activated("fish", environment, "tiny", folder, windows=False)
    assert fish.argv[1:] == ("--init-command", "source '/c/e\\'nv/bin/activate.fish'")
    there = PureWindowsPath("C:\\c\\env")
    power = shells.activated("powershell", there, "tiny", folder, windows=True)
    assert power.argv[-1] == "& 'C:\\c\\env\\Scripts\\Activate.ps1'" and "-NoExit" in power.argv
    plain = shells.activated("C:\\Windows\\cmd.exe", there, "tiny", folder, windows=True)
    assert plain.argv == ("C:\\Windows\\cmd.exe", "/k", "C:\\c\\env\\Scripts\\activate.bat")
    assert shells.of_user({"PSModulePath": "x"}, windows=True) == "powershell"
    assert shells.of_user({}, windows=True) == "cmd.exe"
    assert shells.of_user({}, windows=False) == "/bin/sh"


def test_in_another_experiments_container_it_says_so(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    workspace.add("other", "")
    inside = {"INNERLOOP_EXPERIMENT": "other"}
    answer = workspace.loop("terminal", "tiny", env=inside)
    assert answer.code == 1 and "the dev container of other" in answer.message
    here = workspace.loop("terminal", "other", "--", "pwd", env=inside)
    assert here.out.strip().endswith("src/other"), here.err
