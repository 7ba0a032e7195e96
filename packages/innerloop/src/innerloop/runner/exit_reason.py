"""Why a command ended with its exit code: what can be seen of it, and no guess.

A signal says what happened (128 and its number). For 126 and 127 the shell's own message names the
program, and the program is looked at: is it there, is it executable, has it Windows line ends, is
its interpreter there?
"""

from __future__ import annotations

import os
import posixpath
import re
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..docker import docker_cli
from ..model.run import Request, Run
from ..util import files, process, user_shell
from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass

# Source: signal(7), the numbers of Linux on x86 and ARM; a container's are always these.
_SIGNALS = {
    1: ("SIGHUP", "its terminal was closed"),
    2: ("SIGINT", "stopped by Ctrl-C"),
    3: ("SIGQUIT", "stopped by Ctrl-\\"),
    4: ("SIGILL", "an instruction that this processor does not have"),
    6: ("SIGABRT", "the program aborted itself; its reason is in its output, if it gave one"),
    7: ("SIGBUS", "bus error"),
    8: ("SIGFPE", "a division by zero in native code"),
    9: ("SIGKILL", "killed"),
    11: ("SIGSEGV", "segmentation fault in native code; `python -X faulthandler` shows where"),
    13: ("SIGPIPE", "the reader of its output ended first"),
    14: ("SIGALRM", "a timer ran out"),
    15: ("SIGTERM", "it was told to end"),
    24: ("SIGXCPU", "the limit of processor time was reached"),
    25: ("SIGXFSZ", "the limit of a file's size was reached"),
    31: ("SIGSYS", "a system call that is not allowed here"),
}


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended with a code, and the end of its output."""

    run: Run
    request: Request
    code: int
    output: str

    @property
    def container(self) -> str:
        """The name of the engine's container; "" if none was started."""
        container = self.request.engine_container
        return container.name if container is not None else ""

    @property
    def in_container(self) -> bool:
        """Whether the program had the files of an image, and not those of this machine."""
        return self.request.container is not None

    @property
    def shm_size(self) -> str:
        return self.run.job.shm_size


def of(ended: Ended) -> str:
    """The reason, to be put after the exit code; "" if nothing shows it."""
    code = ended.code
    if code == 0:
        return ""
    if code in (125, 126, 127) and ended.container and _of_engine(ended):
        return "the engine did not start the container; its message is above"
    if code == 255 and ended.in_container and not ended.container and _of_starter(ended.output):
        return "the container did not start; the message is above"
    if windows := _windows_lines(ended):
        return windows
    if code in (126, 127):
        return _not_started(ended)
    if code == 124 and re.search(r"\btimeout\s", ended.request.command):
        return "the command's own `timeout` ran out"
    if 128 < code <= 128 + 64:
        return _of_signal(ended, code - 128)
    if _memory_is_shared(ended.output):
        return _shared_memory(ended)
    if re.search(r"signal: Killed|\bKilled\s*$", ended.output) and _out_of_memory(ended):
        return _OUT_OF_MEMORY
    return ""


def of_success(ended: Ended) -> str:
    """What a pipe hides: a failure whose exit code is not the command's. "" if nothing shows one."""
    command = ended.request.command
    if not _pipes(command) or re.search(r"\bpipefail\b|\bPIPESTATUS\b", command):
        return ""
    lines = [line for line in ended.output.rstrip().splitlines() if line.strip()]
    last = lines[-1] if lines else ""
    has_traceback = "Traceback (most recent call last):" in ended.output
    if (has_traceback and re.match(r"(\w+\.)*\w*(Error|Exception|Interrupt)\b", last)) or (
        _SHELL_ERROR.match(last)
    ):
        return (
            "the output ends with an error, and the exit code is 0: a pipe has the exit code of its "
            "last program. Begin the command with `set -o pipefail;`"
        )
    return ""


def _of_engine(ended: Ended) -> bool:
    """Whether the output ends with an error of the engine, other than about the command's program."""
    messages = re.findall(r"^docker: .*$", ended.output[-4000:], re.MULTILINE)
    last = ended.output.rstrip().rpartition("\n")[2]
    if _PODMAN_ERROR.match(last) and (
        ended.code == 125 or re.search(r"\bOCI\b|\brunc|\bcrun", last)
    ):
        messages.append(last)
    return bool(messages) and not _missing_program(ended, messages[-1])


# Error: runc: runc create failed: ... OCI runtime attempted to invoke a command that was not found
_PODMAN_ERROR = late_pattern("Error: ")


def _missing_program(ended: Ended, message: str) -> str:
    """The program of the command that the engine does not find; "" if it misses one of its own.

    An engine starts programs itself: a runtime, a hook, a helper of its network.
    """
    container = ended.request.container
    match = _ENGINE_ERROR.search(message)
    if match is None or container is None or re.search(r"\bhook\b", message[: match.start()]):
        return ""
    words = (container.entrypoint, *container.command, *container.options)
    own = container.entrypoint is None or match["program"] in words
    return match["program"] if own else ""


