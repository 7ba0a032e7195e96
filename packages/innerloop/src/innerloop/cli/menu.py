"""List every command that works here, and run the one that you choose."""

from __future__ import annotations

import argparse
import shlex
import sys

from ..model.workspace import Workspace
from ..util import console, selection
from ..util.errors import UserError
from ..util.selection import Option
from ..workspace import experiment_choice, loader
from .command_table import BY_NAME, GROUPS
from .menu_entries import ENTRIES, EXPERIMENT, QUESTIONS, MenuEntry, MenuFacts
from .menu_facts import facts_of

EXAMPLES = """Answer with a number, or type a part of a command or of its help to filter. A command that needs
an experiment or a name asks for it, and the command line is printed before it runs.

It lists what can work here: nothing about Azure ML without a job file, no cluster without [argo], no
server without a deploy folder, nothing that needs Docker inside an experiment's container.

examples:
  loop menu
  loop menu | less        without a terminal it prints the list
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    workspace = None
    try:
        workspace = loader.open_workspace(args.root)
        facts = facts_of(workspace)
    except UserError as error:  # `check` and `doctor` are in the list, too
        console.error(error)
        facts = MenuFacts()
    every = (one for entry in in_order() for one in entry.for_each_machine(facts))
    entries = [entry for entry in every if entry.works(facts)]
    options = [option_of(entry) for entry in entries]
    if not console.can_ask():
        print("\n".join(selection.lines(options, options, width=sys.maxsize)))
        return 0
    option = selection.choose(options, "Which command?")
    if option is None:
        return 0
    words = _answered(entries[options.index(option)], workspace, args, facts)
    if words is None:
        return 0
    console.print_line(f"loop {shlex.join(words)}")
    from .main import dispatch

    sys.argv = [sys.argv[0], *words]  # a command that starts itself again starts the chosen one
    return dispatch(words)


def in_order() -> list[MenuEntry]:
    """As `loop help` lists the commands."""
    names = list(BY_NAME)
    return sorted(
        ENTRIES,
        key=lambda entry: (GROUPS.index(BY_NAME[entry.command].group), names.index(entry.command)),
    )


def option_of(entry: MenuEntry) -> Option:
    command = BY_NAME[entry.command]
    return Option(" ".join(entry.words), entry.text or command.summary, command.group)


def _answered(
    entry: MenuEntry, workspace: Workspace | None, args: argparse.Namespace, facts: MenuFacts
) -> list[str] | None:
    """The command line with an answer for each word that stands for one; None if one is empty."""
    words: list[str] = []
    for word in entry.words:
        if word == EXPERIMENT and workspace is not None:
            words.append(_experiment(entry, workspace, args, facts))
        elif word in QUESTIONS:
            answer = selection.answer(*QUESTIONS[word])
            if not answer:
                return None
            words += shlex.split(answer) if word in ("CMD", "PACKAGE") else [answer]
        else:
            words.append(word)
    return words


def _experiment(
    entry: MenuEntry, workspace: Workspace, args: argparse.Namespace, facts: MenuFacts
) -> str:
    names = entry.experiments(facts)
    chosen = (
        experiment_choice.pick(workspace, names) if len(names) < len(facts.experiments) else None
    )
    return chosen or loader.choose_experiment(workspace, None, args.cwd).name
