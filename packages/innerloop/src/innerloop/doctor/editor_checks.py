"""VS Code and the devcontainer CLI."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from ..sync.render.devcontainer_json import EXTENSIONS
from ..util import process
from .checks import PATIENCE, Checkup, Fact

REMOTE = "ms-vscode-remote.remote-containers"


def devcontainer_cli(patient: Checkup) -> Iterator[Fact]:
    if process.which("devcontainer"):
        done = process.run(["devcontainer", "--version"], timeout=PATIENCE)
        state = "ok" if done.ok else "note"
        yield Fact(state, "devcontainer", (done.out or done.err).strip().splitlines()[-1])
    elif process.which("npx"):
        hint = "`npm install -g @devcontainers/cli` saves some seconds of each start"
        yield Fact("note", "devcontainer", "not on PATH; npx can run it", hint)
    else:
        hint = "`npm install -g @devcontainers/cli` (Node.js 20 or newer); VS Code has its own"
        yield Fact("note", "devcontainer", "not on PATH (`loop up` needs it)", hint)


def vs_code(patient: Checkup) -> Iterator[Fact]:
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
    number = version.out.split("\n", 1)[0].strip() if version.ok else "gives no answer"
    yield Fact("ok" if version.ok else "note", "vs code", number)
    if listed.ok:
        yield _extensions({line.strip().lower() for line in listed.out.splitlines()})


def _extensions(there: set[str]) -> Fact:
    lacking = [name for name in (REMOTE, *EXTENSIONS) if name.lower() not in there]
    if not lacking:
        return Fact("ok", "extensions", "all that this workspace recommends")
    hint = "`code " + " ".join(f"--install-extension {name}" for name in lacking) + "`"
    if lacking == [REMOTE]:
        return Fact(
            "note", "extensions", "Dev Containers is not there: no Reopen in Container", hint
        )
    return Fact("note", "extensions", f"{len(lacking)} of the recommended are not there", hint)
