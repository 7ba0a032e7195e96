"""`AGENTS.md`: short, about what the workspace has, and true for the command line."""

from __future__ import annotations

import re
import shlex

import pytest

from innerloop.cli.arguments import parser_of
from innerloop.model.settings.orchestrators import Orchestrators
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.sync.render import agents_md
from innerloop.sync.render.generated_files import Specification
from tests.support import Workspace as OnDisk


def text(*orchestrators: str, chosen: bool = True) -> str:
    settings = Settings(orchestrators=Orchestrators(orchestrators, chosen))  # type: ignore[arg-type]
    return agents_md.render(Specification(Workspace("/w", settings, ()), (), {}))


@pytest.mark.parametrize(
    ("orchestrators", "folders"),
    [
        ((), ""),
        (("github",), "`.github/workflows/`"),
        (("azure-devops",), "`orchestration/`"),
        (("argo",), "`orchestration/`"),
        (("github", "argo"), "`.github/workflows/`, `orchestration/`"),
    ],
)
def test_agents_md_has_the_folders_of_the_orchestrators(
    orchestrators: tuple[str, ...], folders: str
) -> None:
    rows = [line for line in text(*orchestrators).splitlines() if line.startswith("| `.github")]
    rows += [line for line in text(*orchestrators).splitlines() if line.startswith("| `orch")]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == [folders] * 2 * bool(folders)
    assert len(text(*orchestrators).splitlines()) < 60


def test_agents_md_with_the_default_orchestrator_names_no_workflow() -> None:
    assert ".github" not in text("github", chosen=False)


def test_commands_in_agents_md_are_accepted_by_the_command_line() -> None:
    said = re.findall(r"`scripts/loop ([^`]+)`", text("github"))
    assert len(said) > 12
    for line in said:
        words = shlex.split(line)
        parser_of(words[0]).parse_intermixed_args(words[1:])


def test_agents_md_that_is_a_link_stays_the_persons(workspace: OnDisk) -> None:
    workspace.write("CLAUDE.md", "mine\n")
    (workspace.root / "AGENTS.md").symlink_to("CLAUDE.md")
    answer = workspace.loop("sync")
    assert answer.code == 0 and "AGENTS.md: this file is yours" in answer.out + answer.err
    assert workspace.read("CLAUDE.md") == "mine\n" and (workspace.root / "AGENTS.md").is_symlink()
    assert workspace.loop("sync", "--check").code == 0
