"""The job's command with its references filled in: textual, as Azure ML does it, then a shell runs
the text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Collection, Mapping

from ..errors import Mistake, nearest
from .job import Job

_OPTIONAL = re.compile(r"\$\[\[(?P<body>.*?)\]\]", re.DOTALL)
_REFERENCE = re.compile(r"\$\{\{\s*(?P<kind>[A-Za-z_]+)\.(?P<name>[^\s{}]+?)\s*\}\}")


def substitute(
    command: str,
    inputs: Mapping[str, str | None],
    outputs: Mapping[str, str],
    search_space: Mapping[str, str] | None = None,
    paths: Collection[str] = (),
) -> str:
    """The text with `${{inputs.N}}`, `${{outputs.N}}` and `${{search_space.N}}` filled in, and each
    `$[[ ... ]]` kept only if every input in it has a value (None: it has none).

    All other text stays as it is, byte for byte. A reference to nothing is a `Mistake`.

    `paths` names the inputs whose values are paths of this machine. Azure ML's own paths hold
    nothing that a shell would take apart; ours may (a blank in the workspace's path), so those,
    and outputs, are quoted where they need it. Literals are never quoted, as on Azure ML.
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
            raise Mistake(
                f"the command refers to {match[0]}, which is nothing",
                mend=nearest(kind, list(known)),
            )
        value = known[kind].get(name)
        if value is None:
            raise Mistake(
                f"the command refers to {match[0]}, which the job does not declare",
                mend=nearest(name, list(known[kind])) or f"Declare it under {kind}",
            )
        is_path = kind == "outputs" or (kind == "inputs" and name in paths)
        return _quoted(value, _quote_at(text, match.start())) if is_path else value

    text = _OPTIONAL.sub(keep, command)
    return _REFERENCE.sub(fill, text)


def _quote_at(text: str, end: int) -> str:
    """The shell quote that is open at a position: "'", '"' or ""."""
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
    """The value as it must be written where this quote is open, so that the shell reads it whole."""
    if quote == '"':
        return re.sub(r'([\\"$`])', r"\\\1", value)
    if quote == "'":
        return value.replace("'", "'\"'\"'")
    return shlex.quote(value)


def job_environment(
    job: Job, inputs: Mapping[str, str], outputs: Mapping[str, str], run_id: str
) -> dict[str, str]:
    """The variables that a program of this job sees: literals as AZUREML_PARAMETER_<name>, data as
    AZURE_ML_INPUT_<name>, outputs as AZURE_ML_OUTPUT_<name>, and the job's own."""
    env = {"AZUREML_RUN_ID": run_id}
    for name, one in job.inputs.items():
        if name in inputs:
            prefix = "AZUREML_PARAMETER_" if one.kind == "literal" else "AZURE_ML_INPUT_"
            env[prefix + name] = inputs[name]
    env.update({f"AZURE_ML_OUTPUT_{name}": path for name, path in outputs.items()})
    return {**env, **job.environment_variables}
