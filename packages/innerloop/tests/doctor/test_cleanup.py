"""What an engine says about images and volumes, and what it leaves out."""

from __future__ import annotations

import json

import pytest

from innerloop.doctor import cleanup

DOCKER = """[{"ID":"sha256:1","UniqueSize":"289.3MB"}]
[{"Name":"innerloop-cache-a","Size":"1.5kB","Links":"1"},{"Name":"b","Size":"0B","Links":"0"}]
"""
PODMAN = """Images space usage:

REPOSITORY        TAG   IMAGE ID      CREATED   SIZE     SHARED SIZE  UNIQUE SIZE  CONTAINERS
localhost/python  3.11  f2afabdc69b7  11 hours  299.8MB  299.8MB      0B           1
"""


def test_sizes_are_those_that_the_engine_says() -> None:
    images, volumes = cleanup._sizes(DOCKER)
    assert images == {"sha256:1": 289_300_000}
    assert volumes == {"innerloop-cache-a": (1500, True), "b": (0, False)}


@pytest.mark.parametrize("text", [PODMAN, "", "null\nnull", "[1, null]\n{}", '"a"\n"b"', "[\n["])
def test_sizes_are_unknown_for_an_answer_that_is_not_such_json(text: str) -> None:
    assert cleanup._sizes(text) == ({}, {})


def test_images_have_the_same_names_and_ids_with_either_client() -> None:
    labels = {"innerloop.workspace": "/w"}
    docker = {"Id": f"sha256:{'a' * 64}", "RepoTags": ["w-1/tiny:job"], "Size": 5}
    podman = {"Id": "a" * 64, "RepoTags": ["localhost/w-1/tiny:job"], "Size": 5}
    texts = [json.dumps([{**one, "Config": {"Labels": labels}}]) for one in (docker, podman)]
    first, second = (list(cleanup._images(text)) for text in texts)
    assert first == second and first[0].names == ("w-1/tiny:job",)


@pytest.mark.parametrize(
    "text", ["", "Error: no", "{}", "[null, 1, {}]", '[{"Id": 1}]', '[{"Id": "a"', "[]"]
)
def test_images_are_none_for_an_answer_that_is_not_such_json(text: str) -> None:
    assert list(cleanup._images(text)) == []


def test_image_without_labels_or_names_is_one() -> None:
    (image,) = cleanup._images('[{"Id": "a", "RepoTags": null, "Config": {"Labels": null}}]')
    assert (image.names, image.labels, image.size) == ((), {}, 0)
