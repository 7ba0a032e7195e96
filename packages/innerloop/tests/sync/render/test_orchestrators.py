"""The files of orchestrators: valid by their schemas and linters, and true to the job."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.dockerfiles.dockerfile import parse as dockerfile
from innerloop.model.experiment import Experiment
from innerloop.model.jobs.job import parse_job
from innerloop.model.jobs.overrides import override
from innerloop.model.lint.schedule_rules import check
from innerloop.model.settings import settings
from innerloop.model.settings.dispatch_inputs import fields, sets_of
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace
from innerloop.sync.render import workflow_files
from innerloop.sync.render.generated_files import Specification
from innerloop.sync.render.github import MAX_INPUTS
from innerloop.workspace import loader
from tests.azure.runner import read
from tests.support import CI_TOOLS, ROOT

BOTH = 'orchestrators = ["github", "azure-devops"]\n'
CRON = f'[schedule]\ncron = "*/30 3-5 1,15 jan-mar MON"\n{BOTH}'


def rendered(
    inputs: dict[str, Any] | None = None,
    toml: str = CRON,
    name: str = "digits",
    workspace: str = "",
    **more: Any,
) -> dict[str, str]:
    """Path -> text."""
    document = {"command": "x", "compute": "azureml:c", "environment": "azureml:e@latest", **more}
    if inputs is not None:
        document["inputs"] = inputs
    where = settings.of_workspace(f"[tool.innerloop]\n{workspace}", "pyproject.toml")
    found = settings.of_experiment(toml, f"src/{name}/innerloop.toml", where)
    experiment = Experiment(name, dockerfile("FROM x\n", "Dockerfile"), found)
    job = parse_job(yaml.safe_dump(document, sort_keys=False), f"src/{name}/azure-ml-job.yaml")
    checked = check(experiment, job, where.orchestrators.names)
    assert checked.findings == ()
    schedules = {} if checked.schedule is None else {name: checked.schedule}
    subject = Specification(Workspace("/w", where, (name,)), (experiment,), {name: job}, schedules)
    return workflow_files.render(subject)


def github(**more: Any) -> dict[str, Any]:
    texts = rendered(**more)
    (path,) = [path for path in texts if path.startswith(".github/workflows/train-")]
    return parsed(texts[path])


def pipeline(**more: Any) -> dict[str, Any]:
    texts = rendered(**more)
    (path,) = [path for path in texts if path.startswith("orchestration/azure-devops/train-")]
    return parsed(texts[path])


def parsed(text: str) -> dict[str, Any]:
    value: dict[str, Any] = yaml.safe_load(text.replace("\non:\n", '\n"on":\n', 1))
    return value


INPUTS = {
    "data": {"type": "uri_folder", "path": "azureml:mnist:1"},
    "epochs": 8,
    "rate": 1e-05,
    "fast": True,
    "note": "yes",
    "words": 'a: b #c\n"quoted" ${{ x }} $(y) é 🚂',
}
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "no inputs": {"inputs": {}},
    "inputs": {"inputs": INPUTS},
    "many inputs": {"inputs": {f"x{n}": n for n in range(29)}},
    "allowed": {
        "inputs": INPUTS,
        "toml": CRON
        + "[schedule.set]\ninputs.epochs = 16\n[schedule.allowed]\nepochs = [8, 16]\nfast = [true]\n"
        + 'note = ["yes", "no", "1"]\nrate = [0.5, 1e-5]\n',
    },
    "folder and branch": {"name": "shop/churn-2.x", "toml": CRON + 'branch = "it\'s/a-release"\n'},
    "settings": {
        "workspace": 'registry = "ghcr.io/o/n"\norchestrators = ["github", "azure-devops"]\n'
        '[tool.innerloop.github]\nenvironment = "on"\nrunner = "self-hosted"\n'
        '[tool.innerloop.azure-devops]\npool = "ours: 1"\nservice_connection = "a b"\n',
        "limits": {"timeout": 90},
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All cases as files, and those that this workspace is shipped with."""
    made = tmp_path_factory.mktemp("rendered")
    for number, case in enumerate(CASES.values()):
        for path, text in rendered(**case).items():
            kind = "github" if path.startswith(".github") else "devops"
            if "/variables" not in path:
                file = f"{kind}-{number}-{Path(path).name}"
                (made / file).write_text(text, encoding="utf-8")
    return made


