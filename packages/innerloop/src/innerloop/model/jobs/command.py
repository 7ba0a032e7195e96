"""The job's command with its references substituted.

They are substituted as text, as Azure ML does it, before a shell runs it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Mapping

from ...util.errors import UserError, did_you_mean
from ...util.late_patterns import late_pattern
from .job import Distribution, Job

_OPTIONAL = late_pattern(r"\$\[\[(?P<body>.*?)\]\]", re.DOTALL)
_REFERENCE = late_pattern(r"\$\{\{\s*(?P<kind>[A-Za-z_]+)\.(?P<name>[^\s{}]+?)\s*\}\}")


def command_of(
    job: Job,
    inputs: Mapping[str, str | None],
    outputs: Mapping[str, str],
    search_space: Mapping[str, str] | None,
    paths: Collection[str],
) -> str:
    """The job's command after substitution (see `substitute`).

    Raises `UserError` at the command's position.
    """
    try:
        return substitute(job.command, inputs, outputs, search_space, paths)
    except UserError as error:
        where = error.where or job.where("command")
        raise UserError(error.what, code=error.code, where=where, hint=error.hint) from error


def substitute(
    command: str,
    inputs: Mapping[str, str | None],
    outputs: Mapping[str, str],
    search_space: Mapping[str, str] | None = None,
    paths: Collection[str] | None = (),
) -> str:
    """The text with its references substituted.

    References are `${{inputs.N}}`, `${{outputs.N}}` and `${{search_space.N}}`. Each `$[[ ... ]]` is
    kept only if every input in it has a value (None: it has none).

    All other text is unchanged, byte for byte. Raises `UserError` for an unknown reference.

    `paths` names the inputs whose values are paths of this machine. Azure ML's own paths contain
    nothing that a shell splits; local ones may (a blank in the workspace's path), so they and
    outputs are quoted where necessary. Literals are never quoted, as on Azure ML. With None nothing
    is quoted.
    """
    known: dict[str, Mapping[str, str | None]] = {
        "inputs": inputs,
        "outputs": outputs,
        "search_space": search_space or {},
    }

    def keep(match: re.Match[str]) -> str:
        refs = [ref for ref in _REFERENCE.finditer(match["body"]) if ref["kind"] == "inputs"]
        return match["body"] if all(inputs.get(ref["name"]) is not None for ref in refs) else ""

    def fill(match: re.Match[str]) -> str:
        kind, name = match["kind"], match["name"]
        if kind not in known:
            raise UserError(
                f"the command refers to {match[0]}, which is not a known reference",
                code="reference-unknown",
                hint=_OF_STEP if kind == "parent" else did_you_mean(kind, list(known)),
            )
        value = known[kind].get(name)
        if value is None and name in known[kind]:
            raise UserError(
                f"the command refers to {match[0]}, which has no value",
                code="input-without-value",
                hint=f"Set one with --set {kind}.{name}=VALUE, or in the job file",
            )
        if value is None:
            raise UserError(
                f"the command refers to {match[0]}, which the job does not declare",
                code="reference-undeclared",
                hint=did_you_mean(name, list(known[kind])) or f"Declare it under {kind}",
            )
        is_path = paths is not None and (kind == "outputs" or (kind == "inputs" and name in paths))
        return _quoted(value, _quote_at(text, match.start())) if is_path else value

    text = _OPTIONAL.sub(keep, command)
    return _REFERENCE.sub(fill, text)


_OF_STEP = "Give the step an input with that value, and refer to it as ${{inputs.NAME}}"


def _quote_at(text: str, end: int) -> str:
    """The shell quote that is open at an index: "'", '"' or ""."""
    quote = ""
    index = 0
    while index < end:
        character = text[index]
        if character == "\\" and quote != "'":
            index += 1
        elif character in "'\"" and quote in ("", character):
            quote = "" if quote else character
        index += 1
    return quote


def _quoted(value: str, quote: str) -> str:
    """The value escaped for the place where this quote is open, so that the shell keeps it whole."""
    if quote == '"':
        return re.sub(r'([\\"$`])', r"\\\1", value)
    if quote == "'":
        return value.replace("'", "'\"'\"'")
    return shlex.quote(value)


def job_environment(
    job: Job,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    run_id: str,
    search_space: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The environment variables of a job.

    They are literals as AZUREML_PARAMETER_<name>, data as AZURE_ML_INPUT_<name>, outputs as
    AZURE_ML_OUTPUT_<name>, a trial's values as AZUREML_SWEEP_<name>, and the job's own last, with
    their references substituted.
    """
    env = {"AZUREML_RUN_ID": run_id}
    for name, input_ in job.inputs.items():
        if name in inputs:
            prefix = "AZUREML_PARAMETER_" if input_.kind == "literal" else "AZURE_ML_INPUT_"
            env[prefix + name] = inputs[name]
    env.update({f"AZURE_ML_OUTPUT_{name}": path for name, path in outputs.items()})
    env.update({f"AZUREML_SWEEP_{name}": text for name, text in (search_space or {}).items()})
    known = {"inputs": inputs, "outputs": outputs, "search_space": search_space or {}}

    def fill(match: re.Match[str]) -> str:
        return known.get(match["kind"], {}).get(match["name"], match[0])

    own = {name: _REFERENCE.sub(fill, text) for name, text in job.environment_variables.items()}
    return {**env, **own}


def distribution_environments(
    distribution: Distribution | None,
    processes: int | None = None,
    address: str = "127.0.0.1",
    port: int = 29500,
) -> list[dict[str, str]]:
    """The variables of each process on this machine, in the order of their ranks.

    A job without a distribution has one empty mapping.

    `processes` replaces the job's count. `port` and, for tensorflow, the next ones must be free at
    `address`. Of several nodes only the first is run: everything is on one machine.
    """
    if distribution is None or distribution.type == "ray":
        return [{}]
    if distribution.type == "tensorflow":
        return _tensorflow(distribution, processes, address, port)
    count = max(processes or distribution.process_count_per_instance, 1)
    make = _pytorch if distribution.type == "pytorch" else _mpi
    return [make(rank, count, address, port) for rank in range(count)]


def _pytorch(rank: int, count: int, address: str, port: int) -> dict[str, str]:
    return {
        "MASTER_ADDR": address,
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "NODE_RANK": "0",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
    }


def _mpi(rank: int, count: int, address: str, port: int) -> dict[str, str]:
    """The variables of one MPI process, as Open MPI's mpirun and Azure ML set them.

    They are enough for programs that read their rank; a program that calls MPI needs the real
    mpirun.
    """
    return {
        "OMPI_COMM_WORLD_SIZE": str(count),
        "OMPI_COMM_WORLD_RANK": str(rank),
        "OMPI_COMM_WORLD_LOCAL_SIZE": str(count),
        "OMPI_COMM_WORLD_LOCAL_RANK": str(rank),
        "OMPI_COMM_WORLD_NODE_RANK": str(rank),
        "AZ_BATCHAI_MPI_MASTER_NODE": address,
        "AZ_BATCH_MASTER_NODE": f"{address}:{port}",
    }


def _tensorflow(
    distribution: Distribution, processes: int | None, address: str, port: int
) -> list[dict[str, str]]:
    workers = max(processes or distribution.worker_count or 1, 1)
    tasks = [("worker", index) for index in range(workers)]
    tasks += [("ps", index) for index in range(distribution.parameter_server_count)]
    cluster: dict[str, list[str]] = {}
    for number, (kind, _) in enumerate(tasks):
        cluster.setdefault(kind, []).append(f"{address}:{port + number}")
    return [
        {
            "TF_CONFIG": json.dumps(
                {
                    "cluster": cluster,
                    "task": {"type": kind, "index": index},
                    "environment": "cloud",
                }
            )
        }
        for kind, index in tasks
    ]
