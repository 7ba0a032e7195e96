"""What happened to a submission is known: names as they are sent, two at once, old forms."""

from __future__ import annotations

import json

import pytest

from tests.azure.conftest import Cloud
from tests.azure.faults import Kind, strike
from tests.azure.network import Answer
from tests.azure.quick import Quick
from tests.azure.standin import RunOf
from tests.support import Workspace

pytestmark = pytest.mark.azure


def test_two_submissions_at_the_same_moment_are_one_job(cloud: Cloud, tiny: Workspace) -> None:
    both = [cloud.start(tiny, "submit", "tiny", "--json") for _ in range(2)]
    answers = [one.end(120) for one in both]
    assert [answer.code for answer in answers] == [0, 0], [answer.err for answer in answers]
    (name,) = cloud.azure.jobs
    assert {json.loads(answer.out)["name"] for answer in answers} == {name}
    joined = [answer for answer in answers if "at the same moment" in answer.err]
    assert len(joined) == 1


def test_two_different_submissions_at_the_same_moment_are_two_jobs(
    cloud: Cloud, tiny: Workspace
) -> None:
    names = ("one", "two")
    both = [cloud.start(tiny, "submit", "tiny", "--name", name) for name in names]
    assert [one.end(120).code for one in both] == [0, 0]
    assert sorted(cloud.azure.jobs) == ["one", "two"]


def test_a_name_with_capitals_is_the_name_that_was_sent(
    quick: Quick, cloud: Cloud, tiny: Workspace
) -> None:
    tiny.add("src/Churn".removeprefix("src/"), "print(1)\n", job="command: python train.py\n")
    cloud.azure.next_run = RunOf(["Running"])
    answer = quick.loop(tiny, "submit", "Churn", "--json")
    assert answer.code == 0, answer.err
    name = json.loads(answer.out)["name"]
    assert list(cloud.azure.jobs) == [name] and name == name.lower()
    cloud.azure.next_run = RunOf(["Running"])
    assert quick.loop(tiny, "submit", "Churn", "--name", "Churn-42").code == 0
    assert "churn-42" in cloud.azure.jobs
    for words in (
        ("status", "Churn-42"),
        ("logs", "Churn-42"),
        ("cancel", "Churn-42"),
        ("status",),
    ):
        told = quick.loop(tiny, *words)
        assert told.code == 0, told.err


def test_the_old_dialect_arrives_as_it_is_previewed(
    quick: Quick, cloud: Cloud, tiny: Workspace
) -> None:
    job = "command: python train.py --epochs {inputs.epochs}\ninputs:\n  epochs: 2\n"
    tiny.add("old", "print(1)\n", job=job)
    preview = quick.loop(tiny, "submit", "old", "--dry-run", "--json")
    assert json.loads(preview.out)["command"] == "python train.py --epochs 2"
    answer = quick.loop(tiny, "submit", "old")
    assert answer.code == 0, answer.err
    ((_, body),) = cloud.azure.jobs.items()
    words = body["properties"]["command"].split()
    assert words == ["python", "train.py", "--epochs", "${{inputs.epochs}}"]


def test_a_storage_with_a_firewall_is_named(quick: Quick, cloud: Cloud, tiny: Workspace) -> None:
    """As Azure Storage answers: XML, and a code that Azure ML has too."""
    body = (
        b'<?xml version="1.0" encoding="utf-8"?><Error><Code>AuthorizationFailure</Code>'
        b"<Message>This request is not authorized to perform this operation.</Message></Error>"
    )
    headers = {"Content-Type": "application/xml", "x-ms-error-code": "AuthorizationFailure"}
    strike(cloud, r"(PUT|HEAD) visionstore", Kind((), Answer(403, body, headers)))
    answer = quick.loop(tiny, "submit", "tiny")
    assert answer.code == 1
    assert "the workspace's storage refuses access (403)" in answer.err
    assert "firewall of visionstore.blob.core.windows.net" in answer.err
    assert "AzureML Data Scientist" not in answer.err


@pytest.mark.nightly
def test_a_large_file_in_blocks_is_sent_without_false_lines(
    quick: Quick, cloud: Cloud, tiny: Workspace
) -> None:
    with open(tiny.root / "src/tiny/large.bin", "wb") as file:
        file.truncate(150_000_000)
    cloud.proxy.weather.opens_blobs = False
    answer = quick.loop(tiny, "submit", "tiny")
    assert answer.code == 0, answer.err
    assert "no answer" not in answer.err and "trying again" not in answer.err
