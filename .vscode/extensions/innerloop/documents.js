// @ts-check
"use strict";
// Read-only texts about a run: its log, which grows while it is shown, and its facts to compare.

const path = require("path");
const vscode = require("vscode");
const {facts, isRunning} = require("./experiments");

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
        /** @type {vscode.EventEmitter<vscode.Uri>} */
        this.changed = new vscode.EventEmitter();
        this.onDidChange = this.changed.event;
        /** @type {Map<string, vscode.Disposable>} */
        this.followed = new Map();
        live.onDidChange(() => this._follow());
    }

    /** @param {vscode.Uri} uri */
    async provideTextDocumentContent(uri) {
        const run = this.live.state.runs.find(run => run.folder === uri.query);
        if (uri.path.endsWith(".facts")) return run ? facts(run) : "";
        return this.tool.text(["runs", "--log", uri.query], {codes: [1]}).catch(error => `${error.message}\n`);
    }

    /** @param {Run} run */
    async showLog(run) {
        const document = await vscode.workspace.openTextDocument(uriOf("log", run));
        const editor = await vscode.window.showTextDocument(document, {preview: true});
        const end = document.lineAt(document.lineCount - 1).range.end;
        editor.revealRange(new vscode.Range(end, end));
        this._follow();
    }

    /** @param {Run} older @param {Run} newer */
    compare(older, newer) {
        const title = `${older.run} ↔ ${newer.run}`;
        return vscode.commands.executeCommand("vscode.diff", uriOf("facts", older), uriOf("facts", newer), title);
    }

    /** Logs that are open are read again while their runs go on, and once when these have ended. */
    _follow() {
        const open = new Map(
            vscode.workspace.textDocuments
                .filter(document => document.uri.scheme === SCHEME && document.uri.path.endsWith(".log"))
                .map(document => [document.uri.query, document.uri]),
        );
        const going = new Set(this.live.state.runs.filter(isRunning).map(run => run.folder));
        for (const [folder, watcher] of this.followed) {
            if (open.has(folder) && going.has(folder)) continue;
            watcher.dispose();
            this.followed.delete(folder);
            const uri = open.get(folder);
            if (uri) this.changed.fire(uri);
        }
        for (const [folder, uri] of open) {
            if (!going.has(folder) || this.followed.has(folder)) continue;
            const base = vscode.Uri.file(path.join(this.tool.root, folder, ".run"));
            const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(base, "log.txt"));
            const again = () => this.changed.fire(uri);
            const parts = [watcher, watcher.onDidChange(again), watcher.onDidCreate(again)];
            this.followed.set(folder, vscode.Disposable.from(...parts));
            again();
        }
    }

    dispose() {
        for (const watcher of this.followed.values()) watcher.dispose();
        this.changed.dispose();
    }
}

module.exports = {RunDocuments, SCHEME};
