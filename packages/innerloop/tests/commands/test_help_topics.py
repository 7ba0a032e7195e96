"""The pages of `loop help`: commands, options and settings in them exist."""

from __future__ import annotations

import re
import sys
from dataclasses import fields

import pytest

from innerloop.cli import candidates
from innerloop.cli.command_table import BY_NAME
from innerloop.cli.help_topics import TITLES, page
from innerloop.model.settings import settings
from innerloop.model.settings.argo_settings import ArgoSetting, read
from tests.support import Workspace

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# A command in a text: `loop run EXP --set x=v`, to the end of its quotation marks or its line.
COMMAND = re.compile(r"\bloop ([a-z]+)((?:(?! {3}|`).)*)")


@pytest.mark.parametrize("topic", TITLES)
def test_page_names_existing_commands_and_options(topic: str) -> None:
    text = page(topic)
    assert max(map(len, text.splitlines())) <= 100
    for name, rest in COMMAND.findall(text):
        assert name in BY_NAME, name
        arguments = candidates.commands()[name].arguments
        known = {option for argument in arguments for option in argument.options}
        assert set(re.findall(r"(?<=\s)--[a-z-]+", rest)) <= known, (name, rest)


def test_help_prints_the_page_of_a_topic(workspace: Workspace) -> None:
    answer = workspace.loop("help", "schedule")
    assert (answer.code, answer.out) == (0, page("schedule"))


def examples(topic: str) -> str:
    """The TOML of a page: its indented lines that are tables or keys, two keys on a line as two."""
    lines = []
    for line in page(topic).splitlines():
        if re.match(r"    (\[[\w.\-]+\]|[\w\"-][\w\"., -]* = )", line):
            lines += re.split(r" {3,}(?=\w+ = )", line.strip())
    return "\n".join(re.sub(r"(?<=[\]\"\d}e]) {2,}.*$", "", line) for line in lines)


def test_settings_page_has_valid_settings_of_an_experiment() -> None:
    text = examples("settings").partition("[tool.innerloop]")[0].replace("[schedule]", "")
    names = set(tomllib.loads(text))
    assert {"gpu", "ports", "dev_stage", "debug_port", "data", "environment", "azure"} <= names
    assert settings.of_experiment(text, "innerloop.toml", settings.Settings()).ports == (6006,)


def test_argo_page_has_every_setting() -> None:
    text = examples("argo")
    of_experiment = settings.of_experiment("[argo]\n" + text, "innerloop.toml", settings.Settings())
    setting = read(of_experiment.argo)
    assert (setting.namespace, setting.gpus, setting.keep) == ("ml", 1, 86400)
    known = {field.name for field in fields(ArgoSetting)} - {"positions"}
    assert {name for name in known if not re.search(rf"\b{name}\b", page("argo"))} == set()


def test_schedule_page_has_a_valid_schedule() -> None:
    table = tomllib.loads(examples("schedule"))["schedule"]
    assert table["cron"] == "0 3 * * 1" and table["allowed"] == {"epochs": [8, 16, 32]}
    text = examples("schedule")
    assert settings.of_experiment(text, "innerloop.toml", settings.Settings()).schedule is not None


def test_overview_names_an_experiment_of_this_workspace_or_how_to_create_one(
    workspace: Workspace,
) -> None:
    assert "Start with `loop new my_experiment`.\n" in workspace.loop("help").out
    workspace.add("churn", "")
    assert "Start with `loop run churn`.\n" in workspace.loop("help").out
