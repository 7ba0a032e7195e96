"""Files that the command or the build needs and that an ignore file keeps from the upload.

Azure ML's client leaves them out; a run on this machine has them all the same.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterator

from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ..dockerfiles import dockerfile
from ..ignore_file import IgnoreRules
from ..jobs.job import Job
from .code_rules import rules_of
from .copy_sources import sources_of
from .file_rules import below, is_local
from .finding import Files, Finding, finding_of

# Options and programs whose file is written: it need not be sent.
_WRITES = late_pattern(
    r"(?i)out|save|log|dest|dump|write|result|export|cache|ckpt|checkpoint|target|report|tee"
)


def check_ignored(job: Job, files: Files) -> Iterator[Finding]:
    code = below(job, job.code) if job.code and is_local(job.code) else None
    if code is not None and files.is_dir(code):
        rules = _rules(code, files)
        if isinstance(rules, UserError):
            yield finding_of(rules)
        elif rules.rules:
            for file in dict.fromkeys(_files_of_command(job.command, code, files)):
                yield from _excluded(rules, file, f"{file}, which the command names")
    yield from _of_build(job, files)


def _of_build(job: Job, files: Files) -> Iterator[Finding]:
    """The Dockerfile and what it copies, in a build context of this workspace."""
    environment = job.environment
    if environment.kind != "build" or not environment.path or not is_local(environment.path):
        return
    context = below(job, environment.path)
    rules = _rules(context, files) if files.is_dir(context) else IgnoreRules()
    if isinstance(rules, UserError):
        yield finding_of(rules)
        return
    if not rules.rules:
        return
    name = posixpath.normpath(environment.dockerfile)
    text = files.read(posixpath.join(context, name))
    if text is None:
        return
    yield from _excluded(rules, name, f"{name}, from which the image is built")
    try:
        parsed = dockerfile.parse(text, name)
    except UserError:
        return  # reported with the Dockerfile
    for stage in parsed.stages:
        for instruction in stage.instructions:
            for source in (
                sources_of(instruction) if instruction.keyword in ("COPY", "ADD") else ()
            ):
                path = posixpath.normpath(source.lstrip("/") or ".")
                if files.exists(f"{context}/{path}") and not files.is_dir(f"{context}/{path}"):
                    yield from _excluded(rules, path, f"{path}, which the Dockerfile copies")


def _rules(folder: str, files: Files) -> IgnoreRules | UserError:
    """The rules of the one ignore file that counts; an error for one that cannot be read."""
    try:
        return rules_of(folder, files)
    except UserError as error:
        return error


def _excluded(rules: IgnoreRules, file: str, described: str) -> Iterator[Finding]:
    rule = rules.excluding_rule(file)
    if rule is not None:
        yield Finding(
            Position(rules.name, rule.line, 1),
            f"{rule.text} leaves out {described}: Azure ML does not get it",
            f"Add a line !{file} below it, or remove the rule",
            "file-ignored",
        )


def _files_of_command(command: str, code: str, files: Files) -> Iterator[str]:
    """The files of the code that the command reads, relative to the code's root."""
    folder = "."
    for piece in re.split(r"&&|\|\||[;|\n]", re.sub(r"\\\n", "  ", command)):
        try:
            words = shlex.split(piece, comments=True)
        except ValueError:
            continue
        if len(words) == 2 and words[0] == "cd":
            folder = posixpath.join(folder, words[1])
            continue
        previous = ""
        for word in words:
            option, _, value = word.rpartition("=")
            is_written = _WRITES.search(option or previous) or ">" in previous or ">" in word
            if previous == "-m":
                yield from _module(value, folder, code, files)
            elif not is_written:
                yield from _file(value, folder, code, files)
            previous = word


def _file(word: str, folder: str, code: str, files: Files) -> Iterator[str]:
    """The file of a word, or the program of a folder that Python runs."""
    if not word or "$" in word or "://" in word or posixpath.isabs(word) or len(word) > 255:
        return
    path = posixpath.normpath(posixpath.join(folder, word))
    if path == "." or path.startswith("..") or not files.exists(f"{code}/{path}"):
        return
    if not files.is_dir(f"{code}/{path}"):
        yield path
    elif files.exists(f"{code}/{path}/__main__.py"):
        yield f"{path}/__main__.py"


def _module(name: str, folder: str, code: str, files: Files) -> Iterator[str]:
    path = posixpath.normpath(posixpath.join(folder, name.replace(".", "/")))
    for file in (f"{path}.py", f"{path}/__main__.py"):
        if re.fullmatch(r"[\w.]+", name) and files.exists(f"{code}/{file}"):
            yield file
