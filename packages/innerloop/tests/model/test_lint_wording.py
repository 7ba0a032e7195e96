"""The wording of every finding, in one snapshot: tests/broken/wording.txt.

To update it: `INNERLOOP_WORDING=write scripts/test packages/innerloop/tests/model/test_lint_wording.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.model import broken_cases, test_lint_argo, test_lint_deploy, test_lint_jobs

FINDINGS = {
    "argo": test_lint_argo.findings_of,
    "deploys": test_lint_deploy.findings_of,
    "jobs": test_lint_jobs.findings_of,
}


def test_wording_of_findings_is_the_snapshot(tmp_path: Path) -> None:
    lines: list[str] = []
    for kind, findings_of in FINDINGS.items():
        for name in broken_cases.names(kind):
            case = broken_cases.cases(kind)[name]
            lines += broken_cases.wording(case, findings_of(name, tmp_path / kind / name))
    if os.environ.get("INNERLOOP_WORDING") == "write":
        text = "".join(f"{line}\n" for line in lines)
        broken_cases.WORDING.write_text(text, encoding="utf-8")
    assert lines == broken_cases.WORDING.read_text(encoding="utf-8").splitlines()