def _of_starter(output: str) -> bool:
    """Whether the output ends with an error of Apptainer, which has its own word before it."""
    lines = output.rstrip().splitlines()
    return bool(lines) and re.match(r"(\x1b\[\d*m)?FATAL: ", lines[-1]) is not None


def _pipes(command: str) -> bool:
    """Whether the command has a pipe; `||` and quoted text are none."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split = True
    try:
        return any(word in ("|", "|&") for word in lexer)
    except ValueError:
        return False


# --- signals ---------------------------------------------------------------------------------------

_OUT_OF_MEMORY = "killed, because its container ran out of memory"


def _of_signal(ended: Ended, number: int) -> str:
    name, meaning = _SIGNALS.get(number, (f"signal {number}", "ended by it"))
    if number == 2:
        return meaning
    if number == 9:
        return _of_kill(ended.container, ended.request.command)
    if number == 7:
        return f"{name}: {_shared_memory(ended)}"
    elif number == 4 and (lacking := _lacking()):
        meaning = f"{meaning}: it has no {lacking}"
    return f"{name}: {meaning}"


def of_container(name: str, code: int) -> str:
    """The reason of a container's end where only its exit code is known; "" without one."""
    if code == 128 + 9:
        return _of_kill(name)
    return ": ".join(_SIGNALS.get(code - 128, ()))


# timeout -s KILL 10 python train.py; timeout -k 5 1h python train.py
_TIMEOUT_KILLS = late_pattern(
    r"\btimeout(\s+--?[a-z-]+(?:[= ]\S+)?)*?\s+(-k|--kill-after|(-s\s*|--signal[= ])(SIG)?(KILL|9\b))"
)


def _of_kill(container: str, command: str = "") -> str:
    """Who may have killed a program: all who can, less those of whom it is known."""
    happened = _events(container) if container else frozenset()
    if "oom" in happened:
        return _OUT_OF_MEMORY
    killers = ["the command's own `timeout`" if _TIMEOUT_KILLS.search(command) else "a program"]
    if container and "die" not in happened:
        killers.append("its container's memory limit")
    killers.append("this machine, out of memory (`dmesg` names the program)")
    known = ", not by a limit of its container" if "die" in happened else ""
    return f"SIGKILL: killed{known}: by {', '.join(killers[:-1])} or {killers[-1]}"


def _memory_is_shared(output: str) -> bool:
    return re.search(r"Bus error|No space left on device.*(/dev/shm|torch_)", output) is not None


def _shared_memory(ended: Ended) -> str:
    if not ended.container:
        full = "" if sys.platform == "darwin" else "/dev/shm of this machine is full, or "
        return f"bus error: {full}a mapped file was cut short"
    return (
        f"bus error: most often the shared memory is used up. /dev/shm has {ended.shm_size} here; "
        "write more in the job's resources.shm_size"
    )


def _out_of_memory(ended: Ended) -> bool:
    return bool(ended.container) and "oom" in _events(ended.container)


def _events(container: str) -> frozenset[str]:
    """What the engine saw happen to a container ("oom": its memory limit was reached)."""
    until = time.time() + _LATE
    done = process.run(docker_cli.events_of(container, until), timeout=10)
    return frozenset(done.out.split())


_LATE = 0.5  # seconds that an event may come after its container's end


def _lacking() -> str:
    """The vector instructions that packages are often built for, and this processor lacks."""
    import platform  # here: a run that goes well needs none of it

    text = files.read_text(Path("/proc/cpuinfo")) or ""
    flags = set(
        next((re.findall(r"\S+", line) for line in text.splitlines() if "flags" in line), [])
    )
    if platform.machine() not in ("x86_64", "AMD64") or not flags:
        return ""
    return " and no ".join(name.upper() for name in ("avx", "avx2") if name not in flags)


# --- 126 and 127 -----------------------------------------------------------------------------------

# bash: line 1: x: command not found. sh: 1: x: not found. env: 'x': No such file or directory
_SHELL_ERROR = late_pattern(
    r"^(?:/\S*/)?(?:[\w.+-]+): (?:line )?(?:\d+: )?[\"'‘]?(?P<program>[^:\"'’]+?)[\"'’]?: "
    r"(?P<why>command not found|not found|No such file or directory|Permission denied|"
    r"permission denied|cannot execute[^\n]*|Exec format error|Is a directory|"
    r"(?P<interpreter>\S+): bad interpreter[^\n]*)\s*$"
)
# docker: ... exec: "x": executable file not found in $PATH: unknown.
_ENGINE_ERROR = late_pattern(r'exec: "(?P<program>[^"]+)": (?P<why>[^\n]+)')


# run.sh: line 2: $'\r': command not found. /usr/bin/env: 'bash\r': No such file or directory
_CARRIAGE_RETURN = late_pattern(r"(?:\\r|\r)['’\"]*(?::|'*$)|\^M: bad interpreter")


