"""A new experiment from the template, in the image that people work in.

Its tests, a terminal, JupyterLab and a notebook. The image is built once for all of them.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.support import Workspace, docker, make_workspace, until
from tests.support_terminal import Terminal

pytestmark = [pytest.mark.docker, pytest.mark.network, pytest.mark.slow]

DOCKER = ("--backend", "docker")
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "somebodys-own", "display_name": "x"}},
    "cells": [
        {"cell_type": "markdown", "id": "a", "metadata": {}, "source": ["# Title"]},
        {
            "cell_type": "code",
            "id": "b",
            "metadata": {"tags": ["parameters"]},
            "execution_count": None,
            "outputs": [],
            "source": ["steps = 5"],
        },
        {
            "cell_type": "code",
            "id": "c",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": ["from train import fit, points\n", "print('steps', steps)\n", "1 / steps"],
        },
    ],
}


@pytest.fixture(scope="module")
def churn(tmp_path_factory: pytest.TempPathFactory, _tool: None) -> Iterator[Workspace]:
    made = make_workspace(tmp_path_factory.mktemp("working") / "work space é")
    answer = made.loop("new", "shop/churn")
    assert answer.code == 0, answer.err
    made.write("notebooks/look.ipynb", json.dumps(NOTEBOOK))
    built = made.loop("build", "churn", "--dev", timeout=900)
    assert built.code == 0, built.err[-5000:]
    yield made
    made.clean()


def test_a_new_experiment_runs_and_its_tests_pass(churn: Workspace) -> None:
    run = churn.loop("run", "churn", *DOCKER, timeout=600)
    assert run.code == 0 and "slope" in run.out, run.err[-5000:]
    words = ("--coverage", "--junit", "results.xml")
    tests = churn.loop("test", "churn", *DOCKER, *words, timeout=600)
    assert tests.code == 0 and " passed" in tests.out, tests.out + tests.err
    assert any(name.endswith("/shop.churn:test") for name in churn.images())
    (suite,) = ElementTree.parse(churn.root / "results.xml").getroot().iter("testsuite")
    assert suite.get("failures") == "0"
    assert "train.py" in churn.read("outputs/shop.churn/coverage/index.html")
    owners = {path.stat().st_uid for path in (churn.root / "outputs").rglob("*")}
    assert owners == {churn.root.stat().st_uid}
    assert churn.loop("sync", "--check").code == 0 and churn.containers() == []


def test_a_terminal_has_the_tools_the_workspace_and_a_prompt(churn: Workspace) -> None:
    one = churn.loop("terminal", "churn", *DOCKER, "--", "sh", "-c", "pwd; ls ../../..; exit 7")
    assert one.code == 7 and one.out.splitlines()[0].endswith("é/src/shop/churn")
    assert {"src", "notebooks", "pyproject.toml"} <= set(one.out.split()), one.out
    terminal = Terminal(
        [churn.root / "scripts/loop", "terminal", *DOCKER], churn.root / "src/shop/churn"
    )
    terminal.wait_for("(shop/churn) ")
    terminal.type('python -c \'import pytest, sys; print("py" + "test", pytest.__version__)\'\n')
    terminal.wait_for("pytest 9")
    terminal.type("echo $INNERLOOP_EXPERIMENT; touch made-here; exit 5\n")
    terminal.wait_for("shop/churn\r\n")
    assert terminal.end() == 5
    made = churn.root / "src/shop/churn/made-here"
    assert made.stat().st_uid == churn.root.stat().st_uid
    assert churn.containers() == []


def test_a_script_that_is_piped_in_runs_in_it(churn: Workspace) -> None:
    done = subprocess.run(
        [churn.root / "scripts/loop", "terminal", "churn", *DOCKER],
        input="python -c 'import black; print(black.__name__)'\nexit 4\n",
        capture_output=True,
        text=True,
        env=dict(os.environ),
        timeout=120,
    )
    assert (done.returncode, done.stdout) == (4, "black\n"), done.stderr


def address_of(text: str) -> str:
    line = r"(?m)^JupyterLab of shop/churn is ready: (http://127\.0\.0\.1:\S+)$"
    (address,) = re.findall(line, text)
    return str(address)


def test_jupyter_answers_when_it_says_so_and_leaves_nothing(churn: Workspace) -> None:
    first = churn.start("jupyter", "churn", *DOCKER, "--port", "18888")
    first.wait_for("is ready", 120)
    address = address_of(first.text)
    assert "18888/lab/tree/notebooks?token=" in address
    with urllib.request.urlopen(address, timeout=10) as page:
        assert "JupyterLab" in page.read().decode()
    contents = address.replace("/lab/tree/notebooks", "/api/contents/notebooks")
    with urllib.request.urlopen(contents, timeout=10) as listed:
        assert [one["name"] for one in json.load(listed)["content"]] == ["look.ipynb"]
    with pytest.raises(urllib.error.HTTPError):  # without the token
        urllib.request.urlopen(contents.partition("?")[0], timeout=10)
    # The next one finds the port taken, and has the same token.
    second = churn.start("jupyter", "churn", *DOCKER, "--port", "18888")
    second.wait_for("is ready", 120)
    assert "port 18888 is in use" in second.text
    other = address_of(second.text)
    assert other.split("token=")[1] == address.split("token=")[1] and other != address
    published = published_addresses(churn)
    assert published and all(one.startswith("127.0.0.1:") for one in published), published
    assert address.split("token=")[1] not in commands_of_all()
    first.interrupt_group()
    second.send(signal.SIGTERM)
    assert (first.end().code, second.end().code) == (130, 143)
    assert until(lambda: churn.containers() == [], 20)


def published_addresses(workspace: Workspace) -> list[str]:
    ports = [docker("port", name) for name in workspace.containers()]
    return [line.split(" -> ")[1] for text in ports for line in text.splitlines()]


def commands_of_all() -> str:
    return subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True).stdout


def test_a_notebook_runs_with_other_parameters_to_a_page(churn: Workspace) -> None:
    answer = churn.loop("notebook", "churn", "look.ipynb", *DOCKER, "--set", "steps=4", timeout=120)
    assert answer.code == 0 and "steps 4\n" in answer.out, answer.out + answer.err
    (page,) = (churn.root / "outputs/shop.churn").glob("*/look.html")
    assert "0.25" in page.read_text() and page.stat().st_uid == churn.root.stat().st_uid
    assert json.loads(churn.read("notebooks/look.ipynb")) == NOTEBOOK
    failed = churn.loop("notebook", "churn", "notebooks/look.ipynb", *DOCKER, "--set", "steps=0")
    assert failed.code == 1 and "ZeroDivisionError" in failed.err
    pages = (churn.root / "outputs/shop.churn").glob("*/look.html")
    assert any("ZeroDivisionError" in one.read_text() for one in pages)


def test_the_testing_panel_finds_what_loop_test_runs(churn: Workspace) -> None:
    settings = json.loads(churn.read(".devcontainer/shop.churn/devcontainer.json"))
    told = settings["customizations"]["vscode"]["settings"]
    folder = told["python.testing.cwd"].rpartition("}/")[2]
    words = [*told["python.testing.pytestArgs"], "--collect-only", "-q"]
    command = ["python", "-m", "pytest", *words]
    found = churn.loop("terminal", "churn", *DOCKER, "--", *command)
    assert folder == "src/shop/churn" and found.code == 0, found.out + found.err
    ran = churn.loop("test", "churn", *DOCKER, "--", "-v")
    names = re.findall(r"^(tests/\S+::\S+)$", found.out, re.MULTILINE)
    assert names and all(f"{name} PASSED" in ran.out for name in names)
    assert Path(churn.root, "src/shop/churn/tests").is_dir()


def test_a_terminal_that_is_closed_leaves_no_container(churn: Workspace) -> None:
    terminal = Terminal(
        [churn.root / "scripts/loop", "terminal", *DOCKER], churn.root / "src/shop/churn"
    )
    terminal.wait_for("(shop/churn) ")
    assert len(churn.containers()) == 1
    os.kill(terminal.pid, signal.SIGHUP)
    assert terminal.end() == 143
    assert until(lambda: churn.containers() == [], 20)


def test_a_dry_run_starts_nothing(churn: Workspace) -> None:
    for words in (("jupyter", "churn"), ("notebook", "churn", "look.ipynb")):
        answer = churn.loop(*words, *DOCKER, "--dry-run", "--json")
        assert answer.code == 0, answer.err
        told = json.loads(answer.out)
        assert told["backend"] == "docker" and told["argv"][:2] == ["docker", "run"]
        assert told["cwd"].endswith("/src/shop/churn")
    assert churn.loop("jupyter", "churn", "--json").code == 2
