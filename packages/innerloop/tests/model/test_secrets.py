"""Likely secrets, and what only looks like one."""

from __future__ import annotations

import pytest

from innerloop.model.secrets import by_content, by_name, suspicion

KEY = "A" * 86 + "=="


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.local", "sub/.ENV", "id_rsa", "server.pem", "a/b.key", "credentials.json",
        "my-secrets.yaml", "kaggle.json", ".netrc", "gcp_credentials.json", "id_rsa_work",
        "a/.aws/credentials", ".azure/msal_token_cache.json", "terraform.tfstate",
        "terraform.tfstate.backup", "prod.tfvars", "kubeconfig", "dev.kubeconfig", ".kube/config",
        "service-account.json", "vault.kdbx", "store.p12", "prod.env", ".envrc", ".ssh/work",
        ".docker/config.json", "id_ed25519", ".pypirc", ".git-credentials", "_netrc",
    ],
)  # fmt: skip
def test_by_name(name: str) -> None:
    assert by_name(name)


@pytest.mark.parametrize(
    "name",
    [
        ".env.example", "env.py", "secret_santa.py", "keys.py", "train.py", "monkey.txt",
        "credentials.template.json", "tokenizer.json", "README.md", "requirements.txt",
        "id_rsa.pub", ".ssh/known_hosts", "example.env", "config.json", "environment.yml",
        "keyboard.py", "kube/config.py", ".npmrc", "token_counts.json", "service_account.py",
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
        "aws_secret_access_key = " + "a/" * 20,
        "glpat-" + "a" * 20,
        "https://hooks.slack.com/services/T0000000/B0000000/" + "a" * 24,
        "//registry.npmjs.org/:_authToken=npm" + "a" * 30,
        '{"auths": {"r.io": {"auth": "' + "YWxpY2U6" * 4 + '="}}}',
        "    client-key-data: " + "LS0t" * 20,
        "-----BEGIN PGP PRIVATE KEY BLOCK-----",
        "AIza" + "b" * 35,
        "abc8Q~" + "x" * 34,
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
        "AKIAIOSFODNN7EXAMPLE",
        "//registry.npmjs.org/:_authToken=${NPM_TOKEN}",
        "sk-learn",
        "self._auth = make_authentication()",
        "AZURE_CLIENT_SECRET: ${{ secrets.AZURE_CLIENT_SECRET }}",
    ],
)
def test_not_by_content(text: str) -> None:
    assert by_content(text) is None


CERTIFICATE = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("ca.pem", CERTIFICATE + b"-----BEGIN PRIVATE KEY-----\nMIIE\n", 4),
        ("server.pem", b"\x30\x82\x00", 0),
        ("notes.txt", "one\ntwo ghp_".encode("utf-16") + ("a" * 36).encode("utf-16-le"), 2),
        ("model.bin", b"\0\0-----BEGIN RSA PRIVATE KEY-----\n" + b"A" * 64, 2),
        ("cache.bin", f"\0AccountKey={KEY}\0".encode(), 1),
        (".env.example", b"TOKEN=ghp_" + b"a" * 36, 1),
        ("big.key", None, 0),
    ],
)
def test_suspicion(name: str, content: bytes | None, line: int) -> None:
    found = suspicion(name, content)
    assert found is not None and found.why
    assert found.line == (1 if name == "model.bin" else line)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ca.pem", CERTIFICATE),
        ("signing.key", b"-----BEGIN PUBLIC KEY-----\nMIIB\n"),
        ("libcrypto.so", b"\x7fELF\0-----BEGIN PRIVATE KEY-----\0%s\0"),
        (".env", b"\n"),
        (".npmrc", b"save-exact=true\n"),
        ("big.csv", None),
    ],
)
def test_no_suspicion(name: str, content: bytes | None) -> None:
    assert suspicion(name, content) is None
