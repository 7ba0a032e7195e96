"""Checks of VS Code and the devcontainer CLI."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ..sync.render.devcontainer_json import EXTENSIONS
from ..util import process
from .checks import PATIENCE, Checkup, Fact

REMOTE = "ms-vscode-remote.remote-containers"


def devcontainer_cli(checkup: Checkup) -> Iterator[Fact]:
    if process.which("devcontainer"):
        done = process.run(["devcontainer", "--version"], timeout=PATIENCE)
        yield Fact(
            "ok" if done.ok else "note",
            "devcontainer",
            (done.out or done.err).strip().splitlines()[-1],
        )
    elif process.which("npx"):
        hint = "`npm install -g @devcontainers/cli` saves some seconds of each start"
        yield Fact("note", "devcontainer", "not on PATH; npx can run it", hint)
    else:
        hint = "`npm install -g @devcontainers/cli` (Node.js 20 or newer); VS Code has its own"
        yield Fact("note", "devcontainer", "not on PATH (`loop up` needs it)", hint)


def vs_code(checkup: Checkup) -> Iterator[Fact]:
    if process.which("code") is None:
        hint = (
            "Install VS Code (code.visualstudio.com), or open this folder in one of its terminals"
        )
        if sys.platform == "darwin":
            hint = "In VS Code: Shell Command: Install 'code' command in PATH"
        yield Fact("note", "vs code", "`code` is not on PATH", hint)
        return
    version, listed = process.run_together(
        ["code", "--version"], ["code", "--list-extensions"], timeout=PATIENCE
    )
    number = version.out.split("\n", 1)[0].strip() if version.ok else "does not answer"
    yield Fact("ok" if version.ok else "note", "vs code", number)
    if listed.ok:
        yield _extensions({line.strip().lower() for line in listed.out.splitlines()})


def _extensions(installed: set[str]) -> Fact:
    missing = [name for name in (REMOTE, *EXTENSIONS) if name.lower() not in installed]
    if not missing:
        return Fact("ok", "extensions", "all that this workspace recommends")
    hint = "`code " + " ".join(f"--install-extension {name}" for name in missing) + "`"
    if missing == [REMOTE]:
        what = "Dev Containers is not installed: no Reopen in Container"
        return Fact("note", "extensions", what, hint)
    what = f"{len(missing)} recommended extensions are not installed"
    return Fact("note", "extensions", what, hint)
