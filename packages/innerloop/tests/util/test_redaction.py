"""What is masked, in texts, values and streams, and what is left as it is."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from innerloop.util import redaction
from innerloop.util.redaction import MASK, by_form, is_secret_name, known


@pytest.mark.parametrize(
    "name",
    [
        "GITHUB_TOKEN", "OPENAI_API_KEY", "AZURE_CLIENT_SECRET", "DB_PASSWORD", "PGPASSWORD",
        "STORAGE_CONNECTION_STRING", "AzureWebJobsConnectionString", "api_key", "hf-token",
        "inputs.api_key", "SENTRY_DSN", "GITHUB_PAT", "AWS_ACCESS_KEY_ID", "SLACK_WEBHOOK_URL",
        "REDIS_PASSWD", "apikey", "client_secret", "MY_KEY", "TOKEN", "passphrase",
    ],
)  # fmt: skip
def test_secret_names(name: str) -> None:
    assert is_secret_name(name.rpartition(".")[2])


@pytest.mark.parametrize(
    "name",
    [
        "PATH", "PWD", "OLDPWD", "GPG_KEY", "TOKENIZERS_PARALLELISM", "keyboard", "monkey", "key",
        "label_key", "sort_key", "pad_token", "eos_token", "max_tokens", "learning_rate",
        "SSH_AUTH_SOCK", "PUBLIC_KEY", "authors", "secretary", "dataset", "KEYMAP", "tokenizer",
    ],
)  # fmt: skip
def test_other_names(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "pip: http://alice:hunter2@index.corp/simple",
            f"pip: http://alice:{MASK}@index.corp/simple",
        ),
        ("https://x:p%40ss@h/a b", f"https://x:{MASK}@h/a b"),
        ("git+https://" + "t" * 30 + "@github.com/a/b", f"git+https://{MASK}@github.com/a/b"),
        ("https://a.b/c?se=1&sig=" + "A" * 43 + "%3D&x=1", f"https://a.b/c?se=1&sig={MASK}&x=1"),
        ("AccountKey=" + "A" * 86 + "==;End", f"AccountKey={MASK};End"),
        ("header ghp_" + "a" * 36 + " end", f"header {MASK} end"),
        ("https://user:${TOKEN}@h/", "https://user:${TOKEN}@h/"),
        ("ssh://git@github.com/a", "ssh://git@github.com/a"),
        ("see https://example.com/a:b@c", "see https://example.com/a:b@c"),
        ("mail a@b.c at 10:30", "mail a@b.c at 10:30"),
    ],
)
def test_by_form(text: str, masked: str) -> None:
    assert by_form(text) == masked


def test_known_values_are_masked_in_every_usual_spelling() -> None:
    secret = 'p"w/ö\\1 +23'
    redaction = known({"DB_PASSWORD": secret, "SHORT_KEY": "1", "NAME": "digits"})
    forms = [secret, quote(secret, safe=""), json.dumps(secret), repr(secret)]
    for form in forms:
        assert redaction.text(f"<{form}>").count(MASK) == 1
        assert "23" not in redaction.text(form)
    assert redaction.text("1 digits") == "1 digits"


def test_tree_masks_values_of_secret_names_and_keeps_the_shape() -> None:
    value = {"env": {"API_KEY": "12345678", "EPOCHS": "2"}, "argv": ["--x", "abcdefgh1"], "n": 1}
    masked = known(values=["abcdefgh1"]).tree(value)
    assert masked == {"env": {"API_KEY": MASK, "EPOCHS": "2"}, "argv": ["--x", MASK], "n": 1}


def test_values_are_not_in_the_repr() -> None:
    assert "hunter2hunter2" not in repr(known({"A_TOKEN": "hunter2hunter2"}))


@given(
    pieces=st.lists(st.sampled_from([b"secret-one", b"secret-one-longer", b"sec", b"\n", b"ret-", b"x"])),
    cuts=st.lists(st.integers(0, 200)),
)  # fmt: skip
def test_stream_gives_the_same_as_the_whole(pieces: list[bytes], cuts: list[int]) -> None:
    text = b"".join(pieces)
    redaction = known(values=["secret-one", "secret-one-longer"])
    stream = redaction.stream()
    bounds = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    written = b"".join(stream.write(text[a:b]) for a, b in pairwise(bounds))
    written += stream.finish()
    assert b"secret-one" not in written
    assert written.replace(MASK.encode(), b"").replace(b"-longer", b"") == (
        redaction.text(text.decode()).encode().replace(MASK.encode(), b"").replace(b"-longer", b"")
    )


@given(st.from_regex(redaction._SECRET_NAME, fullmatch=True) | st.text() | st.from_regex("[a-z_]+"))
def test_no_name_of_a_secret_is_left_out_by_its_words(name: str) -> None:
    name = name.lower()
    is_one = re.fullmatch(redaction._SECRET_NAME, name) is not None
    assert is_secret_name(name) == (is_one and not re.fullmatch(redaction._NO_SECRET, name))


@pytest.mark.parametrize("name", sorted(redaction._FOLDERS))
def test_folders_of_the_shell_are_no_secrets(name: str) -> None:
    assert re.fullmatch(redaction._NO_SECRET, name)
