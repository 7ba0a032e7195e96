"""What no machine can start: names and values that cannot become a path, a variable or an argument.

A job file may be a stranger's. What is refused here would otherwise lead out of a folder, or end in
an error of the engine or of the operating system.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from ...util.errors import UserError
from ...util.json_records import is_file_name
from ...util.late_patterns import late_pattern
from ..container import is_image_name
from ..editor_variables import first_variable
from ..jobs.command import substitute
from ..jobs.job import Job
from .finding import INFO, WARNING, Finding, mapping_of

# Linux refuses to start a program with a longer argument or variable, in bytes, or with more of
# them together. Source: execve(2), MAX_ARG_STRLEN and the limit of a quarter of the stack.
LONGEST_ARGUMENT = 131_071
LONGEST_TOTAL = 2_000_000
# Seconds; more than ten years overflow the timers of operating systems.
LONGEST_TIMEOUT = 315_360_000
# Processes of one job.
MOST_PROCESSES = 4096
# Names in a run's folder that are the tool's own.
RESERVED_OUTPUTS = ("beside-outputs",)
LONGEST_OUTPUT = 100
# Bytes of a path and of one of its parts, on Linux.
LONGEST_PATH, LONGEST_NAME = 4000, 255
_BAD_IN_VARIABLE = late_pattern(r"[\s=\x00-\x1f\x7f-\x9f]")


def check_machine(job: Job) -> Iterator[Finding]:
    """With one of the errors the job runs nowhere."""
    yield from _services(job)
    yield from _variables(job)
    yield from _inputs(job)
    yield from _outputs(job)
    yield from _limits(job)
    yield from _image(job)
    yield from _paths(job)
    yield from _docker_args(job)
    yield from _editor_variables(job)
    yield from _lengths(job)


def _services(job: Job) -> Iterator[Finding]:
    ports: dict[int, str] = {}
    for name, service in job.services.items():
        if not isinstance(service, dict):
            message = f'the service "{name}" is not a mapping'
            hint = "Write type: and port: below it"
            yield Finding(job.where("services", name), message, hint, "not-a-mapping")
            continue
        port = service.get("port")
        at = job.where("services", name, "port")
        if port is not None and (isinstance(port, bool) or not isinstance(port, int)):
            message = f'the port of the service "{name}" is not an integer: {port!r}'
            yield Finding(at, message, "Write a port, from 1 to 65535", "not-a-number")
        elif port is not None and not 0 < port < 65536:
            message = f'the service "{name}" has the port {_short(port)}, which does not exist'
            hint = "Write a port from 1 to 65535"
            yield Finding(at, message, hint, "number-out-of-range")
        elif name in job.ports and job.ports[name] in ports:
            message = f'the services "{ports[job.ports[name]]}" and "{name}" have the same port'
            yield Finding(at, message, "Give each its own", "port-duplicate", WARNING)
        ports.setdefault(job.ports.get(name, 0), name)


def _variables(job: Job) -> Iterator[Finding]:
    for name in job.environment_variables:
        yield from _variable(job, ("environment_variables", name), "environment variable", name)
    for name in job.search_space:
        yield from _variable(job, ("search_space", name), "value of search_space", name)


def _inputs(job: Job) -> Iterator[Finding]:
    for name, input_ in job.inputs.items():
        path = ("inputs", name)
        yield from _variable(job, path, "input", name)
        # Data outside of the workspace appear in a folder of the input's name.
        is_path = "/" in name or "\\" in name or (name and not name.strip("."))
        if input_.kind == "data" and is_path and not _BAD_IN_VARIABLE.search(name):
            yield _unusable(job, path, f'the input name "{name}" cannot be a folder\'s name')


def _variable(job: Job, path: tuple[str, ...], kind: str, name: str) -> Iterator[Finding]:
    if not name:
        yield _unusable(job, path, f"an {kind} has an empty name".replace("an value", "a value"))
    elif bad := _BAD_IN_VARIABLE.search(name):
        shown = "a blank" if bad[0].isspace() else "a control character"
        shown = '"="' if bad[0] == "=" else shown
        yield _unusable(job, path, f'the name of the {kind} "{name}" contains {shown}')


def _outputs(job: Job) -> Iterator[Finding]:
    """Each output is a file or a folder of its name in the run's folder."""
    seen: dict[str, str] = {}
    for name in job.outputs:
        path, other = ("outputs", name), seen.setdefault(name.casefold(), name)
        if not is_output_name(name):
            yield _unusable(job, path, f'the output name "{_short(name)}" cannot be a file\'s name')
        elif other != name:
            message = f'the outputs "{other}" and "{name}" are one file on Windows and macOS'
            yield _unusable(job, path, message)


def is_output_name(name: str) -> bool:
    """Whether an output's name can be the one of a file in a run's folder."""
    return (
        is_file_name(name)
        and not name.startswith(".")
        and len(name) <= LONGEST_OUTPUT
        and not _BAD_IN_VARIABLE.search(name)
        and name.casefold() not in RESERVED_OUTPUTS
    )


def _unusable(job: Job, path: tuple[str, ...], message: str) -> Finding:
    hint = "Use letters, digits and _, and no other output's name"
    if path[0] != "outputs":
        hint = "Use letters, digits and _"
    return Finding(job.where(*path), message, hint, "name-unusable")


