"""Which files of a build's folder decide about its image."""

from __future__ import annotations

import pytest

from innerloop.model import build_context
from innerloop.model.build_context import BuildContext
from innerloop.model.dockerfiles.dockerfile import parse


def context(steps: str) -> BuildContext:
    text = f"FROM python:3.11\n{steps}\n"
    return build_context.shared("/w", parse(text, "Dockerfile"), "docker/Dockerfile", text)


@pytest.mark.parametrize(
    ("steps", "sources"),
    [
        ("RUN true", ()),
        ("COPY requirements.txt /opt/", ("requirements.txt",)),
        ("COPY --chown=1 a b/ /opt/", ("a", "b")),
        ('COPY ["with blank.txt", "/opt/"]', ("with blank.txt",)),
        ("ADD https://example.org/x.tar /opt/\nADD ./x.tar /opt/", ("x.tar",)),
        ("COPY --from=python:3.12 /usr /usr", ()),
        ("COPY <<END /opt/a\ntext\nEND", ()),
        ("RUN --mount=type=bind,source=lock.txt,target=/l pip install -r /l", ("lock.txt",)),
        ("RUN --mount=type=cache,target=/c true", ()),
        ("RUN --mount=type=bind,target=/all true", None),
        ("COPY . /app", None),
        ("COPY ./ /app", None),
        ("COPY * /app", None),
        ("COPY ../../outside /app", ("outside",)),
        ("ARG what=a\nCOPY $what /app", None),
        ("ONBUILD COPY . /app", ()),
    ],
)
def test_sources_of_dockerfile(steps: str, sources: tuple[str, ...] | None) -> None:
    assert context(steps).sources == sources


@pytest.mark.parametrize(
    ("steps", "path", "counts"),
    [
        ("COPY env/*.txt /opt/", "env/a.txt", True),
        ("COPY env/*.txt /opt/", "env/deep/a.txt", False),
        ("COPY env/*.txt /opt/", "src/train.py", False),
        ("COPY env /opt/", "env/deep/a.txt", True),
        ("COPY env /opt/", "environment/a.txt", False),
        ("COPY env/[ab].txt /opt/", "env/b.txt", True),
        ("COPY env/[ab].txt /opt/", "env/c.txt", False),
        ("COPY . /app", "src/train.py", True),
        ("COPY . /app", "outputs/train/1/log.txt", False),
        ("COPY . /app", "data/digits.csv", False),
        ("COPY . /app", "src/data/labels.csv", True),
        ("COPY . /app", ".git/HEAD", False),
        ("COPY . /app", "src/__pycache__/a.pyc", False),
        ("COPY data/words.txt /app/", "data/words.txt", True),
        ("COPY data/words.txt /app/", "data/other.txt", False),
        ("COPY . /app", "docker/Dockerfile", False),  # its text counts
    ],
)
def test_counts_is_what_the_dockerfile_takes(steps: str, path: str, counts: bool) -> None:
    assert context(steps).counts(path) is counts


@pytest.mark.parametrize(
    ("steps", "folder", "enters"),
    [
        ("COPY a/b/c.txt /opt/", "a", True),
        ("COPY a/b/c.txt /opt/", "a/b", True),
        ("COPY a/b/c.txt /opt/", "a/c", False),
        ("COPY a/*/c.txt /opt/", "a/x", True),
        ("COPY a /opt/", "a/deep/deeper", True),
        ("COPY . /app", "outputs", False),
        ("COPY . /app", "src/outputs", True),
        ("COPY . /app", "src/.venv", False),
        ("RUN true", "a", False),
    ],
)
def test_enters_no_folder_without_files_that_count(steps: str, folder: str, enters: bool) -> None:
    assert context(steps).enters(folder) is enters


@pytest.mark.parametrize(
    ("folder", "shown", "path", "named"),
    [
        ("/w/src/a/environment", "", "Dockerfile", "environment/Dockerfile"),
        ("C:/w/src/a/environment", "", "Dockerfile", "environment/Dockerfile"),
        ("/w", ".", "env/lock.txt", "env/lock.txt"),
        ("/w/env", "env", "../.devcontainer/a/Dockerfile", ".devcontainer/a/Dockerfile"),
    ],
)
def test_named_is_the_path_for_people(folder: str, shown: str, path: str, named: str) -> None:
    assert BuildContext(folder, shown=shown).named(path) == named


def test_folder_of_its_own_counts_whole() -> None:
    own = BuildContext("/w/src/a/environment")
    assert own.counts("outputs/x") and own.counts(".git/x") and own.enters("data")
    assert not own.enters("x/__pycache__")
