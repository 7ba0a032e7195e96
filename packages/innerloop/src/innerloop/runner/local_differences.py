"""What a job file says that is not, or not quite, so on one machine: a sentence each. Pure."""

from __future__ import annotations

from ..model.jobs.job import Job

_SERVICES = {
    "vs_code": "reopen in the container instead",
    "ssh": "`docker exec -it CONTAINER bash` is the way in",
}


def remarks(job: Job, processes: int | None) -> list[str]:
    return [
        *_counts(job, processes),
        *_services(job),
        *_outputs(job),
        *(
            f"{key} is for Azure ML alone: not used here"
            for key in ("identity", "queue_settings")
            if job.document.get(key)
        ),
    ]


def _counts(job: Job, processes: int | None) -> list[str]:
    notes = []
    if job.instance_count > 1:
        notes.append(f"one machine stands for the {job.instance_count} instances of the job")
    kind = job.distribution.type if job.distribution else ""
    count = processes or (job.distribution.process_count_per_instance if job.distribution else 1)
    if kind in ("pytorch", "mpi") and count > 1:
        less = "" if processes else "; --processes N for fewer"
        notes.append(f"{count} processes are started on this machine{less}")
    if processes and kind not in ("pytorch", "mpi", "tensorflow"):
        notes.append("--processes changes nothing: the job is not distributed over processes")
    if kind == "mpi":
        notes.append("mpirun starts them where it is there; without it each gets its rank alone")
    if kind == "ray":
        notes.append("a Ray cluster of this machine is started first, where ray is installed")
    return notes


def _services(job: Job) -> list[str]:
    notes = []
    for name, service in job.services.items():
        one = service if isinstance(service, dict) else {}
        kind = str(one.get("type") or one.get("job_service_type") or "").lower()
        if kind in _SERVICES:
            notes.append(f"the service {name} is not needed here: {_SERVICES[kind]}")
        elif name in job.ports:
            port = job.ports[name]
            notes.append(
                f"the service {name} is not started here: if the command does, port {port}"
            )
    return notes


def _outputs(job: Job) -> list[str]:
    return [
        f"the output {name} is kept in outputs/ here, and not at {one.path}"
        for name, one in job.outputs.items()
        if one.path
    ]
