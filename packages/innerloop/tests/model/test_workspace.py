"""How a person may name an experiment, and what images are called."""

from __future__ import annotations

import pytest

from innerloop.model.settings.settings import Settings
from innerloop.model.workspace import Workspace, resolve
from innerloop.util.errors import UsageError, UserError

NAMES = (
    "digit_recognition",
    "digit_recognition_svm",
    "search/ranking",
    "shop/ranking",
    "shop/churn",
)
SPACE = Workspace("/home/me/Über uns", Settings(), NAMES)


@pytest.mark.parametrize(
    ("word", "here", "name"),
    [
        ("digit_recognition", None, "digit_recognition"),
        ("src/digit_recognition/", None, "digit_recognition"),
        ("./src/shop/churn", None, "shop/churn"),
        ("src\\shop\\churn", None, "shop/churn"),
        ("churn", None, "shop/churn"),
        ("search/ranking", None, "search/ranking"),
        ("src/digit_recognition/train.py", None, "digit_recognition"),
        ("src\\shop\\churn\\tests\\test_a.py", None, "shop/churn"),
        ("tests/test_train.py", "src/shop/churn", "shop/churn"),
        ("churn/train.py", "src/shop", "shop/churn"),
        ("/home/me/Über uns/src/digit_recognition_svm/a b.py", None, "digit_recognition_svm"),
        (None, "src/shop/churn", "shop/churn"),
        (None, "src/digit_recognition/environment", "digit_recognition"),
    ],
)
def test_names_that_are_understood(word: str | None, here: str | None, name: str) -> None:
    assert resolve(SPACE, word, here) == name


@pytest.mark.parametrize(
    ("word", "message"),
    [
        (
            "digits_recognition",
            'experiment "digits_recognition" does not exist. Did you mean "digit_recognition"',
        ),
        ("Digit_Recognition", 'Did you mean "digit_recognition"'),
        ("ranking", 'is ambiguous: "search/ranking" or "shop/ranking"'),
        ("README.md", '"README.md" is in no experiment.s folder. Open a file of one'),
        ("src/common/digits.py", "is in no experiment"),
        ("/elsewhere/src/digit_recognition/train.py", "is in no experiment"),
        ("../train.py", "is in no experiment"),
        ("..", 'experiment ".." does not exist'),
        ("a b'\"", "does not exist"),
        ("", "does not exist"),
        (None, "no experiment is named"),
    ],
)
def test_names_that_are_not(word: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve(SPACE, word, "src/digit_recognitio")


def test_a_misspelt_name_is_no_path_in_the_folder_one_stands_in() -> None:
    with pytest.raises(UsageError, match="does not exist"):
        resolve(SPACE, "digits", "src/digit_recognition")


def test_without_experiments_the_first_step_is_named() -> None:
    with pytest.raises(UserError, match="loop new NAME"):
        resolve(Workspace("/w", Settings(), ()), "x", None)
    with pytest.raises(UserError, match="loop new NAME"):
        resolve(Workspace("/w", Settings(), ()), None, "src")


@pytest.mark.parametrize("word", ["nothing_like_it", "README.md", None])
def test_of_many_experiments_a_sentence_names_a_few(word: str | None) -> None:
    names = tuple(f"team/line_{number:03}" for number in range(100))
    with pytest.raises(UsageError, match="team/line_009 and 90 more") as told:
        resolve(Workspace("/w", Settings(), names), word, None)
    assert len(str(told.value)) < 300


def test_two_clones_have_two_image_names() -> None:
    one, two = (Workspace(root, Settings(), ()).image_name for root in ("/a/main", "/b/main"))
    assert one != two
    assert one.startswith("main-")
    assert SPACE.image_name.startswith("ber-uns-")
    assert Workspace("/", Settings(), ()).image_name.startswith("workspace-")
