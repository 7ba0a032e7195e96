"""`loop run` on a machine of the team's own: the part of its backends that runs a job to its end.

It is a backend like those of this machine (`local.LocalBackend`), so sweeps, pipelines, `--script` and
`--set` are what they are everywhere. What the person leaves (`--detach`, a lost connection) is a
submitted job of the backend.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from ...history import git_state, recorder
from ...model.experiment import Experiment
from ...model.gpu import GpuSetting
from ...model.jobs.job import Job
from ...model.run import Availability, Request, Run
from ...model.settings import remotes
from ...model.settings.remotes import NO_ENGINE, RemoteEngine, RemoteSetting
from ...model.workspace import Workspace
from ...runner import execute
from ...runner.debug import DebugSite
from ...util import clock, console, files, process
from ...util.errors import UserError
from ...util.gate import RelayCommand
from ...util.printable import raw
from ...util.process import CompletedCommand
from ...util.quick_dataclasses import dataclass
from ...util.text_parts import TextParts
from .. import run_records, snapshot, submission_store
from .. import suspects as suspects_
from ..base import MachineGroups
from ..snapshot import Snapshot
from ..submission_store import SENDING, SENT, UNSENT, SubmittedJob
from . import environments, job_request, load_samples, outputs, transfer
from .connection import ConnectionLost
from .facts import HostFacts
from .follow import Interruptions, JobFollower, job_status, retried
from .host import MARKER, RemoteHost, RemoteJobState, setting_ref
from .job_request import RemoteData, RemoteSite
from .transfer import KnownHashes, RemoteTree

# Where a job that is not started yet has data, for a request that only shows it.
_LATER = "sent"


@dataclass(frozen=True, slots=True)
class PreparedRun:
    """What a run has there: its trees, by the input's name, and that of its code."""

    site: RemoteSite
    code: RemoteTree | None
    data: Mapping[str, RemoteTree]

    @property
    def trees(self) -> list[RemoteTree]:
        return [*([self.code] if self.code is not None else []), *self.data.values()]


