// @ts-check
"use strict";
// What the tool knows of this workspace, read again when files say that something has changed.

const path = require("path");
const vscode = require("vscode");
const {isRunning} = require("./experiments");

/** @typedef {import("./experiments").State} State */

// What is asked of the tool, by the part of the state that it is.
const QUESTIONS = /** @type {const} */ ({
    experiments: ["list", "--json"],
    runs: ["runs", "--json", "--last", "200"],
    jobs: ["status", "--all", "--json"],
});
/** @typedef {keyof typeof QUESTIONS} Part */
const PARTS = /** @type {Part[]} */ (Object.keys(QUESTIONS));
// Changes within so many milliseconds count as one; and so many times as long as an answer took.
const CALM = 300;
const REST = 3;
// While a run or a task goes on it is looked after so many milliseconds without a change: a watcher may
// begin too late or not at all, and misses what a container on another machine writes.
const HEARTBEAT = 5000;
// Whether images are outdated is asked of the engine: not more often than this, in milliseconds.
const OUTDATED_AGE = 60_000;

/** The folder of the newest run. @param {State} state @param {string} experiment */
const newest = (state, experiment) => state.runs.filter(run => run.experiment === experiment).pop()?.folder;

class LiveState {
    /** @param {import("./tool").Tool} tool */
    constructor(tool) {
        this.tool = tool;
        /** @type {State} */ this.state = {experiments: [], runs: [], jobs: [], outdated: []};
        this.isRead = false;
        /** @type {vscode.EventEmitter<State>} */ this.changed = new vscode.EventEmitter();
        this.onDidChange = this.changed.event;
        /** @type {vscode.EventEmitter<void>} */ this.logged = new vscode.EventEmitter();
        this.onDidLog = this.logged.event;
        /** @type {Map<string, vscode.Disposable>} */ this.watched = new Map();
        this.outdatedAt = 0;
        /** Experiments whose run starts, each with its newest run before. @type {Map<string, string | undefined>} */
        this.starting = new Map();
        /** @type {NodeJS.Timeout | undefined} */ this.timer = undefined;
        /** @type {NodeJS.Timeout | undefined} */ this.heartbeat = undefined;
        /** @type {Promise<void>} */ this.reading = Promise.resolve();
        /** @type {Set<Part>} */ this.dirty = new Set();
        /** @type {Set<Part>} */ this.soon = new Set();
        this.took = 0;
        this.isDisposed = false;
    }

    /** The runs that go on, oldest first. */
    get running() {
        return this.state.runs.filter(isRunning);
    }

    /** Reads parts of the state once more, after what is being read now; several calls count as one. @param {Part[]} parts */
    refresh(parts = PARTS) {
        const isWaiting = this.dirty.size > 0;
        parts.forEach(part => this.dirty.add(part));
        if (!isWaiting) this.reading = this.reading.then(() => this._read());
        return this.reading;
    }

    /** @param {Part[]} parts */
    refreshSoon(parts = PARTS) {
        parts.forEach(part => this.soon.add(part));
        this.timer ??= setTimeout(() => {
            this.timer = undefined;
            const now = [...this.soon];
            this.soon.clear();
            this.refresh(now);
        }, Math.max(CALM, REST * this.took));
    }

    /** A run was asked for: it is said until its record is there, or its task has ended. @param {string} experiment */
    starts(experiment) {
        this.starting.set(experiment, newest(this.state, experiment));
        this._show(this.state);
    }

    /** Images and dev containers may be outdated, or no longer. */
    async refreshAll() {
        this.outdatedAt = 0;
        this.starting.clear();
        await this.refresh();
    }

    async _read() {
        const parts = [...this.dirty];
        this.dirty.clear();
        if (this.isDisposed) return;
        const {tool, state} = this;
        const start = Date.now();
        const asked = Promise.all(parts.map(part => tool.json([...QUESTIONS[part]])));
        const answers = await tool.ask(asked, parts.map(part => state[part]));
        this.took = Date.now() - start;
        this._show({...this.state, ...Object.fromEntries(parts.map((part, i) => [part, answers[i]]))});
        if (Date.now() - this.outdatedAt > OUTDATED_AGE && !tool.isBroken) this._readOutdated();
    }

    /** Beside the rest: an engine may take its time. Without one it is not known, which is no failure. */
    async _readOutdated() {
        this.outdatedAt = Date.now();
        const outdated = await this.tool.json(["outdated", "--json"]).catch(() => []);
        this._show({...this.state, outdated});
    }

    /** @param {State} state */
    _show(state) {
        if (this.isDisposed) return;
        for (const [name, last] of this.starting) newest(state, name) === last || this.starting.delete(name);
        this.state = {...state, starting: [...this.starting.keys()]};
        this.isRead = true;
        this._watch();
        this.changed.fire(this.state);
        clearTimeout(this.heartbeat);
        const goesOn = state.runs.some(isRunning) || this.starting.size || vscode.tasks.taskExecutions.length;
        if (goesOn) this.heartbeat = setTimeout(() => this.refresh(["runs"]), HEARTBEAT);
    }

    /** Watches what begins and ends, and the folders in which runs that go on write. */
    _watch() {
        const slugs = new Set(this.state.runs.map(run => run.folder.split("/")[1]));
        /** @type {Map<string, Part>} */ const wanted = new Map([
            [".innerloop/running", "runs"],
            [".innerloop/jobs", "jobs"],
            ["outputs", "runs"],
            ["src", "experiments"],
        ]);
        for (const slug of slugs) wanted.set(`outputs/${slug}`, "runs");
        for (const one of this.state.experiments) wanted.set(one.folder || `src/${one.experiment}`, "experiments");
        for (const run of this.running) wanted.set(run.folder, "runs").set(`${run.folder}/.run`, "runs");
        for (const [folder, watcher] of this.watched) {
            if (wanted.has(folder)) continue;
            watcher.dispose();
            this.watched.delete(folder);
        }
        for (const [folder, part] of wanted) this.watched.has(folder) || this.watched.set(folder, this._watcher(folder, part));
    }

    /**
     * A watcher of one folder without those below it. `files.watcherExclude` has outputs, and counts
     * only for watchers of whole trees.
     * @param {string} folder @param {Part} part
     */
    _watcher(folder, part) {
        const base = vscode.Uri.file(path.join(this.tool.root, folder));
        const watcher = vscode.workspace.createFileSystemWatcher(new vscode.RelativePattern(base, "*"));
        // A log grows with every line and changes nothing of the state.
        /** @param {vscode.Uri} uri */
        const soon = uri => (path.basename(uri.fsPath) === "log.txt" ? this.logged.fire() : this.refreshSoon([part]));
        const parts = [watcher, watcher.onDidCreate(soon), watcher.onDidChange(soon), watcher.onDidDelete(soon)];
        return vscode.Disposable.from(...parts);
    }

    dispose() {
        this.isDisposed = true;
        clearTimeout(this.timer);
        clearTimeout(this.heartbeat);
        for (const watcher of this.watched.values()) watcher.dispose();
        this.changed.dispose();
    }
}

module.exports = {LiveState};
