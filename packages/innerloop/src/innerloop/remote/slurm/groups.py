"""A sweep as one array of a cluster, and a pipeline as jobs that wait for each other.

All parts are given to the cluster at once. Then each is followed and fetched like a run of its own, in the
order of the executor's table: what runs meanwhile runs there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace

from ...history import git_state
from ...model.jobs import sweep as sweeps
from ...model.run import Run
from ...runner import pipeline_executor, pipeline_plan, sweep_executor
from ...runner.execute import Started
from ...runner.pipeline_plan import PipelinePlan
from ...runner.sweep_executor import Prepare, Sweep
from ...util import clock, console, process
from ...util.errors import UserError, combine
from .. import run_records, submission_store
from ..host import job_request, transfer
from ..host.host import RemoteHost, setting_ref
from ..submission_store import SENDING, SENT, UNSENT, SubmittedJob
from . import batch_script
from .batch_script import Submitted
from .run import SlurmRun


class SlurmGroups:
    """What runs several parts as one job of the cluster."""

    def __init__(self, machine: SlurmRun) -> None:
        self.machine = machine

    def sweep(self, planned: Sweep, prepare: Prepare, parallel: int | None, *, detach: bool) -> int:
        """Run the trials as an array. With `detach`, leave it there and print its name."""
        started = {trial.run.id: prepare(trial.run, dry=False) for trial in planned.trials}
        parts = list(started.values())
        name = planned.folder.rpartition("/")[2]
        of = parts[0].run
        array = Submitted(name, elements=tuple(started))
        texts = {"job.sh": self.array_script(planned, parts, parallel)}
        self._give(name, of, parts, [array], texts, "sweep", planned.job.name)
        if detach:
            return self._left(name, of)

        def given(run: Run, *, dry: bool) -> Started:
            return replace(started[run.id], run=run)

        return self._to_its_end(name, of, lambda: sweep_executor.carry_out(planned, given))

    def script_of_sweep(self, planned: Sweep, prepare: Prepare, parallel: int | None) -> str:
        parts = [prepare(trial.run, dry=True) for trial in planned.trials]
        return parts[0].request.redaction.text(self.array_script(planned, parts, parallel))

    def script_of_pipeline(self, planned: PipelinePlan) -> str:
        if planned.drawn:
            return ""
        try:
            steps = planned.steps
            runs = {step.name: pipeline_plan.run_of(planned, step, dry=True) for step in steps}
        except UserError:
            return ""  # the step's request says it
        self._name_outputs(planned, runs, dry=True)
        return batch_script.submit_script(_scripts(planned, runs))

    def array_script(self, planned: Sweep, parts: Sequence[Started], parallel: int | None) -> str:
        """The batch script of all trials. The others have what the first one asks for."""
        first = parts[0]
        name = planned.folder.rpartition("/")[2]
        site = self.machine.site_of(first.run)
        base = self.machine.batch(first.run, first.request, site)
        tasks = [
            replace(
                self.machine.task(part.run, part.request, self.machine.site_of(part.run)),
                name=_title(trial),
            )
            for part, trial in zip(parts, planned.trials, strict=True)
        ]
        return batch_script.text(
            replace(
                base,
                title=f"{first.run.experiment.name}, {len(parts)} trials of the sweep {name}",
                folder=f"{site.root}/jobs/{first.run.workspace.image_name}/{name}",
                tasks=tasks,
                is_array=True,
                at_once=parallel or sweeps.max_concurrent_trials(planned.job),
            )
        )

    def pipeline(
        self, planned: PipelinePlan, prepare: Prepare, parallel: int | None, *, detach: bool
    ) -> int:
        """Run the steps as jobs that wait for those before them.

        A step of several trials decides itself which outputs are its own: such a pipeline runs step by
        step.
        """
        if planned.drawn:
            if detach:
                raise UserError(
                    "a pipeline with the trials of a sweep is followed from here",
                    code="option-not-applicable",
                    where=planned.run.job.name,
                    hint="Omit --detach, or --trials",
                )
            return pipeline_executor.carry_out(planned, prepare, parallel)
        if errors := pipeline_plan.missing(planned, prepare):
            raise combine(errors)
        planned = pipeline_plan.fetched(planned)
        runs = {step.name: pipeline_plan.run_of(planned, step) for step in planned.steps}
        self._name_outputs(planned, runs, dry=False)
        started = {run.id: prepare(run, dry=False) for run in runs.values()}
        name, parts, scripts = planned.run.id, list(started.values()), _scripts(planned, runs)
        self._give(name, planned.run, parts, scripts, {}, "pipeline", planned.run.job.name)
        if detach:
            return self._left(name, planned.run)

        def given(run: Run, *, dry: bool) -> Started:
            return replace(started[run.id], run=run)

        return self._to_its_end(
            name, planned.run, lambda: pipeline_executor.carry_out(planned, given)
        )

    def _name_outputs(self, planned: PipelinePlan, runs: Mapping[str, Run], *, dry: bool) -> None:
        """Tell the machine which inputs are outputs of steps that run now, by their paths there."""
        for step in planned.steps:
            self.machine.earlier[runs[step.name].id] = {
                name: f"{self.machine.folder_there(runs[earlier], dry=dry)}/outputs/{output}"
                + step.below.get(name, "")
                for name, (earlier, output) in step.takes.items()
                if earlier in runs
            }

    # The group there.

    def _give(
        self,
        name: str,
        of: Run,
        parts: Sequence[Started],
        scripts: Sequence[Submitted],
        texts: Mapping[str, str],
        kind: str,
        file: str,
    ) -> None:
        """Place all parts there, and submit them together. UserError if the cluster refuses one."""
        machine = self.machine
        host = machine.host(machine.setting(of))
        git, patch = submission_store.git_fields(git_state.read(machine.root))
        record = SubmittedJob(
            name=name,
            experiment=of.experiment.name,
            slug=of.experiment.slug,
            file=file,
            workspace=asdict(setting_ref(machine.setting(of))),
            state=SENDING,
            fingerprint="",
            at=clock.now(),
            kind=kind,
            command=of.job.command,
            compute=machine.title,
            inputs=submission_store.job_inputs(of.job),
            git=git,
            backend=machine.name,
        )
        submission_store.write(machine.root, record, patch)
        group = _job_of(of, name)
        ids = [part.run.id for part in parts]
        own = {
            "folders": "",
            "copies": "",
            "parts": "".join(f"{id_}\n" for id_ in ids),
            "submit.sh": batch_script.submit_script(scripts),
            **texts,
        }
        try:
            with process.deferred_interrupts() as deferred:
                self._placed(host, group, own, parts)
                done = host.answer("submit", group)
                if not done.ok:
                    raise machine.refusal(host, of, done.err)
                machine.placed.update(ids)
                record = submission_store.update(machine.root, record, state=SENT, status="Queued")
                if deferred.first is not None:
                    host.answer("cancel", group)
                deferred.raise_pending()
        except UserError:
            submission_store.update(machine.root, record, state=UNSENT)
            for job in (group, *(_job_of(of, id_) for id_ in ids)):
                host.answer("remove", "job", job)
            raise

    def _placed(
        self, host: RemoteHost, group: str, own: Mapping[str, str], parts: Sequence[Started]
    ) -> None:
        made = host.tell("place", group, "-", data=[transfer.archive_of_texts(own)])
        for part in parts:
            if made.ok:
                prepared = self.machine.prepared(host, part.run)
                made = self.machine.place(host, part.run, part.request, prepared, {})
        if not made.ok:
            raise host.error(made.err, "the jobs cannot be placed there")

    def _to_its_end(self, name: str, of: Run, carry_out: Callable[[], int]) -> int:
        """What the executor makes of the parts; what still waits or runs then is canceled."""
        host = self.machine.host(self.machine.setting(of))
        code = 1
        try:
            code = carry_out()
            return code
        finally:
            if code != 0:
                host.answer("cancel", _job_of(of, name))
            record = submission_store.read(self.machine.root, name)
            if record is not None:
                status = "Completed" if code == 0 else "Failed"
                submission_store.update(self.machine.root, record, status=status)
            host.has_fetched(_job_of(of, name))

    def _left(self, name: str, of: Run) -> int:
        record = submission_store.read(self.machine.root, name)
        if record is not None:
            run_records.write_record(self.machine.root, record)
        print(name, flush=True)
        console.say(
            f"it is in the queue of {self.machine.title}: `scripts/loop status {name}` lists its parts, "
            f"`scripts/loop download {name}` brings their outputs, `scripts/loop cancel {name}` stops it"
        )
        return 0


def _scripts(planned: PipelinePlan, runs: Mapping[str, Run]) -> list[Submitted]:
    """The steps in their order, each after those that it needs."""
    return [
        Submitted(runs[step.name].id, tuple(runs[need].id for need in step.needs if need in runs))
        for step in planned.steps
    ]


def _title(trial: sweep_executor.Trial) -> str:
    values = ", ".join(f"{name}={value}" for name, value in trial.values.items())
    return f"{trial.name}: {values}"


def _job_of(run: Run, name: str) -> str:
    return job_request.job_of(replace(run, id=name))
