"""Commands whose exit code is not that of the program: a failed run counts as a success.

Source: Bash's manual, "Pipelines" and "Lists": a pipe has the exit code of its last program, `||` that of
what follows a failure, and `;` that of the last command.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator, Sequence

from ...util.late_patterns import late_pattern
from ..jobs.job import Job
from .finding import WARNING, Finding
from .reference_rules import where_in_command

# Programs that always end well, and say nothing of what went before.
_ALWAYS_WELL = ("echo", "printf", "true", ":", "date", "sleep", "ls", "pwd", "wait", "env")
# What a job is started for.
_PROGRAM = late_pattern(
    r"python[\d.]*|bash|sh|Rscript|julia|torchrun|accelerate|deepspeed|horovodrun|mpirun|papermill|"
    r"uv|poetry|pdm|pipenv|pytest|java|node|\./.+|.+\.(?:py|sh|R|jl)"
)
_OPERATORS = ("|", "|&", "||", "&&", ";", "&", "\n")


def check_exit_code(job: Job) -> Iterator[Finding]:
    """A pipe without pipefail, `|| true`, and a command after the program that always ends well."""
    if "<<" in job.command or re.search(r"\bpipefail\b|\bPIPESTATUS\b", job.command):
        return
    parts = _parts(job.command)
    ends_at_failure = bool(re.search(r"(?:^|[;\n&]\s*)set\s+-\w*e", job.command))
    for index, (words, operator) in enumerate(parts):
        name = _program(words)
        if not name:
            continue
        following = _program_word(parts[index + 1][0]) if index + 1 < len(parts) else ""
        if operator in ("|", "|&"):
            yield _finding(
                job,
                name,
                f"the exit code of {name} is lost in the pipe to {following}",
                "Begin the command with `set -o pipefail;`",
            )
            return
        if operator == "||" and following in _ALWAYS_WELL:
            hint = f"Remove `|| {following}`, or end it with `exit 1`"
            if not any("exit" in words for words, _ in parts[index + 1 :]):
                yield _finding(job, name, f"a failure of {name} ends well", hint)
            return
        rest = [_program_word(words) for words, _ in parts[index + 1 :]]
        is_last = operator in (";", "\n") and rest and all(one in _ALWAYS_WELL for one in rest)
        if is_last and not ends_at_failure:
            what = f"the exit code of {name} is lost: {following} follows it"
            yield _finding(job, name, what, f"Write && before {following}")
            return


def _finding(job: Job, program: str, message: str, hint: str) -> Finding:
    return Finding(
        where_in_command(job, program),
        f"{message}, so a failed run counts as a success",
        hint,
        "failure-hidden",
        WARNING,
    )


def _parts(command: str) -> list[tuple[Sequence[str], str]]:
    """The simple commands with the operator after each; nothing for what a shell cannot read."""
    lexer = shlex.shlex(command.replace("\\\n", " "), posix=True, punctuation_chars="|&;\n")
    lexer.whitespace_split, lexer.whitespace = True, " \t\r"
    parts: list[tuple[Sequence[str], str]] = []
    words: list[str] = []
    try:
        for word in lexer:
            operator = word.strip("\n") or "\n" if set(word) <= set("|&;\n") else ""
            if not operator:
                words.append(word)
            elif operator not in _OPERATORS:
                return []
            elif words and words[-1].endswith(">") and operator == "&":
                words.append(operator)  # >& of a redirection
            elif words:
                parts.append((words, operator))
                words = []
    except ValueError:
        return []
    return [*parts, (words, "")] if words else parts


def _program_word(words: Sequence[str]) -> str:
    """The name of the program that a simple command starts."""
    for word in words:
        if not re.fullmatch(r"\w+=.*", word, re.DOTALL) and word not in ("exec", "time", "env"):
            return posixpath.basename(word) if "/" in word and word[0] != "." else word
    return ""


def _program(words: Sequence[str]) -> str:
    """The program's name if it is what a job is started for; else ""."""
    name = _program_word(words)
    is_install = {"install", "pip"} & set(words[:4])
    return name if _PROGRAM.fullmatch(name) and not is_install else ""
