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
        "numpy==1.21.*", "scipy==1.7.3", "pandas>=1.1,<1.2", "scikit-learn==0.24.2", "xgboost",
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


@pytest.mark.parametrize(
    ("spec", "requirement"),
    [
        ("libcst", "libcst"),
        ("librosa=0.10", "librosa==0.10.*"),
        ("six 1.17.*", "six==1.17.*"),
        ("six 1.17", "six==1.17"),
        ("six =1.17", "six==1.17.*"),
        ("six==1.17", "six==1.17"),
        ("six == 1.17", "six==1.17"),
        ("six=1.17.*", "six==1.17.*"),
        ("six 1.17*", "six==1.17.*"),
        ("six *", "six"),
        ("six=*", "six"),
        ("six >=1.1, <2", "six>=1.1,<2"),
        ("six>=1.16.*", "six>=1.16"),
        ("six !=1.5.*,>1", "six!=1.5.*,>1"),
        ("six ~=1.16", "six~=1.16"),
        ("six 1.15|1.16", "six==1.16"),
        ("six 1.15.*|>=1.17,<2", "six>=1.17,<2"),
        ("six (>=1.1,<2)", "six>=1.1,<2"),
        ("six 1.17.0 pyhd8ed1ab_0", "six==1.17.0"),
        ("six=1.17.0=pyhd8ed1ab_0", "six==1.17.0"),
        ("six==1.17.0=pyhd8ed1ab_0", "six==1.17.0"),
        ("six=1.17=*", "six==1.17.*"),
        ("six 1.17.* *_0", "six==1.17.*"),
        ("conda-forge::six=1", "six==1.*"),
        ("conda-forge/noarch::six", "six"),
        ("conda-forge/linux-64::six ==1.2", "six==1.2"),
        ("conda-forge:python:six=1", "six==1.*"),
        ("six[version='>=1,<2']", "six>=1,<2"),
        ('six[version="1.17", build=py_0]', "six==1.17"),
        ("six[channel=conda-forge]", "six"),
        ("conda-forge::six[build=py*]", "six"),
        ("six=1.0a1", "six==1.0a1.*"),
        ("Six", "six"),
        ("pytorch::pytorch=2.1=*cuda*", "torch==2.1"),
        ("py-opencv", "opencv-python-headless"),
        ("ray-default >=2", "ray[default]>=2"),
        ("setuptools<60", "setuptools<60"),
        ("ruamel_yaml", "ruamel.yaml"),
        ("typing_extensions=4", "typing_extensions==4.*"),
    ],
)
def test_requirement_any_spec_is_pips(spec: str, requirement: str) -> None:
    found = conda.of({"dependencies": [spec]}, "job.yml:3")
    assert (found.requirements, found.left_out) == ((requirement,), ())


@pytest.mark.parametrize(
    "spec",
    [
        "libgcc-ng=13.2.0=h807b86f_3", "libblas", "libstdcxx-ng", "_libgcc_mutex=0.1=main",
        "ca-certificates=2023.7.22=hbcca054_0", "ncurses=6.4=h59595ed_2", "tk=8.6.13=noxft_h4845f30_101",
        "readline=8.2=h8228510_1", "sqlite", "xorg-libxau", "cuda-nvcc=12.1", "openssl=3.1.4", "graphviz",
        "python_abi=3.9=4_cp39", "ld_impl_linux-64=2.40", "bzip2", "r-ggplot2", "pytorch-cuda=11.8",
        "https://conda.anaconda.org/conda-forge/noarch/six-1.17.0-py_0.conda", "six ^1.2$", "a b[",
    ],
)  # fmt: skip
def test_requirement_what_pip_cannot_install_is_named(spec: str) -> None:
    found = conda.of({"dependencies": [spec]}, "job.yml:3")
    assert (found.requirements, found.left_out) == ((), (spec,))


@pytest.mark.parametrize(
    ("spec", "python"),
    [
        ("python=3.9", "3.9"),
        ("python==3.8.10", "3.8"),
        ("python 3.10.*", "3.10"),
        ("python=3.9.16=h7a1cb2a_2", "3.9"),
        ("conda-forge::python=3.11", "3.11"),
        ("python[version='3.7.*']", "3.7"),
        ("python", ""),
        ("python=3", ""),
        ("python>=3.7", ""),
        ("python>=3.6,<3.9", "3.8"),
        ("python<3.8", "3.7"),
        ("python <=3.7", "3.7"),
        ("python ~=3.6.0", "3.6"),
        ("python 3.7|3.8", "3.8"),
    ],
)
def test_python_is_the_version_that_fits(spec: str, python: str) -> None:
    assert conda.of({"dependencies": [spec]}, "job.yml:3").python == python


FILES = {
    "src/e/requirements.txt": "six==1.16.0 \\\n  --hash=sha256:aa # pinned\n\n# no package\n-rmore/base.txt\n",
    "src/e/more/base.txt": "-c limits.txt\n--requirement=../requirements.txt\nidna\n",
    "src/e/more/limits.txt": "idna<3\n",
}


def test_files_that_the_pip_list_names_are_read_in_their_place() -> None:
    text = "dependencies: [numpy, {pip: [a, -r requirements.txt, '-r https://x/y.txt', b]}]\n"
    found = conda.parse(text, "src/e/conda.yml", FILES.get)
    pip = ["a", "six==1.16.0    --hash=sha256:aa", "idna", "-r https://x/y.txt", "b"]
    assert found.requirements == ("numpy", *pip)
    assert found.constraints == ("idna<3",)
    again = conda.parse(found.text, "conda.yaml")
    assert again.requirements == ("numpy", *pip, "-c constraints.txt")
    assert found.text.count("pip:") == 1
    # Inline in a job file, relative to it.
    inline = conda.of(
        {"dependencies": [{"pip": ["-r e/more/limits.txt"]}]}, "x", folder="src", read=FILES.get
    )
    assert inline.requirements == ("idna<3",)


@pytest.mark.parametrize("path", ["gone.txt", "../../../etc/passwd", "/etc/passwd"])
def test_a_file_that_the_pip_list_names_is_in_the_workspace(path: str) -> None:
    text = f"dependencies: [{{pip: [-r {path}]}}]\n"
    with pytest.raises(UserError) as refused:
        conda.parse(text, "src/e/conda.yml", lambda path: FILES.get(path))
    assert refused.value.code == "conda-file-missing"


def test_the_variables_of_a_conda_file() -> None:
    found = conda.parse("variables: {A: x, B: 2, C: ''}\n", "conda.yml")
    assert found.variables == {"A": "x", "B": "2", "C": ""}
    for text in ("variables: [A]\n", "variables: {'A=B': x}\n", "variables: {A: [1]}\n"):
        with pytest.raises(UserError) as refused:
            conda.parse(text, "conda.yml")
        assert refused.value.code == "conda-file-invalid"
