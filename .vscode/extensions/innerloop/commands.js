// @ts-check
"use strict";
// The commands of the view, the palette and the status bar.

const fs = require("fs");
const path = require("path");
const vscode = require("vscode");

/** @typedef {import("./experiments").Item} Item */
/** @typedef {import("./experiments").Run} Run */

// The file that makes a folder an experiment.
const JOB_FILE = "azure-ml-job.yaml";
// Commands of the tool that need nothing but an experiment.
const VERBS = ["test", "submit", "build", "terminal", "share"];

class Commands {
    /**
     * @param {import("./tool").Tool} tool @param {import("./live_state").LiveState} live @param {import("./documents").RunDocuments} documents
     * @param {import("./runs_page").RunsPage} page @param {import("./launches").Launches} launches
     */
    constructor(tool, live, documents, page, launches) {
        this.tool = tool;
        this.live = live;
        this.documents = documents;
        this.page = page;
        this.launches = launches;
        /** Where the cursor was in each file. @type {Map<string, vscode.Selection>} */
        this.cursors = new Map();
    }

    /** @returns {vscode.Disposable[]} */
    register() {
        /** @type {Record<string, (item?: Item) => unknown>} */ const commands = {
            ...Object.fromEntries(VERBS.map(verb => [verb, (/** @type {Item | undefined} */ item) => this._task(item, verb)])),
            run: item => this._run(item),
            jupyter: item => this._task(item, "jupyter", "--open"),
            container: item => this._task(item, "open"),
            debug: item => this._debug(item),
            add: item => this._add(item),
            new: () => this._new(),
            rename: item => this._rename(item),
            openJob: item => this._openJob(item),
            runs: item => this.page.show(item?.kind === "experiment" ? item.experiment.experiment : ""),
            refresh: () => this.live.refreshAll(),
            log: item => this._withRun(item, run => this.documents.showLog(run)),
            stop: item => this._withRun(item, run => this._say("stop", ["cancel", run.run])),
            outputs: item => this._withRun(item, run => vscode.commands.executeCommand("revealInExplorer", vscode.Uri.file(path.join(this.tool.root, run.folder)))),
            tag: item => this._withRun(item, run => this._tag(run)),
            compare: item => this._withRun(item, run => this._compare(run)),
            changes: item => this._withRun(item, run => this._changes(run)),
            jobLog: item => this._job(item, "logs", "--follow"),
            jobStatus: item => this._job(item, "status"),
            cancel: item => this._job(item, "cancel"),
            download: item => this._job(item, "download"),
            update: item => this._update(item),
        };
        const follow = vscode.window.onDidChangeTextEditorSelection(({textEditor, selections}) =>
            this.cursors.set(textEditor.document.uri.toString(), selections[0]));
        return [follow, ...Object.entries(commands).map(([name, act]) =>
            vscode.commands.registerCommand(`innerloop.${name}`, item =>
                Promise.resolve(item).then(act).catch(error => this.tool.say(error))))];
    }

    /** The experiment of an item of the view, or the one that a person chooses. @param {Item} [item] */
    async _experiment(item) {
        if (item?.kind === "experiment") return item.experiment.experiment;
        if (!this.live.isRead) await this.live.refresh();
        const names = this.live.state.experiments.map(experiment => experiment.experiment);
        if (names.length < 2) return names[0];
        const open = vscode.window.activeTextEditor?.document.uri.fsPath || "";
        const here = names.find(name => open.startsWith(path.join(this.tool.root, this._folderOf(name)) + path.sep));
        const sorted = here ? [here, ...names.filter(name => name !== here)] : names;
        return vscode.window.showQuickPick(sorted, {placeHolder: "Which experiment?"});
    }

    /** The folder of an experiment's code, from the root. @param {string} name */
    _folderOf(name) {
        return this.live.state.experiments.find(one => one.experiment === name)?.folder || `src/${name}`;
    }

    /** @param {Item | undefined} item @param {string} verb @param {...string} options */
    async _task(item, verb, ...options) {
        const name = await this._experiment(item);
        if (name) await this.tool.task(`${verb} ${name}`, [verb, name, ...options]);
    }

    /** @param {Item} [item] */
    async _run(item) {
        const name = await this._experiment(item);
        if (!name) return;
        this.live.starts(name);
        await this.tool.task(`run ${name}`, ["run", name]);
    }

    /** @param {Item} [item] */
    async _debug(item) {
        const name = await this._experiment(item);
        if (name) await this.launches.debug(name, {kind: "run", target: name});
    }

