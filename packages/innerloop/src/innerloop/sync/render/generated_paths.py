"""Which paths `loop sync` can generate, for any workspace: no other path is written or removed.

The record of generated files comes with the workspace, so what it names is checked with this.
"""

from __future__ import annotations

from ...model import naming
from . import agents_md, workflow_context, workspace_container

EDITOR = (
    ".vscode/tasks.json",
    ".vscode/launch.json",
    ".vscode/settings.json",
    ".vscode/extensions.json",
    ".vscode/mcp.json",
)
FIXED = frozenset(
    {agents_md.PATH, *EDITOR, *workflow_context.SHARED}
    | {*workspace_container.FILES, *workspace_container.OWN_FILES}
)
# With the slug of an experiment.
PATTERNS = (
    ".devcontainer/{slug}/devcontainer.json",
    ".devcontainer/{slug}/Dockerfile",
    *workflow_context.PATHS.values(),
)


def dev_container_of(name: str) -> str:
    """The devcontainer.json of an experiment."""
    return PATTERNS[0].format(slug=naming.slug_of(name))


def dev_container_files(name: str) -> tuple[str, ...]:
    """The files of an experiment's dev container; it may have no Dockerfile of its own."""
    slug = naming.slug_of(name)
    return (PATTERNS[0].format(slug=slug), PATTERNS[1].format(slug=slug))


def is_dockerfile(path: str) -> bool:
    """Whether it is the Dockerfile that is generated for an experiment's dev container."""
    return _fits(path, PATTERNS[1])


def may_generate(path: str) -> bool:
    """Whether sync generates this path in some workspace. Every path of `generate` is one."""
    return path in FIXED or any(_fits(path, pattern) for pattern in PATTERNS)


def _fits(path: str, pattern: str) -> bool:
    before, after = pattern.split("{slug}")
    slug = path[len(before) : len(path) - len(after)]
    return path == f"{before}{slug}{after}" and naming.is_portable(slug)
