"""Where code and data are, by their names alone."""

from __future__ import annotations

import pytest

from innerloop.model.paths import code_root, local_path
from innerloop.util.errors import UserError

JOB = "src/x/azure-ml-job.yaml"


@pytest.mark.parametrize(
    ("path", "given", "expected"),
    [
        ("azureml:mnist:1", "", "data/mnist"),
        ("azureml:mnist@latest", "", "data/mnist"),
        ("azureml:mnist", "", "data/mnist"),
        ("azureml:mnist:1", "data/other/", "data/other"),
        ("azureml:mnist:1", "/mnt/big", "/mnt/big"),
        ("./sample", "", "src/x/sample"),
        ("..\\shared", "", "src/shared"),
        ("file:sample", "", "src/x/sample"),
        ("azureml://datastores/a/paths/b", "", "data/a/b"),
        ("https://example.com/a.csv", "", "data/example.com/a.csv"),
        ("https://example.com/a.csv", "data/a.csv", "data/a.csv"),
    ],
)
def test_data(path: str, given: str, expected: str) -> None:
    assert local_path(JOB, path, given) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (".", "src/x"),
        ("./", "src/x"),
        ("..", "src"),
        ("lib", "src/x/lib"),
        ("../..", "."),
        (None, None),
    ],
)
def test_code(code: str | None, expected: str | None) -> None:
    assert code_root(JOB, code) == expected


def test_code_elsewhere() -> None:
    with pytest.raises(UserError, match="not in this workspace"):
        code_root(JOB, "https://example.com/repo")
