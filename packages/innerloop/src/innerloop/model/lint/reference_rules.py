"""References in a job's command: undeclared, misspelt, or missing for a declared name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...util.errors import close_words, did_you_mean
from ...util.late_patterns import late_pattern
from ...util.position import Position
from ..jobs.job import Job
from ..jobs.legacy import single_braces
from .finding import ERROR, INFO, WARNING, Finding, Fix
from .fixes import declared, in_place, other_name

_REFERENCE = late_pattern(r"\$\{\{(?P<body>[^{}]*)\}\}")
_NAMED = late_pattern(r"^(?P<kind>[A-Za-z_]+)\.(?P<name>\S+)$")
_OPTIONAL = late_pattern(r"\$\[\[.*?\]\]", re.DOTALL)
# Spellings that Azure ML passes to the shell unchanged.
_MISSPELT = late_pattern(
    r"(?<!\$)\{\{\s*(?:inputs|outputs|search_space)\.\w+\s*\}\}"
    r"|\$?(?<!\{)\{(?:inputs|outputs|search_space)\.\w+\}(?!\})"
    r"|\$\{\{\s*\w+\.\w+\s*\}(?!\})"
    r"|\$\(\(?(?:inputs|outputs|search_space)\.\w+\)?\)"
)


def check_references(job: Job) -> Iterator[Finding]:
    """All findings of one command, each at its reference."""
    counts: dict[str, int] = {}
    optional = [match.span() for match in _OPTIONAL.finditer(job.command)]
    for match in _REFERENCE.finditer(job.command):
        text = match[0]
        position = where_in_command(job, text, counts.get(text, 0))
        counts[text] = counts.get(text, 0) + 1
        is_optional = any(start <= match.start() < end for start, end in optional)
        yield from _reference(job, match["body"], text, position, is_optional)
    yield from _old_dialect(job)
    yield from _misspelt(job)
    yield from check_variables(job)
    if job.command.count("$[[") > len(optional):
        yield Finding(
            where_in_command(job, "$[[", len(optional)),
            "$[[ is not closed",
            "Close the optional part with ]]",
            "optional-part-unclosed",
        )
    yield from _unused(job)


def _old_dialect(job: Job) -> Iterator[Finding]:
    """`{inputs.x}`, which Azure ML's client rewrites in a job's command; never in a step's."""
    if job.command == (written := _written_command(job)):
        return
    known = _known(job)
    for match in single_braces(written):
        kind, _, name = match["body"].partition(".")
        if name not in known.get(kind, ()):
            continue  # an error about the reference that the client makes of it
        if written[: match.start()].endswith("$"):
            yield Finding(
                where_in_command(job, f"${match[0]}"),
                f"${match[0]} is not a reference: Azure ML's client sends its value after a $, "
                "which the shell takes for a variable",
                f"Write ${{{{{match['body']}}}}}",
                "reference-misspelt",
                fixes=in_place(
                    where_in_command(job, f"${match[0]}"), [f"${{{{{match['body']}}}}}"]
                ),
            )
            continue
        position = where_in_command(job, match[0], written.count(match[0], 0, match.start()))
        yield Finding(
            position,
            f"{match[0]} is the old form of a reference: Azure ML's client sends "
            f"${{{{{match['body']}}}}}",
            f"Write ${{{{{match['body']}}}}}",
            "legacy-form",
            INFO,
            in_place(position, [f"${{{{{match['body']}}}}}"]),
        )


