"""Trials of a sweep: the plain first one, the drawn ones, and the sentence for a wrong space."""

from __future__ import annotations

import pytest

from innerloop.model.jobs.command import job_environment, substitute
from innerloop.model.jobs.job import Job, parse_job
from innerloop.model.jobs.overrides import override
from innerloop.model.jobs.sweep import first_trial, objective, sampling_note, trial_job, trials
from innerloop.util.errors import UsageError, UserError
from innerloop.util.position import Position

HEAD = """type: sweep
trial:
  command: python train.py --a ${{inputs.a}} --x ${{search_space.x}}
  code: ./src
  environment: {image: busybox}
  environment_variables: {V: w}
inputs: {a: 1}
compute: azureml:c
objective: {goal: minimize, primary_metric: loss}
limits: {max_total_trials: 3, trial_timeout: 60}
"""


def sweep(space: str, algorithm: str = "random") -> Job:
    return parse_job(
        f"{HEAD}sampling_algorithm: {algorithm}\nsearch_space: {{x: {space}}}\n", "job.yaml"
    )


def test_a_sweep_is_its_trial() -> None:
    job = sweep("{type: choice, values: [a b, c]}")
    assert (job.kind, job.code, job.environment.image) == ("sweep", "./src", "busybox")
    assert (job.environment_variables, job.timeout) == ({"V": "w"}, 60)
    assert job.where("command") == Position("job.yaml", 3, 3)
    text = substitute(job.command, {"a": "1"}, {}, first_trial(job))
    assert text == "python train.py --a 1 --x a b"


@pytest.mark.parametrize(
    ("space", "value"),
    [
        ("{type: choice, values: [64, 32]}", "64"),
        ("{type: choice, values: [0.00001, 1]}", "1e-05"),
        ("{type: choice, values: [true, false]}", "True"),
        ("{type: uniform, min_value: 0.1, max_value: 0.3}", "0.2"),
        ("{type: uniform, min_value: 1e-4, max_value: 1}", "0.50005"),
        ("{type: loguniform, min_value: -6, max_value: -2}", "0.0183156"),
        ("{type: quniform, min_value: 1, max_value: 100, q: 10}", "50"),
        ("{type: quniform, min_value: 0, max_value: 1, q: 0.1}", "0.5"),
        ("{type: qloguniform, min_value: 0, max_value: 4, q: 1}", "7"),
        ("{type: normal, mu: 3, sigma: 1}", "3.0"),
        ("{type: lognormal, mu: 0, sigma: 1}", "1.0"),
        ("{type: qnormal, mu: 7.4, sigma: 1, q: 2}", "8"),
        ("{type: randint, upper: 8}", "4"),
        ("{type: randint, upper: 1}", "0"),
    ],
)
def test_the_first_trial(space: str, value: str) -> None:
    assert first_trial(sweep(space)) == {"x": value}


def test_what_stands_in_the_trial_is_set_there() -> None:
    job = sweep("{type: choice, values: [1, 2]}")
    assert override(job, ["trial.environment.image=alpine"]).environment.image == "alpine"
    with pytest.raises(UsageError, match="write --set trial.command=x"):
        override(job, ["command=x"])


def test_a_value_can_be_chosen() -> None:
    job = override(sweep("{type: choice, values: [1, 2]}"), ["search_space.x=5"])
    assert first_trial(job) == {"x": "5"}
    assert trials(job, 2, seed=1) == [{"x": "5"}, {"x": "5"}]


@pytest.mark.parametrize(
    "space",
    [
        "{type: choice, values: [1, 2, 3]}",
        "{type: uniform, min_value: 0, max_value: 1}",
        "{type: randint, upper: 5}",
        "{type: qnormal, mu: 10, sigma: 3, q: 2}",
    ],
)
def test_drawn_trials_come_again_with_their_seed(space: str) -> None:
    job = sweep(space)
    assert trials(job, 20, seed=7) == trials(job, 20, seed=7)
    assert trials(job, 20, seed=7) != trials(job, 20, seed=8)
    assert len(trials(job, None)) == 3


