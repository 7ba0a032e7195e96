"""Masks secrets in what the tool writes: records, logs, dry runs, messages.

Two kinds are masked: values that are known to be secret, because of the variable, the input or the
URL that they come from, and texts whose form alone says so (a password in a URL, a signature, a
token of a known service). Pure, but for `of_process`, which reads the environment.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from typing import Any

from .quick_dataclasses import dataclass

MASK = "***"

# A shorter value is a switch or a number: masking it would garble every text.
SHORTEST = 8
# A password in a URL is masked in its URL whatever its length, and elsewhere from this one on.
SHORTEST_PASSWORD = 6

_SECRET_NAME = (
    r"(?:.*[_.-])?(?:token|pat|secrets?|passw(?:or)?d|passphrase|pwd|credentials?|sas|signature"
    r"|(?:api|access|account|private|secret|shared|signing|encryption|master|license|auth|storage"
    r"|subscription|client|deploy|admin|function|host)[_.-]?keys?|keys?|connection[_.-]?string"
    r"|conn[_.-]?str|dsn|webhook(?:[_.-]?url)?|cookie|access[_.-]?keys?[_.-]?id)"
    r"(?:[_.-]?(?:\d+|base64|b64|value))?"
    r"|(?:[a-z0-9]+)(?:apikey|authtoken|accesstoken|clientsecret|password|secretkey|connectionstring)"
)
# Names of that form which hold no secret: folders, and the public key that Python's images name.
_NO_SECRET = (
    r"(?:old)?pwd|gpg_key|keys?|pat|sas|signature|cookie|(?:.*[_.-])?(?:public|partition|sort|primary"
    r"|foreign|label|target|image|text|input|output|group|cache|dict|row|column|metric|random|prng"
    r"|feature|state|pad|eos|bos|unk|mask|sep|cls|special|stop)[_.-]?(?:keys?|tokens?)"
)
# A name of a secret has one of these words, or one of the short ones as a part of its own. To look for
# them first is fast: few people have such a variable, and the patterns take 5 ms to compile.
_WORDS = (
    *("token", "secret", "passw", "passphrase", "credential"),
    *("signature", "key", "conn", "webhook", "cookie"),
)
_SHORT, _AFTER_SHORT = {"pat", "pwd", "sas", "dsn"}, {"", "base64", "b64", "value"}
_FOLDERS = {"pwd", "oldpwd"}  # in every environment


@dataclass(frozen=True, slots=True)
class Form:
    """Texts that are secret by their form.

    `pattern` has at most one group: the part to mask; without one all of it is masked. `words` are
    texts of which such a text has one: to look for them first is fast, and most patterns are never
    compiled.
    """

    what: str
    words: tuple[str, ...]
    pattern: str

    def search(self, text: str) -> re.Match[str] | None:
        return re.search(self.pattern, text) if any(word in text for word in self.words) else None


def _form(what: str, words: str, pattern: str) -> Form:
    return Form(what, tuple(words.split()), pattern)


TOKENS = (
    _form("the key of an Azure storage account", "AccountKey=",
          r"AccountKey=([A-Za-z0-9+/]{60,}={0,2})"),
    _form("a shared access signature of Azure storage", "sig=",
          r"[?&]sig=([A-Za-z0-9%+/]{40,}={0,2})"),
    _form("a shared access key of Azure", "SharedAccessKey=",
          r"SharedAccessKey=([A-Za-z0-9+/]{40,}={0,2})"),
    _form("an AWS access key", "AKIA ASIA",
          r"\b(?:AKIA|ASIA)(?![A-Z0-9]*EXAMPLE)[A-Z0-9]{16}\b"),
    _form("an AWS secret key", "secret_access_key SECRET_ACCESS_KEY",
          r"(?:aws_secret_access_key|AWS_SECRET_ACCESS_KEY)[\"']?\s*[:=]\s*[\"']?"
          r"([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])"),
    _form("a GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_",
          r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})"),
    _form("a GitLab token", "glpat- gldt- glrt-", r"\bgl(?:pat|dt|rt)-[\w-]{20,}"),
    _form("a Hugging Face token", "hf_", r"\bhf_[A-Za-z0-9]{34}\b"),
    _form("an API key", "sk-", r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{40,}"),
    _form("a Google API key", "AIza", r"\bAIza[A-Za-z0-9_-]{35}\b"),
    _form("a Slack token", "xox xapp-", r"\b(?:xox[abeoprs]|xapp)-[0-9A-Za-z-]{20,}"),
    _form("a Slack webhook", "hooks.slack.com/services/",
          r"\bhooks\.slack\.com/services/(T\w{6,}/B\w{6,}/\w{16,})"),
    _form("a PyPI token", "pypi-AgE", r"\bpypi-AgE[\w-]{50,}"),
    _form("an npm token", "npm_", r"\bnpm_[A-Za-z0-9]{36}\b"),
    _form("a Databricks token", "dapi", r"\bdapi[0-9a-f]{32}\b"),
    _form("a client secret of Microsoft Entra", "7Q~ 8Q~", r"\b\w{3}[78]Q~[\w~.-]{31,34}"),
    _form("a client secret", "clientSecret",
          r"""["']?clientSecret["']?\s*[:=]\s*["']([^"'\s]{16,})"""),
    _form("a client secret", "AZURE_CLIENT_SECRET",
          r"\bAZURE_CLIENT_SECRET\s*=\s*[\"']?([A-Za-z0-9~._-]{30,})"),
    _form("a Weights & Biases key", "WANDB_API_KEY",
          r"\bWANDB_API_KEY\s*[:=]\s*[\"']?([0-9a-f]{40})\b"),
)  # fmt: skip

