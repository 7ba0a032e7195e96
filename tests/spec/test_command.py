"""Substitution is textual; then a shell runs the text."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from innerloop.errors import Mistake
from innerloop.spec.command import job_environment, substitute
from innerloop.spec.job import parse_job


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
        ("a ${HOME} $((1+1)) {{x}}", "a ${HOME} $((1+1)) {{x}}"),
    ],
)
def test_what_is_filled_in(command: str, text: str) -> None:
    inputs = {"n": "3", "none": None, "two": "x y"}
    assert substitute(command, inputs, {"o": "/out"}, {"lr": "0.1"}) == text


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("${{inputs.epoch}}", 'inputs.epoch.*does not declare. Did you mean "epochs"'),
        ("${{input.epochs}}", 'is nothing. Did you mean "inputs"'),
        ("${{outputs.model}}", "does not declare. Declare it under outputs"),
    ],
)
def test_references_to_nothing(command: str, sentence: str) -> None:
    with pytest.raises(Mistake, match=sentence):
        substitute(command, {"epochs": "1"}, {})


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
