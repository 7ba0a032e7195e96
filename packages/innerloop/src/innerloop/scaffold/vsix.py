"""VS Code's extension of the workspace as a VSIX, for a VS Code that does not take it from the folder.

The same files make the same bytes, on every system. Source: the Open Packaging Conventions, and the
manifest that VS Code's own packer writes.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from xml.sax.saxutils import escape, quoteattr

from ..util.late_patterns import late_pattern
from .workspace_template import EXTENSION, File, extension_files

_TYPES = {
    "js": "application/javascript",
    "json": "application/json",
    "md": "text/markdown",
    "py": "text/x-python",
    "svg": "image/svg+xml",
    "vsixmanifest": "text/xml",
}
_SEMANTIC = late_pattern(r"\d+\.\d+\.\d+")
# The oldest time that a zip archive can have.
_TIME = (1980, 1, 1, 0, 0, 0)


def pack(template: Mapping[str, File], version: str) -> bytes:
    """The archive. `template` has the extension's files; `version` is the tool's.

    Raises ValueError for a version that does not begin with three numbers, and for a file whose
    kind has no content type.
    """
    number = _SEMANTIC.match(version)
    if number is None:
        raise ValueError(f"{version} does not begin with three numbers")
    contents = {
        name.removeprefix(EXTENSION): template[name].content.replace(b"\r\n", b"\n")
        for name in extension_files(template)
    }
    manifest = {**json.loads(contents["package.json"]), "version": number[0]}
    contents["package.json"] = (json.dumps(manifest, indent=4) + "\n").encode()
    parts = {
        "[Content_Types].xml": _content_types(contents).encode(),
        "extension.vsixmanifest": _manifest(manifest).encode(),
        **{f"extension/{name}": contents[name] for name in sorted(contents)},
    }
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in parts.items():
            entry = zipfile.ZipInfo(name, _TIME)
            entry.create_system = 3  # as on Unix, wherever it is made
            entry.external_attr = 0o100644 << 16
            file.writestr(entry, content)  # stored: zlib's versions compress in different ways
    return archive.getvalue()


def _content_types(names: Mapping[str, bytes]) -> str:
    kinds = sorted({name.rpartition(".")[2] for name in names} | {"vsixmanifest"})
    if unknown := [kind for kind in kinds if kind not in _TYPES]:
        raise ValueError(f"no content type is known for .{unknown[0]}")
    rows = "".join(f'<Default Extension=".{kind}" ContentType="{_TYPES[kind]}"/>' for kind in kinds)
    space = "http://schemas.openxmlformats.org/package/2006/content-types"
    return f'<?xml version="1.0" encoding="utf-8"?>\n<Types xmlns="{space}">{rows}</Types>\n'


def _manifest(package: Mapping[str, object]) -> str:
    def attribute(key: str) -> str:
        return quoteattr(str(package[key]))

    kinds = package["extensionKind"]
    assert isinstance(kinds, list)
    engines = package["engines"]
    assert isinstance(engines, dict)
    properties = {
        "Microsoft.VisualStudio.Code.Engine": str(engines["vscode"]),
        "Microsoft.VisualStudio.Code.ExtensionKind": ",".join(kinds),
    }
    rows = "".join(
        f"<Property Id={quoteattr(key)} Value={quoteattr(value)}/>"
        for key, value in properties.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<PackageManifest Version="2.0.0" '
        'xmlns="http://schemas.microsoft.com/developer/vsx-schema/2011">\n'
        f'<Metadata><Identity Language="en-US" Id={attribute("name")} '
        f"Version={attribute('version')} Publisher={attribute('publisher')}/>"
        f"<DisplayName>{escape(str(package['displayName']))}</DisplayName>"
        f'<Description xml:space="preserve">{escape(str(package["description"]))}</Description>'
        f"<Properties>{rows}</Properties></Metadata>\n"
        '<Installation><InstallationTarget Id="Microsoft.VisualStudio.Code"/></Installation>\n'
        "<Dependencies/>\n"
        '<Assets><Asset Type="Microsoft.VisualStudio.Code.Manifest" '
        'Path="extension/package.json" Addressable="true"/></Assets>\n'
        "</PackageManifest>\n"
    )
