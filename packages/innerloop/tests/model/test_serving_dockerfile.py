"""What a deploy folder's Dockerfile says of its image."""

from __future__ import annotations

import pytest

from innerloop.model.dockerfiles import serving_dockerfile
from innerloop.model.dockerfiles.dockerfile import Dockerfile, parse
from innerloop.model.dockerfiles.serving_dockerfile import Copied, Words
from tests.support import ROOT

TEXT = """FROM python:3.11 AS base
COPY requirements.txt /opt/requirements.txt
ENV A=1 B="two words"
FROM base AS other
COPY nothing.py /nowhere/
FROM base AS deploy
ENV C three
WORKDIR /opt/app
COPY handler.py lib ./
COPY --chown=1000 ["a file.json", "/data/a file.json"]
COPY --from=other /x /y
ADD code code
EXPOSE 8080 9090/tcp
ENTRYPOINT ["python", "serve.py"]
CMD ["--port", "8080"]
"""


def read(text: str) -> Dockerfile:
    return parse(text, "Dockerfile")


def test_where_copies_go_in_the_stages_that_count() -> None:
    assert serving_dockerfile.copies(read(TEXT)) == [
        Copied("requirements.txt", "/opt/requirements.txt", 2),
        Copied("handler.py", "/opt/app/handler.py", 9),
        Copied("lib", "/opt/app", 9),
        Copied("a file.json", "/data/a file.json", 10),
        Copied("code", "/opt/app/code", 12),
    ]


def test_what_it_starts_where_and_on_which_ports() -> None:
    dockerfile = read(TEXT)
    words = ("python", "serve.py", "--port", "8080")
    assert serving_dockerfile.starts(dockerfile) == Words(words, 14)
    assert serving_dockerfile.folder_of(dockerfile) == "/opt/app"
    assert serving_dockerfile.exposed(dockerfile) == {8080: 13, 9090: 13}
    assert serving_dockerfile.variables(dockerfile) == {"A": "1", "B": "two words", "C": "three"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM a\n", None),
        ("FROM a\nCMD python serve.py\n", ("python", "serve.py")),
        ('FROM a\nCMD ["x"]\nENTRYPOINT ["y"]\n', ("y",)),  # the base's CMD no longer counts
        ('FROM a AS b\nENTRYPOINT ["y"]\nFROM b\nCMD ["z"]\n', ("y", "z")),
    ],
)
def test_entry_and_command(text: str, words: tuple[str, ...] | None) -> None:
    found = serving_dockerfile.starts(read(text))
    assert (found.words if found else None) == words


def test_those_of_this_workspace() -> None:
    for name, code, port in (
        ("digit_recognition", "handler.py", 8080),
        ("digit_recognition_svm", "score.py", 5001),
    ):
        path = ROOT / "src" / name / "deploy" / "Dockerfile"
        dockerfile = parse(path.read_text(encoding="utf-8"), "Dockerfile")
        positions = {one.source: one.target for one in serving_dockerfile.copies(dockerfile)}
        assert positions[code] == f"/opt/deploy/{code}"
        assert list(serving_dockerfile.exposed(dockerfile)) == [port]
        assert serving_dockerfile.folder_of(dockerfile) == "/opt/deploy"
