"""Which builder there is, and what each is handed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from innerloop.docker import buildkit
from innerloop.util.network import Network

TEXT = "FROM a\nRUN pip install --no-cache-dir x\n"
SECRET = "hidden-word"


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for docker is a shell script")
@pytest.mark.parametrize(
    ("plugin", "version", "chosen", "has"),
    [
        (True, "28.2.2", None, True),
        (False, "28.2.2", None, False),  # without the plugin the newer clients have none
        (False, "20.10.24+dfsg1", None, True),  # the older ones have it built in
        (True, "28.2.2", "0", False),
        (False, "28.2.2", "1", True),
    ],
)
def test_whether_there_is_buildkit(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plugin: bool,
    version: str,
    chosen: str | None,
    has: bool,
) -> None:
    told = f"case $1 in buildx) exit {int(not plugin)};; *) echo 'Docker version {version}, build x';; esac"
    (tmp_path / "docker").write_text(f"#!/bin/sh\n{told}\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("DOCKER_BUILDKIT", raising=False)
    if chosen is not None:
        monkeypatch.setenv("DOCKER_BUILDKIT", chosen)
    assert buildkit.has_buildkit() is has


def reach() -> Network:
    return Network(
        proxies={"HTTPS_PROXY": f"http://ada:{SECRET}@proxy.test:1"},
        pip={"index-url": (f"https://ada:{SECRET}@index.test/simple",)},
    )


def test_buildkit_gets_secrets_by_name_and_their_values_in_variables() -> None:
    made = buildkit.build_options(TEXT, reach(), buildkit=True)
    assert SECRET not in made.text + " ".join(made.options)
    assert f"id={buildkit.PIP},env={buildkit.PIP_VARIABLE}" in made.options
    assert f"id={buildkit.UV},env={buildkit.UV_VARIABLE}" in made.options
    assert made.options[:2] == ("--build-arg", "HTTPS_PROXY")
    assert SECRET in made.env["HTTPS_PROXY"] and SECRET in made.env[buildkit.PIP_VARIABLE]
    assert SECRET in made.env[buildkit.UV_VARIABLE]
    assert "type=cache" in made.text and made.notes == ()


def test_the_older_builder_gets_the_file_as_it_stands_and_the_proxies() -> None:
    made = buildkit.build_options(TEXT, reach(), buildkit=False)
    assert made.text == TEXT
    assert made.options == ("--build-arg", "HTTPS_PROXY")
    assert buildkit.PIP_VARIABLE not in made.env and made.env["DOCKER_BUILDKIT"] == "0"
    assert "your package index" in made.notes[0] and "docker-buildx" in made.notes[0]


def test_layers_that_are_shared_come_from_the_file_as_it_stands() -> None:
    lent = buildkit.build_options(TEXT, Network(), buildkit=True, inline_cache=True)
    taken = buildkit.build_options(TEXT, Network(), buildkit=True, cache_from="r.test/line:dev")
    assert lent.text == taken.text == TEXT
    assert lent.options == ("--build-arg", "BUILDKIT_INLINE_CACHE=1")
    assert taken.options == ("--cache-from", "r.test/line:dev")


@pytest.mark.parametrize(
    ("system", "options", "url"),
    [
        ("linux", ("--network", "host"), "http://ada:x@127.0.0.1:3128"),
        ("darwin", (), "http://ada:x@host.docker.internal:3128"),
    ],
)
def test_a_proxy_on_this_machine_alone(
    monkeypatch: pytest.MonkeyPatch, system: str, options: tuple[str, ...], url: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    here = Network(proxies={"https_proxy": "http://ada:x@127.0.0.1:3128"})
    made = buildkit.build_options(TEXT, here, buildkit=False)
    assert made.options == ("--build-arg", "https_proxy", *options)
    assert made.env["https_proxy"] == url
