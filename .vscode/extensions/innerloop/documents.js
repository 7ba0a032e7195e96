// @ts-check
"use strict";
// Read-only texts about a run: its log, which grows while it is shown, and its facts to compare.

const fs = require("fs");
const path = require("path");
const vscode = require("vscode");
const {facts} = require("./experiments");

/** @typedef {import("./experiments").Run} Run */

const SCHEME = "innerloop";

/** @param {string} kind @param {Run} run */
const uriOf = (kind, run) => vscode.Uri.from({scheme: SCHEME, path: `/${run.run}.${kind}`, query: run.folder});

/** @implements {vscode.TextDocumentContentProvider} */
class RunDocuments {
    /** @param {import("./tool").Tool} tool @param {import("./live_state").LiveState} live */
    constructor(tool, live) {
        this.tool = tool;
        this.live = live;
        /** @type {vscode.EventEmitter<vscode.Uri>} */ this.changed = new vscode.EventEmitter();
        this.onDidChange = this.changed.event;
        /** @type {Map<string, number | undefined>} */ this.sizes = new Map();
        live.onDidChange(() => this._follow());
        live.onDidLog(() => this._follow());
    }

    /** @param {vscode.Uri} uri */
    async provideTextDocumentContent(uri) {
        const run = this.live.state.runs.find(run => run.folder === uri.query);
        if (uri.path.endsWith(".facts")) return run ? facts(run) : "";
        this.sizes.set(uri.query, this._size(uri.query));
        return this.tool.text(["runs", "--log", uri.query], {codes: [1]}).catch(error => `${error.message}\n`);
    }

    /** @param {Run} run */
    async showLog(run) {
        const document = await vscode.workspace.openTextDocument(uriOf("log", run));
        const editor = await vscode.window.showTextDocument(document, {preview: true});
        const end = document.lineAt(document.lineCount - 1).range.end;
        editor.revealRange(new vscode.Range(end, end));
    }

    /** @param {Run} older @param {Run} newer */
    compare(older, newer) {
        const title = `${older.run} ↔ ${newer.run}`;
        return vscode.commands.executeCommand("vscode.diff", uriOf("facts", older), uriOf("facts", newer), title);
    }

    /** Logs that are open are read again when they have grown. */
    _follow() {
        for (const document of vscode.workspace.textDocuments) {
            const {uri} = document;
            if (uri.scheme !== SCHEME || !uri.path.endsWith(".log")) continue;
            const size = this._size(uri.query);
            if (size === this.sizes.get(uri.query)) continue;
            this.sizes.set(uri.query, size);
            this.changed.fire(uri);
        }
    }

    /** The bytes of a run's log. @param {string} folder */
    _size(folder) {
        return fs.statSync(path.join(this.tool.root, folder, ".run", "log.txt"), {throwIfNoEntry: false})?.size;
    }

    dispose() {
        this.changed.dispose();
    }
}

module.exports = {RunDocuments, SCHEME};
