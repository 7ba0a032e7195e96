"""Argvs of the devcontainer CLI and of VS Code."""

from __future__ import annotations

import json

import pytest

from innerloop.devcontainers import cli_argv


@pytest.mark.parametrize(("gpu", "word"), [(True, "all"), (False, "none"), (None, "")])
def test_up_hands_over_what_was_decided_about_the_gpu(gpu: bool | None, word: str) -> None:
    argv = cli_argv.up(
        ["dc"], root="/w", config="/w/c.json", override="/o.json", gpu=gpu, labels={"a": "b c"}
    )
    assert argv[:2] == ["dc", "up"]
    assert ("--gpu-availability" in argv) == bool(word)
    assert not word or argv[argv.index("--gpu-availability") + 1] == word
    assert argv[-2:] == ["--id-label", "a=b c"]


@pytest.mark.parametrize(
    ("root", "config", "path"),
    [
        ("/home/me/a b", "/home/me/a b/c.json", "/home/me/a b/c.json"),
        ("C:\\me\\w", "C:\\me\\w\\c.json", "/C:/me/w/c.json"),
    ],
)
def test_the_link_names_folder_and_configuration(root: str, config: str, path: str) -> None:
    uri = cli_argv.folder_uri(root, config, "/workspaces/w")
    text, _, folder = uri.removeprefix("vscode-remote://dev-container+").partition("/")
    where = json.loads(bytes.fromhex(text))
    assert (where["hostPath"], where["configFile"]["path"]) == (root, path)
    assert folder == "workspaces/w"


@pytest.mark.parametrize(
    ("client", "words"), [("docker", []), ("podman", ["--docker-path", "podman"])]
)
def test_cli_uses_the_client_of_the_workspace(client: str, words: list[str]) -> None:
    start = cli_argv.up(
        ["cli"], root="/w", config="/c", override=None, gpu=None, labels={}, client=client
    )
    build = cli_argv.build(
        ["cli"], root="/w", config="/c", image="i", labels={}, no_cache=False, client=client
    )
    for argv in (start, build):
        at = argv.index("--docker-path") if "--docker-path" in argv else len(argv)
        assert argv[at : at + 2] == words
