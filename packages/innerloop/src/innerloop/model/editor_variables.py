"""Variables of VS Code in text that an editor is to take as it is.

VS Code and the dev container CLI replace `${env:HOME}`, `${command:...}` and the like in every text
of launch.json, tasks.json and devcontainer.json, and they have no escape for it. A text of a job
file that contains one therefore goes into no generated file: the program that the file starts reads
it from the job file itself.

Source: VS Code's configurationResolverExpression.ts, and variableSubstitution.ts of
@devcontainers/cli.
"""

from __future__ import annotations

import re

from ..util.late_patterns import late_pattern

# Names without a colon; each version of an editor may have more of those with one (`env:`,
# `config:`, `command:`, `input:`, `localEnv:`). What has another name stays as it is.
_NAMES = (
    "workspaceRoot", "workspaceFolder", "workspaceRootFolderName", "workspaceFolderBasename",
    "userHome", "lineNumber", "columnNumber", "selectedText", "file", "fileWorkspaceFolder",
    "fileWorkspaceFolderBasename", "relativeFile", "relativeFileDirname", "fileDirname",
    "fileDirnameBasename", "fileExtname", "fileBasename", "fileBasenameNoExtension", "execPath",
    "execInstallFolder", "extensionInstallFolder", "pathSeparator", "/", "cwd", "defaultBuildTask",
    "localWorkspaceFolder", "localWorkspaceFolderBasename", "containerWorkspaceFolder",
    "containerWorkspaceFolderBasename", "devcontainerId",
)  # fmt: skip
_VARIABLE = late_pattern(
    rf"\$\{{(?:[^}}:]{{0,60}}:[^}}]{{0,200}}|{'|'.join(map(re.escape, _NAMES))})\}}?", re.DOTALL
)


def first_variable(text: str) -> str:
    """The first part of a text that an editor may replace; "" if there is none."""
    match = _VARIABLE.search(text)
    return match[0] if match else ""


def has_variable(*texts: str) -> bool:
    """Whether an editor may replace a part of one of the texts."""
    return any(_VARIABLE.search(text) for text in texts)
