"""Tables that declare experiments: reading them, and editing them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from innerloop.model.settings import declaration_edit, declarations
from innerloop.model.settings.declarations import PYPROJECT, ROOT_SETTINGS
from innerloop.model.settings.settings import Settings, of_experiment, of_workspace
from innerloop.util.errors import UserError

TRAIN = """[experiments.train]
folder = "ml"
job = "jobs\\\\train.yml"
environment = "python:3.11-slim"
gpu = "none"

[experiments.train.schedule]
cron = "nonsense"
"""


def test_read_declaration_has_paths_and_settings() -> None:
    (train,) = declarations.read({ROOT_SETTINGS: TRAIN}).values()
    assert train.paths == {
        "folder": "ml",
        "job": "jobs/train.yml",
        "environment": "python:3.11-slim",
    }
    own = train.settings_on(Settings())
    assert own.gpu.kind == "none"
    assert own.schedule is not None
    assert own.schedule.at == ("experiments", "train", "schedule")
    assert str(train.position("job")) == "innerloop.toml:3"
    assert train.position("context").line == 1  # the nearest one that is written


def test_read_declaration_of_pyproject_has_the_same() -> None:
    text = '[project]\nname = "x"\n\n[tool.innerloop.experiments.train]\njob = "jobs/a.yml"\n'
    (train,) = declarations.read({PYPROJECT: text}).values()
    assert train.paths == {"job": "jobs/a.yml"}
    assert train.position("job").line == 5
    assert of_workspace(text, PYPROJECT) == Settings()


def test_root_settings_keep_their_other_keys() -> None:
    assert of_experiment(f'gpu = "none"\n{TRAIN}', ROOT_SETTINGS, Settings()).gpu.kind == "none"
    with pytest.raises(UserError) as error:
        of_experiment(TRAIN, "src/a/innerloop.toml", Settings())
    assert error.value.code == "setting-unknown"


def test_read_the_same_table_in_both_files_counts_once() -> None:
    texts = {
        PYPROJECT: '[tool.innerloop.experiments.train]\njob = "a.yml"\n',
        ROOT_SETTINGS: '[experiments.train]\njob = "a.yml"\n',
    }
    assert list(declarations.read(texts)) == ["train"]
    texts[ROOT_SETTINGS] += 'folder = "ml"\n'
    with pytest.raises(UserError) as error:
        declarations.read(texts)
    assert (error.value.code, error.value.where) == (
        "experiment-declared-twice",
        "innerloop.toml:1",
    )


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("[experiments]\ntrain = 1\n", "setting-invalid", 2),
        ("\n[experiments.Train]\n", "experiment-name-invalid", 2),
        ('[experiments."a.b"]\n', "experiment-name-invalid", 1),
        ("[experiments.common]\n", "experiment-name-invalid", 1),
        ("[experiments.train]\nfolder = 1\n", "setting-invalid", 2),
        ("[experiments.train]\njob = ''\n", "setting-invalid", 2),
        ("[experiments.train]\nfolder = '../ml'\n", "outside-workspace", 2),
        ("[experiments.train]\njob = 'a/../../b.yml'\n", "outside-workspace", 2),
        ("[experiments.train]\ncontext = '/tmp'\n", "outside-workspace", 2),
        ("[experiments.train]\ntests = 'C:\\tests'\n", "outside-workspace", 2),
        ("[experiments.train]\n\nfolders = 'ml'\n", "setting-unknown", 3),
        ("[experiments.train]\n[experiments.train]\n", "not-toml", 2),
        ("experiments = 1\n", "setting-invalid", 1),
    ],
)
def test_read_wrong_table_is_one_error_with_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(UserError) as error:
        declarations.read({ROOT_SETTINGS: text})
    assert (error.value.code, error.value.where.split(":")[:2]) == (
        code,
        ["innerloop.toml", str(line)],
    )


OTHER = '[experiments.other]\njob = "b.yml"\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{TRAIN}\n# of other\n{OTHER}", f"# of other\n{OTHER}"),
        (f"{OTHER}\n{TRAIN}", f"{OTHER}\n"),
        (f"# mine\n[experiments]\n{TRAIN}", "# mine\n[experiments]\n"),
        (TRAIN, ""),
        (
            f'[experiments]\ntrain.job = "a.yml"\ntrain.folder = "x"\n# end\n\n{OTHER}',
            f"[experiments]\n# end\n\n{OTHER}",
        ),
        (f'experiments.train.job = "a.yml"\n{OTHER}', OTHER),
        (f'[experiments]\ntrain = {{ job = "a.yml" }}\n\n{OTHER}', f"[experiments]\n\n{OTHER}"),
        ('gpu = "none"\n[experiments."train"]\njob = "a.yml"\n', 'gpu = "none"\n'),
        (f'[experiments.train]\r\njob = "a.yml"\r\n{OTHER}', OTHER),
    ],
)
def test_without_table_everything_else_stays(text: str, expected: str) -> None:
    declaration = declarations.read({ROOT_SETTINGS: text})["train"]
    assert declaration_edit.without(declaration, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[experiments.train]\n[experiments.train.data.x]\n",
            '[experiments."a/b"]\n[experiments."a/b".data.x]\n',
        ),
        (
            "[ experiments . 'train' ] # train\njob = 'train'\n",
            "[ experiments . \"a/b\" ] # train\njob = 'train'\n",
        ),
        (
            '[experiments]\ntrain = { job = "train" }\n',
            '[experiments]\n"a/b" = { job = "train" }\n',
        ),
        ("experiments.train.job = 'a.yml'\n", "experiments.\"a/b\".job = 'a.yml'\n"),
    ],
)
def test_renamed_table_has_the_new_name_alone(text: str, expected: str) -> None:
    declaration = declarations.read({ROOT_SETTINGS: text})["train"]
    assert declaration_edit.renamed(declaration, text, "a/b") == expected


def test_edit_of_an_inline_table_of_all_is_refused() -> None:
    text = 'experiments = { train = { job = "a.yml" }, other = { job = "b.yml" } }\n'
    declaration = declarations.read({ROOT_SETTINGS: text})["train"]
    edits: list[Callable[[], str]] = [
        lambda: declaration_edit.without(declaration, text),
        lambda: declaration_edit.renamed(declaration, text, "new"),
    ]
    for edit in edits:
        with pytest.raises(UserError) as error:
            edit()
        assert error.value.code == "declaration-not-editable"
        assert error.value.where == "innerloop.toml:1"
