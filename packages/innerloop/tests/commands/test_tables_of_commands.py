"""What `loop runs` and `loop list` show in the 92 columns of an editor's panel."""

from __future__ import annotations

from typing import Any

import pytest

from innerloop.commands import list as list_command
from innerloop.commands import runs
from innerloop.history.past_runs import PastRun
from innerloop.util.tables import lay_out

WIDTH = 92


def past(number: int, scores: dict[str, float], **inputs: str) -> PastRun:
    name = f"20260131-10150{number}-3fa2"
    record = {
        "experiment": "line",
        "exit_code": 0,
        "backend": "docker",
        "seconds": 12.0 + number,
        "inputs": inputs,
        "git": {"commit": "0123abcd" * 5, "dirty": True},
    }
    return PastRun("line", name, f"outputs/line/{name}", record, scores)


def test_table_of_runs_has_scores_then_differing_inputs_then_the_rest() -> None:
    all_runs = [past(n, {"test_loss": n / 8}, rate=f"0.{n}", steps="200") for n in (1, 2)]
    lines, left_out = lay_out(runs.table_of(all_runs), WIDTH)
    assert lines[0].split() == ["run", "state", "test", "loss", "rate", *runs.REST]
    assert lines[2].split()[1:4] == ["done", "0.25", "0.2"]
    assert left_out == []


@pytest.mark.parametrize(
    ("width", "shown", "left_out"),
    [
        (92, ["accuracy", "f1", "loss", "batch size", "rate", "seconds"], ["backend", "code"]),
        (60, ["accuracy", "f1", "loss"], ["batch size", "rate", "seconds", "backend", "code"]),
        (30, ["accuracy"], ["f1", "loss", "batch size", "rate", "seconds", "backend", "code"]),
    ],
)
def test_table_of_runs_without_room_keeps_the_scores_longest(
    width: int, shown: list[str], left_out: list[str]
) -> None:
    scores = {"loss": 0.123456, "accuracy": 0.987654, "f1": 0.111111}
    all_runs = [past(n, scores, batch_size="1" * (12 + n), rate="2" * (8 + n)) for n in (1, 2)]
    lines, missing = lay_out(runs.table_of(all_runs), width)
    assert all(title in lines[0] for title in shown)
    assert missing == left_out


def test_long_input_gives_way_to_what_has_room() -> None:
    all_runs = [past(n, {"loss": 0.5}, folder="x" * 90 + str(n), rate=f"0.{n}") for n in (1, 2)]
    lines, left_out = lay_out(runs.table_of(all_runs), WIDTH)
    assert left_out == ["folder"] and lines[0].split()[-4:] == ["rate", *runs.REST]


@pytest.mark.parametrize("width", [None, WIDTH, 30])
def test_input_with_the_name_of_a_column_has_a_title_of_its_own(width: int | None) -> None:
    all_runs = [past(n, {"loss": 0.5, "state": n}, seconds=str(n), loss=str(n)) for n in (1, 2)]
    table = runs.table_of(all_runs)
    assert len(set(table.titles)) == len(table.titles)
    assert {"loss (input)", "seconds (input)"} <= set(table.titles)
    lay_out(table, width)


def row(name: str, command: str, **more: Any) -> dict[str, Any]:
    same = {"backends": ["docker", "venv"], "gpu": "auto", "schedule": "", "problem": ""}
    return {"experiment": name, "command": command, **same, **more}


DIGITS = "python train.py --data_path ${{inputs.data_path}} --epochs ${{inputs.epochs}}"
SVM = "python train.py --data_path ${{inputs.data_path}} --train_size=${{inputs.train_size}}"


def test_list_in_a_terminal_shows_what_differs() -> None:
    table, same = list_command.table_of([row("digits", DIGITS), row("svm", SVM)], brief=True)
    assert lay_out(table, WIDTH)[0] == [
        "experiment  command",
        "digits      python train.py --data_path --epochs",
        "svm         python train.py --data_path --train_size",
    ]
    assert same == "runs in docker, venv; gpu auto"
    table, same = list_command.table_of(
        [row("digits", DIGITS), row("svm", SVM, gpu="none")], brief=True
    )
    assert table.titles == ("experiment", "gpu", "command")
    assert same == "runs in docker, venv"


def test_list_of_one_experiment_or_in_a_pipe_has_every_column() -> None:
    titles = ("experiment", "runs in", "gpu", "command")
    one, same = list_command.table_of([row("digits", DIGITS)], brief=True)
    assert (one.titles, same) == (titles, "")
    rows = [row("digits", DIGITS), row("svm", SVM)]
    piped, same = list_command.table_of(rows, brief=False)
    assert (piped.titles, same, piped.rows[0][-1]) == (titles, "", DIGITS)


def test_list_keeps_an_option_that_another_input_fills() -> None:
    command = "python train.py --rate ${{inputs.learning_rate}} ${{inputs.steps}}"
    table, _ = list_command.table_of([row("digits", command)], brief=True)
    assert table.rows[0][-1] == command