# The login in a URL; of `user:password@` the password, of `token@` all of it.
_LOGIN = r"(?<=://)([^\s/:@'\"<>]*):([^\s/@'\"<>]+)@|(?<=://)([^\s/:@'\"<>]{20,})@"


def is_secret_name(name: str) -> bool:
    """Whether a variable or an input of this name holds a secret."""
    name = name.lower()
    if name in _FOLDERS or not _has_word(name):
        return False
    return bool(re.fullmatch(_SECRET_NAME, name)) and not re.fullmatch(_NO_SECRET, name)


def _has_word(name: str) -> bool:
    if any(word in name for word in _WORDS):
        return True
    parts = name.replace(".", "_").replace("-", "_").split("_")
    ends = [part[3:] for part in parts if part[:3] in _SHORT]
    return any(end in _AFTER_SHORT or end.isdigit() for end in ends)


@dataclass(frozen=True, slots=True)
class Redaction:
    """Masks these values, longest first, and what is secret by its form."""

    values: tuple[str, ...] = field(default=(), repr=False)

    def with_values(self, values: Iterable[str]) -> Redaction:
        found = {form for value in values for form in _forms(value)} | set(self.values)
        return Redaction(tuple(sorted(found, key=lambda value: (-len(value), value))))

    def text(self, text: str) -> str:
        for value in self.values:
            if value in text:
                text = text.replace(value, MASK)
        return by_form(text)

    def tree(self, value: Any) -> Any:
        """A value as JSON has them, with all its texts masked, those of secret names whole."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {
                key: (
                    MASK
                    if isinstance(item, str) and len(item) >= SHORTEST and is_secret_name(str(key))
                    else self.tree(item)
                )
                for key, item in value.items()
            }
        if isinstance(value, (list, tuple)):
            return [self.tree(item) for item in value]
        return value

    def stream(self) -> RedactedStream:
        values = [value for value in self.values if "\n" not in value]
        return RedactedStream([value.encode("utf-8", "surrogateescape") for value in values])


NO_REDACTION = Redaction()


class RedactedStream:
    """Masks known values in bytes that come in chunks, also where a value spans two of them.

    `write` returns what can be passed on: it keeps back an end that a value may begin with, until
    the next chunk or `finish`. No value has a line break.
    """

    def __init__(self, values: Sequence[bytes]) -> None:
        self._pattern = re.compile(b"|".join(map(re.escape, values))) if values else None
        self._values = values
        self._kept = b""

    def write(self, chunk: bytes) -> bytes:
        if self._pattern is None:
            return chunk
        text = self._pattern.sub(MASK.encode(), self._kept + chunk)
        keep = self._beginning(text)
        self._kept = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> bytes:
        kept, self._kept = self._kept, b""
        return kept

    def _beginning(self, text: bytes) -> int:
        """The length of the longest end of the text that a value begins with."""
        if text.endswith(b"\n"):
            return 0
        longest = max(map(len, self._values), default=0)
        for length in range(min(longest - 1, len(text)), 0, -1):
            end = text[-length:]
            if any(value.startswith(end) for value in self._values):
                return length
        return 0


def by_form(text: str) -> str:
    """The text without passwords in URLs, signatures, and tokens of known services."""
    if "://" in text:
        text = re.sub(_LOGIN, _without_login, text)
    for form in TOKENS:
        if form.search(text):
            text = re.sub(form.pattern, _without_group, text)
    return text


def known(
    variables: Mapping[str, str] | None = None, urls: Iterable[str] = (), values: Iterable[str] = ()
) -> Redaction:
    """What is secret in variables (by name; logins in URLs by value), URLs and other values."""
    secret = [value for value in values if len(value) >= SHORTEST_PASSWORD]
    for name, value in (variables or {}).items():
        if len(value) >= SHORTEST and is_secret_name(name):
            secret.append(value)
        secret += secrets_in(value)
    for url in urls:
        secret += secrets_in(url)
    return Redaction().with_values(secret)


def secrets_in(text: str) -> list[str]:
    """Passwords of URLs in a text, and the tokens and signatures of known forms."""
    found = []
    if "://" in text:
        for user, password, token in re.findall(_LOGIN, text):
            parts = (password, token, f"{user}:{password}" if password else "")
            found += [part for part in parts if len(part) >= SHORTEST_PASSWORD]
    for form in TOKENS:
        if form.search(text):
            found += [match[match.lastindex or 0] for match in re.finditer(form.pattern, text)]
    return found


def of_process() -> Redaction:
    """The secrets of this process's environment."""
    return _of_environment(tuple(os.environ.items()))


