"""The table of docs/reference/engines.md as values: what each command has to do with each engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/reference/engines.md"
# The engines by the names of their stands, with their titles on the page.
ENGINES = {
    "docker": "Docker",
    "rootless": "rootless Docker",
    "podman": "Podman",
    "podman-docker": "Podman called `docker`",
    "podman-socket": "Docker's client, Podman's socket",
    "ssh": "Docker by ssh, same files",
    "elsewhere": "Docker on another machine",
}
COMMANDS = (
    *("doctor", "build", "run", "test", "terminal", "jupyter"),
    *("debug", "serve", "up", "exec", "down", "clean"),
)
WORKS = "yes"
REFUSED = "`engine-elsewhere`"
# What needs no file of the workspace.
ELSEWHERE = {"doctor": "names it", "build": WORKS, "clean": "names it"}
TITLES = {"debug": "F5, `run --debug`"}


def expected(engine: str, command: str) -> str:
    if engine != "elsewhere":
        return WORKS
    return ELSEWHERE.get(command, REFUSED)


def markdown(columns: Mapping[str, Mapping[str, str]]) -> str:
    """The table with the cells of these engines, each by its command."""
    rows = ["| command | " + " | ".join(ENGINES[name] for name in columns) + " |"]
    rows.append("|---" * (len(columns) + 1) + "|")
    for command in COMMANDS:
        cells = (column.get(command, "not seen") for column in columns.values())
        rows.append(f"| {TITLES.get(command, f'`{command}`')} | {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def documented() -> str:
    """The table that the page has to have."""
    columns = {
        engine: {command: expected(engine, command) for command in COMMANDS} for engine in ENGINES
    }
    return markdown(columns)
