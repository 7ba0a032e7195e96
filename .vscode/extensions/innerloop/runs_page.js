// @ts-check
"use strict";
// The runs and their curves in an editor tab, and the run that goes on in the status bar.

const crypto = require("crypto");
const vscode = require("vscode");
const {aboutRun} = require("./experiments");

/** The tool's page for a webview: it loads nothing (images are in it), and no script runs but the page's own. @param {string} html @param {string} nonce */
function guarded(html, nonce) {
    const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-${nonce}'`;
    const head = `<meta http-equiv="Content-Security-Policy" content="${policy}">`;
    // Everything of a workspace is escaped in the page: its tags are the template's.
    const [start, ...scripts] = html.split("<script>");
    const page = [start, ...scripts].join(`<script nonce="${nonce}">`);
    return page.replace(/<meta charset="utf-8">/, `$&${head}`);
}

class RunsPage {
    /** @param {import("./tool").Tool} tool @param {import("./live_state").LiveState} live */
    constructor(tool, live) {
        this.tool = tool;
        this.live = live;
        /** @type {vscode.WebviewPanel | undefined} */ this.panel = undefined;
        this.experiment = "";
        this.shown = "";
        this.reading = false;
        live.onDidChange(() => this._update());
    }

    /** @param {string} experiment "" for all */
    async show(experiment) {
        this.experiment = experiment;
        this.shown = "";
        if (!this.panel) {
            const options = {enableScripts: true, localResourceRoots: []};
            this.panel = vscode.window.createWebviewPanel("innerloop.runs", "Runs", vscode.ViewColumn.Active, options);
            this.panel.onDidDispose(() => (this.panel = undefined));
            this.panel.onDidChangeViewState(() => this._update());
        }
        this.panel.title = experiment ? `Runs: ${experiment}` : "Runs";
        this.panel.reveal();
        await this._update();
    }

    async _update() {
        // What the page shows, but for the seconds of a run that goes on.
        const state = JSON.stringify(this.live.state.runs);
        if (!this.panel?.visible || this.reading || state === this.shown) return;
        this.reading = true;
        const argv = ["runs", ...(this.experiment ? [this.experiment] : []), "--html"];
        const html = await this.tool.ask(this.tool.text(argv), "");
        this.reading = false;
        this.shown = state;
        if (this.panel && html) this.panel.webview.html = guarded(html, crypto.randomBytes(16).toString("hex"));
        if (JSON.stringify(this.live.state.runs) !== state) await this._update();
    }

    dispose() {
        this.panel?.dispose();
    }
}

class RunStatus {
    /** @param {import("./live_state").LiveState} live */
    constructor(live) {
        this.live = live;
        this.item = vscode.window.createStatusBarItem("innerloop.run", vscode.StatusBarAlignment.Left, 10);
        Object.assign(this.item, {name: "The run that goes on", command: "innerloop.log"});
        this.stop = vscode.window.createStatusBarItem("innerloop.stop", vscode.StatusBarAlignment.Left, 9);
        Object.assign(this.stop, {name: "Stop the run that goes on", text: "$(debug-stop)", tooltip: "Stop the run", command: "innerloop.stop"});
        /** @type {NodeJS.Timeout | undefined} */ this.clock = undefined;
        live.onDidChange(() => this._update());
    }

    _update() {
        const run = this.live.running.pop();
        vscode.commands.executeCommand("setContext", "innerloop.running", Boolean(run));
        for (const item of [this.item, this.stop]) run ? item.show() : item.hide();
        this._write();
        clearInterval(this.clock);
        // Only the time: nothing is asked of the tool.
        this.clock = run && setInterval(() => this._write(), 1000);
    }

    _write() {
        const running = this.live.running;
        const run = running.at(-1);
        if (!run) return;
        const about = aboutRun(run, Date.now()).replace(/^running · /, "");
        this.item.text = `$(loading~spin) ${run.experiment} ${about}${running.length > 1 ? ` and ${running.length - 1} more` : ""}`;
        this.item.tooltip = `${run.run}: show its log`;
    }

    dispose() {
        clearInterval(this.clock);
        this.item.dispose();
        this.stop.dispose();
    }
}

module.exports = {RunStatus, RunsPage, guarded};