def shipped(folder: str) -> list[Path]:
    found = sorted((ROOT / folder).glob("*.yml"))
    assert found
    return [path for path in found if path.name != "variables.yml"]


@pytest.mark.workflows
def test_github_by_its_schema_and_its_linter(folder: Path) -> None:
    paths = [*sorted(folder.glob("github-*.yml")), *shipped(".github/workflows")]
    assert len(paths) > len(CASES)
    schema = ["--builtin-schema", "vendor.github-workflows"]
    done = checker(*schema, *paths)
    assert done.returncode == 0, done.stdout
    for where, pattern in ((folder, "github-*.yml"), (ROOT, ".github/workflows/*.yml")):
        count = len(list(where.glob(pattern)))
        done = linter(where, pattern)  # it takes one pattern, and says how many files it finds
        problems = re.findall(r"^\S+\.yml:\d+:\d+ .*$", done.stdout, re.MULTILINE)
        # The linter is older than GitHub's 25 inputs.
        problems = [one for one in problems if "maximum number of inputs" not in one]
        assert problems == [] and done.stderr == "", done.stdout + done.stderr
        assert f"Checking {count} workflow file(s)" in done.stdout, done.stdout


@pytest.mark.workflows
def test_azure_pipelines_by_its_schema(folder: Path) -> None:
    paths = [*sorted(folder.glob("devops-*.yml")), *shipped("orchestration/azure-devops")]
    assert len(paths) > len(CASES)
    done = checker(*PIPELINES, *paths)
    assert done.returncode == 0, done.stdout


PIPELINES = (
    "--builtin-schema", "vendor.azure-pipelines", "--regex-variant", "python",
    "--data-transform", "azure-pipelines",
)  # fmt: skip


@pytest.mark.workflows
def test_the_checkers_find_errors(tmp_path: Path) -> None:
    texts = rendered()
    wrong = tmp_path / "wrong.yml"
    for path, old, new in (
        (".github/workflows/train-digits.yml", "timeout-minutes: 360", "timeout-minutes: soon"),
        ("orchestration/azure-devops/train-digits.yml", "task: AzureCLI@2", "tusk: AzureCLI@2"),
    ):
        assert old in texts[path]
        wrong.write_text(texts[path].replace(old, new))
        schema = PIPELINES if "devops" in path else ("--builtin-schema", "vendor.github-workflows")
        assert checker(*schema, wrong).returncode == 1
    text = texts[".github/workflows/train-digits.yml"]
    for old, new in (("3-5", "3-55"), ("toJSON(inputs)", "toJSON(imputs)")):
        wrong.write_text(text.replace(old, new))
        assert linter(tmp_path, wrong.name).returncode == 1, new


def linter(folder: Path, pattern: str) -> subprocess.CompletedProcess[str]:
    words: list[str | Path] = [CI_TOOLS / "bin/actionlint", pattern]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def checker(*words: str | Path) -> subprocess.CompletedProcess[str]:
    program = CI_TOOLS / "workflows/venv/bin/check-jsonschema"
    return subprocess.run([program, "--no-cache", *words], capture_output=True, text=True)