def test_randint_stays_below_its_upper_end() -> None:
    drawn = {one["x"] for one in trials(sweep("{type: randint, upper: 3}"), 200, seed=0)}
    assert drawn == {"0", "1", "2"}


def test_a_grid_is_every_combination_in_order() -> None:
    text = f"{HEAD}sampling_algorithm: grid\nsearch_space:\n  x: {{type: choice, values: [1, 2]}}\n"
    job = parse_job(text + "  y: {type: choice, values: [a, b]}\n", "job.yaml")
    pairs = [(one["x"], one["y"]) for one in trials(job, None)]
    assert pairs == [("1", "a"), ("1", "b"), ("2", "a"), ("2", "b")]
    assert len(trials(job, 3)) == 3


def test_bayesian_says_that_it_is_random_here() -> None:
    job = sweep("{type: choice, values: [1]}", "bayesian")
    assert "at random" in sampling_note(job)
    assert sampling_note(sweep("{type: choice, values: [1]}", "{type: random, seed: 3}")) == ""


def test_sampling_note_says_that_sobol_is_drawn_at_random() -> None:
    job = sweep("{type: uniform, min_value: 0, max_value: 8}", "{type: random, rule: sobol}")
    assert "sobol" in sampling_note(job)
    assert trials(job, 8, seed=5) == trials(job, 8, seed=5) != trials(job, 8)


def test_a_log_scale_has_its_base() -> None:
    space = "{type: loguniform, min_value: -4, max_value: -2}"
    assert first_trial(sweep(space, "{type: random, logbase: 10}")) == {"x": "0.001"}
    assert first_trial(sweep(space, "{type: random, logbase: e}")) == first_trial(sweep(space))


def test_a_trial_is_a_command_job() -> None:
    job = trial_job(sweep("{type: choice, values: [0.1, 2]}"), {"x": "0.1"})
    assert (job.kind, job.command) == ("command", "python train.py --a ${{inputs.a}} --x 0.1")
    assert job.where("command") == Position("job.yaml", 3, 3)
    env = job_environment(job, {"a": "1", "x": "0.1"}, {}, "r")
    assert env == {
        "AZUREML_RUN_ID": "r",
        "AZUREML_PARAMETER_a": "1",
        "AZUREML_PARAMETER_x": "0.1",
        "AZUREML_SWEEP_a": "1",
        "AZUREML_SWEEP_x": "0.1",
        "V": "w",
    }
    assert objective(job) == ("loss", "minimize")


@pytest.mark.parametrize(
    ("space", "algorithm", "message"),
    [
        ("{type: loguniform, min_value: 1, max_value: 5000}", "random", "exponents of e"),
        (
            "{type: uniform, min_value: 0, max_value: .inf}",
            "random",
            "has no finite number max_value",
        ),
        ("{type: choice, values: [1]}", "{type: random, rule: sobel}", "random or sobol"),
        ("{type: choise, values: [1]}", "random", 'Did you mean "choice"?'),
        ("{type: choice}", "random", 'the choice "x" has no values'),
        (
            "{type: uniform, min_value: 0}",
            "random",
            'the range of "x" has no finite number max_value',
        ),
        ("{type: uniform, min_value: a, max_value: 1}", "random", "has no finite number min_value"),
        ("{type: randint, upper: 3}", "grid", "grid sampling takes choices only"),
        ("{type: randint, upper: 3}", "guess", "sampling_algorithm is guess"),
    ],
)
def test_wrong_spaces(space: str, algorithm: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        job = sweep(space, algorithm)
        first_trial(job)
        trials(job, None)
    assert message in caught.value.message()
    assert caught.value.where.startswith("job.yaml:1")


def test_a_choice_may_hold_mappings_and_search_spaces() -> None:
    job = sweep("{type: choice, values: [{depth: 3, rate: {type: randint, upper: 4}}, 2]}")
    assert first_trial(job) == {"x": '{"depth": 3, "rate": 2}'}
