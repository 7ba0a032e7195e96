"""Which experiments a file belongs to."""

from __future__ import annotations

from dataclasses import replace

import pytest

from innerloop.model.experiment import Link
from innerloop.model.experiment_paths import default_paths
from innerloop.model.file_owners import owners_of


def shared(*targets: str) -> list[Link]:
    return [Link(f"src/x/common/{target}", f"src/common/{target}") for target in targets]


LINKS = {
    "line": shared("digits.py", "vision"),
    "shop/churn": shared("vision/masks.py"),
    "lines": [],
}
PATHS = {name: default_paths(name) for name in LINKS}


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("src/line/train.py", ["line"]),
        ("src/lines/train.py", ["lines"]),
        ("src/shop/churn/environment/Dockerfile", ["shop/churn"]),
        ("src/shop/readme.md", []),
        ("outputs/line/20260101/metrics.json", ["line"]),
        ("outputs/shop.churn/x/log.txt", ["shop/churn"]),
        ("outputs/other/x", []),
        (".devcontainer/shop.churn/devcontainer.json", ["shop/churn"]),
        (".devcontainer/devcontainer.json", []),
        ("src/common/digits.py", ["line"]),
        ("src/common/vision/masks.py", ["line", "shop/churn"]),
        ("src/common/vision/other.py", ["line"]),
        ("src/common/unused.py", []),
        ("README.md", []),
        ("notebooks/line.ipynb", []),
    ],
)
def test_owners_of_path(path: str, owners: list[str]) -> None:
    assert owners_of(path, PATHS, LINKS) == owners


DECLARED = {
    "train": replace(default_paths("train", "ml"), job="jobs/train.yml", tests="tests/unit"),
    "score": replace(default_paths("score", "ml"), job="jobs/score.yml"),
    "inner": default_paths("inner", "ml/inner", link="src/inner"),
    "whole": default_paths("whole", "."),
}


@pytest.mark.parametrize(
    ("path", "owners"),
    [
        ("jobs/train.yml", ["train"]),
        ("jobs/score.yml", ["score"]),
        ("tests/unit/test_a.py", ["train"]),
        ("ml/train.py", ["train", "score"]),
        ("ml/environment/Dockerfile", ["train", "score"]),
        ("ml/inner/train.py", ["inner"]),
        ("src/inner/train.py", ["inner"]),
        ("main.py", ["whole"]),
        ("main", []),
        (".", ["whole"]),
    ],
)
def test_owners_of_path_with_declared_experiments(path: str, owners: list[str]) -> None:
    assert owners_of(path, DECLARED, dict.fromkeys(DECLARED, ())) == owners