def _windows_lines(ended: Ended) -> str:
    """A script with Windows line ends, of which the output shows a carriage return."""
    lines = [line for line in ended.output.split("\n") if _CARRIAGE_RETURN.search(line)]
    if not lines:
        return ""
    words = [word.strip("'\"") for word in re.split(r"[\s;&|()]+", ended.request.command)]
    names = [line.split(":")[0] for line in lines] + words
    for name in dict.fromkeys(names):
        path = _on_this_machine(ended, name) if name else None
        if path is not None and path.is_file() and b"\r\n" in _start(path):
            return (
                f"{name} has Windows line ends (CRLF), which no shell understands: save it with LF, "
                "and write `*.sh text eol=lf` in .gitattributes"
            )
    return ""


def _not_started(ended: Ended) -> str:
    program = _program(ended)
    if not program:
        return ""
    if "/" in program:
        return _of_file(ended, program)
    if not ended.in_container:
        where = _elsewhere(program, ended.request.env)
        return where or f"{program} is not on PATH"
    return _of_image(ended, program)


def _program(ended: Ended) -> str:
    """The program that could not be started, from the last such message of a shell or the engine."""
    for line in reversed(ended.output.splitlines()):
        if match := _SHELL_ERROR.match(line.strip()):
            return match["program"].strip().rstrip("\r")
        if program := _missing_program(ended, line):
            return program
    return ""


def _of_file(ended: Ended, program: str) -> str:
    """What is wrong with a file that the command starts."""
    path = _on_this_machine(ended, program)
    if path is None:
        return _of_image(ended, program)
    if not os.path.lexists(path):
        return f"there is no {program} in the code"
    if os.path.isdir(path):
        return f"{program} is a folder"
    first = _start(path).split(b"\n")[0]
    if first.startswith(b"#!") and first.endswith(b"\r"):
        return (
            f"{program} has Windows line ends (CRLF), so its interpreter is not found: save it with "
            "LF, and write `*.sh text eol=lf` in .gitattributes"
        )
    if not os.access(path, os.X_OK):
        return (
            f"{program} is not executable: {user_shell.executable(program)}; "
            f"or start it with its interpreter, as in `bash {program}`"
        )
    if first.startswith(b"#!"):
        return _of_interpreter(ended, program, first[2:].decode("utf-8", "replace").split())
    if ended.code == 126:
        return f"{program} is not a program of this system: it is built for another one, or damaged"
    return ""


def _start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _of_interpreter(ended: Ended, program: str, words: Sequence[str]) -> str:
    """Whether the program that the file's first line names is there."""
    if words and posixpath.basename(words[0]) == "env":
        words = [word for word in words[1:] if not word.startswith("-")]
    if not words:
        return ""
    interpreter = words[0]
    if not ended.in_container:
        is_there = process.which(interpreter) is not None
    else:
        is_there = _in_image(ended, interpreter) != ""
    if is_there:
        return ""
    where = "in the image" if ended.in_container else "on this machine"
    return f"{program} needs {interpreter}, which is not {where}"


def _on_this_machine(ended: Ended, program: str) -> Path | None:
    """The file's path on this machine; None for one of the image."""
    cwd = ended.request.cwd.replace("\\", "/")
    path = posixpath.normpath(posixpath.join(cwd, program))
    if not ended.in_container:
        plain = Path(path)
        if not plain.exists() and ended.run.has_code_folder and path.startswith(f"{cwd}/"):
            # The view of the code is removed when the run ends.
            return Path(str(ended.run.code), path[len(cwd) + 1 :])
        return plain
    for mount in sorted(ended.request.mounts, key=lambda mount: -len(mount.target)):
        if path == mount.target or path.startswith(f"{mount.target}/"):
            return Path(mount.source, path[len(mount.target) + 1 :])
    return None


def _of_image(ended: Ended, program: str) -> str:
    place = _in_image(ended, program)
    if place is None:
        return ""
    if not place:
        return f"{program} is not in the image"
    if ended.code == 127 and "/" not in program:
        return (
            f"{program} is in the image ({place}), and not on the PATH of the shell that ran: a login "
            "shell (bash -l) or the command itself sets another PATH"
        )
    return ""


def _in_image(ended: Ended, program: str) -> str | None:
    """Where the image has a program; "" if it does not, None if the engine does not say."""
    container = ended.request.engine_container
    if container is None or not container.image:
        return None
    look = 'command -v -- "$0" || { [ -e "$0" ] && echo "$0"; } || echo'
    done = process.run(
        docker_cli.run_once(container.image, ["sh", "-c", look, program]), timeout=30
    )
    # Each outcome of the look prints something: silence is an image that did not start.
    return done.out.strip() if done.ok and done.out else None


def _elsewhere(program: str, env: Mapping[str, str]) -> str:
    """A program that the environment has, and the shell did not find."""
    for folder in env.get("PATH", "").split(os.pathsep):
        path = Path(folder, program)
        if folder and path.is_file() and os.access(path, os.X_OK):
            return (
                f"{program} is in {folder}, which is not on the PATH of the shell that ran: a login "
                "shell (bash -l) or the command itself sets another PATH"
            )
    return ""


def text(ended: Ended) -> str:
    """The reason in parentheses after an exit code; "" without one."""
    reason = of(ended)
    return f" ({reason})" if reason else ""
