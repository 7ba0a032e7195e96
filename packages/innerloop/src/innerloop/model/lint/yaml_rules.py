"""What YAML 1.1 reads in another way than it looks: names that are no text, and numbers.

Azure ML's client reads YAML 1.1: `on` is true, `017` is 15, `12:30` is 750.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...util.late_patterns import late_pattern
from ..jobs.job import Job
from .finding import INFO, WARNING, Finding, mapping_of

# Mappings whose names Azure ML's client accepts as text only.
_NAMED = ("inputs", "outputs", "tags", "properties", "services", "jobs")
_DECIMAL = late_pattern(r"[-+]?(?:0|[1-9][0-9]*)")


def check_yaml(job: Job) -> Iterator[Finding]:
    yield from _names(job)
    for path in _literals(job):
        value, text = job.text.scalar(*path)
        if text is None or isinstance(value, str):
            continue
        is_word = isinstance(value, bool) and text.lower() not in ("true", "false")
        is_odd = isinstance(value, int) and not isinstance(value, bool)
        if is_word or (is_odd and _DECIMAL.fullmatch(text) is None):
            yield Finding(
                job.text.where(*path),
                f"YAML reads {text} as {value}: that is what the program gets",
                (
                    f"Write {str(value).lower()}, or '{text}' for the text"
                    if is_word
                    else f"Write {value}, or '{text}' for the text"
                ),
                "value-read-otherwise",
                INFO,
            )


def _names(job: Job) -> Iterator[Finding]:
    for key in _NAMED:
        for name, text, position in job.text.names(key):
            if not isinstance(name, str):
                message = f"YAML reads the name {text} below {key} as {name}, which is no text"
                yield Finding(position, message, f'Write "{text}"', "not-a-string", WARNING)


def _literals(job: Job) -> Iterator[tuple[str, ...]]:
    """The paths of all plain values that a program gets."""
    for name, value in mapping_of(job.document.get("inputs")).items():
        below = ("value",) if isinstance(value, dict) else ()
        yield ("inputs", str(name), *below)
    for step, body in mapping_of(job.document.get("jobs")).items():
        for name, value in mapping_of(mapping_of(body).get("inputs")).items():
            below = ("value",) if isinstance(value, dict) else ()
            yield ("jobs", str(step), "inputs", str(name), *below)