def check_variables(job: Job) -> Iterator[Finding]:
    """References that nobody fills in: the program, or Azure ML, gets their text.

    In environment variables Azure ML fills in the job's own names; those of a CI system are filled
    in nowhere.
    """
    known = _known(job)
    for path, text in _texts(job.document, ()):
        in_variable = "environment_variables" in path
        if path[-1:] == ("command",) or (path[:1] == ("jobs",) and not job.at):
            continue
        seen: dict[str, int] = {}
        for match in _REFERENCE.finditer(text):
            nth = seen[match[0]] = seen.get(match[0], -1) + 1
            named = _NAMED.match(match["body"].strip())
            kind, name = (named["kind"], named["name"]) if named else ("", "")
            is_foreign = kind in _OF_CI
            is_undeclared = in_variable and kind in known and name not in known[kind]
            if not (
                is_foreign or is_undeclared or (in_variable and kind not in (*known, "parent"))
            ):
                continue
            hint = "Write the value, or let the program read it from a variable or a key vault"
            if is_undeclared:
                hint = _hint(kind, name, {key: list(names) for key, names in known.items()})
            where = f'the variable "{path[-1]}"' if in_variable else f'"{path[-1]}"'
            position = job.text.where_text((*job.at, *map(str, path)), match[0], nth)
            yield Finding(
                position,
                f"{where} has {match[0]}, which nobody fills in",
                hint,
                "reference-undeclared" if is_undeclared else "reference-unknown",
                WARNING,
                _fixes(job, position, match[0], kind, name, known) if is_undeclared else (),
            )


# Contexts of GitHub Actions and Azure DevOps, which fill in their own files only.
_OF_CI = (
    "secrets", "env", "vars", "github", "matrix", "runner", "needs", "steps", "variables",
    "parameters", "pipeline",
)  # fmt: skip


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _texts(one, (*path, str(key)))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _texts(one, (*path, index))


def _misspelt(job: Job) -> Iterator[Finding]:
    known = _known(job)
    for match in _MISSPELT.finditer(job.command):
        inner = match[0].strip("${}() ")
        kind, _, name = inner.partition(".")
        # {inputs.x} may be meant for the program, as in python -c 'print(f"{inputs.x}")'.
        is_reference = "$" in match[0] or name in known.get(kind, ())
        position = where_in_command(job, match[0], job.command.count(match[0], 0, match.start()))
        yield Finding(
            position,
            f"{match[0]} is not a reference: Azure ML passes it on unchanged",
            f"Write ${{{{{inner}}}}}",
            "reference-misspelt",
            ERROR if is_reference else INFO,
            in_place(position, [f"${{{{{inner}}}}}"]),
        )


def where_in_command(job: Job, text: str, nth: int = 0) -> Position:
    """The position of the nth occurrence of a text in the command, from 0.

    A reference that the file writes in the old dialect is found there.
    """
    path = ("trial", "command") if _has_trial(job) else ("command",)
    written = _written_command(job)
    if text not in written and text.startswith("${{"):
        text = text.removeprefix("$").replace("{{", "{").replace("}}", "}")
    return job.text.where_text((*job.at, *path), text, nth)


def _written_command(job: Job) -> str:
    """The command as the file writes it, before the old dialect is replaced."""
    holder = job.document["trial"] if _has_trial(job) else job.document
    written = holder.get("command")
    return written if isinstance(written, str) else job.command


def _has_trial(job: Job) -> bool:
    return job.kind == "sweep" and isinstance(job.document.get("trial"), dict)


def _reference(
    job: Job, body: str, text: str, position: Position, is_optional: bool
) -> Iterator[Finding]:
    plain = body.strip()
    if plain != body:
        yield Finding(
            position,
            f"{text} contains blanks, so azure-ai-ml does not check it",
            f"Write ${{{{{plain}}}}}",
            "reference-with-blanks",
            INFO,
            in_place(position, [f"${{{{{plain}}}}}"]),
        )
    match = _NAMED.match(plain)
    known = {kind: list(dict.fromkeys(names)) for kind, names in _known(job).items()}
    if match is None or match["kind"] not in known:
        kind = match["kind"] if match else plain
        hint = did_you_mean(kind, list(known))
        if kind == "parent":
            hint = "Give the step an input with that value, and refer to it as ${{inputs.NAME}}"
        words = close_words(kind, list(known)) if kind != "parent" and match else []
        fixes = other_name(position, text, f"{kind}.", [f"{word}." for word in words])
        message = f"{text} is not a known reference"
        yield Finding(position, message, hint, "reference-unknown", fixes=fixes)
        return
    kind, name = match["kind"], match["name"]
    if kind == "inputs" and not is_optional and _may_lack(job, name):
        yield Finding(
            position,
            f'the command refers to {text}, and the optional input "{name}" has no value',
            f"Write $[[--{name} {text}]] around it, or give it one",
            "optional-without-value",
        )
    if name in known[kind] or (is_optional and kind == "inputs"):
        return
    word = {"inputs": "input", "outputs": "output", "search_space": "search space"}[kind]
    braces = f"{{{body}}}"
    hint = _hint(kind, name, known)
    if text not in _written_command(job) and braces in _written_command(job):
        hint += f": Azure ML's client reads {braces} as that, also where the program means it"
    yield Finding(
        position,
        f'the command refers to {text}, and the job declares no {word} "{name}"',
        hint,
        "reference-undeclared",
        fixes=_fixes(job, position, text, kind, name, known),
    )


