"""A machine with its agent: a shell script that keeps jobs there. See in_env_scripts/remote/agent.sh."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from functools import cache
from pathlib import Path

from ...model.apptainer import PROGRAMS
from ...model.settings.remotes import (
    APPTAINER,
    DEFAULT_FOLDER,
    DOCKER,
    NO_ENGINE,
    PODMAN,
    RemoteEngine,
    RemoteSetting,
    is_folder,
    is_host,
    is_name,
)
from ...util.errors import UserError
from ...util.late_patterns import late_pattern
from ...util.process import CollectedProgram, CompletedCommand, OutputStream
from ...util.quick_dataclasses import dataclass
from . import facts
from .connection import SSH_FAILED, SshConnection, connection_error, quoted
from .facts import HostFacts
from .local_connection import LocalConnection

SCRIPT = Path(__file__).resolve().parents[2] / "in_env_scripts" / "remote" / "agent.sh"
# What each answer begins with: a person's shell may print something before.
MARKER = "innerloop-agent"
# What the agent says of a job whose folder is gone.
_NO_JOB = "there is no such job"
# The exit code of an answer without it: there is no agent, or it cannot start.
_NOT_THERE = 127
# The engines that are asked, in this order.
_ASKED: dict[RemoteEngine | None, tuple[str, ...]] = {
    None: (DOCKER, PODMAN, *PROGRAMS),
    DOCKER: (DOCKER,),
    PODMAN: (PODMAN,),
    APPTAINER: PROGRAMS,
    NO_ENGINE: (),
}


# What is on stderr if the agent's folder is that of another user of the machine, who could put a
# program of their own into it.
_FOREIGN = "belongs to another user"
# In the words of GNU, BSD and busybox, for a program and for a shell's redirection.
_UNWRITABLE = late_pattern(
    r"^.*(?:mkdir|can(?:not|'t) create).*(?:Permission denied|Read-only file system).*$",
    re.MULTILINE,
)
_FOLDER = 'f=$0; case $f in "~/"*) f=$HOME/${f#??} ;; esac; '
_OWN = f'if [ -d "$f" ]; then [ -O "$f" ] || {{ echo "$f {_FOREIGN}" >&2; exit 1; }}; fi; '
# Its words: the folder, the agent's name in it, the words for the agent.
_START = f'{_FOLDER}{_OWN}a=$f/$1; shift; exec sh "$a" "$f" "$@"'
# Its words: the folder, the agent's name in it. Several commands may do it at once.
_INSTALL = (
    f'{_FOLDER}umask 077; mkdir -p "$f" || exit 1; {_OWN}chmod go-w "$f" && cat >"$f/$1.$$" && '
    'mv -f "$f/$1.$$" "$f/$1"'
)
_IS_THERE = f'{_FOLDER}test -O "$f/$1"'


@dataclass(frozen=True, slots=True)
class RemoteRef:
    """Where a job is: the name of the machine, its host for ssh, and the agent's folder there.

    The host "" is this machine.
    """

    remote: str
    host: str
    folder: str = DEFAULT_FOLDER

    def __post_init__(self) -> None:
        """A record of a job may be a stranger's: ssh must not take its words as options."""
        is_known = not self.host or is_host(self.host)
        if not (is_name(self.remote) and is_known and is_folder(self.folder)):
            raise TypeError("not where a job can be")


@dataclass(frozen=True, slots=True)
class RemoteJobState:
    """A job as the agent knows it.

    `state` is "queued", "running", "ended" or "lost": its supervisor is gone, and nobody knows its end.
    Times are seconds since the epoch, None where they are not known. `overtime`: it was stopped after so
    many seconds. `reason` says why a cluster lets it wait, `fate` what the cluster says of a lost one.
    `parts` are the jobs of a group, by name.
    """

    state: str
    code: int | None = None
    started: int | None = None
    ended: int | None = None
    canceled: bool = False
    overtime: int | None = None
    reason: str = ""
    fate: str = ""
    parts: Mapping[str, RemoteJobState] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        return self.state in ("queued", "running")


@cache
def _script() -> tuple[str, str]:
    text = SCRIPT.read_text(encoding="utf-8")
    return text, hashlib.sha256(text.encode()).hexdigest()[:12]


