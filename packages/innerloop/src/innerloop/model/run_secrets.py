"""Which values of a run are secret, as far as their names or forms say so. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..util.redaction import SHORTEST_PASSWORD, Redaction, is_secret_name, known
from .jobs.job import Job
from .run import Request, Run


def secrets_of(
    run: Run, request: Request, environ: Mapping[str, str], urls: Iterable[str] = ()
) -> Redaction:
    """What is masked in the record, the log and the dry run of a run.

    `environ` is this process's environment, of which a program on this machine inherits all;
    `urls` are proxies and indexes, with their logins.
    """
    values = list(in_words(run.arguments))
    for name, input_ in run.job.inputs.items():
        if is_secret_name(name) and input_.kind == "literal":
            values.append(input_.literal_text)
    values += [text for name, text in run.search_space.items() if is_secret_name(name)]
    all_urls = [*urls, *request.secrets.values(), *run.data.values()]
    all_urls += [input_.path or "" for input_ in run.job.inputs.values()]
    redaction = known(environ, all_urls, values)
    for variables in (request.env, *request.processes):
        redaction = redaction.with_values(known(variables).values)
    return redaction


def secrets_of_job(job: Job, environ: Mapping[str, str], sets: Sequence[str] = ()) -> Redaction:
    """What is masked where a job is shown that is not run here. `sets` are its overrides."""
    values = list(in_assignments(sets))
    for name, input_ in job.inputs.items():
        if is_secret_name(name) and input_.kind == "literal" and input_.has_value:
            values.append(input_.literal_text)
    urls = [input_.path or "" for input_ in job.inputs.values()]
    redaction = known(environ, urls, values)
    return redaction.with_values(known(job.environment_variables).values)


def in_words(words: Sequence[str]) -> Iterator[str]:
    """The values of options whose names say that they are secret: `--token X`, `--api-key=X`."""
    for word, following in zip(words, (*words[1:], ""), strict=False):
        option, _, value = word.partition("=")
        if option.startswith("-") and is_secret_name(option.lstrip("-")):
            value = value or following
            if len(value) >= SHORTEST_PASSWORD:
                yield value


def in_assignments(words: Sequence[str]) -> Iterator[str]:
    """The values of `--set` whose names say so: `inputs.api_key=X`."""
    for word in words:
        name, _, value = word.partition("=")
        if is_secret_name(name.rpartition(".")[2]) and len(value) >= SHORTEST_PASSWORD:
            yield value