def _fixes(
    job: Job, position: Position, text: str, kind: str, name: str, known: Mapping[str, list[str]]
) -> tuple[Fix, ...]:
    """What a reference to an undeclared name may mean, in the order of its hint; or declare it."""
    for other, names in known.items():
        if other != kind and name in names:
            return in_place(position, [f"${{{{{other}.{name}}}}}"])
    return (
        *other_name(position, text, name, close_words(name, known[kind])),
        *declared(job, kind, name),
    )


def _may_lack(job: Job, name: str) -> bool:
    input_ = job.inputs.get(name)
    return (
        input_ is not None
        and input_.optional
        and not input_.has_value
        and name not in job.search_space
    )


def _hint(kind: str, name: str, known: Mapping[str, list[str]]) -> str:
    for other, names in known.items():
        if other != kind and name in names:
            return f"It is declared under {other}: write ${{{{{other}.{name}}}}}"
    suggestion = did_you_mean(name, known[kind])
    return suggestion if suggestion.startswith("Did") else f'Declare "{name}" under {kind}'


def _known(job: Job) -> dict[str, list[str]]:
    known = {"inputs": list(job.inputs), "outputs": list(job.outputs)}
    for kind, names in known.items():  # also those that could not be parsed
        written = job.document.get(kind)
        names += [str(name) for name in (written if isinstance(written, dict) else ())]
    if job.kind == "sweep":
        known["search_space"] = list(job.search_space)
        if not _has_trial(job):  # a component's input takes its value from the search space
            known["inputs"] += [name for name in job.search_space if name not in job.inputs]
    return known


def _unused(job: Job) -> Iterator[Finding]:
    text = f"{job.command}\n" + "\n".join(job.environment_variables.values())
    referred = {match["body"].strip() for match in _REFERENCE.finditer(text)}
    kinds = [
        ("inputs", "input", job.inputs, ("AZUREML_PARAMETER_", "AZURE_ML_INPUT_")),
        ("outputs", "output", job.outputs, ("AZURE_ML_OUTPUT_",)),
    ]
    for kind, word, names, prefixes in kinds:
        for name in names:
            by_variable = any(f"{prefix}{name}" in text for prefix in prefixes)
            swept = kind == "inputs" and name in job.search_space
            if f"{kind}.{name}" in referred or by_variable or swept:
                continue
            yield Finding(
                job.where(kind, name),
                f'the {word} "{name}" is unused: no ${{{{{kind}.{name}}}}} in the command',
                "Refer to it, or remove it",
                "input-unused" if kind == "inputs" else "output-unused",
                INFO,
            )
    if _has_trial(job):
        for name in job.search_space:
            if f"search_space.{name}" not in referred and f"AZUREML_SWEEP_{name}" not in text:
                yield Finding(
                    job.where("search_space", name),
                    f'"{name}" of the search space is unused: no ${{{{search_space.{name}}}}} in the '
                    "command",
                    "Refer to it, or remove it",
                    "search-space-unused",
                    INFO,
                )
