"""Settings of the workspace and of one experiment."""

from __future__ import annotations

import pytest

from innerloop.model.gpu import ALL, NONE
from innerloop.model.settings.settings import (
    DataSetting,
    EnvironmentSetting,
    Settings,
    of_experiment,
    of_workspace,
)
from innerloop.util.errors import UserError
from innerloop.util.position import Position


def test_the_nearer_one_wins_key_by_key() -> None:
    workspace = of_workspace('[tool.innerloop]\ngpu = "none"\nports = [6006]\n', "pyproject.toml")
    assert workspace == Settings(gpu=NONE, ports=(6006,))
    experiment = of_experiment(
        'gpu = "all"\n[data.x]\ncreate = true\n', "innerloop.toml", workspace
    )
    assert experiment == Settings(ALL, (6006,), {"x": DataSetting("", True)})


def test_the_nearer_word_on_environments_counts_whole() -> None:
    wide = of_workspace(
        '[tool.innerloop.environment]\nbuild = "env"\nimages = {a = "1", b = "2"}\n',
        "pyproject.toml",
    )
    near = of_experiment('[environment]\nimage = "i"\nimages = {b = "3"}\n', "innerloop.toml", wide)
    assert near.environment == EnvironmentSetting("i", images={"a": "1", "b": "3"})
    assert of_experiment("gpu = 'all'", "innerloop.toml", wide).environment == wide.environment


def test_an_endpoint_may_have_another_name() -> None:
    wide = of_workspace('[tool.innerloop.azure]\nendpoint = "a"\n', "pyproject.toml")
    assert of_experiment('[azure]\nendpoint = "b"\n', "x.toml", wide).azure.endpoint == "b"
    assert of_experiment("gpu = 'all'", "x.toml", wide).azure.endpoint == "a"


def test_silence_means_the_defaults() -> None:
    assert of_workspace("[project]\n", "pyproject.toml") == Settings()
    assert of_experiment(None, "innerloop.toml", Settings(gpu=ALL)) == Settings(gpu=ALL)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpu = 'al'", "gpu = 'al' names no GPUs"),
        ("gpu = 0", "0 is no number of GPUs"),
        ("gpu = -1", "-1 is no number of GPUs"),
        ("gpu = true", "gpu = True is not one of its words"),
        ("gpu = []", "the list of GPUs is empty"),
        ("gpu = [0, 0]", "names 0 twice"),
        ("gpu = [0, 1.5]", "1.5 is no GPU"),
        ("gpu = ['--privileged']", "'--privileged' is no GPU"),
        ("gup = 'all'", '"gup" is unknown. Did you mean "gpu"'),
        ("ports = ['6006']", "ports is not a list of port numbers"),
        ("ports = [70000]", "ports is not a list of port numbers"),
        ("data = 3", "data is not a table of inputs"),
        ("[data.x]\npaht = 'a'", 'data.x: "paht" is unknown. Did you mean "path"'),
        ("environment = 'x'", "environment is not a table"),
        ("[environment]\nimages = 'x'", "environment.images is not a table"),
        ("[environment]\nimag = 'x'", 'environment: "imag" is unknown. Did you mean "image"'),
        ("azure = 'x'", "azure is not a table"),
        ("[azure]\nendpiont = 'x'", 'azure: "endpiont" is unknown. Did you mean "endpoint"'),
        ("[azure]\nendpoint = 3", "azure.endpoint is not a string"),
        ("gpu = 1\nx y\n", "innerloop.toml:2:.*not TOML: "),
    ],
)
def test_wrong_ones_are_named(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        of_experiment(text, "src/x/innerloop.toml", Settings())
    line = len(text.splitlines())
    assert caught.value.where.startswith(f"src/x/innerloop.toml:{line}")


CONFLICT = "<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> other\n"


@pytest.mark.parametrize(
    "text",
    [
        '[tool.innerloop]\ngpu = "none"\n' + CONFLICT.format("[tool.black]\na = 1", "[tool.black]"),
        CONFLICT.format("[tool.black]\na = 1", "") + '[tool.innerloop]\ngpu = "none"\n',
        # The same settings, written in two ways.
        CONFLICT.format('[tool]\ninnerloop.gpu = "none"', "[tool.innerloop]\ngpu = 'none'"),
    ],
)
def test_workspace_in_conflict_counts_where_both_sides_agree(text: str) -> None:
    assert of_workspace(text, "pyproject.toml").gpu == NONE
    assert of_workspace(text.replace("\n", "\r\n"), "pyproject.toml").gpu == NONE


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[tool.innerloop]\n" + CONFLICT.format('gpu = "all"', 'gpu = "none"'), 2),
        (CONFLICT.format('[tool.innerloop]\ngpu = "all"', ""), 1),
        ("[a]\n" + CONFLICT.format("b = ", "c = 1"), 2),
        ("[a]\n" + CONFLICT.format("b = 1", "c"), 2),
    ],
)
def test_workspace_in_conflict_is_one_error_at_the_first_marker(text: str, line: int) -> None:
    with pytest.raises(UserError) as raised:
        of_workspace(text, "pyproject.toml")
    assert raised.value.code == "settings-unmerged"
    assert raised.value.position == Position("pyproject.toml", line, 1)


def test_experiment_in_conflict_counts_only_where_all_of_it_is_equal() -> None:
    name, workspace = "src/a/innerloop.toml", Settings()
    comments = "ports = [1]\n" + CONFLICT.format("# ours", "# theirs")
    assert of_experiment(comments, name, workspace).ports == (1,)
    with pytest.raises(UserError) as raised:
        of_experiment("gpu = 'all'\n" + CONFLICT.format("ports = [1]", ""), name, workspace)
    assert raised.value.position == Position(name, 2, 1)