    /** The tabs of its files are opened at the new place, with their cursors. @param {Item} [item] */
    async _rename(item) {
        const name = await this._experiment(item);
        const to = name && (await this._askName(`New name of ${name}`, name));
        if (!name || !to || to === name) return;
        const old = path.join(this.tool.root, this._folderOf(name)) + path.sep;
        await vscode.workspace.saveAll(false);
        const shown = vscode.window.activeTextEditor?.document.uri.fsPath;
        const tabs = vscode.window.tabGroups.all.flatMap(group => group.tabs).flatMap(tab => {
            const uri = /** @type {vscode.TabInputText | undefined} */ (tab.input)?.uri;
            return uri?.fsPath?.startsWith(old) ? [{tab, uri}] : [];
        });
        await this._say("rename", ["rename", name, to]);
        const folder = path.join(this.tool.root, this._folderOf(to));
        tabs.sort((a, b) => Number(a.uri.fsPath === shown) - Number(b.uri.fsPath === shown));
        for (const {tab, uri} of tabs) {
            const moved = vscode.Uri.file(path.join(folder, uri.fsPath.slice(old.length)));
            const options = {viewColumn: tab.group.viewColumn, preview: tab.isPreview, selection: this.cursors.get(uri.toString())};
            if (fs.existsSync(moved.fsPath)) await vscode.commands.executeCommand("vscode.open", moved, options);
        }
        await vscode.window.tabGroups.close(tabs.map(one => one.tab));
    }

    /** @param {Item} [item] @param {string} [known] */
    async _openJob(item, known) {
        const name = known || (item?.kind === "experiment" ? item.experiment.experiment : await this._experiment());
        if (!name) return;
        const found = this.live.state.experiments.find(one => one.experiment === name);
        const job = found?.job || `${this._folderOf(name)}/${JOB_FILE}`;
        await vscode.window.showTextDocument(vscode.Uri.file(path.join(this.tool.root, ...job.split("/"))));
    }

    /** @param {Item} [item] */
    async _add(item) {
        const name = await this._experiment(item);
        const words = name && (await vscode.window.showInputBox({
            prompt: `Packages for ${name}, with a version or without one`,
            placeHolder: "scikit-learn  \"polars>=1\"",
        }));
        const packages = (words || "").split(/[\s,"']+/).filter(Boolean);
        if (name && packages.length) await this.tool.task(`add to ${name}`, ["add", name, ...packages]);
    }

    /** @param {string} prompt @param {string} [value] */
    _askName(prompt, value) {
        /** @param {string} text */
        const validateInput = text => (/^[a-z][a-z0-9_]*(\/[a-z][a-z0-9_]*)*$/.test(text) ? undefined : "Lower-case letters, digits and _");
        return vscode.window.showInputBox({prompt, value, validateInput});
    }

    async _new() {
        const name = await this._askName("Name of the experiment (lower-case letters, digits and _; / for a domain)");
        if (!name) return;
        const said = await this.tool.text(["new", name]);
        await this.live.refresh();
        await this._openJob(undefined, name).catch(() => vscode.window.showInformationMessage(said));
    }

    /** @param {Item | undefined} item @param {(run: Run) => unknown} act */
    async _withRun(item, act) {
        const run = item?.kind === "run" ? item.run : this.live.running.pop();
        if (run) await act(run);
        else vscode.window.showInformationMessage("No run goes on.");
    }

    /** @param {string} what @param {string[]} args */
    async _say(what, args) {
        const options = {location: vscode.ProgressLocation.Window, title: `innerloop: ${what}`};
        await vscode.window.withProgress(options, () => this.tool.text(args));
        await this.live.refresh();
    }

    /** @param {Run} run */
    async _tag(run) {
        const names = await vscode.window.showInputBox({prompt: `Tag ${run.run} as`, placeHolder: "best"});
        if (names?.trim()) await this._say("tag", ["runs", "tag", run.folder, ...names.trim().split(/\s+/)]);
    }

    /** @param {Run} run */
    async _compare(run) {
        const others = this.live.state.runs.filter(other => other.folder !== run.folder).reverse();
        others.sort((a, b) => Number(b.experiment === run.experiment) - Number(a.experiment === run.experiment));
        const rows = others.map(other => ({label: other.run, description: `${other.experiment} · ${other.state}`, run: other}));
        const chosen = await vscode.window.showQuickPick(rows, {placeHolder: `Compare ${run.run} with which run?`});
        if (!chosen) return;
        const isOlder = (chosen.run.started || "") <= (run.started || "");
        await this.documents.compare(...(isOlder ? /** @type {const} */ ([chosen.run, run]) : /** @type {const} */ ([run, chosen.run])));
    }

    /** @param {Run} run */
    async _changes(run) {
        const patch = path.join(this.tool.root, run.folder, ".run", "changes.patch");
        if (fs.existsSync(patch)) await vscode.window.showTextDocument(vscode.Uri.file(patch));
        else vscode.window.showInformationMessage(`${run.run} ran what was committed.`);
    }

    /** @param {Item | undefined} item @param {string} verb @param {...string} options */
    async _job(item, verb, ...options) {
        if (item?.kind === "job") await this.tool.task(`${verb} ${item.job.name}`, [verb, item.job.name, ...options]);
    }

    /** @param {Item} [item] */
    async _update(item) {
        if (item?.kind === "outdated") await this.tool.task(`update ${item.outdated.experiment}`, item.outdated.update);
    }
}

module.exports = {Commands};
