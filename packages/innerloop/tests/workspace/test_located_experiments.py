"""Experiments that are declared, or that links lead to: where their parts are, and what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from innerloop.model.experiment import Experiment
from innerloop.model.experiment_paths import default_paths, generated_dockerfile
from innerloop.model.workspace import Workspace
from innerloop.util.errors import UsageError, UserError
from innerloop.workspace import loader

TREE = {
    "ml/train.py": "",
    "ml/innerloop.toml": 'gpu = "none"\n',
    "jobs/train.yml": "command: python train.py\ncode: ../ml\n",
    "env/Dockerfile.gpu": "FROM python:3.11\nCOPY env/lock.txt /l\n",
    "env/requirements.txt": "",
    "env/lock.txt": "",
    "env/conda.yml": "dependencies: [python=3.10, pip, {pip: [-r extra.txt]}]\n",
    "env/extra.txt": "numpy==1.26.4\n",
    "env/all.txt": "-r extra.txt\npandas\n",
    "env/folder/Dockerfile": "FROM python:3.12\n",
    "tests/unit/test_a.py": "",
    "src/usual/environment/Dockerfile": "FROM python:3.11\n",
    "uv.lock": "",
    "pyproject.toml": "[project]\nname = 'p'\nversion = '1'\n[tool.poetry]\n",
    "locks/uv/uv.lock": 'version = 1\nrequires-python = ">=3.12"\n',
    "locks/uv/pyproject.toml": "[project]\nname = 'p'\nversion = '1'\n"
    "[dependency-groups]\ntest = ['pytest']\n",
    "locks/pylock.gpu.toml": 'lock-version = "1.0"\n',
    "locks/poetry.lock": '[metadata]\nlock-version = "2.1"\n',
    "locks/pixi/pixi.lock": "version: 6\n",
    "locks/pixi/pixi.toml": "[workspace]\n",
    "locks/none/pyproject.toml": "[project]\nname = 'p'\n",
    "locks/two/uv.lock": "",
    "locks/two/poetry.lock": "",
    "assets/built.yml": "name: team\nbuild: {path: ../env, dockerfile_path: Dockerfile.gpu}\n",
    "assets/conda.yml": "name: team\nimage: python:3.9\nconda_file: ../env/conda.yml\n",
    "assets/image.yml": "name: team\nimage: python:3.9\n",
    "assets/gone.yml": "name: team\nbuild: {path: ../gone}\n",
    "assets/neither.yml": "name: team\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in TREE.items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    return tmp_path.resolve()


def declare(root: Path, lines: str, name: str = "train") -> Workspace:
    (root / "innerloop.toml").write_text(f"[experiments.{name}]\n{lines}\n", encoding="utf-8")
    return loader.open_workspace(root)


def opened(root: Path, lines: str) -> Experiment:
    return loader.open_experiment(declare(root, lines), "train")


def refused(root: Path, lines: str) -> tuple[str, str]:
    with pytest.raises(UserError) as error:
        opened(root, lines)
    return error.value.code, error.value.where


def test_declared_experiment_has_five_paths(root: Path) -> None:
    train = opened(
        root,
        'folder = "ml"\njob = "jobs/train.yml"\nenvironment = "env/Dockerfile.gpu"\n'
        'context = "."\ntests = "tests/unit"',
    )
    paths = train.paths
    assert (paths.folder, paths.job, paths.tests) == ("ml", "jobs/train.yml", "tests/unit")
    assert (paths.source, paths.dockerfile, paths.context) == (
        "dockerfile",
        "env/Dockerfile.gpu",
        ".",
    )
    assert paths.lock == "env/requirements.txt"
    assert (train.job_file, train.has_job, train.is_own) == ("../jobs/train.yml", True, True)
    assert train.settings.gpu.kind == "none"  # of the innerloop.toml beside its code
    assert train.test_paths == [["../tests/unit"]]


def test_usual_experiment_has_the_usual_paths(root: Path) -> None:
    workspace = declare(root, 'folder = "ml"')
    assert workspace.experiments == ("train", "usual")
    assert workspace.paths_of("usual") == default_paths("usual")
    usual = loader.open_experiment(workspace, "usual")
    assert (usual.folder, usual.job_file, usual.has_job) == (
        "src/usual",
        "azure-ml-job.yaml",
        False,
    )


def test_declared_settings_are_on_top_of_those_beside_the_code(root: Path) -> None:
    train = opened(root, 'folder = "ml"\nports = [7000]\n[experiments.train.data.x]\npath = "d"')
    assert (train.settings.gpu.kind, train.settings.ports) == ("none", (7000,))
    assert train.settings.data["x"].path == "d"


@pytest.mark.parametrize(
    ("lines", "folder"),
    [
        ('job = "jobs/train.yml"', "jobs"),  # no src/train
        ('folder = "ml"\njob = "jobs/train.yml"', "ml"),
        ('folder = "."', "."),
    ],
)
def test_folder_of_declared_experiment(root: Path, lines: str, folder: str) -> None:
    assert opened(root, lines).folder == folder


def test_folder_of_declared_experiment_is_its_usual_one_if_that_exists(root: Path) -> None:
    (root / "src/train").mkdir()
    assert opened(root, 'job = "jobs/train.yml"').folder == "src/train"


@pytest.mark.parametrize(
    ("environment", "source", "context", "lock"),
    [
        ("env/Dockerfile.gpu", "dockerfile", "env", "env/requirements.txt"),
        ("env/folder", "dockerfile", "env/folder", "env/folder/requirements.txt"),
        ("env/conda.yml", "conda", "env", ""),
        ("env/all.txt", "requirements", "env", "env/all.txt"),
        ("python:3.11-slim", "image", "", ""),
        ("registry.example:5000/a/b@sha256:0", "image", "", ""),
        ("locks/uv/uv.lock", "uv", "locks/uv", "locks/uv/uv.lock"),
        ("locks/uv/pyproject.toml", "uv", "locks/uv", "locks/uv/uv.lock"),
        ("locks/uv", "uv", "locks/uv", "locks/uv/uv.lock"),
        ("locks/pylock.gpu.toml", "pylock", "locks", "locks/pylock.gpu.toml"),
        ("locks/poetry.lock", "poetry", "locks", "locks/poetry.lock"),
        ("locks/pixi", "pixi", "locks/pixi", "locks/pixi/pixi.lock"),
        ("assets/built.yml", "dockerfile", "env", "env/requirements.txt"),
        ("assets/conda.yml", "conda", "env", ""),
        ("assets/image.yml", "image", "", ""),
    ],
)
def test_environment_of_every_kind(
    root: Path, environment: str, source: str, context: str, lock: str
) -> None:
    paths = opened(root, f'folder = "ml"\nenvironment = "{environment}"').paths
    assert (paths.source, paths.context, paths.lock) == (source, context, lock)


def test_conda_file_gets_a_dockerfile_with_what_it_refers_to(root: Path) -> None:
    train = opened(root, 'folder = "ml"\nenvironment = "env/conda.yml"\ncontext = "."')
    assert train.paths.dockerfile == generated_dockerfile("train")
    copied = [one.exec_form for one in train.dockerfile.last.instructions if one.keyword == "COPY"]
    assert [words[0] for words in copied if words] == ["env/conda.yml", "env/extra.txt"]
    assert train.dockerfile.last.base.startswith("mcr.microsoft.com/azureml/")


def test_requirements_file_starts_from_the_image_of_the_job(root: Path) -> None:
    (root / "jobs/train.yml").write_text(
        "command: x\nenvironment:\n  image: python:3.9\n", encoding="utf-8"
    )
    train = opened(root, 'folder = "ml"\njob = "jobs/train.yml"\nenvironment = "env/all.txt"')
    assert train.dockerfile.last.base == "python:3.9"
    copied = [one.exec_form for one in train.dockerfile.last.instructions if one.keyword == "COPY"]
    assert [words[0] for words in copied if words] == ["all.txt", "extra.txt"]


@pytest.mark.parametrize(
    ("environment", "source", "named"),
    [
        (
            "{build: {path: ../env, dockerfile_path: Dockerfile.gpu}}",
            "dockerfile",
            "env/Dockerfile.gpu",
        ),
        ("{image: 'python:3.10'}", "image", "python:3.10"),
        ("{image: x:1, conda_file: ../env/conda.yml}", "conda", "env/conda.yml"),
        ("azureml:curated@latest", "none", ""),
        ("{build: {path: ../gone}}", "none", ""),
    ],
)
def test_environment_that_the_job_names_is_found(
    root: Path, environment: str, source: str, named: str
) -> None:
    job = f"command: x\nenvironment: {environment}\n"
    (root / "jobs/train.yml").write_text(job, encoding="utf-8")
    train = opened(root, 'job = "jobs/train.yml"')
    assert train.paths.source == source
    assert train.is_own is (source != "none")
    if named:
        assert train.paths.environment == named


@pytest.mark.parametrize(
    ("lines", "code", "line"),
    [
        ('folder = "gone"', "declared-path-missing", 2),
        ('folder = "ml"\njob = "jobs/gone.yml"', "declared-path-missing", 3),
        ('folder = "ml"\nenvironment = "env/gone.yml"', "declared-path-missing", 3),
        ('folder = "ml"\nenvironment = "env/gone"', "declared-path-missing", 3),
        ('folder = "ml"\ntests = "gone"', "declared-path-missing", 3),
        ('folder = "ml/train.py"', "declared-path-missing", 2),
        ('folder = "ml"\njob = "jobs"', "declared-path-missing", 3),
        ('gpu = "none"', "declared-path-missing", 1),
        ('folder = "ml"\nenvironment = "ml/train.py"', "environment-kind-unknown", 3),
        ('folder = "ml"\nenvironment = "locks/two"', "environment-source-ambiguous", 3),
        ('folder = "ml"\nenvironment = "ml"', "environment-source-missing", 3),
        (
            'folder = "ml"\ncontext = "ml"\nenvironment = "env/conda.yml"',
            "declared-path-outside-context",
            0,
        ),
    ],
)
def test_wrong_path_is_one_error_of_that_experiment(
    root: Path, lines: str, code: str, line: int
) -> None:
    where = f"innerloop.toml:{line}" if line else "env/conda.yml"
    assert refused(root, lines) == (code, where)
    assert loader.open_experiment(loader.open_workspace(root), "usual").name == "usual"


@pytest.mark.parametrize(
    ("environment", "code", "where"),
    [
        ("locks/none", "environment-not-locked", "locks/none/pyproject.toml:1"),
        ("assets/gone.yml", "environment-source-missing", "assets/gone.yml"),
        ("assets/neither.yml", "environment-kind-unknown", "assets/neither.yml:1"),
    ],
)
def test_environment_that_cannot_be_made_is_an_error_at_its_own_line(
    root: Path, environment: str, code: str, where: str
) -> None:
    found = refused(root, f'folder = "ml"\nenvironment = "{environment}"')
    assert (found[0], found[1].startswith(where)) == (code, True)


@pytest.mark.parametrize(
    ("environment", "copied", "stages"),
    [
        ("locks/uv", ["pyproject.toml", "uv.lock"], ["base", "test", "dev", "job"]),
        ("locks/pylock.gpu.toml", ["pylock.gpu.toml"], [""]),
        ("locks/poetry.lock", [], [""]),
        ("locks/pixi", ["pixi.toml", "pixi.lock"], [""]),
    ],
)
def test_lock_gets_a_dockerfile_that_copies_it(
    root: Path, environment: str, copied: list[str], stages: list[str]
) -> None:
    train = opened(root, f'folder = "ml"\nenvironment = "{environment}"\ncontext = "."')
    assert train.paths.is_generated
    assert [stage.name for stage in train.dockerfile.stages] == stages
    steps = [one for stage in train.dockerfile.stages for one in stage.instructions]
    words = [one.exec_form or () for one in steps if one.keyword == "COPY"]
    folder = "locks" if "." in environment else environment
    assert [word[0] for word in words] == [f"{folder}/{name}" for name in copied]
    assert (train.test_stage is not None) is ("test" in stages)
    # The lock decides about the image, and the code beside it does not.
    context = loader.context_of(loader.open_workspace(root), train)
    before = loader.digest_of(context)
    (root / "ml/train.py").write_text("changed", encoding="utf-8")
    assert loader.digest_of(context) == before
    for name in copied:
        path = root / folder / name
        path.write_text(path.read_text("utf-8") + "\n", encoding="utf-8")
    assert (loader.digest_of(context) != before) is bool(copied)


def test_base_of_the_settings_comes_before_that_of_the_job(root: Path) -> None:
    job = "command: x\nenvironment:\n  image: python:3.9\n"
    (root / "jobs/train.yml").write_text(job, encoding="utf-8")
    (root / "ml/innerloop.toml").write_text('[environment]\nbase = "mine:1"\n', encoding="utf-8")
    lines = 'folder = "ml"\njob = "jobs/train.yml"'
    lock = opened(root, f'{lines}\nenvironment = "locks/uv"').dockerfile
    assert lock.image_of(lock.last) == "mine:1"
    assert opened(root, lines).paths.environment == "python:3.9"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_link_that_leads_out_is_refused(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "train.yml").write_text("command: x\n", encoding="utf-8")
    (root / "out").symlink_to(elsewhere)
    for lines in ('folder = "out"', 'folder = "ml"\njob = "out/train.yml"'):
        assert refused(root, lines)[0] == "outside-workspace"


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_in_a_circle_are_refused_with_their_line(root: Path) -> None:
    (root / "a").symlink_to("b")
    (root / "b").symlink_to("a")
    assert refused(root, 'folder = "ml"\njob = "a"') == (
        "declared-path-circular",
        "innerloop.toml:3",
    )


@pytest.mark.skipif(os.name == "nt", reason="links need a right there")
def test_links_under_src_are_followed_within_the_workspace(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    for folder in (root / "packages/rank", root / "packages/all/deep", outside):
        (folder / "environment").mkdir(parents=True)
        (folder / "environment/Dockerfile").write_text("FROM python:3.11\n", encoding="utf-8")
    links = {
        "rank": "../packages/rank",
        "many": "../packages/all",
        "out": str(outside),
        "again": "../packages/rank",  # each folder counts once
        "back": "usual",
        "around": "..",
        "self": "self",
    }
    for name, target in links.items():
        (root / "src" / name).symlink_to(target)
    (root / "packages/all/up").symlink_to("../../src")
    workspace = loader.open_workspace(root)
    assert workspace.experiments == ("again", "many/deep", "usual")
    paths = workspace.paths_of("many/deep")
    assert (paths.folder, paths.link) == ("packages/all/deep", "src/many/deep")
    assert workspace.owners_of("src/many/deep/x.py") == ["many/deep"]
    assert loader.open_experiment(workspace, "many/deep").folder == "packages/all/deep"


def test_two_names_with_one_slug_are_an_error_of_both(root: Path) -> None:
    (root / "src/shop.rank/environment").mkdir(parents=True)
    (root / "src/shop.rank/environment/Dockerfile").write_text("FROM x\n", encoding="utf-8")
    workspace = declare(root, 'folder = "ml"', '"shop/rank"')
    for name, where in (("shop/rank", "innerloop.toml:1"), ("shop.rank", "src/shop.rank")):
        with pytest.raises(UserError) as error:
            loader.open_experiment(workspace, name)
        assert (error.value.code, error.value.where) == ("experiment-ambiguous", where)


def test_job_file_names_its_experiment(root: Path) -> None:
    workspace = declare(root, 'folder = "ml"\njob = "jobs/train.yml"')
    for word in ("train", "jobs/train.yml", "ml/train.py"):
        experiment, file = loader.choose_job(workspace, word, None, root)
        assert (experiment.name, file) == ("train", "../jobs/train.yml")
    assert loader.open_job(workspace, experiment).name == "jobs/train.yml"


def test_job_file_of_two_experiments_asks_for_a_name(root: Path) -> None:
    text = '[experiments.{}]\nfolder = "ml"\njob = "jobs/train.yml"\n'
    both = text.format("one") + text.format("two")
    (root / "innerloop.toml").write_text(both, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        loader.choose_job(loader.open_workspace(root), "jobs/train.yml", None, root)
    assert error.value.code == "experiment-ambiguous"


def test_digest_of_a_shared_context_is_that_of_what_the_dockerfile_takes(root: Path) -> None:
    def digest() -> str:
        train = opened(root, 'folder = "ml"\nenvironment = "env/Dockerfile.gpu"\ncontext = "."')
        return loader.digest_of(loader.context_of(loader.open_workspace(root), train))

    first = digest()
    for path in ("ml/train.py", "outputs/train/log.txt", "env/conda.yml"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("changed", encoding="utf-8")
    assert digest() == first
    (root / "env/lock.txt").write_text("numpy", encoding="utf-8")
    second = digest()
    assert second != first
    (root / "env/Dockerfile.gpu").write_text(
        "FROM python:3.12\nCOPY env/lock.txt /l\n", encoding="utf-8"
    )
    assert digest() not in (first, second)


def test_declared_tests_keep_the_nearest_settings(root: Path) -> None:
    lines = 'folder = "ml"\ntests = "tests/unit"'
    assert opened(root, lines).pytest.settings == ""
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", encoding="utf-8")
    assert opened(root, lines).pytest.arguments == ("-c", "../pyproject.toml", "--confcutdir", "..")
    (root / "tests/pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    train = opened(root, lines)
    assert train.pytest.arguments == ("-c", "../tests/pytest.ini", "--confcutdir", "../tests")
    assert train.seen_by_tests == ("tests", "tests/pytest.ini")