class HostRun:
    """A context manager, which closes the connection.

    `remote` is the name of the machine; "" is this one. One object serves all parts of a sweep or
    pipeline.
    """

    def __init__(
        self,
        root: Path,
        remote: str,
        host: RemoteHost | None = None,
        name: str = "ssh",
        socket: str = "",
        facts: HostFacts | None = None,
    ) -> None:
        """`host` may be connecting already; `name` is that of the backend.

        `socket` is another process's connection, `facts` is what that has heard of the machine.
        """
        self.name = name
        self._socket = socket
        self.root = root
        self.remote = remote
        self._host = host
        self._facts = facts
        self._prepared: dict[str, PreparedRun] = {}
        self._snapshots: dict[str, Snapshot] = {}
        self._hashes = KnownHashes()

    def __enter__(self) -> HostRun:
        return self

    def __exit__(self, *error: object) -> None:
        if self._host is not None:
            self._host.__exit__()
        with suppress(UserError):
            self._hashes.keep()

    def __reduce__(self) -> tuple[type[HostRun], tuple[object, ...]]:
        """For a process that carries out a part: without what this one has prepared."""
        socket = self._host.connection.socket if self._host is not None else ""
        return HostRun, (self.root, self.remote, None, self.name, socket, self._facts)

    @property
    def title(self) -> str:
        """The machine's name for messages."""
        return self.remote or remotes.HERE

    @property
    def backend(self) -> str:
        """The value of `--backend`."""
        return f"{self.name}:{self.remote}" if self.remote else self.name

    @property
    def groups(self) -> MachineGroups | None:
        """What runs several parts as one; None: each is a job of its own."""
        return None

    def setting(self, run: Run) -> RemoteSetting:
        return remotes.named(run.experiment.settings.remote, self.remote)

    def host(self, setting: RemoteSetting) -> RemoteHost:
        ref = setting_ref(setting)
        if self._host is None or self._host.ref != ref:
            if self._host is not None:
                self._host.__exit__()
                self._facts = None
            self._host = RemoteHost(ref, self.backend, self._socket)
        return self._host

    def planned(self, workspace: Workspace, experiment: Experiment, job: Job, *, dry: bool) -> Run:
        """A run of the job; data that are there need not be on this machine."""
        elsewhere = self.elsewhere(experiment)
        return execute.plan(workspace, experiment, job, elsewhere=elsewhere, dry=dry)

    def elsewhere(self, experiment: Experiment) -> Mapping[str, str]:
        """The inputs whose data are on the machine already, by their paths there."""
        return remotes.named(experiment.settings.remote, self.remote).data

    # The protocol of a backend.

    def available(self, workspace: Workspace) -> Availability:
        return Availability(True, f"jobs go to {self.title}")

    def supports(self, workspace: Workspace, experiment: Experiment) -> bool:
        return True

    def plan(self, run: Run) -> Request:
        """The host is not asked: `prepare` does that, and the request after it has its facts."""
        setting = self.setting(run)
        prepared = self._prepared.get(run.id)
        if prepared is not None:
            site = prepared.site
        else:
            site = RemoteSite(setting, data=self._data_there(run, setting))
        planned = self._request(run, site)
        missing = [run.environment.missing] if run.environment.missing is not None else []
        grants = [*_moved(setting), *self._suspects(run)]
        return replace(
            planned,
            missing=(*planned.missing, *missing),
            grants=(*planned.grants, *grants),
            needs_build=prepared is None,
            notes=(*planned.notes, *run.environment.notes),
        )

    def gpus_of_parts(self, run: Run, request: Request) -> tuple[GpuSetting, Sequence[str]] | None:
        site = self._prepared[run.id].site
        setting = replace(site.gpus_of(run), is_option=True)
        if not request.gpu.use:
            return setting, ()
        names = [str(index) for index in range(len(site.known.gpus))]
        return setting, setting.devices or names

    # What differs between the backends on such machines.

    def _request(self, run: Run, site: RemoteSite) -> Request:
        return job_request.request(run, site, _why(site))

    def _engine(self, setting: RemoteSetting) -> RemoteEngine | None:
        return setting.engine

    def _usable(self, facts: HostFacts, setting: RemoteSetting) -> HostFacts:
        """The facts with an engine that answers, or none where the settings allow that."""
        if setting.engine in (None, NO_ENGINE) or facts.engine != NO_ENGINE:
            return facts
        said = "; ".join(f"{name}: {text}" for name, text in facts.silent)
        raise UserError(
            f"{setting.engine} does not answer on {setting.name}: "
            f"{said or 'it is not on PATH there'}",
            code="remote-without-engine",
            where=setting.where("engine"),
            hint=f"Start it there; `scripts/loop doctor --backend {self.backend}` says what is there",
        )

    def _environment(
        self, host: RemoteHost, facts: HostFacts, run: Run, digest: str | None
    ) -> tuple[str, str]:
        """The folder of the Python environment and the image, of which one is ""."""
        if facts.engine == NO_ENGINE:
            return environments.python(host, facts, run, console.say), ""
        return "", environments.image(host, facts, run, digest)

    def _data_there(self, run: Run, setting: RemoteSetting) -> dict[str, RemoteData]:
        """Where data are that are not sent, or are not known yet."""
        return _data(run, setting)

    def _launch(
        self, host: RemoteHost, run: Run, request: Request, prepared: PreparedRun
    ) -> CompletedCommand:
        """Start the job, whose files are there."""
        tree = prepared.code.digest if prepared.code is not None else "-"
        scripts = transfer.archive_of_texts(job_request.scripts(run, request, prepared.site))
        return host.tell("launch", job_request.job_of(run), tree, data=[scripts])

    def _refused(self, host: RemoteHost, run: Run, said: str) -> UserError:
        """The error for a job that was not started."""
        return host.error(said, "the job cannot be started")

    # The protocol of a backend, again.

    def prepare(self, run: Run, request: Request) -> None:
        """Connects, and sends and makes what the run needs there and is not there yet."""
        setting = self.setting(run)
        host = self.host(setting)
        code = self._code_tree(run)
        trees = self._data_trees(run, setting)
        absent: frozenset[str] | None = None
        digest = None
        if self._facts is None:
            # In one question: each is a journey there and back.
            name = run.environment.image.name if run.environment.image is not None else ""
            sent = [*([code] if code is not None else []), *trees.values()]
            self._facts = host.facts(self._engine(setting), name, [tree.digest for tree in sent])
            absent, digest = self._facts.absent, self._facts.image
        facts = self._usable(self._facts, setting)
        environment, image = self._environment(host, facts, run, digest)
        data = self._data_there(run, setting)
        own = f"{facts.root}/jobs/{job_request.job_of(run)}/inputs"
        for name, path in run.data.items():
            if data[name].is_theirs:
                continue
            source = _in_tree(trees[name], path) if name in trees else _LATER
            if name not in trees or name in run.writable:
                data[name] = RemoteData(f"{own}/{name}/{os.path.basename(path)}", copied=source)
            else:
                data[name] = RemoteData(f"{facts.root}/trees/{source}")
        site = RemoteSite(setting, facts, data, environment, image)
        self._prepared[run.id] = prepared = PreparedRun(site, code, trees)
        retried(host, lambda: transfer.send(host, facts, prepared.trees, absent))

    def submit(self, run: Run, request: Request) -> int:
        """Start the run, follow it to its end and bring back its outputs; its exit code."""
        host = self.host(self.setting(run))
        job = job_request.job_of(run)
        record = self._record(run, request) if not run.within else None
        try:
            record, pending = self._start(host, run, request, record)
            state, interrupt = self._followed(host, job, run.id, pending)
            if record is not None:
                status = job_status(state, run.id, run.experiment.name, self.title)
                submission_store.update(self.root, record, status=status.status)
            self._fetched(host, run, job, state)
        except ConnectionLost as error:
            if record is None:
                raise
            run_records.write_record(self.root, replace(record, status=record.status or "Sending"))
            raise recorder.RunLost(_left(error, run.id)) from error
        except KeyboardInterrupt:
            if record is not None:
                console.say(f"`scripts/loop download {run.id}` brings what it has left")
            raise
        if interrupt is not None:
            raise interrupt
        if state.state == "lost":
            raise self._lost(run.id, state)
        if state.overtime is not None:
            raise process.OutOfTime()
        return state.code if state.code is not None else 1

    def _lost(self, name: str, state: RemoteJobState) -> UserError:
        return UserError(
            f"the supervisor of {name} on {self.title} is gone, and nobody knows its end",
            code="remote-job-lost",
            where=self.title,
            hint="The machine was restarted, or it was killed there; run it again",
        )

    def left_running(self, run: Run, request: Request) -> SubmittedJob:
        """Send the run and leave it running there."""
        host = self.host(self.setting(run))
        git, patch = submission_store.git_fields(git_state.read(self.root))
        record = replace(self._record(run, request), git=git)
        submission_store.write(self.root, record, patch)
        started, pending = self._start(host, run, request, record)
        record = started or record
        if pending is not None:
            host.answer("cancel", job_request.job_of(run))
            raise pending
        run_records.write_record(self.root, record)
        return record

    def checkout(self, workspace: Workspace, experiment: Experiment) -> tuple[str, str]:
        setting = remotes.named(experiment.settings.remote, self.remote)
        host = self.host(setting)
        found = snapshot.read(self.root, experiment.folder)
        suspects = [(found.folder, suspect) for suspect in found.suspects]
        suspects_.refuse(suspects, False, f"whoever administers {self.title}")
        tree = transfer.tree_of(found.folder, found, self._hashes)
        transfer.send(host, host.facts(NO_ENGINE), [tree])
        name = f"{workspace.image_name}/{experiment.slug}-{tree.digest[:8]}"
        return setting.host, host.query("checkout", tree.digest, name).strip()

    def debug_site(
        self, run: Run, request: Request, programs: Path, library: Path, *, dry: bool
    ) -> DebugSite:
        """Where the debugger is there: its programs and debugpy are sent as trees."""
        setting = self.setting(run)
        host = self.host(setting)
        if dry or run.id not in self._prepared:
            root, sent = setting.folder, {programs: _LATER, library: _LATER}
        else:
            facts = self._prepared[run.id].site.known
            trees = [
                transfer.tree_of_folder("the debugger", programs),
                transfer.tree_of_folder("debugpy", library),
            ]
            transfer.send(host, facts, trees)
            root = facts.root
            sent = {programs: trees[0].digest, library: trees[1].digest}
        there = f"{root}/trees/{sent[programs]}"

        def relay(request: Request, inner: int) -> RelayCommand:
            words = job_request.relay_words(run, request, there, root, inner)
            return RelayCommand(host.connection.argv(host.command("run", *words)), {}, MARKER)

        library_there = f"{root}/trees/{sent[library]}"
        return DebugSite(there, library_there, self._folders(run, request), relay)

    def _folders(self, run: Run, request: Request) -> list[tuple[str, str]]:
        """Paths of the code relative to the workspace, and there: files behind links first."""
        if run.code is None:
            return []
        code = _relative(run, run.code)
        found = self._code(run, run.code)
        linked = [
            (_relative(run, file.source), f"{request.cwd}/{file.name}")
            for file in found.files
            if file.linked
        ]
        folder = os.path.dirname(code) if run.code_is_file else code
        return [*linked, ("" if folder == "." else folder, request.cwd)]

    # What is sent.

    def _code(self, run: Run, code: str) -> Snapshot:
        """The run's code as it was when it was first looked at."""
        if run.id not in self._snapshots:
            self._snapshots = {run.id: snapshot.read(self.root, _relative(run, code))}
        return self._snapshots[run.id]

    def _code_tree(self, run: Run) -> RemoteTree | None:
        if run.code is None:
            return None
        found = self._code(run, run.code)
        return transfer.tree_of(found.folder, found, self._hashes)

    def _data_trees(self, run: Run, setting: RemoteSetting) -> dict[str, RemoteTree]:
        trees = {}
        there = self._data_there(run, setting)
        for name, path in run.data.items():
            if not there[name].is_theirs and os.path.exists(path):
                trees[name] = self._data_tree(run, name, path)
        return trees

    def _data_tree(self, run: Run, name: str, path: str) -> RemoteTree:
        title = f"the data of {name}"
        is_filled = name in run.writable or run.within  # by the program, or by an earlier step
        if is_filled and os.path.isdir(path) and not os.listdir(path):
            return RemoteTree(title, ())
        found = snapshot.read(self.root, _relative(run, path), contents=False)
        return transfer.tree_of(title, found, self._hashes)

    def _with_later_data(self, host: RemoteHost, run: Run) -> PreparedRun:
        """With what did not exist before: the outputs of a pipeline's earlier step."""
        prepared = self._prepared[run.id]
        later = {name: one for name, one in prepared.site.data.items() if one.copied == _LATER}
        trees = {name: self._data_tree(run, name, run.data[name]) for name in later}
        transfer.send(host, prepared.site.known, list(trees.values()))
        copied = {
            name: replace(one, copied=_in_tree(trees[name], run.data[name]))
            for name, one in later.items()
        }
        site = replace(prepared.site, data={**prepared.site.data, **copied})
        return replace(prepared, site=site, data={**prepared.data, **trees})

    def _suspects(self, run: Run) -> list[str]:
        """A clause for each file that looks like a secret and would be sent."""
        if run.code is None or not os.path.exists(run.code):
            return []
        found = self._code(run, run.code)
        return [
            f"it sends {suspect.below(found.folder)} to {self.title}, which looks like a secret: "
            f"{suspect.why}"
            for suspect in found.suspects
        ]

    def _record(self, run: Run, request: Request) -> SubmittedJob:
        prepared = self._prepared[run.id]
        record = SubmittedJob(
            name=run.id,
            experiment=run.experiment.name,
            slug=run.experiment.slug,
            file=run.job.name,
            workspace=asdict(setting_ref(prepared.site.setting)),
            state=SENDING,
            fingerprint="",
            at=clock.now(),
            command=request.redaction.text(request.command),
            compute=self.title,
            inputs=submission_store.job_inputs(run.job),
            environment=run.environment.digest,
            snapshots={tree.title: tree.digest for tree in prepared.trees},
            backend=self.name,
        )
        submission_store.write(self.root, record)
        return record

    def _start(
        self, host: RemoteHost, run: Run, request: Request, record: SubmittedJob | None
    ) -> tuple[SubmittedJob | None, KeyboardInterrupt | None]:
        """Start the job; its files are there. Also returns an interruption that came meanwhile."""
        prepared = self._with_later_data(host, run)
        # Without an answer it may have started: the record says "sending".
        with process.deferred_interrupts(raises=False) as deferred:
            done = self._launch(host, run, request, prepared)
            if done.ok and record is not None:
                record = submission_store.update(self.root, record, state=SENT, status="Running")
        if not done.ok:
            if record is not None:
                submission_store.update(self.root, record, state=UNSENT)
            deferred.raise_pending()
            raise self._refused(host, run, done.err)
        return record, deferred.first

    # What comes back.

    def _followed(
        self, host: RemoteHost, job: str, name: str, pending: KeyboardInterrupt | None
    ) -> tuple[RemoteJobState, KeyboardInterrupt | None]:
        """Follow the job to its end; `pending` is an interruption that came before.

        Returns its state there, and the first interruption.
        """
        follower = JobFollower(host, job)
        interruptions = Interruptions(host, job)
        output = _JobOutput()
        with interruptions.heard():
            while True:
                try:
                    if pending is not None:
                        before, pending = pending, None
                        interruptions.on(before)
                    self._await_start(host, job, name)
                    state = follower.to_end(output.write)
                    output.end()
                    return state, interruptions.first
                except KeyboardInterrupt as interrupt:
                    interruptions.on(interrupt)

    def _await_start(self, host: RemoteHost, job: str, name: str) -> None:
        """Wait while the job waits in a queue. Here there is none."""

    def _fetched(self, host: RemoteHost, run: Run, job: str, state: RemoteJobState) -> None:
        into = files.make_folder(self.root / run.outputs)
        found = retried(host, lambda: outputs.download(host, job, into))
        retried(host, lambda: load_samples.fetch(host, job, state, into))
        if found.incomplete:
            raise found.error(host, job)
        host.has_fetched(job)


