"""Addresses of data as places of this machine."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.model.data_locations import locate

JOB = "src/x/azure-ml-job.yaml"


@pytest.mark.parametrize(
    ("address", "path", "url"),
    [
        ("azureml:mnist:1", "data/mnist", ""),
        ("azureml:mnist@latest", "data/mnist", ""),
        ("azureml:/subscriptions/s/resourceGroups/r/providers/p/workspaces/w/data/n/versions/1", "data/n", ""),
        ("/subscriptions/s/resourceGroups/r/providers/p/workspaces/w/data/n/versions/1", "data/n", ""),
        ("azureml:n:1/rows/a.csv", "data/n/rows/a.csv", ""),
        ("azureml:n@latest/a.csv", "data/n/a.csv", ""),
        ("azureml://registries/r/data/wiki/versions/1", "data/wiki", ""),
        ("azureml://locations/l/workspaces/w/data/wiki/versions/1", "data/wiki", ""),
        ("azureml://datastores/d/paths/a/b", "data/d/a/b", ""),
        ("azureml://datastores/d/paths/", "data/d", ""),
        ("azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/d/paths/a", "data/d/a", ""),
        ("runs:/abc/model", "data/runs/abc/model", ""),
        ("https://h.com/a%20b/c.csv?sig=1", "data/h.com/a b/c.csv", "https://h.com/a%20b/c.csv?sig=1"),
        ("http://127.0.0.1:80/a", "data/127.0.0.1_80/a", "http://127.0.0.1:80/a"),
        (
            "wasbs://box@acc.blob.core.windows.net/a/",
            "data/acc.blob.core.windows.net/box/a",
            "https://acc.blob.core.windows.net/box/a/",
        ),
        (
            "abfss://fs@acc.dfs.core.windows.net/a",
            "data/acc.blob.core.windows.net/fs/a",
            "https://acc.blob.core.windows.net/fs/a",
        ),
        ("adl://acc.azuredatalakestore.net/a", "data/acc.azuredatalakestore.net/a", ""),
        ("s3://bucket/key", "data/bucket/key", ""),
        ("file:///opt/data", "/opt/data", ""),
    ],
)  # fmt: skip
def test_data_in_the_cloud(address: str, path: str, url: str) -> None:
    found = locate(JOB, address)
    assert (found.path, found.url) == (path, url)


@pytest.mark.parametrize(
    ("address", "path"),
    [
        ("./sample", "src/x/sample"),
        ("..\\shared", "src/shared"),
        ("file:sample", "src/x/sample"),
        ("/opt/data", "/opt/data"),
        ("C:\\data\\x", "C:/data/x"),
    ],
)
def test_data_that_are_here(address: str, path: str) -> None:
    found = locate(JOB, address)
    assert (found.path, found.is_here) == (path, True)


@given(
    st.sampled_from(
        [
            "azureml://datastores/d/paths/{}",
            "https://h/{}",
            "https://h:{}",
            "https://[{}",
            "s3://b/{}",
            "azureml://jobs/j/{}",
        ]
    ),
    st.text(st.sampled_from("ab./\\:*?%2e "), max_size=20),
)
def test_no_address_leads_out_of_data(form: str, path: str) -> None:
    found = locate(JOB, form.format(path))
    assert posixpath.normpath(found.path).startswith("data/")
    assert ".." not in found.path.split("/")


@pytest.mark.parametrize(
    ("address", "kind", "command"),
    [
        ("azureml:a:2", "uri_folder", "scripts/loop data get azureml:a:2"),
        ("azureml:a@latest", "uri_folder", "scripts/loop data get azureml:a@latest"),
        ("azureml:a@latest/b.csv", "uri_file", "scripts/loop data get azureml:a@latest"),
        ("/subscriptions/s/w/data/n/versions/7", "uri_folder", "scripts/loop data get azureml:n:7"),
        ("azureml:m:2", "mlflow_model", "az ml model download --name m --version 2"),
        ("azureml://jobs/j/outputs/x", "uri_folder", "az ml job download --name j"),
        ("https://h/a.csv", "uri_file", "curl --location"),
        ("wasbs://c@a.blob.core.windows.net/x", "uri_folder", "azcopy copy"),
        ("runs:/a/b", "mlflow_model", "mlflow artifacts download"),
    ],
)
def test_the_command_that_fetches_them(address: str, kind: str, command: str) -> None:
    assert command in locate(JOB, address, kind).fetch
