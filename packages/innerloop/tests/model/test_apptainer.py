"""The words that start a container of Apptainer, by its version."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from innerloop.model.apptainer import Apptainer, of_version
from innerloop.model.container import ContainerSpec, Mount
from innerloop.util.errors import UserError

NEW = Apptainer("apptainer", "apptainer", (1, 3))
OLD = Apptainer("singularity", "singularity", (3, 8))
SPEC = ContainerSpec(image="/c/image.sif", command=("sh", "-c", "x"), workdir="/w", starter=NEW)


@pytest.mark.parametrize(
    ("text", "product", "version"),
    [
        ("apptainer version 1.3.4", "apptainer", (1, 3)),
        ("apptainer version 1.1.0-rc.2-1.el8", "apptainer", (1, 1)),
        ("singularity-ce version 4.1.0-jammy", "singularity-ce", (4, 1)),
        ("singularity version 3.8.7-1.el8", "singularity", (3, 8)),
        ("WARNING: x\napptainer version 1.2.5\n", "apptainer", (1, 2)),
        ("", "", (0, 0)),
        ("2.6.1-dist", "", (0, 0)),
    ],
)
def test_of_version_reads_what_each_product_prints(
    text: str, product: str, version: tuple[int, int]
) -> None:
    program = of_version("singularity", text)
    assert (program.product, program.version) == (product, version)


def test_argv_has_nothing_of_the_person_and_ends_with_the_command() -> None:
    spec = replace(SPEC, env={"A": "b,c=d $(x)"}, mounts=(Mount("/h", "/t", read_only=True),))
    assert list(spec.argv) == [
        "apptainer", "exec", "--containall", "--cleanenv", "--no-home", "--no-eval",
        "--bind", "/h:/t:ro", "--pwd", "/w", "/c/image.sif", "env", "A=b,c=d $(x)", "sh", "-c", "x",
    ]  # fmt: skip


def test_argv_of_an_old_version_has_no_option_that_it_lacks() -> None:
    words = OLD.argv(replace(SPEC, mounts=(Mount("/h", "/t"),)))
    assert words[:2] == ["singularity", "exec"] and "--no-eval" not in words
    assert words[words.index("--bind") + 1] == "/h:/t"


@pytest.mark.parametrize("name", ["a:b", "a,b", 'a"b', "a\\b"])
def test_argv_mounts_any_path_where_the_version_can(name: str) -> None:
    spec = replace(SPEC, mounts=(Mount(f"/h/{name}", "/t", read_only=True),))
    (fields,) = csv.reader([NEW.argv(spec)[NEW.argv(spec).index("--mount") + 1]])
    assert fields == ["type=bind", f"source=/h/{name}", "destination=/t", "ro"]
    for program in (OLD, of_version("apptainer", "?")):
        with pytest.raises(UserError) as caught:
            program.argv(spec)
        assert caught.value.code == "apptainer-path"


def test_argv_of_a_view_mounts_each_part_and_not_the_code() -> None:
    view = Mount("/code", "/w", view="/view", parts=("data", "lib"))
    words = NEW.argv(replace(SPEC, mounts=(view, Mount("/env", "/w/.venv", is_for_plain=True))))
    binds = [words[at + 1] for at, word in enumerate(words) if word == "--bind"]
    assert binds == ["/view:/w", "/code/data:/w/data", "/code/lib:/w/lib"]


def test_argv_with_a_gpu_keeps_the_drivers_libraries_on_a_search_path_of_the_job() -> None:
    env = {"LD_LIBRARY_PATH": "/opt/lib"}
    words = NEW.argv(replace(SPEC, devices=("--nv",), env=env))
    assert "--nv" in words and "LD_LIBRARY_PATH=/opt/lib:/.singularity.d/libs" in words
    assert "LD_LIBRARY_PATH=/opt/lib" in NEW.argv(replace(SPEC, env=env))


def test_variables_leave_out_what_would_change_the_container() -> None:
    environ = {
        "PATH": "/bin", "APPTAINER_BIND": "/gpfs", "SINGULARITY_NV": "1", "APPTAINER_CACHEDIR": "/c",
        "APPTAINER_DOCKER_PASSWORD": "p", "APPTAINERENV_LD_PRELOAD": "x", "SINGULARITY_TMPDIR": "/t",
    }  # fmt: skip
    kept = NEW.variables(environ, (), {})
    assert sorted(kept) == [
        "APPTAINER_CACHEDIR", "APPTAINER_DOCKER_PASSWORD", "PATH", "SINGULARITY_TMPDIR",
    ]  # fmt: skip


def test_variables_hand_over_secrets_by_name_for_the_products_own_prefix() -> None:
    secrets = {"TOKEN": 'a$b`c\\d"', "OTHER": "x"}
    assert NEW.variables({}, ("TOKEN", "ABSENT"), secrets) == {"APPTAINERENV_TOKEN": 'a$b`c\\d"'}
    # A version without --no-eval puts the value within double quotes, and escapes these itself.
    assert OLD.variables({}, ("TOKEN",), secrets) == {"SINGULARITYENV_TOKEN": 'a\\$b\\`c\\\\d"'}


def test_container_without_an_engine_has_the_network_of_this_machine() -> None:
    assert SPEC.network == "host" and not SPEC.is_apart
    assert SPEC.with_port(1, 2).ports == ()
