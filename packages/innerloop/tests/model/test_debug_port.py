from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from innerloop.model import debug_port
from innerloop.model.dockerfiles.dockerfile import parse
from innerloop.model.experiment import Experiment
from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace

names = st.lists(st.text(st.characters(codec="ascii"), min_size=1), unique=True, min_size=1)


def experiment(name: str, port: int | None = None) -> Experiment:
    return Experiment(name, parse("FROM a\n", "Dockerfile"), Settings(debug_port=port))


@given(names)
def test_each_experiment_has_its_own(given: list[str]) -> None:
    found = [debug_port.of(given, experiment(name)) for name in given]
    assert len(set(found)) == len(given)
    # Ports that a system hands out by itself begin at 32768.
    assert all(24000 <= port < 28000 for port in found)


@given(names)
def test_the_order_in_which_they_are_found_does_not_count(given: list[str]) -> None:
    one = experiment(given[0])
    assert debug_port.of(given, one) == debug_port.of(given[::-1], one)


def test_a_new_experiment_moves_no_other() -> None:
    before = debug_port.of(["digits"], experiment("digits"))
    assert debug_port.of(["digits", "more", "other"], experiment("digits")) == before


@given(names)
def test_the_open_file_has_a_port_of_its_own(given: list[str]) -> None:
    own = debug_port.of_open_file(Workspace("/w", Settings(), tuple(given)))
    assert own not in {debug_port.of(given, experiment(name)) for name in given}
    assert 24000 <= own < 28000


def test_a_workspaces_port_is_that_of_the_open_file() -> None:
    workspace = Workspace("/w", Settings(debug_port=5678), ("digits",))
    assert debug_port.of_open_file(workspace) == 5678


def test_the_persons_word_counts() -> None:
    assert debug_port.of(["digits"], experiment("digits", 5678)) == 5678
