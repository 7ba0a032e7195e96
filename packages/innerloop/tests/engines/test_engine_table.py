"""The table engine x command of docs/reference/engines.md, filled by real engines.

Stages of `.ci/run`: `packages/innerloop/test --stage rootless` (or podman, elsewhere) [-s].
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import table
from tests.engines.commands import COMMANDS, Bench, bench
from tests.engines.elsewhere import ELSEWHERE
from tests.engines.stands import Stands, stands

STAGES = {
    "docker": "elsewhere",
    "ssh": "elsewhere",
    "elsewhere": "elsewhere",
    "rootless": "rootless",
    "podman": "podman",
    "podman-docker": "podman",
    "podman-socket": "podman",
}
FOLDER = Path(__file__).parents[2] / ".engine-table"


@pytest.fixture(scope="module")
def all_stands(_no_home_of_a_person: None) -> Iterator[Stands]:
    with stands() as made:
        yield made


@pytest.fixture(scope="module")
def cells() -> Iterator[dict[str, dict[str, str]]]:
    """What each command gave with each engine, written down at the end."""
    found: dict[str, dict[str, str]] = {}
    yield found
    text = table.markdown(found)
    print(f"\n{text}")
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    (FOLDER / f"{'-'.join(found)}.md").write_text(text)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.stage(stage)) for name, stage in STAGES.items()],
)
def engine(request: pytest.FixtureRequest, all_stands: Stands) -> Iterator[Bench]:
    with bench(all_stands[request.param]) as made:
        yield made


@pytest.mark.parametrize("command", COMMANDS)
def test_command_with_an_engine_gives_what_the_table_says(
    engine: Bench, command: str, cells: dict[str, dict[str, str]]
) -> None:
    column = cells.setdefault(engine.stand.name, {})
    column[command] = "FAILED"
    (ELSEWHERE if engine.stand.address else COMMANDS)[command](engine)
    column[command] = table.expected(engine.stand.name, command)
