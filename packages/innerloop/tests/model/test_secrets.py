"""Likely secrets, and what only looks like one."""

from __future__ import annotations

import pytest

from innerloop.model.secrets import by_content, by_name

KEY = "A" * 86 + "=="


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.local", "sub/.ENV", "id_rsa", "server.pem", "a/b.key", "credentials.json",
        "my-secrets.yaml", "kaggle.json", ".netrc", "gcp_credentials.json",
    ],
)  # fmt: skip
def test_by_name(name: str) -> None:
    assert by_name(name)


@pytest.mark.parametrize(
    "name",
    [
        ".env.example", "env.py", "secret_santa.py", "keys.py", "train.py", "monkey.txt",
        "credentials.template.json", "tokenizer.json", "README.md", "requirements.txt",
    ],
)  # fmt: skip
def test_not_by_name(name: str) -> None:
    assert not by_name(name)


@pytest.mark.parametrize(
    "text",
    [
        f"DefaultEndpointsProtocol=https;AccountName=a;AccountKey={KEY};",
        "https://a.blob.core.windows.net/c?sv=1&sig=" + "b" * 43 + "%3D",
        "token = 'hf_" + "a" * 34 + "'",
        "ghp_" + "a" * 36,
        '"clientSecret": "abcdefgh~ijklmnop"',
        "-----BEGIN RSA PRIVATE KEY-----",
        "AKIA" + "A" * 16,
    ],
)
def test_by_content(text: str) -> None:
    found = by_content(f"one\n{text}\n")
    assert found is not None and found[0] == 2 and found[1]


@pytest.mark.parametrize(
    "text",
    [
        "password = os.environ['PASSWORD']",
        "AccountKey=<your key>",
        "api_key = None",
        "-----BEGIN PUBLIC KEY-----",
        "sig=abc",
        "AZURE_CLIENT_SECRET: ${{ secrets.AZURE_CLIENT_SECRET }}",
    ],
)
def test_not_by_content(text: str) -> None:
    assert by_content(text) is None
