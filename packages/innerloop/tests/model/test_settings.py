"""Settings of the workspace and of one experiment."""

from __future__ import annotations

import pytest

from innerloop.model.settings.settings import (
    DataSetting,
    EnvironmentSetting,
    Settings,
    of_experiment,
    of_workspace,
)
from innerloop.util.errors import UserError


def test_the_nearer_one_wins_key_by_key() -> None:
    workspace = of_workspace('[tool.innerloop]\ngpu = "none"\nports = [6006]\n', "pyproject.toml")
    assert workspace == Settings(gpu="none", ports=(6006,))
    experiment = of_experiment(
        'gpu = "all"\n[data.x]\ncreate = true\n', "innerloop.toml", workspace
    )
    assert experiment == Settings("all", (6006,), {"x": DataSetting("", True)})


def test_the_nearer_word_on_environments_counts_whole() -> None:
    wide = of_workspace(
        '[tool.innerloop.environment]\nbuild = "env"\nimages = {a = "1", b = "2"}\n',
        "pyproject.toml",
    )
    near = of_experiment('[environment]\nimage = "i"\nimages = {b = "3"}\n', "innerloop.toml", wide)
    assert near.environment == EnvironmentSetting("i", "", {"a": "1", "b": "3"})
    assert of_experiment("gpu = 'all'", "innerloop.toml", wide).environment == wide.environment


def test_an_endpoint_may_have_another_name() -> None:
    wide = of_workspace('[tool.innerloop.azure]\nendpoint = "a"\n', "pyproject.toml")
    assert of_experiment('[azure]\nendpoint = "b"\n', "x.toml", wide).azure.endpoint == "b"
    assert of_experiment("gpu = 'all'", "x.toml", wide).azure.endpoint == "a"


def test_silence_means_the_defaults() -> None:
    assert of_workspace("[project]\n", "pyproject.toml") == Settings()
    assert of_experiment(None, "innerloop.toml", Settings(gpu="all")) == Settings(gpu="all")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gpu = 1", 'gpu = 1 is not "auto", "all" or "none"'),
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