class RemoteHost:
    """Its agent's verbs. A context manager, which closes the connection.

    `backend` is the value of `--backend` for it, `socket` another process's connection to it.
    """

    def __init__(self, ref: RemoteRef, backend: str = "", socket: str = "") -> None:
        self.ref = ref
        self.backend = backend or f"ssh:{ref.remote}"
        self.connection: SshConnection | LocalConnection = (
            SshConnection(ref.host, socket) if ref.host else LocalConnection()
        )
        self._is_installed = False

    def __enter__(self) -> RemoteHost:
        return self

    def __exit__(self, *error: object) -> None:
        self.connection.close()

    # The agent's program there.

    def command(self, verb: str, *words: str) -> str:
        """The shell command of a verb."""
        return self._command(_START, verb, *words)

    def _command(self, script: str, *words: str) -> str:
        """The shell command of a script that knows the agent's folder."""
        return quoted(["sh", "-c", script, self.ref.folder, f"agent-{_script()[1]}.sh", *words])

    def install(self) -> None:
        """Put the agent there, unless it is."""
        if self._is_installed:
            return
        if not self.connection.run(self._command(_IS_THERE)).ok:
            self._install()
        self._is_installed = True

    def _install(self) -> None:
        sent = self.connection.feed(self._command(_INSTALL), [_script()[0].encode()])
        if not sent.ok:
            raise self.error(sent.err, "the agent cannot be installed")

    def query(self, verb: str, *words: str, timeout: float | None = None) -> str:
        """The answer of a verb. UserError if it fails."""
        done = self.answer(verb, *words, timeout=timeout)
        if not done.ok:
            raise self.error(done.err, f"`{verb}` failed")
        return done.out

    def answer(self, verb: str, *words: str, timeout: float | None = None) -> CompletedCommand:
        """The same with its exit code."""
        command = self.command(verb, *words)
        done = _unmarked(self.connection.run(command, timeout=timeout))
        if not self._is_installed and done.code == _NOT_THERE:
            self._install()
            done = _unmarked(self.connection.run(command, timeout=timeout))
        self._is_installed = True
        return done

    def tell(self, verb: str, *words: str, data: Iterable[bytes]) -> CompletedCommand:
        """The answer of a verb that reads `data`."""
        self.install()
        return _unmarked(self.connection.feed(self.command(verb, *words), data))

    @contextmanager
    def listen(self, verb: str, *words: str) -> Iterator[OutputStream]:
        """The output of a verb as it comes, from its first byte on. ConnectionLost without one."""
        self.install()
        with self.connection.stream(self.command(verb, *words)) as stream:
            while (line := stream.line()).strip() != MARKER.encode():
                if not line:
                    raise self.lost(stream)
            yield stream

    def start(self, verb: str, *words: str) -> CollectedProgram:
        """A verb that runs beside what this process does."""
        self.install()
        return CollectedProgram(self.connection.argv(self.command(verb, *words)))

    def lost(self, stream: OutputStream) -> UserError:
        """The error for a stream that ended with an error."""
        code, said = stream.code(), stream.errors
        if code == SSH_FAILED:
            self.connection.close()
            return connection_error(self.ref.host, said)
        return self.error(said, f"exit code {code}")

    def error(self, said: str, otherwise: str) -> UserError:
        """The error for what the agent or a program there has said."""
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        what = lines[-1] if lines else otherwise
        if "No space left on device" in said or "Disk quota exceeded" in said:
            return UserError(
                f"the disk of {self.ref.remote} is full: {what}",
                code="remote-disk-full",
                where=self.ref.folder,
                hint=f"`scripts/loop clean --backend {self.backend}` frees what is there, or "
                "name a folder on another disk with [remote.NAME] folder",
            )
        if (unwritable := _UNWRITABLE.search(said)) is not None:
            return UserError(
                f"the folder for jobs on {self.ref.remote} cannot be written: {unwritable[0]}",
                code="remote-folder-unwritable",
                where=self.ref.folder,
                hint="Name a folder of your own with [remote.NAME] folder",
            )
        if _FOREIGN in said:
            return UserError(
                f"{self.ref.remote}: {what}",
                code="remote-folder-foreign",
                where=self.ref.folder,
                hint="Name a folder of your own with [remote.NAME] folder",
            )
        if _NO_JOB in said:
            return UserError(
                f"{self.ref.remote} has no such job any more",
                code="remote-job-missing",
                where=self.ref.folder,
                hint="It was cleaned there; `scripts/loop runs` lists what is here",
            )
        return UserError(
            f"{self.ref.remote}: {what}",
            code="remote-failed",
            where=self.ref.folder,
            hint=f"`scripts/loop doctor --backend {self.backend}` says what is there",
        )

    # What it has.

    def facts(
        self, engine: RemoteEngine | None, image: str = "", trees: Sequence[str] = ()
    ) -> HostFacts:
        """What it is, and whether it has an image and trees."""
        return facts.parse(self.query("facts", *_ASKED[engine], "--", image, *trees, timeout=120))

    def pythons(self, *programs: str) -> dict[str, str]:
        """The programs of Python by version ("3.11"), of which the first ones asked for count."""
        found: dict[str, str] = {}
        for line in self.query("pythons", *programs, timeout=60).splitlines():
            version, _, program = line.partition("\t")
            found.setdefault(version, program)
        return found

    def state(self, job: str) -> RemoteJobState:
        return state_of(self.query("status", job))

    def has_fetched(self, job: str) -> None:
        """Note there that the job's outputs have arrived here."""
        path = f"{self.ref.folder}/jobs/{job}/fetched"
        if not self.connection.note_file(path):
            self.answer("fetched", job)


def state_of(text: str) -> RemoteJobState:
    """The state of the agent's answer to `status`: of a group, its parts follow, each after its name."""
    own, *parts = re.split(r"^part\t", text, flags=re.MULTILINE)
    named = (part.partition("\n") for part in parts)
    states = {name: _state(lines) for name, _, lines in named}
    whole = replace(_state(own), parts=states)
    begun = [state.started for state in states.values() if state.started is not None]
    ended = [state.ended for state in states.values() if state.ended is not None]
    if begun:
        whole = replace(whole, started=min(begun))
    if ended and not whole.is_open:
        whole = replace(whole, ended=max(ended))
    return whole


def _state(text: str) -> RemoteJobState:
    values = dict(line.split("\t", 1) for line in text.splitlines() if "\t" in line)
    numbers = {key: facts.number_in(value) for key, value in values.items()}
    return RemoteJobState(
        state=values.get("state") or "lost",
        code=numbers.get("code"),
        started=numbers.get("started"),
        ended=numbers.get("ended"),
        canceled="canceled" in values,
        overtime=numbers.get("overtime"),
        reason=values.get("reason", ""),
        fate=values.get("fate", ""),
    )


def setting_ref(setting: RemoteSetting) -> RemoteRef:
    return RemoteRef(setting.name, setting.host, setting.folder)


def _unmarked(done: CompletedCommand) -> CompletedCommand:
    """The answer without what the person's shell printed before it."""
    _, marker, out = f"\n{done.out}".partition(f"\n{MARKER}\n")
    if not marker:
        return CompletedCommand(_NOT_THERE, "", done.err or "no answer of the agent")
    return CompletedCommand(done.code, out, done.err)
