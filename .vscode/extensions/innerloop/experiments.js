// @ts-check
"use strict";
// The view of experiments: their runs, submitted jobs, and what is outdated.

const vscode = require("vscode");

/**
 * @typedef {{experiment: string, folder?: string, job?: string, command: string, gpu: string,
 *   backends: string[], machines?: string[], problem: string}} Experiment
 * @typedef {{run: string, experiment: string, folder: string, state: string, backend?: string,
 *   started?: string, seconds?: number, headline?: string, scores: Record<string, unknown>,
 *   inputs?: Record<string, unknown>, command?: string, status?: string, git?: any, tags?: string[]}} Run
 * @typedef {{name: string, experiment: string, slug: string, state: string, status: string,
 *   backend: string, at: string, url: string}} Job
 * @typedef {{experiment: string, kind: string, changed: string[], update: string[]}} Outdated
 * @typedef {{experiments: Experiment[], runs: Run[], jobs: Job[], outdated: Outdated[],
 *   starting?: string[]}} State experiments of which a run was asked for that has no record yet
 * @typedef {{kind: "experiment", experiment: Experiment} | {kind: "run", run: Run}
 *   | {kind: "job", job: Job} | {kind: "outdated", outdated: Outdated}} Item
 */

// How many runs of an experiment the view shows; the page has all of them.
const MOST_RUNS = 10;
const MOST_JOBS = 5;
const ENDED = new Set(["completed", "failed", "canceled", "notresponding", "succeeded", "error"]);

