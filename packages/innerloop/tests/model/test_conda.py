"""Conda environment files, read for what pip can install."""

from __future__ import annotations

import pytest

from innerloop.model.jobs import conda
from innerloop.util.errors import UserError

FILE = """
name: e
channels: [defaults, conda-forge]
dependencies:
  - python=3.9.16
  - pip
  - pip>=21
  - numpy=1.21
  - scipy==1.7.3
  - pandas>=1.1,<1.2
  - scikit-learn=0.24.2=py39h_0
  - conda-forge::xgboost
  - pytorch=1.13
  - cudatoolkit=11.6
  - libgcc
  - pip:
    - azureml-mlflow==1.30
    - --extra-index-url https://example.com/simple
"""


def test_what_pip_can_install() -> None:
    found = conda.parse(FILE, "conda.yml")
    assert found.python == "3.9"
    assert found.requirements == (
        "numpy==1.21.*", "scipy==1.7.3", "pandas>=1.1,<1.2", "scikit-learn==0.24.2.*", "xgboost",
        "torch==1.13.*", "azureml-mlflow==1.30", "--extra-index-url https://example.com/simple",
    )  # fmt: skip
    assert found.left_out == ("cudatoolkit=11.6", "libgcc")
    assert found.text == FILE


def test_inline_is_the_same() -> None:
    found = conda.of({"name": "e", "dependencies": ["python=3.8", {"pip": ["a"]}]}, "job.yml:3")
    assert (found.python, found.requirements) == ("3.8", ("a",))
    assert "- python=3.8" in found.text


@pytest.mark.parametrize("text", ["- a\n", "dependencies: numpy\n", "a: [\n"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(UserError, match=r"conda\.yml"):
        conda.parse(text, "conda.yml")


def test_an_empty_one() -> None:
    found = conda.parse("name: e\n", "conda.yml")
    assert (found.python, found.requirements) == ("", ())
