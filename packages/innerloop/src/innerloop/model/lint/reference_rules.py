"""References in a job's command: to nothing, misspelt, or never made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ...util.errors import did_you_mean
from ..jobs.job import Job
from .finding import Finding

_REFERENCE = re.compile(r"\$\{\{(?P<body>[^{}]*)\}\}")
_NAMED = re.compile(r"^(?P<kind>[A-Za-z_]+)\.(?P<name>\S+)$")
_OPTIONAL = re.compile(r"\$\[\[.*?\]\]", re.DOTALL)
# Spellings that Azure ML hands to the shell as they are.
_NEARLY = re.compile(
    r"(?<!\$)\{\{\s*(?:inputs|outputs|search_space)\.\w+\s*\}\}"
    r"|\$?(?<!\{)\{(?:inputs|outputs|search_space)\.\w+\}(?!\})"
    r"|\$\{\{\s*\w+\.\w+\s*\}(?!\})"
    r"|\$\(\(?(?:inputs|outputs|search_space)\.\w+\)?\)"
)


def check_references(job: Job) -> Iterator[Finding]:
    """All of one command; a place of each reference, not of the command."""
    seen: dict[str, int] = {}
    optional = [found.span() for found in _OPTIONAL.finditer(job.command)]
    for found in _REFERENCE.finditer(job.command):
        text = found[0]
        where = where_in_command(job, text, seen.get(text, 0))
        seen[text] = seen.get(text, 0) + 1
        inside = any(start <= found.start() < end for start, end in optional)
        yield from _reference(job, found["body"], text, where, inside)
    yield from _nearly(job)
    if job.command.count("$[[") > len(optional):
        yield Finding(
            where_in_command(job, "$[[", len(optional)),
            "$[[ is never closed",
            "End the optional part with ]]",
            "open-optional",
        )
    yield from _unused(job)


def _nearly(job: Job) -> Iterator[Finding]:
    known = _known(job)
    for found in _NEARLY.finditer(job.command):
        inner = found[0].strip("${}() ")
        kind, _, name = inner.partition(".")
        # {inputs.x} may well be the program's own, as in python -c 'print(f"{inputs.x}")'.
        is_meant = "$" in found[0] or name in known.get(kind, ())
        yield Finding(
            where_in_command(job, found[0], 0),
            f"{found[0]} is no reference: Azure ML passes it on as it is",
            f"Write ${{{{{inner}}}}}",
            "misspelt-reference",
            "wrong" if is_meant else "hint",
        )


def where_in_command(job: Job, text: str, nth: int = 0) -> str:
    path = ("trial", "command") if _has_trial(job) else ("command",)
    return job.text.where_text((*job.at, *path), text, nth)


def _has_trial(job: Job) -> bool:
    return job.kind == "sweep" and isinstance(job.document.get("trial"), dict)


def _reference(job: Job, body: str, text: str, where: str, inside: bool) -> Iterator[Finding]:
    plain = body.strip()
    if plain != body:
        yield Finding(
            where,
            f"{text} has blanks inside, and azure-ai-ml does not check what it refers to",
            f"Write ${{{{{plain}}}}}",
            "blank-in-reference",
            "hint",
        )
    named = _NAMED.match(plain)
    known = {kind: list(dict.fromkeys(names)) for kind, names in _known(job).items()}
    if named is None or named["kind"] not in known:
        kind = named["kind"] if named else plain
        hint = did_you_mean(kind, list(known))
        if kind == "parent":
            hint = "Give the step an input with that value, and refer to it as ${{inputs.NAME}}"
        yield Finding(where, f"{text} refers to nothing", hint, "unknown-reference")
        return
    kind, name = named["kind"], named["name"]
    names = known[kind]
    if kind == "inputs" and not inside and _may_lack(job, name):
        yield Finding(
            where,
            f'the command refers to {text}, and nothing gives the optional input "{name}" a value',
            f"Write $[[--{name} {text}]] around it, or give it one",
            "optional-without-value",
        )
    if name in names or (inside and kind == "inputs"):
        return
    word = {"inputs": "input", "outputs": "output", "search_space": "search space"}[kind]
    yield Finding(
        where,
        f'the command refers to {text}, and the job declares no {word} "{name}"',
        _mend(kind, name, known),
        f"undeclared-{word.replace(' ', '-')}",
    )


def _may_lack(job: Job, name: str) -> bool:
    one = job.inputs.get(name)
    return one is not None and one.optional and not one.has_value and name not in job.search_space


def _mend(kind: str, name: str, known: Mapping[str, list[str]]) -> str:
    for other, names in known.items():
        if other != kind and name in names:
            return f"It stands under {other}: write ${{{{{other}.{name}}}}}"
    close = did_you_mean(name, known[kind])
    return close if close.startswith("Did") else f'Declare "{name}" under {kind}'


def _known(job: Job) -> dict[str, list[str]]:
    known = {"inputs": list(job.inputs), "outputs": list(job.outputs)}
    for kind, names in known.items():  # also those that could not be read
        written = job.document.get(kind)
        names += [str(name) for name in (written if isinstance(written, dict) else ())]
    if job.kind == "sweep":
        known["search_space"] = list(job.search_space)
        if not _has_trial(job):  # a component's input takes its value from the search space
            known["inputs"] += [name for name in job.search_space if name not in job.inputs]
    return known


def _unused(job: Job) -> Iterator[Finding]:
    used = f"{job.command}\n" + "\n".join(job.environment_variables.values())
    referred = set()
    for found in _REFERENCE.finditer(used):
        referred.add(found["body"].strip())
    kinds = [
        ("inputs", "input", job.inputs, ("AZUREML_PARAMETER_", "AZURE_ML_INPUT_")),
        ("outputs", "output", job.outputs, ("AZURE_ML_OUTPUT_",)),
    ]
    for kind, word, names, prefixes in kinds:
        for name in names:
            by_variable = any(f"{prefix}{name}" in used for prefix in prefixes)
            swept = kind == "inputs" and name in job.search_space
            if f"{kind}.{name}" in referred or by_variable or swept:
                continue
            yield Finding(
                job.where(kind, name),
                f'the {word} "{name}" is never used: no ${{{{{kind}.{name}}}}} in the command',
                "Refer to it, or remove it",
                f"unused-{word}",
                "hint",
            )
    if _has_trial(job):
        for name in job.search_space:
            if f"search_space.{name}" not in referred and f"AZUREML_SWEEP_{name}" not in used:
                yield Finding(
                    job.where("search_space", name),
                    f'"{name}" is searched and never used: no ${{{{search_space.{name}}}}}'
                    " in the command",
                    "Refer to it, or remove it",
                    "unused-search-space",
                    "hint",
                )
