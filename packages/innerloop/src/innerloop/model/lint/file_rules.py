"""The files that a job names: its code, its script, its data and its Dockerfile."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Generator, Iterator
from dataclasses import replace

from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ..asset_files import AssetKind
from ..dockerfiles import dockerfile, start_files
from ..dockerfiles.dockerfile import Dockerfile
from ..jobs.environment_file import environment_of, environment_of_asset, file_of
from ..jobs.job import Input, Job
from ..paths import is_elsewhere
from .build_rules import check_copies
from .code_rules import LARGE, check_code, measured
from .copy_sources import sources_of
from .finding import INFO, WARNING, Files, Finding, find_in, finding_of, refused
from .link_rules import check_links
from .lock_rules import check_locks
from .reference_rules import where_in_command


def check_files(job: Job, files: Files) -> Iterator[Finding]:
    root = below(job, job.code) if job.code and is_local(job.code) else None
    if root is not None and not files.exists(root):
        yield Finding(
            job.where("code"),
            f"the code folder {job.code} does not exist",
            "Name the folder of the code",
            "code-missing",
        )
        root = None
    elif root is not None and not root.startswith(
        ("../", "/")
    ):  # folders outside the workspace are not checked
        yield from check_links(root, files)
        built = job.environment.path if job.environment.kind == "build" else None
        is_built = built is not None and is_local(built) and below(job, built) == root
        yield from check_code(job, root, files, is_measured=not is_built)
    if re.match(r"git\+|azureml:(?!/)|azureml://registries/", job.code or ""):
        message = f"Azure ML's client does not accept {job.code} as code"
        hint = "Check the code out here and set `code:` to its folder"
        yield refused(job, ("code",), message, hint, "code-elsewhere")
    elif is_elsewhere(job.code):
        message = f"the job's code is not in this workspace, so it does not run here: {job.code}"
        hint = "Check the code out here and set `code:` to its folder"
        yield Finding(job.where("code"), message, hint, "no-local-equivalent", INFO)
    yield from _script(job, root, files)
    yield from check_data(job, files)
    yield from _environment(job, files)
    yield from _forms_of_paths(job)


def _forms_of_paths(job: Job) -> Iterator[Finding]:
    """Paths that work here, and that Azure ML's client does not find."""
    environment = job.environment
    written: list[tuple[tuple[str, ...], str]] = [
        (key, path)
        for key, path in (
            *((("inputs", n, "path"), i.path) for n, i in job.inputs.items() if i.kind == "data"),
            (("code",), job.code),
            (("environment", "conda_file"), environment.conda_file),
            (("environment", "build", "path"), environment.path),
        )
        if isinstance(path, str)
    ]
    for key, path in written:
        if path.startswith("runs:"):
            message = f"Azure ML's client does not accept {path}"
            hint = "Write azureml://jobs/JOB/outputs/artifacts/paths/..."
            yield refused(job, key, message, hint, "path-not-portable")
        elif path.startswith("file:"):
            message = f'Azure ML\'s client does not accept the prefix of "{path}"'
            hint = f"Write {key[-1]}: {path.removeprefix('file:')}"
            yield refused(job, key, message, hint, "path-not-portable")
        elif "\\" in path and not re.match(r"[A-Za-z]:", path):
            message = (
                f"{path} is a path on Windows only: elsewhere Azure ML's client does not find it"
            )
            hint = f"Write {key[-1]}: {path.replace(chr(92), '/')}"
            yield Finding(job.where(*key), message, hint, "path-not-portable", INFO)


def below(job: Job, path: str) -> str:
    plain = path.removeprefix("file:").replace("\\", "/")
    return posixpath.normpath(posixpath.join(posixpath.dirname(job.name), plain))


def is_local(path: str) -> bool:
    return "://" not in path and not path.startswith(
        ("azureml:", "git+", "${{", "runs:", "/subscriptions/")
    )


# --- the script that the command names -----------------------------------------------------------

