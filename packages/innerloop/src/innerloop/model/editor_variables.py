"""Variables of VS Code in text that an editor is to take as it is.

VS Code and the dev container CLI replace `${env:HOME}`, `${command:...}` and the like in every text
of launch.json, tasks.json and devcontainer.json, and they have no escape for it. A text of a job
file that contains one therefore goes into no generated file: the program that the file starts reads
it from the job file itself.

Source: VS Code's configurationResolverExpression.ts, and variableSubstitution.ts of
@devcontainers/cli.
"""

from __future__ import annotations


def has_variable(*texts: str) -> bool:
    """Whether an editor might replace a part of one of the texts."""
    return any("${" in text for text in texts)
