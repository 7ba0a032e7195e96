"""`[schedule]`: its value, and what is said of one that is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.dockerfiles.dockerfile import parse as dockerfile
from innerloop.model.experiment import Experiment
from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.overrides import as_set, override
from innerloop.model.lint import schedule_rules
from innerloop.model.lint.finding import Finding
from innerloop.model.settings import settings
from innerloop.model.settings.orchestrators import AzureDevOps, GitHub
from innerloop.model.settings.schedules import is_branch, read
from innerloop.model.settings.settings import Settings, of_workspace
from innerloop.util.errors import UserError
from innerloop.util.position import Position

JOB = """command: echo ${{inputs.epochs}}
inputs:
  epochs: 8
  rate: 0.1
  name: x
  fast: true
  data:
    type: uri_folder
    path: azureml:mnist:1
environment_variables:
  A: b
compute: azureml:c
environment: azureml:e@latest
"""
TOML_FILE = "src/digits/innerloop.toml"
TOML = """gpu = "none"
[schedule]
cron = " 0  3 * * MON "
branch = "release/1"
orchestrators = ["argo", "github"]
[schedule.set]
"inputs.epochs" = 16
inputs.rate = 1e-5
compute = "azureml:big"
environment_variables.A = "yes"
[schedule.allowed]
epochs = [8, 16]
"""


def experiment(toml: str, name: str = "digits") -> Experiment:
    found = settings.of_experiment(toml, f"src/{name}/innerloop.toml", Settings())
    return Experiment(name, dockerfile("FROM x\n", "Dockerfile"), found)


def findings(toml: str, name: str = "digits") -> tuple[Finding, ...]:
    return schedule_rules.check(
        experiment(toml, name), parse_job(JOB, "job.yaml"), ("github",)
    ).findings


def test_its_value() -> None:
    source = experiment(TOML).settings.schedule
    assert source is not None
    schedule = read(source, ("github",))
    assert schedule.cron.text == "0 3 * * MON"
    assert (schedule.branch, schedule.orchestrators) == ("release/1", ("github", "argo"))
    assert schedule.set == {
        "inputs.epochs": 16, "inputs.rate": 1e-05, "compute": "azureml:big",
        "environment_variables.A": "yes",
    }  # fmt: skip
    assert schedule.allowed == {"epochs": (8, 16)}
    assert schedule.where("set.inputs.rate") == Position(TOML_FILE, 8)
    assert schedule.where("allowed.rate") == Position(TOML_FILE, 11)
    job = override(parse_job(JOB, "job.yaml"), schedule.sets)
    assert (job.inputs["epochs"].value, job.inputs["rate"].value) == (16, 1e-05)
    assert (job.compute, job.environment_variables) == ("azureml:big", {"A": "yes"})
    assert findings(TOML) == ()


def test_the_workspace_names_the_orchestrators() -> None:
    text = (
        '[tool.innerloop]\norchestrators = ["azure-devops"]\n[tool.innerloop.github]\n'
        'environment = "production"\n[tool.innerloop.azure-devops]\npool = "ours"\n'
    )
    found = of_workspace(text, "pyproject.toml").orchestrators
    assert found.names == ("azure-devops",)
    assert found.github == GitHub(environment="production")
    assert found.azure_devops == AzureDevOps(pool="ours")
    source = experiment('[schedule]\ncron = "0 3 * * 1"').settings.schedule
    assert source is not None and read(source, found.names).orchestrators == ("azure-devops",)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('orchestrators = ["gitlab"]', 2, 'orchestrators: "gitlab" is unknown'),
        ('orchestrators = "github"', 2, "orchestrators is not a list of names"),
        ("github = 1", 2, r"\[tool.innerloop.github\] is not a table"),
        ('github.enviroment = "x"', 2, '"enviroment" is unknown. Did you mean "environment"'),
        ("[tool.innerloop.azure-devops]\npool = 3", 3, "pool is not a string"),
        ("[tool.innerloop.schedule]\ncron = 3", 2, "a schedule belongs to an experiment"),
    ],
)
def test_wrong_settings_of_the_workspace(text: str, line: int, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        of_workspace(f"[tool.innerloop]\n{text}\n", "pyproject.toml")
    assert caught.value.where == f"pyproject.toml:{line}"


CRON = 'cron = "0 3 * * 1"\n'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "schedule has no cron"),
        ("cron = 3", 2, "schedule.cron is not a string"),
        ('cron = "0 3 * * 8"', 2, "schedule.cron: the day of the week 8 is not between 0 and 6"),
        (CRON + 'branhc = "x"', 3, 'schedule: "branhc" is unknown. Did you mean "branch"'),
        (CRON + 'branch = "a b"', 3, "schedule.branch = 'a b' is not a branch name"),
        (CRON + "branch = 1", 3, "schedule.branch = 1 is not a branch name"),
        (CRON + 'orchestrators = ["jenkins"]', 3, '"jenkins" is unknown'),
        (CRON + "set = 3", 3, "schedule.set is not a table"),
        (CRON + "[schedule.set]\ninputs.epoch = 3", 4, 'the job has no "inputs.epoch".*"epochs"'),
        (CRON + "[schedule.set]\ncomputer = 'x'", 4, 'the job has no "computer".*"compute"'),
        (CRON + "[schedule.set]\ninputs.epochs = 'x'", 4, "inputs.epochs = 'x' is not a number"),
        (CRON + "[schedule.set]\ninputs.name = 3", 4, "inputs.name = 3 is not a string"),
        (CRON + "[schedule.set]\ninputs.fast = 1", 4, "inputs.fast = 1 is not a boolean"),
        (
            CRON + "[schedule.set]\ninputs.name = 2026-01-01",
            4,
            "is not a string, number or boolean",
        ),
        (CRON + "[schedule.allowed]\nepoch = [8]", 4, 'no input "epoch". Did you mean "epochs"'),
        (CRON + "[schedule.allowed]\nepochs = 8", 4, "epochs is not a list of different values"),
        (CRON + "[schedule.allowed]\nepochs = []", 4, "epochs is not a list of different values"),
        (
            CRON + "[schedule.allowed]\nepochs = [8, 8]",
            4,
            "epochs is not a list of different values",
        ),
        (CRON + "[schedule.allowed]\nepochs = [8, '9']", 4, "epochs cannot be '9'"),
        (CRON + "[schedule.allowed]\nepochs = [16, 32]", 4, "epochs runs with 8, which is not"),
        (
            CRON + "[schedule.set]\ninputs.epochs = 9\n[schedule.allowed]\nepochs = [8]",
            6,
            "epochs runs with 9, which is not",
        ),
    ],
)
def test_a_wrong_one_is_named_with_its_line(text: str, line: int, message: str) -> None:
    import re

    (finding,) = findings(f"[schedule]\n{text}\n")
    assert re.search(message, str(finding)), finding
    assert finding.position == Position(TOML_FILE, line, 1)


def test_what_stands_in_texts_of_several_lines_is_no_key() -> None:
    toml = f'[data.x]\npath = """\n[schedule]\ncron = "no"\n"""\n[schedule]\n{CRON}branch = ""\n'
    (finding,) = findings(toml)
    assert finding.position == Position(TOML_FILE, 8, 1)


@pytest.mark.parametrize(
    ("cron", "minutes"),
    [
        ("* * * * *", 1), ("*/2 3 * * *", 2), ("0,4 3 * * *", 4), ("58 * * * *", 60),
        ("59,0 * * * *", 1), ("*/5 * * * *", 5), ("*/7 * * * *", 4), ("0 3 * * 1", 1440),
    ],
)  # fmt: skip
def test_a_start_more_often_than_github_makes_one(cron: str, minutes: int) -> None:
    toml = f'[schedule]\ncron = "{cron}"\n'
    found = findings(toml)
    assert [one.message for one in found] == (
        [f'schedule.cron: "{cron}" recurs every {minutes} min'] if minutes < 5 else []
    )
    assert findings(f'{toml}orchestrators = ["azure-devops"]\n') == ()
    assert all(one.position == Position(TOML_FILE, 2, 1) for one in found)


def test_a_name_that_no_orchestrator_can_start() -> None:
    (finding,) = findings(f"[schedule]\n{CRON}", name="a b")
    assert 'cannot start "a b"' in finding.message


@pytest.mark.parametrize("name", ["learning-rate", "a b", "é", "1st", "x\non: push"])
def test_an_input_that_no_form_can_ask_for(name: str) -> None:
    job = parse_job(json.dumps({"command": "x", "inputs": {name: 1}}), "job.yaml")
    found = schedule_rules.check(experiment(f"[schedule]\n{CRON}"), job, ("github",))
    (finding,) = found.findings
    assert finding.code == "name-refused" and name in finding.message
    assert (finding.position.file, finding.position.line) == ("job.yaml", 1)


def test_a_schedule_without_a_job() -> None:
    (finding,) = schedule_rules.check(experiment(f"[schedule]\n{CRON}"), None, ()).findings
    assert finding.code == "job-file-missing"


@pytest.mark.parametrize("name", ["main", "release/2026", "a'b", "ünï", "feature/x-1_2"])
def test_branches(name: str) -> None:
    assert is_branch(name)


@pytest.mark.parametrize(
    "name", ["", "a b", "/a", "a/", "a//b", "a..b", "a.lock", "-a", ".a", "a/.b", "@", "a@{b", "*"]
)
def test_no_branches(name: str) -> None:
    assert not is_branch(name)


# Neither a zero byte nor half of a character, which no program can be given.
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
PLAIN = st.one_of(TEXTS, st.integers(), st.booleans(), st.floats(allow_nan=False))


@given(PLAIN)
def test_a_value_survives_the_words_of_set(value: object) -> None:
    """What `[schedule.set]` holds is what the job gets, through the text that `--set` takes."""
    job = override(parse_job(JOB, "job.yaml"), [as_set("inputs.name", value)])
    found = job.document["inputs"]["name"]
    assert (type(found), found) == (type(value), value)
    variable = override(parse_job(JOB, "job.yaml"), [as_set("environment_variables.A", value)])
    assert variable.environment_variables["A"] == str(value)
