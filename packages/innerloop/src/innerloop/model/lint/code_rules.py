"""Code folders that hold more than code: all of it is sent with each change of any of it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from ...util.errors import UserError, join_names
from .. import ignore_file
from ..ignore_file import IgnoreRules
from ..jobs.job import Job
from .finding import WARNING, Files, Finding

# Bytes above which a folder probably holds more than code, or more than a build needs.
LARGE = 100_000_000
IGNORE_FILES = (".amlignore", ".gitignore")
# What runs and tools leave in a folder, and no job needs.
_LEFT = (
    "outputs", "mlruns", "wandb", "lightning_logs", "multirun", ".venv", "venv", "node_modules",
    ".git",
)  # fmt: skip


def measured(folder: str, files: Files) -> tuple[int, int]:
    """Number and bytes of the files that are sent; (0, 0) from a view that cannot measure."""
    measure = getattr(files, "context_size", None)
    return measure(folder) if measure else (0, 0)


def rules_of(folder: str, files: Files) -> IgnoreRules:
    """The rules of the one ignore file that counts. Raises `UserError` if it cannot be read."""
    for name in IGNORE_FILES:
        path = posixpath.join(folder, name)
        text = files.read(path)
        if text is not None:
            return ignore_file.parse(text, path)
    return IgnoreRules()


def check_code(job: Job, root: str, files: Files, *, is_measured: bool) -> Iterator[Finding]:
    """`root` is the code's folder in the workspace; with `is_measured` its size counts as well."""
    if not files.is_dir(root):
        return
    try:
        rules = rules_of(root, files)
    except UserError:
        return  # reported with the ignored files
    left = [
        f"{name}/"
        for name in _LEFT
        if files.is_dir(posixpath.join(root, name)) and rules.excluding_rule(f"{name}/a") is None
    ]
    file = posixpath.normpath(posixpath.join(root, IGNORE_FILES[0]))
    if left:
        yield Finding(
            job.where("code"),
            f"the code folder contains {join_names(left)}, which would be sent as code",
            f"Exclude it in {file}, or name a folder that holds the code alone",
            "code-with-outputs",
            WARNING,
        )
    # The whole workspace is not measured: that may take long, and what is in it is named above.
    is_measured = is_measured and root.startswith("src/")
    count, size = measured(root, files) if is_measured else (0, 0)
    if size >= LARGE:
        yield Finding(
            job.where("code"),
            f"the code folder {root} has {size / 1e6:,.0f} MB in {count:,} files: all of it is sent, "
            "and again whenever one of them changes",
            f"Exclude what is not code in {file}, or make data of it: `scripts/loop data register`",
            "code-large",
            WARNING,
        )