_RUNNERS = late_pattern(
    r"(?:python[\d.]*|bash|sh|Rscript|julia|torchrun|accelerate|deepspeed|horovodrun|mpirun|"
    r"papermill|source|\.)"
)
_SCRIPT = late_pattern(r"[\w./-]+\.(?:py|sh|bash|R|r|jl|ipynb)")
_MAKES_FILES = late_pattern(
    r"\b(?:wget|curl|git|unzip|tar|cp|mv|rsync|az|azcopy|gsutil|aws|huggingface-cli|make|cmake|"
    r"jupytext|nbconvert|tee|touch|find|pushd)\b|>\s*[\w./-]+|<<"
)


def _script(job: Job, root: str | None, files: Files) -> Iterator[Finding]:
    """A script that is not in the code, unless the command may create or download it."""
    folder = "."
    for piece in re.split(r"&&|\|\||[;|\n]", re.sub(r"\\\n", "  ", job.command)):
        words = _words(piece)
        if len(words) == 2 and words[0] == "cd":
            folder = posixpath.join(folder, words[1])
        script = _script_of(words)
        if script is not None and "$" not in folder and not posixpath.isabs(script):
            yield from _missing_script(job, root, folder, script, files)
        if _MAKES_FILES.search(piece) or words[:1] == ["apt-get"]:
            return


_CHANGES_FILES = late_pattern(r"\b(?:chmod|dos2unix|sed|tr|perl|install|ln)\b")
_SHELLS = ("bash", "sh", "dash", "zsh", "ksh", "source", ".")


def script_paths(job: Job, root: str) -> Iterator[tuple[str, str, str]]:
    """The scripts that the command names: as written, the path from the workspace's root, and by what.

    The last is "" for a script that is started itself, "shell" or "other" for an argument of one.
    Behind a command that may change files there are none.
    """
    folder = "."
    for piece in re.split(r"&&|\|\||[;|\n]", re.sub(r"\\\n", "  ", job.command)):
        words = _words(piece)
        if _MAKES_FILES.search(piece) or _CHANGES_FILES.search(piece):
            return
        if len(words) == 2 and words[0] == "cd":
            folder = posixpath.join(folder, words[1])
        script = _script_of(words)
        if script is None and words and re.fullmatch(r"(?:\./|[\w-]+/)[\w./-]+", words[0]):
            script = words[0]
        if script is None or "$" in folder or posixpath.isabs(script) or posixpath.isabs(folder):
            continue
        named = [word for word in words[: words.index(script)] if not word.startswith("-")]
        runner = posixpath.basename(named[-1]) if named else ""
        if runner in ("exec", "time", "nohup", "sudo", "env"):
            runner = ""
        by = "" if not runner else "shell" if runner in _SHELLS else "other"
        yield script, posixpath.normpath(posixpath.join(root, folder, script)), by


def _missing_script(
    job: Job, root: str | None, folder: str, script: str, files: Files
) -> Iterator[Finding]:
    position = where_in_command(job, script)
    if root is None:
        if job.code is None:
            yield Finding(
                position,
                f"the command names {script}, and the job has no code",
                "Write code: . to bring the folder of the job file",
                "code-missing",
            )
        return
    if posixpath.isabs(folder) or not files.is_dir(root):
        return
    path = posixpath.normpath(posixpath.join(root, folder, script))
    if not files.exists(path):
        yield Finding(
            position,
            f"the command names {script}, and {path} does not exist",
            "Check its name, and the folder that code: names",
            "script-missing",
        )


def _words(piece: str) -> list[str]:
    try:
        words = shlex.split(piece, comments=True)
    except ValueError:
        return []
    return _without_values(words)


def _without_values(words: list[str]) -> list[str]:
    """The words from the program on: NAME=value may precede it."""
    while words and re.fullmatch(r"\w+=.*", words[0], re.DOTALL):
        words = words[1:]
    return words


