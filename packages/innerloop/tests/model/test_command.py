"""Substitution is textual; then a shell runs the text."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.jobs.command import distribution_environments, job_environment, substitute
from innerloop.model.jobs.job import parse_job
from innerloop.util.errors import UserError


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("python a.py --n ${{inputs.n}}", "python a.py --n 3"),
        ("a ${{ inputs.n }} b", "a 3 b"),
        ('a "${{inputs.n}}" ${{inputs.n}}.csv', 'a "3" 3.csv'),
        ("a\nb && c | d > ${{outputs.o}}/x; echo $HOME", "a\nb && c | d > /out/x; echo $HOME"),
        ("a $[[--n ${{inputs.n}}]] b", "a --n 3 b"),
        ("a $[[--n ${{inputs.none}}]] b", "a  b"),
        ("a $[[--n ${{inputs.n}} ${{inputs.none}}]]b", "a b"),
        ("a ${{inputs.two}}", "a x y"),
        ("a ${{search_space.lr}}", "a 0.1"),
        ("$[[a]] $[[b\n${{inputs.n}}]]c $[[d ${{inputs.unknown}}]]", "a b\n3c "),
        ("a ${HOME} $((1+1)) {{x}}", "a ${HOME} $((1+1)) {{x}}"),
    ],
)
def test_what_is_filled_in(command: str, text: str) -> None:
    inputs = {"n": "3", "none": None, "two": "x y"}
    assert substitute(command, inputs, {"o": "/out"}, {"lr": "0.1"}) == text


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("${{inputs.epoch}}", 'inputs.epoch.*does not declare. Did you mean "epochs"'),
        ("${{inputs.none}}", "inputs.none.*has no value. Set one with --set inputs.none=VALUE"),
        ("${{input.epochs}}", 'is not a known reference. Did you mean "inputs"'),
        ("${{outputs.model}}", "does not declare. Declare it under outputs"),
    ],
)
def test_references_to_nothing(command: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        substitute(command, {"epochs": "1", "none": None}, {})


@given(
    st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r$"), max_size=60)
)
def test_text_without_references_stays_as_it_is(text: str) -> None:
    assert substitute(text, {}, {}) == text


PATHS = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"], blacklist_characters="\0"), min_size=1
)


@given(PATHS, st.sampled_from(["{}", '"{}"', "'{}'", '"a b"{}', "it\\'s{}", '"it\'s {}"']))
def test_a_shell_reads_a_path_whole_wherever_it_stands(path: str, form: str) -> None:
    command = "printf %s " + form.format("${{inputs.p}}")
    expected = {
        '"a b"{}': "a b" + path, "it\\'s{}": "it's" + path, '"it\'s {}"': "it's " + path,
    }.get(form, path)  # fmt: skip
    text = substitute(command, {"p": path}, {}, paths=["p"])
    out = subprocess.run(["bash", "-c", text], capture_output=True, check=True).stdout
    assert out.decode() == expected


def test_the_environment_of_a_job() -> None:
    job = parse_job(
        "command: a\ninputs: {n: true, d: {path: x}, u: {path: y}}\noutputs: {o: }\n"
        "environment_variables: {A: 1}\nenvironment: e:1\n",
        "job.yaml",
    )
    assert job_environment(
        job, {"n": job.inputs["n"].literal_text, "d": "/d"}, {"o": "/o"}, "r"
    ) == {
        "AZUREML_RUN_ID": "r",
        "AZUREML_PARAMETER_n": "True",
        "AZURE_ML_INPUT_d": "/d",
        "AZURE_ML_OUTPUT_o": "/o",
        "A": "1",
    }


def test_variables_of_a_job_may_refer_to_its_inputs() -> None:
    job = parse_job(
        "command: a\nenvironment_variables: {A: '${{inputs.n}}-x', B: '${{nothing}}'}\n"
        "inputs: {n: 2}\n",
        "job.yaml",
    )
    env = job_environment(job, {"n": "2"}, {}, "r", {"rate": "0.1"})
    assert (env["A"], env["B"], env["AZUREML_SWEEP_rate"]) == ("2-x", "${{nothing}}", "0.1")


WORDS = st.text(st.sampled_from("ab -'\"$\\\n{}[]&|;é"), max_size=12)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)


@given(st.lists(st.tuples(WORDS, NAMES, WORDS), max_size=5), WORDS)
def test_only_references_change(parts: list[tuple[str, str, str]], end: str) -> None:
    plain = [(before.replace("$", ""), name, value) for before, name, value in parts]
    values = {name: value for _, name, value in plain}
    tail = end.replace("$", "")
    command = "".join(f"{before}${{{{inputs.{name}}}}}" for before, name, _ in plain) + tail
    expected = "".join(f"{before}{values[name]}" for before, name, _ in plain) + tail
    assert substitute(command, dict(values), {}) == expected


def distributed(text: str) -> list[dict[str, str]]:
    job = parse_job(f"command: a\ndistribution: {text}\n", "job.yaml")
    return distribution_environments(job.distribution, port=5000)


def test_each_pytorch_process_has_its_rank() -> None:
    first, second = distributed("{type: PyTorch, process_count_per_instance: 2}")
    assert (first["RANK"], second["RANK"], second["LOCAL_RANK"]) == ("0", "1", "1")
    assert (first["WORLD_SIZE"], first["NODE_RANK"]) == ("2", "0")
    assert (first["MASTER_ADDR"], first["MASTER_PORT"]) == ("127.0.0.1", "5000")
    assert [one["RANK"] for one in distributed("{type: pytorch}")] == ["0"]


def test_processes_can_be_shrunk() -> None:
    job = parse_job(
        "command: a\ndistribution: {type: mpi, process_count_per_instance: 8}\n", "job.yaml"
    )
    envs = distribution_environments(job.distribution, processes=2)
    assert [one["OMPI_COMM_WORLD_RANK"] for one in envs] == ["0", "1"]
    assert {one["OMPI_COMM_WORLD_SIZE"] for one in envs} == {"2"}


def test_tensorflow_knows_its_cluster() -> None:
    envs = distributed("{type: tensorflow, worker_count: 2, parameter_server_count: 1}")
    configs = [json.loads(one["TF_CONFIG"]) for one in envs]
    assert configs[0]["cluster"] == {
        "worker": ["127.0.0.1:5000", "127.0.0.1:5001"],
        "ps": ["127.0.0.1:5002"],
    }
    assert [one["task"] for one in configs] == [
        {"type": "worker", "index": 0},
        {"type": "worker", "index": 1},
        {"type": "ps", "index": 0},
    ]


def test_there_is_always_one_process() -> None:
    assert [
        one["RANK"] for one in distributed("{type: pytorch, process_count_per_instance: -1}")
    ] == ["0"]
    assert len(distributed("{type: tensorflow, worker_count: -1}")) == 1


def test_a_job_that_is_not_distributed_is_one_process() -> None:
    assert distribution_environments(None) == [{}]
    assert distributed("{type: ray}") == [{}]
