"""Files that probably contain a secret, by their names or their content.

What the tool sends (a submission, a deployment, an image) and what it copies (the code of a run) are
checked by the same rules. Few false positives matter more than finding every secret, because a match
stops a submission.
"""

from __future__ import annotations

from ..util.late_patterns import late_pattern
from ..util.quick_dataclasses import dataclass
from ..util.redaction import TOKENS, Form

# By the file's own name.
_NAMES = (
    (late_pattern(r"\.env(rc|\..+)?|.+\.env"), "environment files contain passwords"),
    (late_pattern(r".+\.(pem|key|pfx|p12|jks|keystore|kdbx|ppk|ovpn|p8|pvk)"),
     "a key or a certificate by its name"),
    (late_pattern(r"id_(rsa|dsa|ecdsa|ecdsa_sk|ed25519|ed25519_sk)([-_.].+)?"),
     "a private SSH key by its name"),
    (late_pattern(r"[._](netrc|pgpass|git-credentials|pypirc|my\.cnf|mylogin\.cnf|s3cfg|boto|"
                r"databrickscfg|htpasswd|dockercfg|dockerconfigjson|vault-token|terraformrc)"
                r"|pgpass\.conf|kaggle\.json"),
     "contains logins"),
    (late_pattern(r"(.+[-_.])?(credentials?|secrets?)(\.(json|ya?ml|toml|ini|txt|db))?"),
     "credentials by its name"),
    (late_pattern(r".+\.publishsettings|azureauth\.json|(msal_token_cache|service_principal_entries)"
                r"\.(json|bin)|accesstokens\.json"),
     "Azure credentials by its name"),
    (late_pattern(r"(.+\.)?tfstate(\.(backup|\d+\.backup))?|.+\.tfstate(\..+)?|(.+\.)?tfvars"),
     "Terraform's state and variables contain passwords"),
    (late_pattern(r"(.+[-_.])?kubeconfig(\.(ya?ml|conf))?|.+\.kubeconfig"),
     "credentials of a cluster by its name"),
    (late_pattern(r"(.+[-_.])?service[-_]?account([-_.]?key)?\.json"), "credentials by its name"),
)  # fmt: skip
# By the folder in which programs keep it.
_PATHS = (
    (late_pattern(r"(.*/)?\.(ssh|gnupg)/(?!known_hosts$|config$|authorized_keys$).+"),
     "a private key by its folder"),
    (late_pattern(r"(.*/)?\.kube/config|(.*/)?\.docker/config\.json|(.*/)?\.aws/credentials"
                r"|(.*/)?\.azure/.+\.(json|bin|pem)|(.*/)?\.?huggingface/token|(.*/)?gcloud/.+\.(db|json)"),
     "contains logins"),
)  # fmt: skip
_EXAMPLES = late_pattern(r"(.*[-_.])?(example|sample|template|dist)s?(\..+)?")
_PUBLIC = late_pattern(r".+\.pub")

_HEADER = r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"
_CONTENTS = (
    Form("a private key", ("PRIVATE KEY",), _HEADER),
    Form("a private key", ("client-key-data",), r"\bclient-key-data:\s*[A-Za-z0-9+/]{60,}"),
    Form("the login of a registry", ('"auth"',), r'"auth"\s*:\s*"[A-Za-z0-9+/]{12,}={0,2}"'),
    Form("an npm login", ("_authToken", "_auth", "_password"), r"(?m)(?:^|[:\s+-])_(?:authToken|auth|password)\s*=\s*(?!\$)[^\s$\"'()]{8,}\s*$"),
    *TOKENS,
)  # fmt: skip
# In binary files only what cannot be there by chance: libraries hold the words of a key's header.
_IN_BINARY = (
    Form("a private key", ("PRIVATE KEY",), _HEADER + r"(?:\s|\\n)+[A-Za-z0-9+/]{40,}"),
    *(form for form in TOKENS if "=" in form.words[0]),
)  # fmt: skip

# A file of PEM blocks of these kinds has nothing secret, whatever its name says.
_PEM_KIND = late_pattern(r"-----BEGIN ([^-\n]+)-----")
_PUBLIC_PEM = late_pattern(r"(?:TRUSTED |X509 )?CERTIFICATE(?: REQUEST)?|(?:RSA |EC )?PUBLIC KEY|"
                         r"(?:DH|EC|DSA) PARAMETERS|X509 CRL|PKCS7")  # fmt: skip

# Longer files are data, and are not searched.
LONGEST = 1_000_000


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Why a file looks like a secret; `line` is 0 if its name is the reason."""

    why: str
    line: int = 0


def suspicion(path: str, content: bytes | None) -> Suspicion | None:
    """Why a file looks like a secret; None if it does not.

    `path` has "/". `content` is None for a file that is not read: then its name alone counts.
    """
    text = "" if content is None else _decoded(content)
    if content is not None and "\0" in text:
        match = _first(_IN_BINARY, text)
    else:
        match = by_content(text)
    if match is not None:
        return Suspicion(match[1], match[0])
    why = by_name(path)
    if not why or (content is not None and _is_harmless(path, text)):
        return None
    return Suspicion(why)


def by_name(path: str) -> str:
    """Why a file's name suggests a secret; "" if it does not, or is an example of such a file."""
    path = path.lower()
    name = path.rpartition("/")[2]
    if _EXAMPLES.fullmatch(name) or _PUBLIC.fullmatch(name):
        return ""
    found = next((why for pattern, why in _NAMES if pattern.fullmatch(name)), "")
    return found or next((why for pattern, why in _PATHS if pattern.fullmatch(path)), "")


def by_content(text: str) -> tuple[int, str] | None:
    """The line, from 1, of the first secret in a text, and its kind; None if there is none."""
    return _first(_CONTENTS, text)


def _first(forms: tuple[Form, ...], text: str) -> tuple[int, str] | None:
    for form in forms:
        if found := form.search(text):
            return text.count("\n", 0, found.start()) + 1, form.what
    return None


def _is_harmless(path: str, text: str) -> bool:
    """Whether the content shows that a file with a suspect name holds nothing secret."""
    kinds = _PEM_KIND.findall(text)
    if kinds:
        return all(_PUBLIC_PEM.fullmatch(kind) for kind in kinds)
    return not text.strip()


def _decoded(content: bytes) -> str:
    """The text; of UTF-16 with its mark too, as Windows' tools write it."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    return content.decode("utf-8", "replace")
