"""The launcher and the tool's shell texts with the programs that macOS has: BSD's tools, bash 3.2."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from innerloop.cli import completion
from innerloop.model.jobs import processes
from innerloop.model.jobs.job import Distribution
from tests.support import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts of Unix")

PACKAGE = ROOT / "packages" / "innerloop" / "src" / "innerloop"
# What runs on the person's own machine, by the shell that it is for. What a container or a CI machine
# runs has that system's tools.
SH = [
    ROOT / "scripts/loop",
    ROOT / "scripts/test",
    ROOT / "packages/innerloop/test",
    ROOT / "packages/innerloop/bench",
    PACKAGE / "in_env_scripts/debugger/start.sh",
    PACKAGE / "in_env_scripts/debugger/relay.sh",
]
# What bash 3.2 lacks, and what /bin/sh of other systems lacks.
NEWER_BASH = {
    "associative array": r"\b(?:declare|local|typeset)\s+-[a-zA-Z]*[AnlugI]",
    "mapfile": r"\b(?:mapfile|readarray|coproc)\b",
    "case conversion": r"\$\{[!\w@*\[\]]+(?:,,?|\^\^?|@[A-Za-z])",
    "wait -n": r"\bwait\s+-[np]",
    "pipe of both": r"\|&",
    "append of both": r"&>>",
    "fall through": r";;?&",
    "negative index": r"\$\{\w+\[-\d|\$\{\w+:\d+:-\d",
    "test of a variable": r"\[\[?\s+-[vR]\s",
    "times": r"\bEPOCHSECONDS\b|\bEPOCHREALTIME\b|\bBASHPID\b|printf\s+'?%\(",
    "globstar": r"\bshopt\s+-s\s+\w*(?:globstar|lastpipe|inherit_errexit)",
    "descriptor in a variable": r"\{\w+\}[<>]",
}
GNU = {
    "readlink": r"\breadlink\s+-[fem]",
    "sed -i": r"\bsed\s+(?:-\w+\s+)*-i(?!\s+'')",
    "sed -r": r"\bsed\s+(?:-\w+\s+)*-r",
    "date": r"\bdate\s+(?:-d|--date|\S*%N)",
    "stat": r"\bstat\s+(?:-c|--format)",
    "grep -P": r"\bgrep\s+-\w*P",
    "xargs": r"\bxargs\s+(?:-d|-r|--no-run)",
    "programs": r"\b(?:setsid|timeout|realpath|nproc|tac|shuf|md5sum|sha256sum|xdg-open|flock|ldd)\b",
    "long options": r"(?<!-)\b(?:cp|mv|rm|ls|mkdir|sort|head|tail|cut|tr|wc|find|mktemp|ln)\s+--[a-z]",
    "Linux": r"/dev/shm\b|(?<!\w)/proc/(?!\[)",
}


def texts() -> dict[str, str]:
    named = {}
    for path in SH:
        # Some are a shell script and a Python program at once: the shell never reads the second part.
        shell = path.read_text(encoding="utf-8").partition("\n'''\n")[0]
        named[path.relative_to(ROOT).as_posix()] = shell
    named |= {
        "completion": completion.BASH,
        "TOGETHER": processes.TOGETHER,
        "MPI": processes.MPI,
        "RAY": processes.RAY,
    }
    return named


@pytest.mark.parametrize("name", sorted(texts()))
def test_shell_text_uses_nothing_that_macos_lacks(name: str) -> None:
    text = re.sub(r"(?m)^\s*#.*$", "", texts()[name])
    found = {what: re.findall(rule, text) for what, rule in (NEWER_BASH | GNU).items()}
    assert {what: hits for what, hits in found.items() if hits} == {}


@pytest.mark.parametrize(
    "text",
    [
        "declare -A seen", "mapfile -t lines", "echo ${name,,}", "wait -n", "a |& b", "a &>> b",
        "echo ${list[-1]}", "[[ -v x ]]", "exec {fd}>file", "readlink -f x", "sed -i s/a/b/ f",
        "date -d now", "stat -c %s f", "timeout 5 x", "grep -oP x", "cp --parents a b",
    ],
)  # fmt: skip
def test_rules_find_what_macos_lacks(text: str) -> None:
    assert any(re.search(rule, text) for rule in (NEWER_BASH | GNU).values())


@pytest.mark.parametrize("path", SH, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_shell_file_is_read_by_a_plain_shell(path: Path, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(texts()[path.relative_to(ROOT).as_posix()], encoding="utf-8")
    for shell in (["dash", "-n"], ["bash", "--posix", "-n"]):
        if shutil.which(shell[0]) is not None:
            done = subprocess.run([*shell, str(script)], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_completion_says_nothing_in_a_bash_without_compopt() -> None:
    program = (
        f"enable -n compopt\n{completion.BASH}\n"
        "words() { echo src/; }\nCOMP_WORDS=(words s) COMP_CWORD=1\n"
        '_innerloop_loop; echo "$? ${COMPREPLY[*]}"\n'
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("0 src/\n", "")


# A program that takes only what POSIX, and so BSD, knows: short options, and none of GNU's own.
REFUSING = """#!/bin/sh
for word in "$@"; do
    case $word in
    --) break ;;
    --*) echo "{name}: illegal option -- $word" >&2; exit 64 ;;
    {more}) echo "{name}: illegal option $word" >&2; exit 64 ;;
    -*) ;;
    *) break ;;
    esac
