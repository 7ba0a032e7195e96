"""Every kind of fault at every request by which a job is followed.

The job goes on meanwhile: its outcome is its own, its log is whole, and nothing says that the command
should be run again. By default each kind meets one of the requests; with --nightly all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.azure.conftest import Cloud
from tests.azure.faults import KINDS, calm, nightly, strike
from tests.azure.quick import Quick
from tests.azure.standin import RunOf
from tests.support import Workspace

pytestmark = pytest.mark.azure

LOG = "user_logs/std_log.txt"
LOOKS = {
    "job": r"GET management.*/jobs/",
    "details": r"GET westeurope.*/details",
    "log": r"GET visionstore",
}
PASSING = [name for name, kind in KINDS.items() if not kind.hangs and not kind.connects]


def followed() -> RunOf:
    """A job that fails with 7 after a log of two lines."""
    logs = {LOG: ["", "one\n", "one\n", "one\ntwo\n"]}
    states = ["Queued", "Running", "Running", "Running", "Failed"]
    return RunOf(states, logs, "User process 'python' exited with status code 7.")


def following_rows() -> Iterator[tuple[str, str]]:
    looks = list(LOOKS)
    for number, name in enumerate(PASSING):
        yield name, looks[number % 3]


def other_following_rows() -> Iterator[tuple[str, str]]:
    done = set(following_rows())
    return ((name, look) for name in PASSING for look in LOOKS if (name, look) not in done)


@pytest.mark.parametrize(("name", "look"), [*following_rows(), *nightly(other_following_rows())])
def test_fault_that_passes_while_following(
    quick: Quick, cloud: Cloud, tiny: Workspace, name: str, look: str
) -> None:
    """The outcome is the job's own, and the log is whole."""
    strike(cloud, LOOKS[look], replace(KINDS[name], once=True))
    cloud.azure.next_run = followed()
    answer = quick.loop(tiny, "submit", "tiny", "--stream")
    assert answer.code == 7, answer.err
    assert answer.out.endswith("one\ntwo\n"), answer.out
    assert "goes on without us" not in answer.err
    assert len(cloud.azure.jobs) == 1


@pytest.mark.parametrize(
    "name", ["401", "403", "404", "503", "page", "half", "reset", "hang", "no name"]
)
def test_fault_that_stays_while_following(
    quick: Quick, cloud: Cloud, tiny: Workspace, name: str
) -> None:
    """The job goes on: nothing says that the command should be run again."""
    cloud.azure.next_run = RunOf(["Running"])
    strike(cloud, LOOKS["details"], KINDS[name])
    answer = quick.loop(
        tiny, "submit", "tiny", "--stream", env={"INNERLOOP_PATIENCE": "3", "INNERLOOP_PAUSE": "1"}
    )
    assert answer.code == 1
    (job,) = cloud.azure.jobs
    assert f"{job} goes on without us: `scripts/loop logs {job} --follow`" in answer.err
    assert "un it again" not in answer.err, answer.err
    assert "Check the disk" not in answer.err


def test_a_log_that_cannot_be_read_is_left_out(quick: Quick, cloud: Cloud, tiny: Workspace) -> None:
    """The storage's firewall lets nobody through: the outcome is the job's all the same."""
    strike(cloud, LOOKS["log"], KINDS["403"])
    cloud.azure.next_run = followed()
    answer = quick.loop(
        tiny, "submit", "tiny", "--stream", env={"INNERLOOP_PATIENCE": "10", "INNERLOOP_PAUSE": "4"}
    )
    assert answer.code == 7, answer.err
    assert "a part of the log is missing here: the workspace's storage refuses access" in answer.err
    calm(cloud)
    assert quick.loop(tiny, "logs").out == "one\ntwo\n"


def test_a_job_that_nobody_submitted_does_not_go_on(
    quick: Quick, cloud: Cloud, tiny: Workspace
) -> None:
    answer = quick.loop(tiny, "logs", "nothing", "--follow")
    assert answer.code == 1
    assert 'there is no job "nothing"' in answer.err
    assert "goes on" not in answer.err
