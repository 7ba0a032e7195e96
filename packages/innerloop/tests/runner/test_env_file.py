"""`.env` for a request: whose value counts, and where a secret does not appear."""

from __future__ import annotations

import json
from pathlib import Path

from innerloop.model.container import ContainerSpec
from innerloop.model.env_file import EnvFile
from innerloop.model.run import ProcessSpec, Request
from innerloop.runner import env_file

SECRET = "wandb-0123456789"
FILE = EnvFile({"PLAIN": "1", "WANDB_API_KEY": SECRET, "OWN": "theirs", "PATH": "/x", "HOME": "/y"})


def in_docker() -> Request:
    container = ContainerSpec("image", ("true",), env={"OWN": "mine"})
    return Request("line", "docker", "true", "outputs/line/1", "", container=container)


def on_host() -> Request:
    return Request(
        "line", "venv", "true", "outputs/line/1", "",
        process=ProcessSpec(("true",), "/", {"OWN": "mine", "PATH": "/env/bin"}),
    )  # fmt: skip


def test_given_in_a_container_hides_the_secret_and_keeps_the_jobs_own_value() -> None:
    request = env_file.given(in_docker(), FILE)
    assert request.env == {"OWN": "mine", "PLAIN": "1"}
    assert request.secrets == {"WANDB_API_KEY": SECRET}
    words = list(request.argv)
    assert words[words.index("WANDB_API_KEY") - 1] == "--env"
    assert SECRET not in " ".join(words) and SECRET not in json.dumps(request.json())
    assert request.notes == (".env sets PLAIN, WANDB_API_KEY",)


def test_given_on_this_machine_keeps_the_environments_path() -> None:
    request = env_file.given(on_host(), FILE)
    assert request.env == {"OWN": "mine", "PATH": "/env/bin", "PLAIN": "1", "HOME": "/y"}
    assert request.secrets == {"WANDB_API_KEY": SECRET}


def test_given_never_changes_the_engines_client() -> None:
    url = "tcp://user:password-of-the-engine@elsewhere"
    names = ("DOCKER_HOST", "LD_SECRET_KEY", "BASH_ENV", "CONTAINER_HOST")
    request = env_file.given(in_docker(), EnvFile(dict.fromkeys(names, url)))
    assert request.secrets == {} and request.env == {"OWN": "mine"}


def test_given_hides_each_secret_from_the_command_line() -> None:
    names = ("GOOGLE_API_KEY", "DOCKER_PASSWORD", "SSHPASS_SECRET", "ENVIRONMENT_TOKEN")
    request = env_file.given(in_docker(), EnvFile(dict.fromkeys(names, SECRET)))
    assert set(request.secrets) == set(names) and SECRET not in " ".join(request.argv)


def test_given_without_variables_is_the_same_request() -> None:
    assert env_file.given(in_docker(), EnvFile()) == in_docker()


def test_read_of_a_folder_is_empty(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()  # an environment that somebody has named so
    assert env_file.read(tmp_path) == EnvFile()
