"""Names for the experiments of a repository, from the paths of their job files. Pure."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence

from ...model import naming
from ...util.errors import UserError
from ...util.late_patterns import late_pattern

# Parts of a path that say what kind of file it is, and not which job.
_GENERIC = frozenset(
    {
        *("job", "jobs", "azureml_job", "azure_ml_job", "aml_job", "ml_job", "main", "config"),
        *("pipeline", "pipelines", "component", "components", "command", "azureml", "azure_ml"),
        *("aml", "ml", "mlops", "src", "cli", "configs", "conf", "packages", "code", "spec"),
        *("workflow", "workflows", "definition", "definitions", "run", "azure", "yaml", "yml"),
    }
)
_ENDINGS = late_pattern(r"(?<=[a-z0-9])_(?:job|component)\Z")


def choose(paths: Sequence[str], taken: Sequence[str] = ()) -> dict[str, str]:
    """A valid name for each path, the same for the same paths, different from those in `taken`.

    The last part that means something; where two would be the same, with the part before it.
    """
    candidates = {path: list(_candidates(path)) for path in paths}
    firsts = [names[0] for names in candidates.values()]
    used = {naming.slug_of(name).casefold() for name in taken}
    chosen = {}
    for path in sorted(paths):
        names = candidates[path]
        if firsts.count(names[0]) > 1 and len(names) > 1:
            names = [*names[1:], names[0]]
        name = next((name for name in names if name not in used), "")
        number = 2
        while not name:
            numbered = f"{names[0]}_{number}"
            name = numbered if numbered not in used else ""
            number += 1
        used.add(name)
        chosen[path] = name
    return chosen


def _candidates(path: str) -> Iterator[str]:
    """Names from the last part to the whole path; at least one."""
    stem = posixpath.splitext(path)[0]
    words = [_word(part) for part in reversed(stem.split("/"))]
    words = [_ENDINGS.sub("", word) if word not in _GENERIC else word for word in words]
    telling = [word for word in words if word and word not in _GENERIC]
    telling = telling or [next((word for word in words if word), "job")]
    for length in range(1, len(telling) + 1):
        yield valid("_".join(reversed(telling[:length])))


def valid(word: str) -> str:
    """The nearest name that an experiment can have."""
    name = re.sub("_+", "_", _word(word))[:50].strip("_")
    if not re.match("[a-z]", name):
        name = f"job_{name}".strip("_")
    try:
        naming.check_name(name)
    except UserError:
        name = f"{name}_job"
    return name


def _word(part: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", part.lower()).strip("_")