done
exec {real} "$@"
"""
TOOLS = {
    "readlink": "-f|-e|-m", "sed": "-i|-r|-u|-z", "date": "-d|-I*", "stat": "-c*", "grep": "-P|-z",
    "tr": "-", "cksum": "-a", "mktemp": "-p", "sort": "-z", "dirname": "-z", "basename": "-z",
    "cat": "-A", "head": "-z", "mkdir": "-", "cp": "-t|-u", "mv": "-t", "rm": "-", "ls": "-Q",
}  # fmt: skip
ABSENT = ("setsid", "timeout", "realpath", "nproc", "flock", "xdg-open", "tac", "shuf", "sha256sum")


@pytest.fixture(scope="module")
def bsd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of programs that refuse GNU's options, or are not there at all."""
    folder = tmp_path_factory.mktemp("bsd")
    for name, more in TOOLS.items():
        real = shutil.which(name)
        assert real is not None, name
        (folder / name).write_text(REFUSING.format(name=name, more=more, real=shlex.quote(real)))
    for name in ABSENT:
        (folder / name).write_text(f'#!/bin/sh\necho "{name}: command not found" >&2\nexit 127\n')
    for path in folder.iterdir():
        path.chmod(0o755)
    yield folder


def test_launcher_starts_with_the_tools_of_bsd(bsd: Path, tmp_path: Path, _tool: None) -> None:
    """From a folder that is reached through a link, as /tmp and /var are, with 256 open files."""
    (tmp_path / "seen").symlink_to(ROOT)
    env = {**os.environ, "PATH": f"{bsd}:{os.environ['PATH']}"}
    for words in (["--version"], ["check", "digit_recognition"]):
        line = shlex.join([str(tmp_path / "seen/scripts/loop"), *words])
        done = subprocess.run(
            ["sh", "-c", f"ulimit -n 256; exec {line}"],
            cwd=tmp_path / "seen/src",
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        assert "illegal option" not in done.stderr and "not found" not in done.stderr


def test_processes_of_a_distributed_job_start_with_the_tools_of_bsd(bsd: Path) -> None:
    """Their lines are marked by the shell itself where sed has no option for that."""
    words = processes.argv(
        "echo $RANK; exit $RANK",
        Distribution("pytorch", 2),
        [{"RANK": "0"}, {"RANK": "1"}],
    )
    env = {**os.environ, "PATH": f"{bsd}:{os.environ['PATH']}"}
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stderr
    assert sorted(done.stdout.split("\n")) == ["", "[rank 0] 0", "[rank 1] 1"]
