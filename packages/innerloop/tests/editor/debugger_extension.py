"""What of the Python debugger extension F5 needs.

It hands the configuration to debugpy's adapter, one that it starts (launch) or one that listens
already (`connect`). The extension itself is on no package index; all else of F5 is VS Code's own
and the real debugpy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

PACKAGE = {
    "name": "debugger",
    "publisher": "tests",
    "version": "1.0.0",
    "engines": {"vscode": "^1.80.0"},
    "main": "./main.js",
    "activationEvents": ["onDebug"],
    "contributes": {
        "breakpoints": [{"language": "python"}],
        "debuggers": [
            {
                "type": "debugpy",
                "label": "Python Debugger",
                "languages": ["python"],
                "configurationAttributes": {"attach": {}, "launch": {}},
            }
        ],
    },
}
MAIN = """const vscode = require('vscode');
const adapter = session => {
    const at = session.configuration.connect;
    return at ? new vscode.DebugAdapterServer(at.port, at.host)
        : new vscode.DebugAdapterExecutable(PYTHON, ['-m', 'debugpy.adapter']);
};
const child = event => event.event === 'debugpyAttach' && vscode.debug.startDebugging(
    undefined, event.body, {parentSession: event.session, lifecycleManagedByParent: true});
exports.activate = context => context.subscriptions.push(
    vscode.debug.onDidReceiveDebugSessionCustomEvent(child),
    vscode.debug.registerDebugAdapterDescriptorFactory('debugpy',
        {createDebugAdapterDescriptor: adapter}));
"""


def install(extensions: Path) -> None:
    folder = extensions / "tests.debugger-1.0.0"
    folder.mkdir(parents=True)
    (folder / "package.json").write_text(json.dumps(PACKAGE))
    (folder / "main.js").write_text(MAIN.replace("PYTHON", json.dumps(sys.executable)))