def _script_of(words: list[str]) -> str | None:
    """The script of `python x.py`, `bash x.sh`, `torchrun --n 2 x.py`, `./x.sh`; None otherwise."""
    if not words:
        return None
    if words[0] in ("exec", "time", "nohup", "sudo") and len(words) > 1:
        return _script_of(words[1:])
    if words[0] == "env":  # env NAME=value python x.py
        return _script_of(_without_values(words[1:]))
    if words[0] in ("uv", "poetry", "pdm", "pipenv") and words[1:2] == ["run"] and len(words) > 2:
        return words[2] if _SCRIPT.fullmatch(words[2]) else _script_of(words[2:])
    if words[0].startswith("./") and _SCRIPT.fullmatch(words[0]):
        return words[0]
    if not _RUNNERS.fullmatch(posixpath.basename(words[0])):
        return None
    for word in words[1:]:
        if word in ("-m", "-c") or "{{" in word:
            return None
        if _SCRIPT.fullmatch(word):
            return word
    return None


# --- local data ----------------------------------------------------------------------------------


def check_data(job: Job, files: Files) -> Iterator[Finding]:
    """Local data that are missing, or of another type than the job says."""
    for name, input_ in job.inputs.items():
        if input_.kind != "data" or not input_.path:
            continue
        if not is_local(input_.path):
            yield from _named_data(job, input_, files)
            continue
        if "${{" in input_.path or re.search(r"<[^<>]+>", input_.path):
            continue  # a binding, or reported as a placeholder
        path = below(job, input_.path)
        position = job.where("inputs", name, "path")
        if not files.exists(path):
            message = f'the data of input "{name}" do not exist: {path}'
            remedy = getattr(files, "remedy", None)  # not every view of files can look around
            fetch = remedy(path) if remedy is not None else ""
            put = f"Fetch them with `{fetch}`" if fetch else "Put them there"
            yield Finding(position, message, f"{put}, or write another path", "data-missing")
        elif input_.type == "uri_file" and files.is_dir(path):
            message = f'the input "{name}" is a uri_file, and {path} is a folder'
            yield Finding(position, message, "Write type: uri_folder", "data-type-mismatch", INFO)
        elif input_.type in ("uri_folder", "mltable") and not files.is_dir(path):
            message = f'the input "{name}" is a {input_.type}, and {path} is a file'
            yield Finding(position, message, "Write type: uri_file", "data-type-mismatch", INFO)
        elif input_.type == "mltable" and not files.exists(f"{path}/MLTable"):
            message = (
                f'the input "{name}" is an mltable, and {path} contains no file called MLTable'
            )
            yield Finding(
                position, message, "Add it, or write type: uri_folder", "mltable-missing", WARNING
            )


def _named_data(job: Job, input_: Input, files: Files) -> Iterator[Finding]:
    """Data that Azure ML keeps, of which the files here leave open where they are."""
    kind: AssetKind = "model" if input_.type.endswith("_model") else "data"
    try:
        where = job.where("inputs", input_.name, "path")
        find_in(files)(kind, input_.path or "", job.name, where)
    except UserError as error:
        if error.code == "asset-ambiguous":
            yield finding_of(error, INFO)


# --- the environment -----------------------------------------------------------------------------


def _environment(job: Job, files: Files) -> Iterator[Finding]:
    if file_of(job) is not None:
        try:
            job = replace(job, environment=environment_of(job, files.read))
        except UserError as error:
            yield finding_of(error)
            return
    elif job.environment.kind == "registered":
        yield from _registered(job, files)
        return
    environment, path = job.environment, ("environment",)
    conda = environment.conda_file
    if isinstance(conda, str) and is_local(conda) and not files.exists(below(job, conda)):
        message = f"the conda file {below(job, conda)} does not exist"
        yield Finding(
            job.where(*path, "conda_file"), message, "Check its name", "conda-file-missing"
        )
    if environment.kind != "build" or not environment.path or not is_local(environment.path):
        return
    context = below(job, environment.path)
    position = job.where(*path, "build", "path")
    yield from _large_context(context, position, files)
    if not files.is_dir(context):
        message = f"the build folder {context} does not exist"
        yield Finding(
            position, message, "Name the folder with the Dockerfile", "build-folder-missing"
        )
        return
    name = posixpath.normpath(posixpath.join(context, environment.dockerfile))
    if environment.dockerfile_path is not None:
        position = job.where(*path, "build", "dockerfile_path")
    yield from dockerfile_of(name, position, context, files)