@lru_cache(maxsize=4)
def _of_environment(items: tuple[tuple[str, str], ...]) -> Redaction:
    return known(dict(items))


def _forms(value: str) -> set[str]:
    """A value as programs print it: as it is, quoted for a URL, in JSON, as Python's repr, base64.

    Of a value of several lines each long line counts, since logs are read by lines.
    """
    import json
    from base64 import b64encode
    from urllib.parse import quote, unquote

    forms = {value, unquote(value), quote(value, safe=""), quote(value)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    forms |= {repr(value)[1:-1], b64encode(value.encode("utf-8", "surrogateescape")).decode()}
    forms |= {line for line in value.splitlines() if len(line) >= 16 and "-----" not in line}
    return {form for form in forms if len(form) >= SHORTEST_PASSWORD}


def _without_login(match: re.Match[str]) -> str:
    user, password, _ = match.groups()
    if password is not None:
        # `${VARIABLE}` and `<password>` name a secret, they are none.
        is_named = password.startswith(("$", "%", "{")) or set(password) == {"*"}
        return match[0] if is_named else f"{user}:{MASK}@"
    return f"{MASK}@"


def _without_group(match: re.Match[str]) -> str:
    if match.lastindex is None:
        return MASK
    start, end = match.start(1) - match.start(), match.end(1) - match.start()
    return match[0][:start] + MASK + match[0][end:]
