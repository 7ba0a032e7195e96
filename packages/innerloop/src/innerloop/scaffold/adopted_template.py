"""The template's files for a workspace on the disk: all, or what an adopted repository gets of them.

An adopted repository has its own code, settings, tests, and rules for git. It gets the launcher, its
pin, VS Code's extension, and lines for git that are about these files alone: no line of ours decides
about a file of the team's.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..workspace import formatter_files
from . import init, marked_block
from .workspace_template import EXTENSION, PIN, File

SCRIPTS = ("scripts/loop.cmd", "scripts/loop")
# By the ignore file. They are the same in every version: upgrades leave the block as it is.
_LINES = {
    ".gitignore": """\
# What runs write
/outputs/
# Innerloop's own notes on this machine (the record of generated files is kept: .innerloop/state.json)
/.innerloop/*
!/.innerloop/state.json
!/.innerloop/wheels/
""",
    ".gitattributes": """\
# The launcher is read by POSIX shells: never CRLF
/scripts/loop text eol=lf
/scripts/loop-requirements.txt text eol=lf
/scripts/loop.cmd text eol=crlf
# The tool's own files count whole, as one side has them: `scripts/loop sync` takes the newer one
/scripts/loop -merge
/scripts/loop.cmd -merge
/scripts/loop-requirements.txt -merge
/.vscode/extensions/innerloop/** text eol=lf -merge
# One line for each generated entry, in any order: both sides' lines together are the answer
/.innerloop/state.json text eol=lf merge=union linguist-generated
""",
}


def of_root(root: Path) -> dict[str, File]:
    """The template of the workspace at this root, as this version has it."""
    template = init.template()
    return of_adopted(template) if formatter_files.is_adopted(root) else template


def of_adopted(template: Mapping[str, File]) -> dict[str, File]:
    """What an adopted repository has of the template. Of the ignore files, the block alone."""
    chosen = {
        path: file
        for path, file in template.items()
        if path in (*SCRIPTS, PIN) or path.startswith(EXTENSION)
    }
    blocks = {path: marked_block.with_lines("", lines) for path, lines in _LINES.items()}
    chosen |= {path: File(text.encode()) for path, text in blocks.items()}
    return dict(sorted(chosen.items()))


def lines_of(path: str) -> str:
    """The lines of the tool in an ignore file of an adopted repository."""
    return _LINES[path]
