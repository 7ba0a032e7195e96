"""Which names an experiment may have, and what another name changes in a text."""

from __future__ import annotations

import pytest

from innerloop.model.naming import (
    check_free,
    check_name,
    endpoint_name,
    filled_in,
    renamed,
    renamed_value,
)
from innerloop.sync.path_renames import in_text, in_value
from innerloop.util.errors import UsageError


@pytest.mark.parametrize("name", ["churn", "a1", "search/ranking", "a/b/c", "train", "x_2"])
def test_names_that_will_do(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("My Model", 'Write "my_model"'),
        ("churn-v2", 'Write "churn_v2"'),
        ("Churn", 'Write "churn"'),
        ("a__b", 'Write "a_b"'),
        ("churn_", 'Write "churn"'),
        ("ümläut", 'Write "ml_ut"'),
        ("2fast", "Begin with a letter"),
        ("", "Begin with a letter"),
        ("a//b", "Begin with a letter"),
        ("../escape", "Begin with a letter"),
        ("/abs", "Begin with a letter"),
        ("class", 'Write "class_model"'),
        ("json", 'Write "json_model"'),
        ("con", 'Write "con_model"'),
        ("shop/lpt1", 'Write "lpt1_model"'),
        ("outputs", 'Write "outputs_model"'),
        ("common", "Choose another name"),
        ("common/x", "Choose another name"),
        ("a/b/c/d", "Write domain/line"),
        ("x" * 61, "Write"),
    ],
)
def test_names_that_will_not_and_what_would(name: str, hint: str) -> None:
    with pytest.raises(UsageError) as error:
        check_name(name)
    assert hint in error.value.message()


@pytest.mark.parametrize(
    ("name", "others"),
    [
        ("churn/deep", ["churn"]),
        ("shop", ["shop/churn"]),
        ("search/ranking", ["search.ranking"]),
        ("churn", ["Churn"]),
    ],
)
def test_names_that_get_in_the_way_of_another(name: str, others: list[str]) -> None:
    with pytest.raises(UsageError):
        check_free(name, others)


def test_the_template_gets_a_name_that_azure_ml_takes() -> None:
    text = "experiment_name: experiment_name_here\n"
    assert filled_in("job.yaml", text, "search/ranking") == "experiment_name: search-ranking\n"
    assert filled_in("README.md", "# experiment_name_here\n", "a/b") == "# a/b\n"


@pytest.mark.parametrize(
    ("path", "before", "after"),
    [
        ("azure-ml-job.yaml", "experiment_name: old\n", "experiment_name: shop-new\n"),
        ("azure-ml-job.yaml", 'experiment_name: "old" # why\n', None),
        ("azure-ml-job.yaml", "experiment_name: old_svm\n", "experiment_name: old_svm\n"),
        ("azure-ml-job.yaml", "experiment_name: mine\n", "experiment_name: mine\n"),
        ("endpoint.yaml", "name: old # mine\n", "name: shop-new # mine\n"),
        ("endpoint.yaml", "name: other\n", "name: other\n"),
        ("a-deployment.yaml", "endpoint_name: old\n", "endpoint_name: shop-new\n"),
        ("a-deployment.yaml", "model: azureml:old@latest\n", "model: azureml:shop-new@latest\n"),
        ("a-deployment.yaml", "model: azureml:old:3\n", "model: azureml:shop-new:3\n"),
        ("a-deployment.yaml", "model: azureml:old_svm:3\n", "model: azureml:old_svm:3\n"),
        ("pipeline.yaml", "    name: old  # a model\n", "    name: shop-new  # a model\n"),
        ("README.md", "# old: what it does\n", "# shop/new: what it does\n"),
        ("README.md", "# old_svm\n", "# old_svm\n"),
        ("README.md", "see src/old/train.py and src/old_svm", None),
        ("train.py", "import old\nold = 1\n", "import old\nold = 1\n"),
        ("train.py", "'src/old'", "'src/shop/new'"),
        ("notes.md", "outputs/old/1 outputs/old_svm", "outputs/shop.new/1 outputs/old_svm"),
    ],
)
def test_what_another_name_changes(path: str, before: str, after: str | None) -> None:
    found = renamed(path, before, "old", "shop/new")
    if after is None:
        assert found.replace("shop-new", "old").replace("shop/new", "old") == before
        assert found != before and "old_svm" in found if "svm" in before else True
    else:
        assert found == after


def test_an_endpoint_is_called_after_the_experiment_as_far_as_azure_ml_allows_it() -> None:
    assert endpoint_name("digit_recognition_svm") == "digit-recognition-svm"
    assert endpoint_name("search/ranking") == "search-ranking"
    assert endpoint_name("a" * 31 + "_b") == "a" * 31
    text = "endpoint_name: digit-recognition\n"
    assert renamed("d.yaml", text, "digit_recognition", "mine") == "endpoint_name: mine\n"


RENDERED = """{
    // mine
    "name": "old", "label": "old", "args": ["old", "run", "old"],
    "path": "../../src/old/environment", "other": "src/old_svm",
    "configurations": [{"name": "old: train.py", "program": "${workspaceFolder}/src/old/train.py"}],
}
"""


def test_only_the_strings_that_hold_the_name_change() -> None:
    def change(keys: tuple[str, ...], text: str) -> str:
        return renamed_value(keys, text, "old", "shop/new")

    after = in_text(RENDERED, change)
    expected = RENDERED
    for old, new in (
        ('"name": "old",', '"name": "shop/new",'),
        ('"run", "old"', '"run", "shop/new"'),
        ("src/old/", "src/shop/new/"),
        ('"old: train.py"', '"shop/new: train.py"'),
    ):
        assert old in expected
        expected = expected.replace(old, new)
    assert after == expected
    assert in_text(after, change) == after
    value = {"args": ["old", "old"], "n": 1, "deep": [{"name": "old"}]}
    assert in_value(value, change) == {
        "args": ["old", "shop/new"],
        "n": 1,
        "deep": [{"name": "shop/new"}],
    }
