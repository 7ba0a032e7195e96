"""The table that says that a repository was there before the tool."""

from __future__ import annotations

import pytest

from innerloop.model.settings import adoption, settings
from innerloop.model.settings.adoption import FILE, Adoption
from innerloop.model.settings.settings import Settings
from innerloop.util.errors import UserError

PYPROJECT = "[tool.innerloop.adopted]\ncontainer = true\n"


@pytest.mark.parametrize(
    ("pyproject", "own", "is_adopted"),
    [
        ("", "", False),
        ("", "[adopted]\n", True),
        ("", "\ufeff[adopted]\r\ncontainer = true\r\n", True),
        (PYPROJECT, "", True),
        ("[tool.innerloop]\nnewer = 1\n", "[adopted]\nnewer = 1\n", True),  # of another version
        ("[tool.innerloop]\ngpu = 'adopted'\n", "# adopted\n", False),
        ("[tool]\ninnerloop = 'adopted'\n", "not [ toml adopted", False),
    ],
)
def test_repository_is_adopted_if_a_file_has_the_table(
    pyproject: str, own: str, is_adopted: bool
) -> None:
    assert adoption.is_adopted(pyproject, own) is is_adopted


def test_table_of_either_file_is_read() -> None:
    assert settings.of_workspace(PYPROJECT, "pyproject.toml").adopted == Adoption(container=True)
    assert settings.of_root_file("[adopted]\n", FILE, Settings()).adopted == Adoption()
    assert settings.of_root_file("[experiments]\n", FILE, Settings()).adopted is None
    assert settings.of_root_file(None, FILE, Settings()) == Settings()


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("adopted = true\n", 1, "setting-invalid"),
        ("[adopted]\ncontainers = true\n", 1, "setting-unknown"),
        ("\n[adopted]\ncontainer = 1\n", 2, "setting-invalid"),
        ("[adopted\n", 1, "not-toml"),
    ],
)
def test_wrong_table_is_one_error_with_its_line(text: str, line: int, code: str) -> None:
    with pytest.raises(UserError) as caught:
        settings.of_root_file(text, FILE, Settings())
    assert caught.value.code == code and caught.value.where.startswith(f"{FILE}:{line}")


def test_other_settings_of_the_root_file_count_for_the_workspace() -> None:
    text = "gpu = 'none'\n[experiments.a]\n[adopted]\n[argo.data.x]\nclaim = 'c'\n"
    own = settings.of_root_file(text, FILE, Settings(ports=(1,)))
    assert (own.gpu, own.ports, own.adopted) == (
        settings.of_experiment(text, FILE, own).gpu,
        (1,),
        Adoption(),
    )
    assert own.gpu != Settings().gpu and len(own.argo) == 1


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("[adopted]\n[argos]\nx = 1\n", "setting-unknown", 2),
        ("registry = 'r'\n", "setting-unknown", 1),
        ("\n[schedule]\ncron = '1'\n", "setting-misplaced", 2),
    ],
)
def test_key_that_the_root_file_cannot_have_is_an_error(text: str, code: str, line: int) -> None:
    with pytest.raises(UserError) as raised:
        settings.of_root_file(text, FILE, Settings())
    assert raised.value.code == code
    assert str(raised.value.where).startswith(f"{FILE}:{line}")