def test_least_permissions_and_one_step_with_a_command() -> None:
    one = github(inputs=INPUTS)
    assert one["permissions"] == {"contents": "read", "id-token": "write"}
    assert one["concurrency"] == {"group": "train-digits", "cancel-in-progress": False}
    (job,) = one["jobs"].values()
    checkout, step = job["steps"]
    assert re.fullmatch(r"actions/checkout@[0-9a-f]{40}", checkout["uses"])
    assert checkout["with"]["persist-credentials"] is False
    assert shlex.split(step["run"]) == [
        "scripts/loop", "submit", "digits", "--scheduled", "--inputs", "$INPUTS", "--wait",
        "--summary", "$GITHUB_STEP_SUMMARY",
    ]  # fmt: skip
    assert not any("secrets" in value for value in step["env"].values())


def test_the_shape_of_the_pipeline() -> None:
    one = pipeline(**CASES["allowed"])
    (schedule,) = one["schedules"]
    assert schedule["cron"] == "*/30 3-5 1,15 jan-mar MON"
    assert (schedule["always"], schedule["branches"]) == ("true", {"include": ["main"]})
    assert one["variables"] == [{"template": "variables.yml"}, {"group": "azure-ml"}]
    parameters = {found.pop("name"): found for found in one["parameters"]}
    assert parameters["epochs"]["values"] == ["8", "16"]
    assert (parameters["epochs"]["default"], parameters["epochs"]["type"]) == ("16", "number")
    assert (parameters["fast"]["default"], parameters["note"]["default"]) == ("true", "yes")
    (job,) = one["jobs"]
    assert [next(iter(step)) for step in job["steps"]] == ["checkout", "task"]


def test_settings_of_the_workspace() -> None:
    job = github(**CASES["settings"])["jobs"]["train"]
    assert (job["environment"], job["runs-on"], job["timeout-minutes"]) == ("on", "self-hosted", 62)
    one = pipeline(**CASES["settings"])
    assert one["pool"] == {"name": "ours: 1"}
    assert one["jobs"][0]["steps"][1]["inputs"]["azureSubscription"] == "a b"


def test_more_inputs_than_github_takes() -> None:
    toml = CRON + "[schedule.allowed]\nx28 = [28, 29]\n"
    text = rendered(inputs={f"x{n}": n for n in range(29)}, toml=toml)[
        ".github/workflows/train-digits.yml"
    ]
    form = parsed(text)["on"]["workflow_dispatch"]["inputs"]
    assert list(form) == [*(f"x{n}" for n in range(MAX_INPUTS - 1)), "x28"]
    assert "changes the others: x24, x25, x26, x27\n" in text


def test_what_checks_every_push() -> None:
    texts = rendered(toml="", **CASES["settings"])
    ci = parsed(texts[".github/workflows/ci.yml"])
    assert ci["permissions"] == {"contents": "read", "packages": "read"}
    assert ci["on"] == {"push": {"branches": ["main"]}, "pull_request": {}}
    steps = ci["jobs"]["experiment"]["steps"]
    assert steps[2]["env"] == {"REGISTRY": "ghcr.io", "TOKEN": "${{ github.token }}"}
    workspace = ci["jobs"]["workspace"]["steps"]
    pipeline = parsed(texts["orchestration/azure-devops/ci.yml"])["jobs"]
    commands = [step["run"] for step in workspace if "run" in step]
    same = [step["bash"] for step in pipeline[0]["steps"] if "bash" in step]
    assert commands[0] == same[0] == "scripts/loop verify --skip-experiments"
    assert len(commands) == len(same) == 2  # the other one lists the experiments
    for text in texts.values():
        assert "scripts/test" not in text  # which checks the tool in the tool's own repository
    unnamed = rendered()
    assert not any(
        path.endswith("/ci.yml") for path in unnamed
    )  # a person may have one of that name


