"""The process of one detached run: it waits until it is the run's turn, carries it out, and ends.

Its end, however it comes, frees its place in the queue and its GPUs. What it was to do came through
stdin: nothing that somebody may write to a file decides what it runs.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..history import in_flight, past_runs, recorder, tee
from ..history.in_flight import Mark
from ..history.recorder import WaitingRecord
from ..model.gpu import GpuSetting
from ..model.run import Run
from ..util import console, files, json_records, ports, process
from ..util.errors import UserError
from ..util.json_records import RecordError
from . import device_claims, execute, part_process, pipeline_executor, sweep_executor
from .detached_task import DETACHED, DetachedTask
from .device_claims import ClaimableGpu


def main() -> int:
    """Carry out the task from stdin, and return its exit code."""
    task: DetachedTask = part_process.received()
    with process.signals_as_interrupts():
        try:
            return _supervise(task)
        except UserError as error:
            console.say(error.report())
            return error.exit_code
        except KeyboardInterrupt as interrupt:
            return int(getattr(interrupt, "exit_code", 130))


def _supervise(task: DetachedTask) -> int:
    root = task.root
    with in_flight.marked(root, task.id, DETACHED, task.experiment, task.folder) as mark:
        # The request is for the record alone; what runs is planned with the GPUs that it gets.
        first = execute.prepare(task.run, task.backend, dry=True)
        record = recorder.waiting(task.run, first.request, kind=task.kind, folder=task.folder)
        files.make_folder(record.path.parent)
        record.write()
        if task.run.ordered is not None:
            recorder.record_ordered(root / task.folder, task.run.ordered)
        print("ready", flush=True)
        _leave_terminal()
        return _to_its_end(task, record, mark)


def _leave_terminal() -> None:
    """Nobody reads what is printed from now on; the log has it."""
    sys.stdout.flush()
    sys.stderr.flush()
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nothing, number)
    os.close(nothing)


def _to_its_end(task: DetachedTask, record: WaitingRecord, mark: Mark) -> int:
    """The exit code; the record has it too, however it comes about."""
    log = task.root / task.folder / recorder.LOG
    code = 1
    try:
        code = _carry_out(task, record)
    except UserError as error:
        code = error.exit_code
        _append(log, error.report())
    except KeyboardInterrupt as interrupt:
        code = int(getattr(interrupt, "exit_code", 130))
    except Exception:
        _append(log, traceback.format_exc())
    finally:
        _end(task, record, mark, code)
    return code


def _append(log: Path, text: str) -> None:
    with suppress(UserError, OSError):
        files.append(log, f"{text.rstrip()}\n")


def _end(task: DetachedTask, record: WaitingRecord, mark: Mark, code: int) -> None:
    """Close the record, unless the run did: or goes on in a container whose engine is away."""
    with suppress(RecordError):
        written = json_records.read_file(record.path)
        if written is not None and not task.kind and "waiting" not in written.value:
            mark.is_kept = past_runs.is_open(written.value)
            return
    with suppress(UserError):
        record.end(code)


def _carry_out(task: DetachedTask, record: WaitingRecord) -> int:
    task = _with_gpus(task).with_each(_with_ports)
    prepare = partial(execute.prepare, backend=task.backend, trusted=True)
    if not task.kind:
        started = prepare(task.run, dry=False)
        if task.pipeline is not None:
            started = pipeline_executor.recorded(task.pipeline, started)
        return execute.carry_out(started)
    record.begin()
    with tee.recorded(task.root / task.folder / recorder.LOG, record.redaction):
        if task.sweep is not None:
            return sweep_executor.carry_out(task.sweep, prepare, task.parallel)
        assert task.pipeline is not None
        return pipeline_executor.carry_out(task.pipeline, prepare, task.parallel)


def _with_ports(run: Run) -> Run:
    """What was free when the run was asked for may not be any more."""
    own = {port: ports.free(port) for port in run.ports}
    return replace(run, master_port=ports.free(run.master_port), ports=own)


def _with_gpus(task: DetachedTask) -> DetachedTask:
    """The task with its GPUs, which this process keeps to its end; the parts of one get their own."""
    setting = task.experiment.settings.gpu
    found = device_claims.candidates(setting) if task.uses_gpus else ()
    if found is None:
        found = (ClaimableGpu("", "all-gpus"),)
    if found and not task.is_serial:
        return task
    count = gpus_of(task, setting, len(found)) if found else 1
    claim = device_claims.claim(
        setting,
        found or device_claims.slots_here(),
        count,
        _say_nothing,
        id=task.id,
        is_detached=True,
    )
    return task.with_gpu(claim.setting)


def gpus_of(task: DetachedTask, setting: GpuSetting, there: int) -> int:
    """How many of the GPUs `there` a detached run waits for: with "auto" one for each process."""
    if setting.kind in ("all", "devices"):
        return there
    if setting.kind == "count":
        return min(setting.count, there)
    each = task.run.job.processes if not task.kind else 1
    return max(1, min(task.run.processes or each, there))


def _say_nothing(line: Any) -> None:
    """`loop status` shows who waits."""
