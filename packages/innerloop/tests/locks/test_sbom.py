"""The bill of materials of a release: complete, by the locks, and the same on every machine."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from innerloop import __version__
from tools import locks, sbom


def test_every_locked_release_is_listed_with_all_its_hashes() -> None:
    listed = {
        f"{component['name']}=={component['version']}": {
            hash_["content"] for hash_ in component["externalReferences"][0]["hashes"]
        }
        for component in sbom.document()["components"]
    }
    paths = [locks.ROOT / name for name in sbom.uses()]
    expected: dict[str, set[str]] = {}
    for path in paths:
        for name, version, hashes in re.findall(
            r"(?m)^([a-z0-9._-]+)(?:\[.*?\])?==(\S+)(?: ;.*)? \\\n((?:    --hash=.*\n?)+)",
            path.read_text(encoding="utf-8"),
        ):
            found = re.findall(r"sha256:([0-9a-f]{64})", hashes)
            expected.setdefault(f"{name}=={version}", set()).update(found)
    assert listed == expected and len(expected) > 50


def test_every_lock_of_the_package_is_in_it() -> None:
    package = "packages/innerloop/"
    own = {path.relative_to(locks.ROOT).as_posix() for path in locks.lock_files()}
    shipped = {name for name in own if name.startswith((package, "scripts/"))}
    for_maintainers = {f"{package}requirements-{name}.txt" for name in ("copier", "test")}
    assert set(sbom.uses()) == shipped - for_maintainers


def test_it_has_the_form_of_cyclonedx() -> None:
    """Source: CycloneDX 1.6, bom-1.6.schema.json: required keys, patterns and enumerations."""
    bill = sbom.document()
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    pattern = r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
    assert re.fullmatch(pattern, bill["serialNumber"])
    tool = bill["metadata"]["component"]
    assert (tool["name"], tool["version"], tool["type"]) == (
        "innerloop",
        __version__,
        "application",
    )
    references = [component["bom-ref"] for component in bill["components"]]
    assert len(set(references)) == len(references)
    for component in bill["components"]:
        assert {"type", "name", "version", "purl", "bom-ref", "scope"} <= set(component)
        assert component["type"] == "library"
        assert component["scope"] in ("required", "optional", "excluded")
        assert component["purl"] == f"pkg:pypi/{component['name']}@{component['version']}"
        (reference,) = component["externalReferences"]
        assert reference["type"] == "distribution" and reference["url"].startswith("https://")
        for hash_ in reference["hashes"]:
            assert hash_["alg"] == "SHA-256" and re.fullmatch("[0-9a-f]{64}", hash_["content"])
        assert all(set(entry) == {"name", "value"} for entry in component["properties"])
    (dependency,) = bill["dependencies"]
    assert dependency["ref"] == tool["bom-ref"]
    assert {"pkg:pypi/pyyaml", "pkg:pypi/rich"} <= {
        reference.rpartition("@")[0] for reference in dependency["dependsOn"]
    }
    assert set(dependency["dependsOn"]) <= set(references)


def test_it_is_the_same_every_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert sbom.main([str(tmp_path / name)]) == 0
    text = (tmp_path / "one").read_bytes()
    assert text == (tmp_path / "two").read_bytes()
    assert json.loads(text) == sbom.document()
    assert str(locks.ROOT).encode() not in text


def test_wrong_command_line_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert sbom.main([]) == 2
    assert "usage" in capsys.readouterr().err