def test_every_job_caches_the_tools_environment_by_its_pin() -> None:
    texts = rendered(toml="", **CASES["settings"])
    github = parsed(texts[".github/workflows/ci.yml"])["jobs"]
    for job in github.values():
        cache = job["steps"][1]
        assert re.fullmatch(r"actions/cache@[0-9a-f]{40}", cache["uses"])
        assert cache["with"]["path"] == "~/.cache/innerloop"
        assert "hashFiles('scripts/loop-requirements.txt')" in cache["with"]["key"]
        assert "-self-hosted-" in cache["with"]["key"]
    for job in parsed(texts["orchestration/azure-devops/ci.yml"])["jobs"]:
        cache = job["steps"][1]
        assert cache["task"] == "Cache@2"
        assert cache["inputs"]["key"].endswith("| scripts/loop-requirements.txt")
        assert cache["inputs"]["path"] == job["variables"]["XDG_CACHE_HOME"] + "/innerloop"


def test_images_are_prebuilt_where_github_is_chosen() -> None:
    texts = rendered(toml="", **CASES["settings"])
    prebuild = parsed(texts[".github/workflows/prebuild.yml"])
    assert prebuild["permissions"] == {"contents": "read", "packages": "write"}
    (job,) = prebuild["jobs"].values()
    assert job["runs-on"] == "self-hosted"
    *_, registry, login, build = job["steps"]
    assert "registry" in registry["run"]
    assert login["if"] == build["if"] == "steps.settings.outputs.host != ''"
    assert build["run"] == "scripts/loop build --all --push"
    only = rendered(toml="", workspace='orchestrators = ["azure-devops"]')
    assert not any(path.startswith(".github/") for path in only)


def test_only_those_named_are_generated() -> None:
    assert rendered(toml='[schedule]\ncron = "0 3 * * 1"\norchestrators = []\n') == {}
    chosen = rendered(
        toml='[schedule]\ncron = "0 3 * * 1"\n', workspace='orchestrators = ["azure-devops"]'
    )
    assert sorted(chosen) == [
        "orchestration/azure-devops/ci.yml", "orchestration/azure-devops/train-digits.yml", "orchestration/azure-devops/variables.yml",
    ]  # fmt: skip


NAME = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
# What YAML itself cannot hold as it is, a job file cannot either.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUE = TEXT | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.dictionaries(NAME, VALUE, max_size=28))
def test_any_inputs_come_back_through_a_form_as_they_were(inputs: dict[str, Any]) -> None:
    """Generated, read as each service reads it, left unchanged, and given to --inputs.

    The job is the same as before, and no value is part of a script.
    """
    job = parse_job(yaml.safe_dump({"command": "x", "inputs": inputs}, sort_keys=False), "job.yaml")
    one, two = github(inputs=inputs), pipeline(inputs=inputs)
    form = one["on"]["workflow_dispatch"].get("inputs", {})
    assert set(form) == set(list(inputs)[:MAX_INPUTS])
    shown = {name: field.get("default", "") for name, field in form.items()}
    same(job, shown)
    same(job, {field["name"]: field["default"] for field in two.get("parameters", [])})
    for text in (one["jobs"]["train"]["steps"][1]["run"],
                 two["jobs"][0]["steps"][1]["inputs"]["inlineScript"]):  # fmt: skip
        assert text.startswith("scripts/loop submit digits --scheduled ")


def same(job: Any, given: dict[str, Any]) -> None:
    changed = override(job, list(sets_of(json.dumps(given), job, {})))
    for name, one in job.inputs.items():
        found = changed.inputs[name].value
        assert (type(found), found) == (type(one.value), one.value), (name, given[name])


def test_the_shipped_files_are_in_line_with_the_shipped_schedule() -> None:
    workspace = loader.open_workspace(ROOT)
    experiment = loader.open_experiment(workspace, "digit_recognition")
    schedule = loader.open_schedule(workspace, experiment)
    job = override(loader.open_job(workspace, experiment), schedule.sets)
    workflow = read(ROOT / ".github/workflows/train-digit_recognition.yml")
    assert list(workflow["on"]["workflow_dispatch"]["inputs"]) == [
        one.name for one in fields(job, schedule)
    ]
    assert Settings().schedule is None
