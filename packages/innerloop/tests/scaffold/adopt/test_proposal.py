"""What is found in repositories of the usual shapes, and what is proposed for them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from innerloop.model import naming
from innerloop.model.settings import settings
from innerloop.model.settings.adoption import FILE, Adoption
from innerloop.scaffold.adopt import experiment_names, findings, proposal
from innerloop.scaffold.adopt.proposal import Proposal, Wishes
from innerloop.scaffold.adopt.repository_tree import RepositoryTree, distance, tree_of
from innerloop.util.errors import UserError
from tests.scaffold.adopt.repositories import (
    BESIDE,
    COMMAND,
    COMPONENT,
    COMPONENTS,
    CONDA,
    JOBS,
    MLOPS,
    PIPELINE,
    SHAPES,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ENVIRONMENT = "name: {}\nversion: {}\nimage: python:3.11-slim-bookworm\nconda_file: conda.yml\n"
JOB = "command: python train.py\ncode: .\nenvironment: {}\n"


def proposed(texts: Mapping[str, str], wishes: Wishes = proposal.NO_WISHES) -> Proposal:
    tree = tree_of(texts)
    return proposal.propose(findings.find(tree), tree, wishes)


def tables(texts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """What the proposed innerloop.toml declares."""
    document = tomllib.loads(proposed(texts).files[FILE])
    assert document.pop("adopted") == {}
    return document.get("experiments", {})  # type: ignore[no-any-return]


WANTED: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    "jobs": {
        name: {
            "folder": "src/forecast",
            "job": f"jobs/{name}.yml",
            "environment": "environments/forecast.yml",
            "tests": "tests/unit",
        }
        for name in ("sweep", "train")
    },
    "mlops": {
        "train": {
            "folder": "data-science/src",
            "job": "mlops/azureml/train/pipeline.yml",
            "environment": "data-science/environment/Dockerfile",
            "tests": "data-science/tests",
        }
    },
    "packages": {
        name: {
            "folder": f"packages/{folder}/src",
            "job": f"packages/{folder}/job.yml",
            "environment": f"packages/{folder}/Dockerfile",
            "context": ".",
            "tests": f"packages/{folder}/tests",
        }
        for name, folder in (("churn", "churn"), ("fraud_model", "fraud-model"))
    },
    "components": {
        "clean": {
            "folder": "components/clean/src",
            "job": "innerloop/clean.yml",
            "environment": "python:3.11-slim-bookworm",
        },
        "score": {"folder": "components/score/src", "job": "innerloop/score.yml"},
    },
    "beside": {"app": {"job": "app/azureml.yml"}},
    "ignored": {"train": {"job": "train/job.yaml", "environment": "python:3.11-slim-bookworm"}},
}


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_proposal_of_a_shape_declares_its_jobs(shape: str) -> None:
    assert tables(SHAPES[shape]) == WANTED[shape]


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_proposal_is_whole_and_names_only_what_is_there(shape: str) -> None:
    texts = SHAPES[shape]
    one = proposed(texts)
    assert not one.clashes and not set(one.files) & set(texts)
    there = {*texts, *one.files}
    folders = {path.rsplit("/", length)[0] for path in there for length in range(1, 5)} | {"."}
    for name, table in tables(texts).items():
        naming.check_name(name)
        assert table["job"] in there
        assert {table.get(key, ".") for key in ("folder", "context", "tests")} <= folders
        environment = table.get("environment", "")
        assert environment in texts or ":" in environment or not environment
    assert all(proposal.is_as_written(text) for text in one.files.values())
    edited = one.files[FILE].replace("[adopted]", "[adopted]\ncontainer = true")
    assert not proposal.is_as_written(edited)
    assert proposal.is_as_written(one.files[FILE].replace("\n", "\r\n"))  # as git may check it out
    read = settings.of_root_file(edited, FILE, settings.Settings())
    assert read.adopted == Adoption(container=True)


def test_findings_of_the_shapes_are_by_kind() -> None:
    found = {name: findings.find(tree_of(texts)) for name, texts in SHAPES.items()}
    assert [(job.path, job.form) for job in found["jobs"].jobs] == [
        ("jobs/sweep.yml", "sweep"),
        ("jobs/train.yml", "command"),
    ]
    assert [file.where for file in found["jobs"].unreadable] == ["jobs/automl.yml:2"]
    assert [file.path for file in found["jobs"].data] == ["data/sales.yml"]
    assert [(file.path, file.kind) for file in found["jobs"].ci] == [
        ("azure-pipelines.yml", "Azure DevOps")
    ]
    assert [job.form for job in found["mlops"].jobs] == ["pipeline"]
    assert len(found["mlops"].components) == 2
    assert [file.kind for file in found["mlops"].ci] == ["GitHub Actions"]
    assert [file.where for file in found["components"].scripts] == ["submit.py:1"]
    assert [file.kind for file in found["beside"].dev_containers] == [
        "dev container by an image",
        "dev container by Docker Compose",
    ]
    assert found["beside"].notebooks == ("explore.ipynb",)
    kinds = {name: one.formatter.name for name, one in found.items()}
    assert (kinds["packages"], kinds["ignored"], kinds["jobs"]) == ("ruff", "black", "")


@pytest.mark.parametrize(
    ("text", "is_job"),
    [
        (JOB.format("{image: 'a:1'}"), True),
        ("services:\n  web:\n    image: nginx\n    command: run\n", False),
        ("command: make\n", False),  # of another program
        ("command: [a, b]\nimage: x\nenvironment: {A: b}\n", False),
        ("jobs:\n  build:\n    runs-on: x\n    steps: []\n", False),
        ("jobs:\n  one: {component: ./c.yml}\n", True),
        ("trial: {command: a}\nsearch_space: {x: 1}\n", True),
        ("- command: a\n", False),
        ("name: a\ndependencies: [pip]\n", False),
    ],
)
def test_yaml_file_is_a_job_only_if_it_says_so(text: str, is_job: bool) -> None:
    found = findings.find(tree_of({"a/b.yml": text}))
    assert bool(found.jobs) is is_job


@pytest.mark.parametrize(
    "text", ["$schema: azureml\n  a: [\n", "# azureml\nkey: *nowhere\n"], ids=["syntax", "alias"]
)
def test_broken_job_file_is_named_with_its_line_and_stops_nothing(text: str) -> None:
    found = findings.find(tree_of({**JOBS, "jobs/broken.yml": text}))
    broken = [file for file in found.unreadable if file.path == "jobs/broken.yml"]
    assert [file.line for file in broken] == [2] and len(found.jobs) == 2


# --- Names of environments ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("reference", "files", "environment", "note"),
    [
        ("azureml:e@latest", {"a/e.yml": 1, "b/c/e.yml": 2}, "a/e.yml", "a/e.yml stands for"),
        ("azureml:e:2", {"a/e.yml": 1, "b/c/e.yml": 2}, "b/c/e.yml", "b/c/e.yml stands for"),
        ("azureml:e", {"b/e1.yml": 1, "b/e2.yml": 12}, "b/e2.yml", "b/e2.yml stands for"),
        ("azureml:e", {"b/e.yml": 1, "c/e.yml": 1}, "", "may be b/e.yml and c/e.yml"),
        ("azureml:e:3", {"a/e.yml": 1}, "", "azureml:e:3 is not in this repository"),
        ("azureml://registries/r/environments/e/versions/1", {"a/e.yml": 1}, "", "is not in this"),
    ],
    ids=["nearest", "version", "newest", "two", "no version", "registry"],
)
def test_named_environment_is_the_nearest_file_of_that_name(
    reference: str, files: Mapping[str, int], environment: str, note: str
) -> None:
    texts = {"a/job.yml": JOB.format(reference), "a/train.py": ""}
    for path, version in files.items():
        texts[path] = ENVIRONMENT.format("e", version)
        texts[f"{path.rpartition('/')[0]}/conda.yml"] = CONDA
    (one,) = proposed(texts).experiments
    assert one.environment == environment
    assert note in one.notes[0]


def test_environment_of_a_job_that_names_none_is_the_nearest_usual_file() -> None:
    job = "command: python train.py\ncode: ./code\ncompute: azureml:c\n"
    texts = {"a/job.yml": job, "a/code/train.py": "", "requirements.txt": ""}
    (one,) = proposed(texts).experiments
    assert one.environment == "requirements.txt"
    (one,) = proposed({**texts, "a/environment/Dockerfile": "FROM a:1\n"}).experiments
    assert one.environment == "a/environment/Dockerfile"
    (one,) = proposed({**texts, "a/job.yml": job + "environment: {build: {path: x}}\n"}).experiments
    assert one.environment == "" and "there is no a/x/Dockerfile" in one.notes[0]


def test_environment_near_a_job_may_be_a_lock_that_can_be_installed() -> None:
    texts = {"a/job.yml": "command: python train.py\ncode: .\ncompute: azureml:c\n"}
    lock = {"a/uv.lock": "version = 1\n", "requirements.txt": ""}
    project = {"a/pyproject.toml": "[project]\nname = 'p'\n"}
    (one,) = proposed({**texts, **lock, **project}).experiments
    assert one.environment == "a/uv.lock"
    (one,) = proposed({**texts, **lock}).experiments  # a lock without its project
    assert one.environment == "requirements.txt"
    old = {"poetry.lock": '[metadata]\nlock-version = "1.1"\n'}
    (one,) = proposed({**texts, **old}).experiments
    assert (one.environment, "lock-version" in one.notes[0]) == ("", True)


@pytest.mark.parametrize(
    ("only", "names"),
    [
        (("jobs/*.yml",), ["sweep", "train"]),
        (("jobs/",), ["sweep", "train"]),
        (("jobs/tr*", "nowhere/*"), ["train"]),
        (("*.json",), []),
    ],
)
def test_patterns_choose_the_files_of_the_experiments(
    only: tuple[str, ...], names: list[str]
) -> None:
    found = proposed(JOBS, Wishes(only=only)).experiments
    assert [one.name for one in found] == names


def test_steps_of_a_pipeline_are_experiments_on_request() -> None:
    (pipeline,) = proposed(MLOPS).experiments
    found = {one.name: one for one in proposed(MLOPS, Wishes(steps=True)).experiments}
    assert pipeline.name in found and len(found) == 3
    steps = [one for one in found.values() if one.kind == "component"]
    assert [(one.folder, one.environment) for one in steps] == [
        ("data-science/src", "data-science/environment/Dockerfile")
    ] * 2
    assert all(one.job == f"innerloop/{one.name}.yml" and one.made for one in steps)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
def test_declarations_are_added_to_a_file_that_is_there_and_taken_out(end: str, last: str) -> None:
    own = f'# ours\n[experiments.mine]\njob = "jobs/train.yml"{last}'.replace("\n", end)
    whole = proposed({**JOBS, FILE: own}).files[FILE]
    assert whole.startswith(own) and proposal.without_added(whole) == own
    document = tomllib.loads(whole)
    assert document["adopted"] == {} and set(document["experiments"]) == {"mine", "sweep"}
    edited = whole.replace("jobs/sweep.yml", "jobs/other.yml")
    assert proposal.has_added(edited) and proposal.without_added(edited) is None
    # Their lines after it stay.
    more = f"{whole}[experiments.last]{end}"
    assert proposal.without_added(more) == f"{own}[experiments.last]{end}"
    again = proposed({**JOBS, FILE: f"[adopted]{end}{own}"}).files[FILE]
    assert tomllib.loads(again)["adopted"] == {}


@pytest.mark.parametrize("own", ["experiments = {}\n", "a = [\n", "[experiments]\nx = 1\n"])
def test_declarations_are_not_added_to_a_file_that_cannot_take_them(own: str) -> None:
    with pytest.raises(UserError) as caught:
        proposed({**JOBS, FILE: own})
    assert caught.value.where.startswith(FILE)


def test_pipeline_of_several_environments_has_none_of_its_own() -> None:
    other = MLOPS["mlops/azureml/train/prep.yml"].replace("azureml:ds-env@latest", "azureml:x:1")
    table = tables({**MLOPS, "mlops/azureml/train/prep.yml": other})["train"]
    assert "environment" not in table and table["folder"] == "data-science/src"


def test_component_is_an_experiment_unless_a_job_of_the_repository_uses_it() -> None:
    texts = {
        **COMPONENTS,
        "p.yml": "type: pipeline\njobs:\n  a: {component: 'azureml:score@latest'}\n",
    }
    assert set(tables(texts)) == {"clean", "p"}
    by_file = {**COMPONENTS, "p.yml": "jobs:\n  a: {component: ./components/clean/component.yml}\n"}
    assert set(tables(by_file)) == {"score", "p"}


def test_job_of_a_component_asks_for_the_inputs_that_nobody_knows() -> None:
    one = next(one for one in proposed(COMPONENTS).experiments if one.name == "clean")
    assert "component: ../components/clean/component.yml" in one.made
    assert "table" in one.notes[0] and "limit" in one.notes[0] and "share" not in one.notes[0]


def test_jobs_of_an_experiment_of_src_are_its_own() -> None:
    own = {"src/line/environment/Dockerfile": "FROM a:1\n", "src/line/azure-ml-job.yaml": JOB}
    own |= {"src/line/other.yml": JOB.format("{image: 'a:1'}"), "line.yml": JOB.format("x")}
    found = findings.find(tree_of(own))
    assert found.sources == ("src/line",)
    assert set(tables(own)) == {"line_2"}


def test_proposal_clashes_with_a_file_that_it_would_write() -> None:
    unread = RepositoryTree(tuple(sorted([*BESIDE, FILE])), BESIDE)  # it is no text
    assert proposal.propose(findings.find(unread), unread).clashes == (FILE,)
    assert proposed({**COMPONENTS, "innerloop/clean.yml": "a: b\n"}).clashes == (
        "innerloop/clean.yml",
    )


def test_code_outside_of_the_repository_is_not_a_folder() -> None:
    (one,) = proposed(
        {"job.yml": "command: a\ncode: ../../x\nenvironment: {image: 'a:1'}\n"}
    ).experiments
    assert one.folder == "" and one.job == "job.yml"


def test_job_whose_code_is_the_whole_repository_is_said_to_send_the_tool() -> None:
    for code, is_said in ((".", True), ("./code", False)):
        texts = {"job.yml": f"command: a\ncode: {code}\nenvironment: {{image: 'a:1'}}\n"}
        (one,) = proposed({**texts, "code/a.py": ""}).experiments
        assert any(".amlignore" in note for note in one.notes) is is_said


# --- Names of experiments -----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["jobs/train.yml"], ["train"]),
        (["jobs/train-job.yml", "jobs/score.component.yml"], ["train", "score"]),
        (["a/train.yml", "b/train.yml"], ["a_train", "b_train"]),
        (["job.yml"], ["job"]),
        (["job.yml", "job.yaml"], ["job_2", "job"]),
        (["mlops/azureml/Ünï-7/pipeline.yml"], ["n_7"]),
        (["7.yml", "random.yml", "class.yml"], ["job_7", "random_job", "class_job"]),
        (["packages/a/job.yml", "packages/b/job.yml"], ["a", "b"]),
        (["x" * 90 + ".yml"], ["x" * 50]),
    ],
)
def test_name_is_the_last_part_that_means_something(paths: list[str], names: list[str]) -> None:
    chosen = experiment_names.choose(paths)
    assert [chosen[path] for path in paths] == names
    assert experiment_names.choose(list(reversed(paths))) == chosen
    for name in names:
        naming.check_name(name)


def test_name_of_another_experiment_is_not_chosen() -> None:
    chosen = experiment_names.choose(["jobs/train.yml"], ["train"])
    assert chosen == {"jobs/train.yml": "train_2"}


@pytest.mark.parametrize(
    ("one", "other", "steps"),
    [("", ".", 0), ("a", "a", 0), ("a/b", "a/c", 2), ("a", "", 1), ("a/b/c", "d", 4)],
)
def test_distance_counts_steps_up_and_down(one: str, other: str, steps: int) -> None:
    assert distance(one, other) == distance(other, one) == steps


def test_pathological_paths_make_a_valid_declaration() -> None:
    odd = 'a "b"\t\\c\x7f/é'
    texts = {f"{odd}/job.yml": JOB.format("{image: 'a:1'}"), f"{odd}/train.py": ""}
    ((_, table),) = tables(texts).items()
    assert table["job"] == f"{odd}/job.yml"


# --- Whatever a repository holds ----------------------------------------------------------------
_KEYS = st.sampled_from(
    [
        "command",
        "code",
        "environment",
        "jobs",
        "trial",
        "component",
        "type",
        "$schema",
        "name",
        "inputs",
        "outputs",
        "build",
        "path",
        "image",
        "conda_file",
        "version",
        "search_space",
        "default",
        "dependencies",
        "compute",
        "is_deterministic",
        "docker",
        "dockerfile_path",
    ]
)
_WORDS = f"""a . .. ./x.yml azureml:a:1 azureml:a@latest sweep pipeline command {COMMAND} {COMPONENT}
    {PIPELINE} ../../.. / python:3.11 azureml://x"""
