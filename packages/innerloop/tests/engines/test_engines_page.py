"""The table that people read is the one that the stages hold."""

from __future__ import annotations

from tests.engines import commands, elsewhere, table, test_engine_table


def test_page_has_the_table_that_the_stages_check() -> None:
    assert table.documented() in table.PAGE.read_text(encoding="utf-8")


def test_table_has_a_check_and_a_stage_for_every_cell() -> None:
    assert tuple(commands.COMMANDS) == tuple(elsewhere.ELSEWHERE) == table.COMMANDS
    assert set(test_engine_table.STAGES) == set(table.ENGINES)
    refused = {
        name for name in table.COMMANDS if table.expected("elsewhere", name) == table.REFUSED
    }
    assert refused == set(elsewhere.REFUSED)