def _left(error: ConnectionLost, name: str) -> UserError:
    return UserError(
        f"{error.what}; {name} goes on there",
        code="remote-connection-lost",
        where=name,
        hint=f"`scripts/loop logs {name} --follow` follows it again, `scripts/loop download {name}` "
        "brings its outputs",
    )


def _relative(run: Run, path: str) -> str:
    return os.path.relpath(path, run.workspace.root).replace(os.sep, "/")


def _data(run: Run, setting: RemoteSetting) -> dict[str, RemoteData]:
    """Where data are there: the machine's own, or a tree that is not known yet.

    A step's input may have the name of data of the machine and come from another step.
    """
    there = set(setting.data.values())
    found = {}
    for name, path in run.data.items():
        if path in there:
            found[name] = RemoteData(path, is_theirs=True)
        elif name in setting.data and not run.within:
            found[name] = RemoteData(setting.data[name], is_theirs=True)
        else:
            found[name] = RemoteData(f"{setting.folder}/trees/{_LATER}")
    return found


def _in_tree(tree: RemoteTree, path: str) -> str:
    """The tree of data, or the file in it where the data are one file of this machine."""
    return f"{tree.digest}/{tree.files[0].path}" if os.path.isfile(path) else tree.digest


def _moved(setting: RemoteSetting) -> list[str]:
    """A clause where the workspace, and not the person, says which host a name stands for."""
    if setting.host in ("", setting.name) or not setting.where("host"):
        return []
    return [f"{setting.where('host')}: it is sent to the host {setting.host}"]


def _why(site: RemoteSite) -> str:
    facts = site.facts
    if facts is None:
        return f"on {site.setting.host}"
    engine = facts.engine_version if facts.engine != NO_ENGINE else "an environment of its own"
    return f"on {site.setting.host} with {engine}"


class _JobOutput:
    """Shows a job's output to whom the output of this machine's programs goes."""

    def __init__(self) -> None:
        self._sink = process.output_sink()
        self._parts = TextParts()

    def write(self, chunk: bytes) -> None:
        if self._sink is not None:
            self._sink(self._parts.text(chunk))
            return
        out = raw(sys.stdout)
        out.flush()
        buffer = getattr(out, "buffer", None)
        if buffer is None:
            out.write(self._parts.text(chunk))
            out.flush()
            return
        buffer.write(chunk)
        buffer.flush()

    def end(self) -> None:
        if self._sink is not None and (rest := self._parts.rest()):
            self._sink(rest)
