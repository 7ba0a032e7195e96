"""`[remote.NAME]` of the settings: machines, and one error with a position for each mistake."""

from __future__ import annotations

import pytest

from innerloop.model.settings import remotes, settings
from innerloop.model.settings.remotes import RemoteSetting
from innerloop.util.errors import UserError

PYPROJECT = """
[tool.innerloop.remote.gpubox]
host = "me@gpu.example.org"
folder = "/scratch/me/"
engine = "podman"
gpus = [0, 2]
data = { images = "/data/images/", words = "/data/w.txt" }
"""


def workspace(text: str, own: str | None = None) -> settings.Settings:
    found = settings.of_workspace(text, "pyproject.toml")
    return settings.of_root_file(own, "innerloop.toml", found)


def test_machine_has_what_its_table_says() -> None:
    found = remotes.named(workspace(PYPROJECT).remote, "gpubox")
    assert (found.host, found.folder, found.engine) == (
        "me@gpu.example.org", "/scratch/me", "podman"
    )  # fmt: skip
    assert found.gpus is not None and found.gpus.devices == ("0", "2")
    assert found.data == {"images": "/data/images", "words": "/data/w.txt"}
    assert str(found.where("host")) == "pyproject.toml:3"


def test_name_without_a_table_is_a_host() -> None:
    assert remotes.named((), "box") == RemoteSetting("box", "box", "~/.innerloop")


def test_keys_of_an_experiment_win() -> None:
    root = workspace(PYPROJECT, '[remote.other]\nfolder = "jobs"\n')
    own = settings.of_experiment(
        '[remote.gpubox]\nengine = "none"\n[remote.gpubox.data]\nimages = "/x"\n',
        "src/a/innerloop.toml",
        root,
    )
    machines = remotes.read(own.remote)
    assert machines["gpubox"].engine == "none" and machines["gpubox"].folder == "/scratch/me"
    assert machines["gpubox"].data == {"images": "/x", "words": "/data/w.txt"}
    assert machines["other"].folder == "~/jobs"
    assert remotes.read(root.remote)["gpubox"].engine == "podman"


@pytest.mark.parametrize(
    ("text", "line", "code"),
    [
        ("remote = 3", 1, "setting-invalid"),
        ("[remote]\na = 3", 2, "setting-invalid"),
        ('[remote."-oX"]\n', 1, "setting-invalid"),
        ("[remote.a]\n\nhots = 3", 3, "setting-unknown"),
        ('[remote.a]\nhost = "-oProxyCommand=x"', 2, "setting-invalid"),
        ('[remote.a]\nhost = "a b"', 2, "setting-invalid"),
        ("[remote.a]\nhost = 3", 2, "setting-invalid"),
        ('[remote.a]\nfolder = ""', 2, "setting-invalid"),
        ('[remote.a]\nfolder = "/"', 2, "setting-invalid"),
        ('[remote.a]\nfolder = "~"', 2, "setting-invalid"),
        ('[remote.a]\nfolder = "~other/x"', 2, "setting-invalid"),
        ('[remote.a]\nfolder = "/a/../b"', 2, "setting-invalid"),
        ('[remote.a]\nfolder = "a\\nb"', 2, "setting-invalid"),
        ('[remote.a]\nengine = "lxc"', 2, "setting-invalid"),
        ("[remote.a]\nengine = []", 2, "setting-invalid"),
        ("[remote.a]\ngpus = 0", 2, "setting-invalid"),
        ("[remote.a]\ndata = 1", 2, "setting-invalid"),
        ('[remote.a]\n[remote.a.data]\nx = "y"', 3, "setting-invalid"),
        ('[remote.a]\n[remote.a.data]\nx = "/y/../z"', 3, "setting-invalid"),
        ('[remote.a]\n[remote.a.data]\nx = ["/y"]', 3, "setting-invalid"),
    ],
)
def test_mistake_is_an_error_with_its_line(text: str, line: int, code: str) -> None:
    root = settings.of_workspace("", "pyproject.toml")
    own = settings.of_experiment(text, "src/a/innerloop.toml", root)
    with pytest.raises(UserError) as caught:
        remotes.read(own.remote)
    assert (caught.value.code, caught.value.where) == (code, f"src/a/innerloop.toml:{line}")
    assert caught.value.hint
