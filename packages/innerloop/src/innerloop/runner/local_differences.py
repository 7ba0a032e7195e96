"""What a job file asks for that is different, or has no effect, on one machine: a note each. Pure."""

from __future__ import annotations

from ..model.jobs.job import Job

_SERVICES = {
    "vs_code": "reopen in the container instead",
    "ssh": "use `docker exec -it CONTAINER bash`",
}


def notes_on(job: Job, processes: int | None) -> list[str]:
    """`processes` is the number that the user asked for with --processes."""
    return [
        *notes_on_processes(job, processes),
        *_services(job),
        *_outputs(job),
        *(
            f"{key} applies to Azure ML only: ignored"
            for key in ("identity", "queue_settings")
            if job.document.get(key)
        ),
    ]


def notes_on_processes(job: Job, processes: int | None) -> list[str]:
    notes = []
    if job.instance_count > 1:
        notes.append(f"the job's {job.instance_count} instances all run on this one machine")
    kind = job.distribution.type if job.distribution else ""
    count = processes or job.processes
    if kind in ("pytorch", "mpi") and count > 1:
        hint = "" if processes else "; --processes N for fewer"
        notes.append(f"{count} processes are started on this machine{hint}")
    if processes and kind not in ("pytorch", "mpi", "tensorflow"):
        notes.append("--processes has no effect: the job is not distributed over processes")
    if kind == "mpi":
        notes.append("mpirun starts the processes if it is installed; else each gets its rank only")
    if kind == "ray":
        notes.append("if ray is installed, a Ray cluster of this machine is started first")
    return notes


def _services(job: Job) -> list[str]:
    notes = []
    for name, service in job.services.items():
        settings = service if isinstance(service, dict) else {}
        kind = str(settings.get("type") or settings.get("job_service_type") or "").lower()
        if kind in _SERVICES:
            notes.append(f"the service {name} is not needed here: {_SERVICES[kind]}")
        elif name in job.ports:
            port = job.ports[name]
            notes.append(
                f"the service {name} is not started here; if the command starts it, use port {port}"
            )
    return notes


def _outputs(job: Job) -> list[str]:
    return [
        f"the output {name} is written to outputs/ here, not to {output.path}"
        for name, output in job.outputs.items()
        if output.path
    ]