def _limits(job: Job) -> Iterator[Finding]:
    key = "trial_timeout" if job.kind == "sweep" else "timeout"
    if job.timeout is not None and not 0 < job.timeout <= LONGEST_TIMEOUT:
        message = f"limits.{key} is {_short(job.timeout)} s"
        hint = f"Write a number of seconds from 1 to {LONGEST_TIMEOUT}"
        yield Finding(job.where("limits", key), message, hint, "number-out-of-range")
    distribution = job.distribution
    counts: Mapping[str, int | None] = (
        {}
        if distribution is None
        else {
            "process_count_per_instance": distribution.process_count_per_instance,
            "worker_count": distribution.worker_count,
            "parameter_server_count": distribution.parameter_server_count,
        }
    )
    for name, count in counts.items():
        if count is not None and count > MOST_PROCESSES:
            message = f"distribution.{name} is {_short(count)}"
            hint = f"Write {MOST_PROCESSES} or less"
            yield Finding(job.where("distribution", name), message, hint, "number-out-of-range")


def _image(job: Job) -> Iterator[Finding]:
    image = job.environment.image
    if image is None or image.startswith("azureml:") or "${{" in image:
        return
    if not is_image_name(image):
        at = ("environment", "image")
        message = f'"{_short(image)}" cannot be the name of an image'
        hint = "Write a name such as python:3.11-slim or registry.example/name:tag"
        yield Finding(job.where(*at), message, hint, "image-invalid")


def _paths(job: Job) -> Iterator[Finding]:
    """Paths of this machine that no file system has."""
    environment = job.environment
    written: dict[tuple[str, ...], object] = {
        ("code",): job.code,
        ("environment", "build", "path"): environment.path,
        ("environment", "build", "dockerfile_path"): environment.dockerfile_path,
        ("environment", "conda_file"): environment.conda_file,
        **{("inputs", n, "path"): i.path for n, i in job.inputs.items() if i.kind == "data"},
    }
    for path, text in written.items():
        if not isinstance(text, str) or "://" in text:
            continue
        parts = text.replace("\\", "/").split("/")
        if _size(text) > LONGEST_PATH or any(_size(part) > LONGEST_NAME for part in parts):
            message = f'no file can have the path "{_short(text)}": it is too long'
            yield Finding(job.where(*path), message, "Write a shorter one", "name-unusable")


def _docker_args(job: Job) -> Iterator[Finding]:
    try:
        shlex.split(job.docker_args)
    except ValueError as error:
        message = f"resources.docker_args cannot be parsed: {str(error).lower()}"
        at = job.where("resources", "docker_args")
        yield Finding(at, message, "Check its quotes", "docker-args-invalid")
    written = mapping_of(_body(job).get("resources")).get("docker_args")
    if isinstance(written, (dict, bool, int, float)):
        message = f"resources.docker_args is not a text: {_short(written)}"
        at = job.where("resources", "docker_args")
        yield Finding(at, message, "Write the options as one text", "docker-args-invalid")


def _editor_variables(job: Job) -> Iterator[Finding]:
    """Text that VS Code would replace in launch.json: it is left out there."""
    texts = {
        ("environment_variables", name): f"{name}={value}"
        for name, value in job.environment_variables.items()
    }
    texts |= {
        ("inputs", name): input_.literal_text
        for name, input_ in job.inputs.items()
        if input_.kind == "literal"
    }
    for path, text in texts.items():
        variable = first_variable(text)
        if variable and job.kind == "command":
            message = (
                f"VS Code would replace {_short(variable)} in launch.json, so F5 starts the job by "
                "`scripts/loop run`"
            )
            hint = "Nothing is to be done if the program is to get this text"
            yield Finding(job.where(*path), message, hint, "editor-variable", INFO)


def _lengths(job: Job) -> Iterator[Finding]:
    """A command, or a variable, that is too long for an operating system."""
    sizes: dict[tuple[str, ...], int] = {
        ("environment_variables", name): len(name) + 1 + _size(value)
        for name, value in job.environment_variables.items()
    }
    literals = {n: i.literal_text for n, i in job.inputs.items() if i.kind == "literal"}
    sizes |= {("inputs", name): len(name) + 20 + _size(text) for name, text in literals.items()}
    sizes[("command",)] = _size(_command(job, literals))
    for path, size in sizes.items():
        if size > LONGEST_ARGUMENT:
            what = "the command" if path == ("command",) else f'"{_short(path[-1])}"'
            message = f"{what} has {size:,} bytes, and no program starts with more than 131,071"
            hint = "Put it into a file that the program reads"
            yield Finding(job.where(*path), message, hint, "argument-too-long")
    if sum(sizes.values()) > LONGEST_TOTAL:
        message = f"the command and its variables have {sum(sizes.values()):,} bytes together"
        hint = "Put them into a file that the program reads"
        yield Finding(job.where("command"), message, hint, "argument-too-long")


def _command(job: Job, literals: Mapping[str, str]) -> str:
    """The command with its literal inputs in it; as written if it refers to something else."""
    values = {name: literals.get(name, "") for name in job.inputs}
    try:
        return substitute(
            job.command, values, dict.fromkeys(job.outputs, ""), dict.fromkeys(job.search_space, "")
        )
    except UserError:
        return job.command


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _body(job: Job) -> Mapping[str, Any]:
    return mapping_of(job.document.get("trial")) if job.kind == "sweep" else job.document


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
