"""Files that probably contain a secret, by their names or their content.

Few false positives matter more than finding every secret, because a match stops a submission.
"""

from __future__ import annotations

import re

_NAMES = (
    (re.compile(r"\.env(\..+)?"), "environment files contain passwords"),
    (re.compile(r".+\.(pem|key|pfx|p12|jks|kdbx|ppk)"), "a key or a certificate by its name"),
    (re.compile(r"id_(rsa|dsa|ecdsa|ed25519)"), "a private SSH key by its name"),
    (re.compile(r"\.(netrc|pgpass|git-credentials|pypirc|npmrc)|kaggle\.json"), "contains logins"),
    (re.compile(r"(.+[-_.])?(credentials?|secrets?)(\.(json|ya?ml|toml|ini|txt))?"),
     "credentials by its name"),
    (re.compile(r".+\.publishsettings|azureauth\.json"), "Azure credentials by its name"),
)  # fmt: skip
_EXAMPLES = re.compile(r".*[-_.](example|sample|template|dist)s?(\..+)?")

_CONTENTS = (
    (re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----"), "a private key"),
    (re.compile(r"AccountKey=[A-Za-z0-9+/]{60,}={0,2}"), "the key of an Azure storage account"),
    (re.compile(r"[?&]sig=[A-Za-z0-9%+/]{40,}"), "a shared access signature of Azure storage"),
    (re.compile(r"SharedAccessKey=[A-Za-z0-9+/]{40,}"), "a shared access key of Azure"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "an AWS access key"),
    (re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})"), "a GitHub token"),
    (re.compile(r"\bhf_[A-Za-z0-9]{34}\b"), "a Hugging Face token"),
    (re.compile(r"\bsk-(?:proj-|ant-)?[A-Za-z0-9_-]{40,}"), "an API key"),
    (re.compile(r"\bxox[abps]-[0-9A-Za-z-]{20,}"), "a Slack token"),
    (re.compile(r"""["']?clientSecret["']?\s*[:=]\s*["'][^"'\s]{16,}"""), "a client secret"),
    (re.compile(r"\bAZURE_CLIENT_SECRET\s*=\s*[\"']?[A-Za-z0-9~._-]{30,}"), "a client secret"),
)  # fmt: skip

# Longer files are data, and are not searched.
LONGEST = 1_000_000


def by_name(path: str) -> str:
    """Why a file's name suggests a secret; "" if it does not, or is an example of such a file."""
    name = path.rpartition("/")[2].lower()
    if _EXAMPLES.fullmatch(name):
        return ""
    return next((why for pattern, why in _NAMES if pattern.fullmatch(name)), "")


def by_content(text: str) -> tuple[int, str] | None:
    """The line, from 1, of the first secret in a text, and its kind; None if there is none."""
    for pattern, what in _CONTENTS:
        if found := pattern.search(text):
            return text.count("\n", 0, found.start()) + 1, what
    return None
