"""Names that Kubernetes accepts.

Source: its "Object Names and IDs" (labels of RFC 1123, and for a Service of RFC 1035, which begin
with a letter).
"""

from __future__ import annotations

import hashlib
import re

from ..util.late_patterns import late_pattern

# A CronWorkflow's name, to which the controller adds 11 characters for each run.
LONGEST_CRON = 52
_LABEL = late_pattern(r"[a-z]([a-z0-9-]*[a-z0-9])?")


def label(text: str, longest: int = 63) -> str:
    """The text as a label that begins with a letter. A long text is cut and gets a digest."""
    plain = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if not plain[:1].isalpha():
        plain = f"x-{plain}".rstrip("-")
    if len(plain) <= longest:
        return plain
    short = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{plain[: longest - 7].rstrip('-')}-{short}"


def is_label(text: str, longest: int = 63) -> bool:
    return len(text) <= longest and _LABEL.fullmatch(text) is not None


def of_value(name: str) -> str:
    """The parameter for a name of the search space.

    The parameter `trial` is the trial's own name, and no name of a search space contains a hyphen.
    """
    return "trial-value" if name == "trial" else name


def label_value(text: str) -> str:
    """The value of a Kubernetes label: at most 63 of letters, digits, `-`, `_` and `.`."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text)[:63].strip("-_.")
