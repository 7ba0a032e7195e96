"""What Docker keeps of an experiment, as argvs. Nothing here runs anything."""

from __future__ import annotations

from .docker import EXPERIMENT, WORKSPACE


def images(root: str, experiment: str) -> list[str]:
    """Prints a name a line."""
    return [
        *("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}"),
        *_labelled(root, experiment),
    ]


def containers(root: str, experiment: str, *, running: bool = False) -> list[str]:
    """Prints a name a line: of runs, terminals and notebooks."""
    return [*_list(running), *_labelled(root, experiment)]


def dev_containers(config: str, *, running: bool = False) -> list[str]:
    """The same for those that VS Code or the devcontainer CLI made from a devcontainer.json, whose
    absolute path both write into a label."""
    return [*_list(running), "--filter", f"label=devcontainer.config_file={config}"]


def _list(running: bool) -> list[str]:
    return ["docker", "ps", *([] if running else ["--all"]), "--format", "{{.Names}}"]


def _labelled(root: str, experiment: str) -> list[str]:
    return [
        *("--filter", f"label={WORKSPACE}={root}"),
        *("--filter", f"label={EXPERIMENT}={experiment}"),
    ]