_SCALARS = st.sampled_from([*_WORDS.split(), "", "a\nb", None, True, 0, 1.5, float("inf")])
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(_KEYS | st.integers(0, 3) | st.booleans(), inner, max_size=6),
    max_leaves=25,
)
_DOCUMENTS = st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=9)


@settings_of(max_examples=30)
@given(st.lists(_DOCUMENTS, min_size=1, max_size=4), st.booleans())
def test_any_yaml_makes_a_valid_proposal(documents: list[dict[str, Any]], has_code: bool) -> None:
    texts = {f"a/{number}/x.yml": yaml.safe_dump(one) for number, one in enumerate(documents)}
    texts |= {"a/0/train.py": "", "a/0/Dockerfile": "FROM a\n"} if has_code else {}
    one = proposed(texts)
    declared = tomllib.loads(one.files[FILE]).get("experiments", {})
    assert len(declared) == len(one.experiments)
    for experiment in one.experiments:
        naming.check_name(experiment.name)
        assert experiment.job in {*texts, *one.files}
        paths = (experiment.folder, experiment.context, experiment.tests)
        assert not any(path.startswith(("/", "..")) for path in paths)
        yaml.safe_load(experiment.made)


@given(st.text(max_size=200))
def test_any_text_is_found_as_something_or_nothing(text: str) -> None:
    names = ("a.yml", "b.py", "pyproject.toml", ".pre-commit-config.yaml", "setup.cfg", "ruff.toml")
    texts = dict.fromkeys((*names, ".devcontainer/devcontainer.json"), text)
    assert FILE in proposed(texts).files