def _registered(job: Job, files: Files) -> Iterator[Finding]:
    """Findings of the file that stands here for an environment that Azure ML keeps.

    They concern runs on this machine alone: Azure ML uses what is registered.
    """
    try:
        reference = job.environment.reference or ""
        find = find_in(files)
        asset = find("environment", reference, job.name, job.where("environment"))
        if asset is None:
            return
        environment = environment_of_asset(asset, job, files.read)
    except UserError as error:
        yield finding_of(error, INFO)
        return
    for finding in _environment(replace(job, environment=environment), files):
        yield replace(finding, severity=INFO)


def _large_context(context: str, position: Position, files: Files) -> Iterator[Finding]:
    count, size = measured(context, files)
    if size >= LARGE:
        what = f"the build folder {context} has {size / 1e6:,.0f} MB in {count:,} files"
        yield Finding(
            position,
            f"{what}: all of it is sent to the builder, and again whenever one of them changes",
            "Build in a folder of its own (path: ./environment), or exclude the rest in "
            f"{context}/.amlignore and {context}/.dockerignore",
            "build-context-large",
            WARNING,
        )


def dockerfile_of(
    name: str, position: Position, context: str, files: Files
) -> Generator[Finding, None, Dockerfile | None]:
    """Findings of a build's Dockerfile.

    It may be missing (at `position`), invalid, or have a COPY that fails. Returns the Dockerfile,
    or None if it cannot be parsed.
    """
    text = files.read(name)
    if text is None:
        hint = "Write one, or name it with dockerfile_path (relative to the build's path)"
        yield Finding(position, f"{name} does not exist", hint, "dockerfile-missing")
        return None
    try:
        parsed = dockerfile.parse(text, name)
    except UserError as error:
        yield finding_of(error)
        return None
    yield from _without_image(parsed)
    yield from _start_files(parsed)
    yield from copied_from(parsed, context, files)
    yield from check_copies(parsed, context, files)
    yield from check_locks(parsed, context, files)
    return parsed


def _start_files(parsed: Dockerfile) -> Iterator[Finding]:
    """An environment that a shell's start file activates: a job's command reads no such file."""
    for file in start_files.found_in(parsed):
        yield Finding(
            Position(parsed.name, file.line, 1),
            f"what {file.name} sets is there in the dev container's shells, and not in a run or on "
            "Azure ML: the shell that runs a job's command does not read that file",
            "Set it with ENV, as in ENV PATH=/opt/env/bin:$PATH",
            "environment-in-start-file",
            WARNING,
        )


def _without_image(parsed: Dockerfile) -> Iterator[Finding]:
    """A FROM whose variables have no value: only a build with a --build-arg knows the image."""
    for stage in parsed.stages:
        if not stage.base:
            yield Finding(
                Position(parsed.name, stage.line, 1),
                f"FROM {stage.instructions[0].arguments}: the ARG has no value before the first FROM",
                "Write a default, as in ARG NAME=value: Azure ML builds without arguments",
                "dockerfile-invalid",
            )


def copied_from(parsed: Dockerfile, context: str, files: Files) -> Iterator[Finding]:
    """COPY and ADD of files outside the build's folder, or that do not exist."""
    for stage in parsed.stages:
        for instruction in stage.instructions:
            if instruction.keyword in ("COPY", "ADD"):
                position = Position(parsed.name, instruction.line, 1)
                for source in sources_of(instruction):
                    yield from _copied(source, position, instruction.keyword, context, files)


def _copied(
    source: str, position: Position, keyword: str, context: str, files: Files
) -> Iterator[Finding]:
    if "$" in source or "://" in source or source.startswith("git@"):
        return
    path = posixpath.normpath(source.lstrip("/") or ".")
    if path == ".." or path.startswith("../"):
        yield Finding(
            position,
            f"{keyword} {source} is outside the build's folder, {context}, so no builder can see it",
            f"Move it into {context}; the code itself is mounted and need not be in the image",
            "copy-outside-context",
        )
    elif not re.search(r"[*?\[]", path) and not files.exists(f"{context}/{path}"):
        message = f"{keyword} {source}: {context}/{path} does not exist"
        yield Finding(position, message, "Check its name", "copy-source-missing")
