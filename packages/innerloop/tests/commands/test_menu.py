"""`loop menu`, and the question which experiment is meant, in a terminal."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from innerloop.cli.menu import in_order, option_of
from innerloop.cli.menu_entries import ENTRIES, MACHINE, QUESTIONS, MenuEntry, MenuFacts
from tests.support import Workspace

ALL = MenuFacts(("a", "b"), ("a", "b"), ("a",), ("b",))
JOB = "command: python train.py\n"


def listed(facts: MenuFacts) -> set[str]:
    return {" ".join(entry.words) for entry in ENTRIES if entry.works(facts)}


def test_entry_for_machines_is_there_for_each_of_the_settings() -> None:
    assert not [one for entry in for_machines(ALL) for one in entry.words if "MACHINE" in one]
    facts = replace(ALL, machines=("ssh:box", "ssh:big"))
    lines = {" ".join(entry.words): option_of(entry).text for entry in for_machines(facts)}
    found = {words: text for words, text in lines.items() if "--backend ssh:" in words}
    assert found["run EXP --backend ssh:box"] == "Run the job on ssh:box." and len(found) == 6
    assert not any("MACHINE" in text for pair in lines.items() for text in pair)


def for_machines(facts: MenuFacts) -> list[MenuEntry]:
    return [one for entry in in_order() for one in entry.for_each_machine(facts)]


def test_menu_with_everything_has_every_entry_once() -> None:
    assert len(listed(ALL)) == len(ENTRIES)
    headings = [option_of(entry).heading for entry in in_order()]
    assert len(set(headings)) == sum(
        a != b for a, b in zip(headings, [None, *headings], strict=False)
    )
    assert all(option_of(entry).text for entry in ENTRIES)


def test_words_that_stand_for_an_answer_are_known() -> None:
    words = {
        word
        for entry in ENTRIES
        for word in entry.words
        if word.upper() == word and word[0].isalpha()
    }
    assert words <= {*QUESTIONS, "EXP", MACHINE}
    assert {word for entry in ENTRIES for word in entry.words} >= set(QUESTIONS)


@pytest.mark.parametrize(
    ("facts", "has", "lacks"),
    [
        (MenuFacts(), {"new NAME", "check", "doctor", "runs", "status"}, {"run EXP", "submit EXP"}),
        (MenuFacts(("a",)), {"run EXP", "build EXP"}, {"submit EXP", "data list", "serve EXP"}),
        (
            MenuFacts(("a",), ("a",)),
            {"submit EXP", "status"},
            {"image push EXP", "submit EXP --backend argo --stream", "deploy EXP --dry-run"},
        ),
        (MenuFacts(("a",), ("a",), clustered=("a",)), {"image push EXP"}, {"serve EXP"}),
        (
            MenuFacts(("a",), ("a",), ("a",), engine=False),
            {"run EXP", "invoke EXP", "endpoint status EXP"},
            {"build EXP", "up EXP", "open EXP", "exec EXP -- CMD", "serve EXP"},
        ),
    ],
)
def test_menu_has_what_can_work(facts: MenuFacts, has: set[str], lacks: set[str]) -> None:
    lines = listed(facts)
    assert has <= lines and not lacks & lines


def test_menu_without_a_terminal_prints_the_list(workspace: Workspace) -> None:
    workspace.add("line", "print(1)\n", job=JOB)
    answer = workspace.loop("menu")
    assert answer.code == 0 and "submit EXP --dry-run" in answer.out
    assert "image push" not in answer.out


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo terminal")
def test_terminal_chooses_a_command_and_an_experiment(workspace: Workspace) -> None:
    from tests.support_terminal import Terminal

    for name in ("alpha", "beta"):
        workspace.add(name, "print(1)\n", job=JOB)
    env = {"CI": "", "INNERLOOP_CACHE": str(workspace.root / "cache")}
    loop = workspace.root / "scripts/loop"

    def asked(*words: str) -> Terminal:
        return Terminal([loop, *words], workspace.root, env)

    menu = asked("menu")
    menu.wait_for("Which command?", seconds=120)
    menu.type("parity\n")
    menu.wait_for("Which experiment?", seconds=120)
    menu.type("beta\n")
    menu.wait_for("loop parity beta", seconds=120)
    menu.end()

    again = asked("share", "pyproject.toml", "--list")
    again.end()  # lists all without a question
    ask = asked("run", "pyproject.toml", "--dry-run", "--backend", "venv")
    shown = ask.wait_for("Which experiment?", seconds=120)
    assert shown.index("beta") < shown.index("alpha")  # the last answer comes first
    ask.type("\n")
    ask.wait_for("beta", seconds=120)
    ask.end()


def test_shared_code_of_one_experiment_names_it_and_of_several_is_an_error(
    workspace: Workspace,
) -> None:
    for name in ("alpha", "beta"):
        workspace.add(name, "print(1)\n", job=JOB)
    workspace.write("src/common/one.py", "")
    workspace.write("src/common/both.py", "")
    for name, path in (("alpha", "one.py"), ("alpha", "both.py"), ("beta", "both.py")):
        assert workspace.loop("share", name, path).code == 0
    told = workspace.loop("run", "src/common/one.py", "--dry-run", "--backend", "venv", "--json")
    assert told.code == 0 and '"experiment": "alpha"' in told.out
    refused = workspace.loop("run", "src/common/both.py", "--dry-run")
    assert refused.code == 2 and "[experiment-unknown]" in refused.message
    assert "alpha, beta" in refused.message
