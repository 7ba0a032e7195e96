"""A container as a value, and the argv of `docker run` that it becomes."""

from __future__ import annotations

import pytest

from innerloop.model.container import ContainerSpec, Mount, PublishedPort, run_argv

SPEC = ContainerSpec(
    image="image:job",
    command=("sh", "-c", "a && b"),
    name="x",
    user="1:2",
    workdir="/w",
    env={"A": "b c"},
    mounts=(Mount("/data", "/mnt/data", read_only=True),),
    labels={"l": "v"},
    shm_size="2g",
    devices=("--gpus", "all"),
    options=("--cpus", "2"),
)


def test_argv_has_every_field_before_the_image_and_the_command_after_it() -> None:
    assert run_argv(SPEC) == [
        *("docker", "run", "--rm", "--init", "--name", "x", "--label", "l=v", "--user", "1:2"),
        *("--shm-size", "2g", "--gpus", "all", "--cpus", "2", "--workdir", "/w"),
        *("--mount", "type=bind,source=/data,target=/mnt/data,readonly", "--env", "A=b c"),
        *("image:job", "sh", "-c", "a && b"),
    ]


def test_argv_of_an_image_alone_has_no_other_option() -> None:
    assert run_argv(ContainerSpec("i")) == ["docker", "run", "--rm", "--init", "i"]


def test_argv_of_a_detached_container_keeps_it_when_it_ends() -> None:
    argv = run_argv(ContainerSpec("i", detach=True, remove=False))
    assert argv == ["docker", "run", "--detach", "--init", "i"]


def test_the_users_options_come_last_so_that_they_count() -> None:
    argv = run_argv(ContainerSpec("i", shm_size="2g", options=("--shm-size", "4g")))
    assert argv[-5:] == ["--shm-size", "2g", "--shm-size", "4g", "i"]


def test_client_env_passes_a_name_without_its_value() -> None:
    argv = run_argv(ContainerSpec("i").with_client_env("TOKEN"))
    assert argv[-3:] == ["--env", "TOKEN", "i"]


@pytest.mark.parametrize(
    ("options", "network"),
    [
        ((), ""),
        (("--network", "host"), "host"),
        (("--net=none",), "none"),
        (("--network", "none", "--network=bridge"), "bridge"),
        (("--cpus", "2"), ""),
    ],
)
def test_network_is_the_last_one_of_the_options(options: tuple[str, ...], network: str) -> None:
    assert ContainerSpec("i", options=options).network == network


def test_with_port_on_the_hosts_network_publishes_nothing() -> None:
    assert ContainerSpec("i").with_port(1, 2).ports == (PublishedPort(1, 2),)
    assert ContainerSpec("i", options=("--network", "host")).with_port(1, 2).ports == ()


def test_with_command_prefix_leaves_the_rest_as_it_is() -> None:
    changed = SPEC.with_command_prefix(("debugger", "--"))
    assert changed.command == ("debugger", "--", "sh", "-c", "a && b")
    assert run_argv(changed)[:-5] == run_argv(SPEC)[:-3]
