"""VS Code and the devcontainer CLI."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from .. import process
from ..render.devcontainer import EXTENSIONS
from . import PATIENCE, Fact, Patient

REMOTE = "ms-vscode-remote.remote-containers"


def devcontainer_cli(patient: Patient) -> Iterator[Fact]:
    if process.found("devcontainer"):
        done = process.run(["devcontainer", "--version"], timeout=PATIENCE)
        state = "ok" if done.ok else "note"
        yield Fact(state, "devcontainer", (done.out or done.err).strip().splitlines()[-1])
    elif process.found("npx"):
        mend = "`npm install -g @devcontainers/cli` saves some seconds of each start"
        yield Fact("note", "devcontainer", "not on PATH; npx can run it", mend)
    else:
        mend = "`npm install -g @devcontainers/cli` (Node.js 20 or newer); VS Code has its own"
        yield Fact("note", "devcontainer", "not on PATH (`loop up` needs it)", mend)


def vs_code(patient: Patient) -> Iterator[Fact]:
    if process.found("code") is None:
        mend = (
            "Install VS Code (code.visualstudio.com), or open this folder in one of its terminals"
        )
        if sys.platform == "darwin":
            mend = "In VS Code: Shell Command: Install 'code' command in PATH"
        yield Fact("note", "vs code", "`code` is not on PATH", mend)
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
    mend = "`code " + " ".join(f"--install-extension {name}" for name in lacking) + "`"
    if lacking == [REMOTE]:
        return Fact(
            "note", "extensions", "Dev Containers is not there: no Reopen in Container", mend
        )
    return Fact("note", "extensions", f"{len(lacking)} of the recommended are not there", mend)
