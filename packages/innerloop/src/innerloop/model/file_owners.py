"""The experiments that a file of the workspace belongs to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .experiment import Link
from .experiment_paths import ExperimentPaths, owners_in
from .naming import slug_of
from .paths import is_within
from .shared_code import COMMON

# Folders with one folder for each experiment, named by its slug.
_BY_SLUG = (".devcontainer", "outputs")


def owners_of(
    path: str, paths: Mapping[str, ExperimentPaths], links: Mapping[str, Iterable[Link]]
) -> list[str]:
    """The names of the experiments, in their order; empty for a file of none.

    `path` is relative to the root, with "/". `links` are the links of each experiment to code
    outside its folder: what one of them leads to, or holds, belongs to the experiment as well.
    """
    if owners := owners_in(paths, path):
        return owners
    top, _, rest = path.partition("/")
    if top in _BY_SLUG:
        return [name for name in links if is_within(rest, slug_of(name))]
    if not is_within(path, COMMON):
        return []
    return [
        name for name, own in links.items() if any(is_within(path, link.target) for link in own)
    ]