/** @param {number} seconds */
function duration(seconds) {
    const whole = Math.max(0, Math.floor(seconds));
    const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
    /** @param {number} number */ const two = number => String(number).padStart(2, "0");
    return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** @param {Run} run @param {number} now milliseconds */
function timeOf(run, now) {
    if (typeof run.seconds === "number") return duration(run.seconds);
    const started = Date.parse(run.started || "");
    return isRunning(run) && !isNaN(started) ? duration((now - started) / 1000) : "";
}

/** @param {unknown} value null stands for what JSON does not have: NaN and infinities */
function short(value) {
    if (value === null) return "nan";
    if (typeof value !== "number") return String(value ?? "");
    return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

/** The score that people look for first: "accuracy 0.97". @param {Run} run */
function scoreOf(run) {
    const name = run.headline || "";
    return name && name in run.scores ? `${name.replace(/_/g, " ")} ${short(run.scores[name])}` : "";
}

/** @param {Run} run */
const isRunning = run => run.state === "running" || run.state === "waiting";

/** @param {Job} job */
const hasEnded = job => ENDED.has((job.status || job.state).toLowerCase()) || job.state === "unsent";

/** How a run stands, in a few words. @param {Run} run @param {number} now */
function aboutRun(run, now) {
    return [run.state, scoreOf(run), timeOf(run, now)].filter(Boolean).join(" · ");
}

/** @param {string} state */
function iconOf(state) {
    if (state === "running") return ["loading~spin", "charts.blue"];
    if (state === "waiting") return ["watch", "charts.blue"];
    if (state === "done") return ["pass", "testing.iconPassed"];
    if (/^stopped/.test(state)) return ["circle-slash", ""];
    if (/^(failed|killed|canceled|unreadable)/.test(state)) return ["error", "testing.iconFailed"];
    return ["circle-outline", ""];
}

/** The items below one, or those at the top. @param {State} state @param {Item} [item] @returns {Item[]} */
function below(state, item) {
    if (!item) return state.experiments.map(experiment => ({kind: "experiment", experiment}));
    if (item.kind !== "experiment") return [];
    const name = item.experiment.experiment;
    /** @param {{experiment: string}} other */ const own = other => other.experiment === name;
    /** @type {Item[]} */ const outdated = state.outdated.filter(own).map(outdated => ({kind: "outdated", outdated}));
    const jobs = state.jobs.filter(own).slice(-MOST_JOBS).reverse();
    // A submitted job whose outputs were downloaded is a run as well: it is shown as the job.
    const names = new Set(jobs.map(job => job.name));
    const runs = state.runs.filter(run => own(run) && !names.has(run.run)).reverse();
    const going = runs.filter(isRunning);
    const others = runs.filter(run => !isRunning(run)).slice(0, MOST_RUNS);
    return [
        ...outdated,
        ...[...going, ...others].map(run => /** @type {Item} */ ({kind: "run", run})),
        ...jobs.map(job => /** @type {Item} */ ({kind: "job", job})),
    ];
}

/** What differs between two runs, as two texts for the editor of differences. @param {Run} run */
function facts(run) {
    const lines = [
        `run       ${run.run}`,
        `state     ${run.state}`,
        `time      ${timeOf(run, Date.now())}`,
        `backend   ${run.backend || ""}`,
        `code      ${run.git?.commit || ""}${run.git?.dirty ? " with uncommitted changes" : ""}`,
        `command   ${run.command || ""}`,
    ];
    for (const [title, values] of /** @type {const} */ ([["inputs", run.inputs], ["scores", run.scores]])) {
        lines.push("", title);
        for (const name of Object.keys(values || {}).sort()) lines.push(`    ${name} = ${short((values || {})[name])}`);
    }
    return lines.join("\n") + "\n";
}

/** What tells a row from the others of the view. @param {Item} item */
function keyOf(item) {
    if (item.kind === "experiment") return `experiment ${item.experiment.experiment}`;
    if (item.kind === "run") return `run ${item.run.folder}`;
    return item.kind === "job" ? `job ${item.job.name}` : `outdated ${item.outdated.experiment} ${item.outdated.kind}`;
}

/** Each row of the view with all that it shows, and the rows at the top. @param {State} state @param {number} at milliseconds */
function drawn(state, at) {
    /** @type {Map<string, {item: Item, text: string}>} */ const rows = new Map();
    const tops = below(state).map(item => ({item, children: below(state, item)}));
    for (const {item, children} of tops) {
        const text = JSON.stringify([item, isStarting(state, item), children.map(keyOf)]);
        rows.set(keyOf(item), {item, text});
        for (const child of children) {
            const time = child.kind === "run" && timeOf(child.run, at);
            rows.set(keyOf(child), {item: child, text: JSON.stringify([child, time])});
        }
    }
    return {rows, tops: tops.map(top => [keyOf(top.item), !top.children.length].join()).join("\n")};
}

/** @param {State} state @param {Item} item */
const isStarting = (state, item) =>
    item.kind === "experiment" && Boolean(state.starting?.includes(item.experiment.experiment));

/** @implements {vscode.TreeDataProvider<Item>} */
class ExperimentsView {
    constructor() {
        /** @type {State} */ this.state = {experiments: [], runs: [], jobs: [], outdated: []};
        this.drawn = drawn(this.state, 0);
        /** The object by which VS Code knows a row. @type {Map<string, Item>} */
        this.rows = new Map();
        /** @type {vscode.EventEmitter<Item | undefined>} */ this.changed = new vscode.EventEmitter();
        this.onDidChangeTreeData = this.changed.event;
    }

    /** Only what differs: a row that is drawn anew loses the press on its button. @param {State} state */
    show(state) {
        const last = this.drawn;
        this.state = state;
        this.drawn = drawn(state, Date.now());
        if (last.tops !== this.drawn.tops) return this.changed.fire(undefined);
        for (const [key, {item, text}] of this.drawn.rows) {
            const before = last.rows.get(key);
            if (before && before.text !== text) this.changed.fire(this._row(item));
        }
    }

    /** @param {Item} item */
    _row(item) {
        const row = Object.assign(this.rows.get(keyOf(item)) || {}, item);
        this.rows.set(keyOf(item), row);
        return row;
    }

    /** @param {Item} [item] */
    getChildren(item) {
        return below(this.state, item).map(child => this._row(child));
    }

    /** @param {Item} item */
    getTreeItem(item) {
        if (item.kind === "experiment") return experimentItem(item.experiment, below(this.state, item), isStarting(this.state, item));
        if (item.kind === "run") return runItem(item.run);
        return item.kind === "job" ? jobItem(item.job) : outdatedItem(item.outdated);
    }
}

/** @param {Experiment} experiment @param {Item[]} children @param {boolean} starts */
function experimentItem(experiment, children, starts) {
    const {Expanded, None} = vscode.TreeItemCollapsibleState;
    const row = new vscode.TreeItem(experiment.experiment, children.length ? Expanded : None);
    row.id = `experiment ${experiment.experiment} ${children.length ? "" : "bare"}`;
    row.contextValue = experiment.problem ? "experiment.broken" : "experiment";
    const gpu = experiment.gpu && experiment.gpu !== "none" ? `gpu ${experiment.gpu}` : "";
    row.description = starts ? "starting..." : experiment.problem ? "cannot be read" : gpu;
    row.tooltip = experiment.problem || `${experiment.command}\nruns in ${experiment.backends.join(", ")}`;
    row.iconPath = new vscode.ThemeIcon(experiment.problem ? "warning" : "beaker");
    return row;
}

/** @param {string} id @param {string} label @param {[string, string]} icon */
function leaf(id, label, icon) {
    const iconPath = new vscode.ThemeIcon(icon[0], icon[1] ? new vscode.ThemeColor(icon[1]) : undefined);
    return Object.assign(new vscode.TreeItem(label), {id, iconPath});
}

/** @param {Run} run */
function runItem(run) {
    // What one looks for stands first: the view is narrow.
    const row = leaf(keyOf({kind: "run", run}), aboutRun(run, Date.now()), /** @type {[string, string]} */ (iconOf(run.state)));
    row.description = [...(run.tags || []), run.run].join(" · ");
    row.contextValue = isRunning(run) ? "run.running" : "run.ended";
    const inputs = Object.entries(run.inputs || {}).map(([name, value]) => `${name} = ${value}`);
    row.tooltip = [run.run, aboutRun(run, Date.now()), run.backend, ...inputs].filter(Boolean).join("\n");
    row.command = {command: "innerloop.log", title: "Show the Log", arguments: [{kind: "run", run}]};
    return row;
}

/** @param {Job} job */
function jobItem(job) {
    const state = (job.status || job.state).toLowerCase();
    const known = {completed: "done", succeeded: "done"}[state] || state;
    const icon = hasEnded(job) ? iconOf(known) : ["cloud", ""];
    const row = leaf(keyOf({kind: "job", job}), job.name, /** @type {[string, string]} */ (icon));
    row.description = [known, job.backend].join(" · ");
    row.contextValue = hasEnded(job) ? "job.ended" : "job.open";
    row.tooltip = [`submitted ${job.at.slice(0, 16).replace("T", " ")}`, job.url].filter(Boolean).join("\n");
    return row;
}

/** @param {Outdated} outdated */
function outdatedItem(outdated) {
    const row = leaf(keyOf({kind: "outdated", outdated}), `${outdated.kind} is outdated`, ["history", "charts.yellow"]);
    return Object.assign(row, {description: outdated.changed.join(", "), contextValue: "outdated"});
}

module.exports = {ExperimentsView, aboutRun, below, duration, facts, hasEnded, iconOf, isRunning, scoreOf, timeOf};
