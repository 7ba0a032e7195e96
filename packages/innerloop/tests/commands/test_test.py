"""`loop test` runs the experiment's own tests and those of the common code it uses.

It runs nothing of the workspace around it.
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from innerloop.commands.test import pytest_parts
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment, Link
from innerloop.model.pytest_settings import PytestLayout
from innerloop.model.settings.settings import Settings
from innerloop.model.shared_code import places_of_tests
from innerloop.scaffold.coverage import CoverageRequest, settings
from innerloop.workspace import loader
from tests.support import PYTEST, Workspace

WITH_SETTINGS = PytestLayout("pytest.ini")


def experiment(*targets: str, layout: PytestLayout = WITH_SETTINGS) -> Experiment:
    links = tuple(Link(f"src/shop/churn/common/{Path(t).name}", t) for t in targets)
    return Experiment(
        "shop/churn",
        parse("FROM x\n", "Dockerfile"),
        Settings(),
        links,
        pytest=layout,
    )


def test_where_the_tests_of_common_code_may_be() -> None:
    assert places_of_tests(["src/common/digits.py", "src/other/x.py"]) == [
        "src/common/tests/test_digits.py",
        "src/common/tests/digits",
    ]
    assert places_of_tests(["src/common/vision/augment.py"]) == [
        "src/common/tests/test_augment.py",
        "src/common/tests/vision/test_augment.py",
        "src/common/tests/vision/augment",
    ]


def test_only_the_tests_of_what_is_linked(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    for path in ("digits.py", "other.py", "vision/augment.py"):
        workspace.write(f"src/common/{path}", "")
    for path in ("test_digits.py", "test_other.py", "vision/test_augment.py"):
        workspace.write(f"src/common/tests/{path}", "")
    assert workspace.loop("share", "tiny", "digits.py", "vision").code == 0
    opened = loader.open_experiment(loader.open_workspace(workspace.root), "tiny")
    assert opened.test_paths == [[".", "../common/tests/test_digits.py", "../common/tests/vision"]]
    workspace.write("src/tiny/tests/test_tiny.py", "\ndef test_it(): ...\n")
    workspace.write("src/tiny/outputs/test_old.txt", "")
    workspace.write(
        "src/common/tests/vision/test_augment.py", "class TestA:\n    def test_b(self): ..."
    )
    workspace.write("src/common/tests/test_other.py", "def test_not_linked(): ...\n")
    listed = workspace.loop("test", "tiny", "--list", "--json")
    assert json.loads(listed.out) == [
        {"id": "tests/test_tiny.py::test_it", "file": "src/tiny/tests/test_tiny.py", "line": 2},
        {
            "id": "../common/tests/vision/test_augment.py::TestA::test_b",
            "file": "src/common/tests/vision/test_augment.py",
            "line": 2,
        },
    ]
    assert workspace.loop("test", "tiny", "--list").out.splitlines() == [
        row["id"] for row in json.loads(listed.out)
    ]
    refused = workspace.loop("test", "tiny", "--json")
    assert refused.code == 2 and "[option-needs-another]" in refused.err


OWN = ["--rootdir", ".", "-c", "pytest.ini", "--confcutdir", "."]
NONE = ["--rootdir", ".", "-c", "/dev/null", "--confcutdir", "."]
SHARED = "../../c/test_a.py"
TOGETHER, APART = (("src/c/test_a.py",),), ((), ("src/c/test_a.py",))


@pytest.mark.parametrize(
    ("layout", "rest", "parts"),
    [
        (PytestLayout("pytest.ini"), [], [OWN]),
        (PytestLayout(), ["-x"], [NONE]),
        (PytestLayout(groups=TOGETHER), ["-x"], [[*NONE, ".", SHARED]]),
        (
            PytestLayout("pytest.ini", ("tests", "more"), TOGETHER),
            [],
            [[*OWN, "tests", "more", SHARED]],
        ),
        (PytestLayout(groups=TOGETHER), ["tests/test_x.py"], [NONE]),
        (PytestLayout(groups=TOGETHER), ["-k", "tests"], [[*NONE, ".", SHARED]]),
        (PytestLayout(groups=APART), [], [NONE, [*NONE, SHARED]]),
        (PytestLayout(groups=APART), ["tests"], [NONE]),
    ],
)
def test_what_pytest_is_told(
    tmp_path: Path, layout: PytestLayout, rest: list[str], parts: list[list[str]]
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_x.py").write_text("")
    one = experiment(layout=layout)
    assert [list(words) for words in pytest_parts(tmp_path, one, rest)] == parts


@pytest.mark.parametrize(
    ("layout", "words"),
    [
        (PytestLayout("pytest.ini"), []),
        (PytestLayout("pytest.ini", ("tests",), TOGETHER), ["tests", SHARED]),
        (PytestLayout("pytest.ini", groups=APART), []),
        (
            PytestLayout("pytest.ini", groups=APART, can_import_by_path=True),
            ["--import-mode=importlib", ".", SHARED],
        ),
    ],
)
def test_what_the_testing_panel_is_told(layout: PytestLayout, words: list[str]) -> None:
    assert experiment(layout=layout).panel_arguments == [*OWN[2:], *words]


def test_coverage_counts_the_experiments_code_and_the_common_code_it_links_to() -> None:
    one = experiment("src/common/digits.py", "src/common/vision")
    text = settings(CoverageRequest(one, coverage=True))
    assert "source =\n    .\n    ../../common\n" in text
    assert "include =\n    ./*\n    ../../common/digits.py\n    ../../common/vision/*\n" in text
    assert "data_file = ../../../outputs/shop.churn/coverage/.coverage\n" in text
    assert "../../common" not in settings(CoverageRequest(experiment(), coverage=True))


@pytest.fixture
def tested(workspace: Workspace) -> Workspace:
    """An experiment that uses one of two pieces of common code; all its tests pass."""
    workspace.add(
        "tiny", "from common.rates import rate\n\n\ndef twice(x):\n    return rate(x) * 2\n"
    )
    workspace.write("src/tiny/environment/requirements-dev.txt", PYTEST)
    workspace.write("src/tiny/pytest.ini", "[pytest]\npythonpath = .\n")
    workspace.write(
        "src/tiny/tests/test_train.py",
        "from train import twice\n\n\ndef test_twice():\n    assert twice(1) == 4\n",
    )
    rates = "def rate(x):\n    return x * 2\n\n\ndef never(x):\n    return x\n"
    workspace.write("src/common/rates.py", rates)
    workspace.write("src/common/other.py", "x = 1\n")
    test = "from common.rates import rate\n\n\ndef test_rate():\n    assert rate(1) == 2\n"
    workspace.write("src/common/tests/test_rates.py", test)
    workspace.write("src/common/tests/test_other.py", "def test_other():\n    assert False\n")
    assert workspace.loop("share", "tiny", "rates.py").code == 0
    return workspace


@pytest.mark.network
def test_results_and_coverage_on_request_and_the_true_exit_code(tested: Workspace) -> None:
    venv = ("test", "tiny", "--backend", "venv")
    plain = tested.loop(*venv)
    assert plain.code == 0 and "2 passed" in plain.out, plain.out + plain.err
    assert not (tested.root / "outputs").exists()
    here = tested.root / "src/tiny"
    full = tested.loop(*venv, "--coverage", "--junit", "results/tiny.xml", cwd=here)
    assert full.code == 0, full.out + full.err
    assert "common/rates.py" in full.out and "other.py" not in full.out
    page = tested.read("outputs/tiny/coverage/index.html")
    assert "train.py" in page and "rates.py" in page and "test_train.py" not in page
    (suite,) = ElementTree.parse(here / "results/tiny.xml").getroot().iter("testsuite")
    assert (suite.get("tests"), suite.get("failures")) == ("2", "0")
    tested.write("src/tiny/tests/test_train.py", "def test_no():\n    assert 1 == 2\n")
    failed = tested.loop(*venv, "--junit", str(tested.root / "x.json"))
    assert failed.code == 1 and "1 failed, 1 passed" in failed.out
    states = {row["name"]: row["state"] for row in json.loads(tested.read("x.json"))}
    assert states["tests.test_train.test_no"] == "failed"
    assert sorted(states.values()) == ["failed", "passed"]
    nothing = tested.loop(*venv, "--", "-k", "there_is_no_such_test")
    assert nothing.code == 5, nothing.out


@pytest.mark.network
def test_coverage_without_its_package_says_what_to_add(tested: Workspace) -> None:
    without = "".join(part for part in PYTEST.partition("pytest-cov==")[:1])
    tested.write("src/tiny/environment/requirements-dev.txt", without)
    answer = tested.loop("test", "tiny", "--backend", "venv", "--coverage")
    assert answer.code == 4 and "needs pytest-cov" in answer.message


@pytest.mark.network
def test_without_pytest_it_says_where_to_add_it(workspace: Workspace) -> None:
    workspace.add("tiny", "")
    answer = workspace.loop("test", "tiny", "--backend", "venv")
    assert answer.code == 1
    assert "src/tiny/environment: pytest is not installed in this environment. " in answer.message


@pytest.mark.docker
def test_without_pytest_in_an_image_it_names_the_declaration(workspace: Workspace) -> None:
    workspace.write("code/test_it.py", "def test_it() -> None:\n    pass\n")
    workspace.write("code/job.yml", "command: python -V\ncode: .\n")
    workspace.write(
        "innerloop.toml",
        "[experiments.it]\njob = 'code/job.yml'\nenvironment = 'python:3.11-slim-bookworm'\n",
    )
    answer = workspace.loop("test", "it", "--backend", "docker")
    assert answer.code == 1
    assert "innerloop.toml:3: pytest is not installed in the image python:3.11" in answer.message


# Settings and a conftest.py of the workspace's own tests.
HOSTILE = {
    "pyproject.toml": '[tool.innerloop]\ngpu = "auto"\n[tool.pytest.ini_options]\naddopts = "--no-such"\n',
    "pytest.ini": "[pytest]\naddopts = --no-such\n",
    "conftest.py": 'raise RuntimeError("of the workspace")\n',
    "src/conftest.py": 'raise RuntimeError("of the workspace")\n',
}


@pytest.mark.network
def test_settings_of_the_workspace_are_for_its_own_tests(tested: Workspace) -> None:
    for path, text in HOSTILE.items():
        tested.write(path, text)
    for own in (True, False):
        if not own:
            (tested.root / "src/tiny/pytest.ini").unlink()
        answer = tested.loop("test", "tiny", "--backend", "venv")
        assert answer.code == 0 and "2 passed" in answer.out, answer.out + answer.err
    # Its own, in another file than pytest.ini.
    tested.write("src/tiny/setup.cfg", "[tool:pytest]\naddopts = -k there_is_no_such_test\n")
    tested.write("src/tiny/conftest.py", 'print("own conftest")\n')
    answer = tested.loop("test", "tiny", "--backend", "venv")
    assert answer.code == 5, answer.out + answer.err


@pytest.mark.network
def test_own_and_shared_tests_of_one_name_both_run(tested: Workspace) -> None:
    """Each with the helper beside it, which has the same name as well."""
    test = "from helper import {name}\n\n\ndef test_{name}():\n    assert {name} == 1\n"
    for folder, name in (("tiny", "own"), ("common", "shared")):
        tested.write(f"src/{folder}/tests/helper.py", f"{name} = 1\n")
        tested.write(f"src/{folder}/tests/test_rates.py", test.format(name=name))
    venv = ("test", "tiny", "--backend", "venv")
    answer = tested.loop(*venv, "--junit", "x.xml", "--coverage")
    assert answer.code == 0 and answer.out.count(" passed") == 2, answer.out + answer.err
    suites = list(ElementTree.parse(tested.root / "x.xml").getroot().iter("testsuite"))
    assert [suite.get("tests") for suite in suites] == ["2", "1"]
    for word, code in (("own", 0), ("shared", 0), ("nothing", 5)):
        assert tested.loop(*venv, "--", "-k", word).code == code
    tested.write("src/tiny/tests/test_rates.py", "def test_own():\n    assert False\n")
    both = tested.loop(*venv)
    assert both.code == 1 and "1 failed" in both.out and "1 passed" in both.out
    first = tested.loop(*venv, "--", "-qx")
    assert first.code == 1 and "1 failed" in first.out and "1 passed" not in first.out
    tested.write("src/tiny/tests/test_rates.py", "def test_own():\n    pass\n")
    tested.write("src/common/tests/test_rates.py", "def test_shared():\n    assert False\n")
    assert tested.loop(*venv).code == 1
