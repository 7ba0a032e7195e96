// @ts-check
"use strict";
// Debugging what was chosen: an experiment, a step of a pipeline, a trial of a sweep, one test.

const fs = require("fs");
const net = require("net");
const path = require("path");
const vscode = require("vscode");

/**
 * @typedef {{kind: "run" | "test", target: string, words?: string[], rest?: string[]}} Debugged
 *   arguments of `loop run` or `loop test`; `rest` is for pytest
 */

const TYPE = "innerloop";
// What the tool prints once the debugger listens.
const READY = /^innerloop: ready for the debugger/m;
// The exit code of start/sitecustomize.py: this window's Python lacks a package of the program.
const LACKS_PACKAGE = 78;

/** The whole command line. @param {Debugged} what @param {number} port */
const argvOf = ({kind, target, words, rest}, port) =>
    [kind, target, ...(words || []), "--debug", "--port", String(port), ...(rest?.length ? ["--", ...rest] : [])];

/** @param {string} name @param {Debugged} what @returns {vscode.DebugConfiguration} */
const configurationOf = (name, what) => ({name, type: TYPE, request: "launch", ...what});

/** What attaches once it listens: as those in launch.json do. @param {string} name @param {string} root @param {number} port */
const attachTo = (name, root, port) => ({
    ...{name, type: "debugpy", request: "attach", connect: {host: "127.0.0.1", port}},
    pathMappings: [{localRoot: root, remoteRoot: `/workspaces/${path.basename(root)}`}],
    ...{justMyCode: true, subProcess: true, redirectOutput: false},
});

/** A free port of this machine. @returns {Promise<number>} */
const freePort = () => new Promise((resolve, reject) => {
    const server = net.createServer().once("error", reject).listen(0, "127.0.0.1", () => {
        const {port} = /** @type {net.AddressInfo} */ (server.address());
        server.close(() => resolve(port));
    });
});

/** A terminal whose program's output is read as well. @implements {vscode.Pseudoterminal} */
class DebugTerminal {
    /** @param {() => import("child_process").ChildProcess} start */
    constructor(start) {
        this.start = start;
        /** @type {vscode.EventEmitter<string>} */ this.written = new vscode.EventEmitter();
        this.onDidWrite = this.written.event;
        /** @type {vscode.EventEmitter<number>} */ this.closed = new vscode.EventEmitter();
        this.onDidClose = this.closed.event;
        /** Whether it listens; false if it ended before. @type {Promise<boolean>} */
        this.ready = new Promise(resolve => (this.settle = resolve));
    }

    open() {
        let said = "";
        /** @param {string} text */ const write = text => {
            this.written.fire(text.replace(/\r?\n/g, "\r\n"));
            said = (said + text).slice(-10_000);
            if (READY.test(said)) this.settle?.(true);
        };
        this.child = this.start();
        for (const stream of [this.child.stdout, this.child.stderr]) stream?.setEncoding("utf8").on("data", write);
        this.child.stdin?.on("error", () => {});
        this.child.on("error", error => write(`innerloop: ${error.message}\n`));
        this.child.on("close", code => (this.settle?.(false), this.closed.fire(code ?? 1)));
    }

    /** @param {string} keys */
    handleInput(keys) {
        if (keys === "\x03") return void this.child?.kill("SIGINT");
        this.written.fire(keys.replace(/\r/g, "\r\n"));
        this.child?.stdin?.write(keys.replace(/\r/g, "\n"));
    }

    close() {
        this.child?.kill();
    }
}

/** @implements {vscode.DebugConfigurationProvider} */
class Launches {
    /** @param {import("./tool").Tool} tool @param {import("./live_state").LiveState} live */
    constructor(tool, live) {
        this.tool = tool;
        this.live = live;
    }

    /** @param {string} name @param {Debugged} what */
    debug(name, what) {
        const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(this.tool.root));
        return vscode.debug.startDebugging(folder, configurationOf(name, what));
    }

    /** Each experiment, each step of a pipeline and a trial of a sweep, as their job files are now: here, and on each machine of the settings. */
    async provideDebugConfigurations() {
        if (!this.live.isRead) await this.live.refresh(["experiments"]);
        const all = this.live.state.experiments.map(async ({experiment, job, machines}) => {
            const file = path.join(this.tool.root, ...(job || "").split("/"));
            const answer = fs.promises.readFile(file, "utf8").then(text => this.tool.lenses(file, text));
            const lenses = (await answer.catch(() => undefined))?.lenses.filter(lens => lens.actions.includes("debug")) || [];
            return ["", ...(machines || [])].flatMap(machine => (lenses.length ? lenses : [{what: "", words: []}]).map(({what, words}) =>
                configurationOf([experiment, what].filter(Boolean).join(": ") + (machine && ` on ${machine}`), {kind: "run", target: experiment, words: machine ? [...words, "--backend", machine] : words})));
        });
        return (await Promise.all(all)).flat();
    }

    /** undefined if it ended before, which its terminal explains. @param {vscode.WorkspaceFolder | undefined} folder @param {vscode.DebugConfiguration} configuration */
    async resolveDebugConfiguration(folder, configuration) {
        const {name, kind, target, words, rest} = configuration;
        if (!target || !["run", "test"].includes(kind)) return vscode.commands.executeCommand("workbench.action.debug.selectandstart").then(() => undefined);
        const port = await freePort();
        const args = argvOf({kind, target, words, rest}, port);
        const terminal = new DebugTerminal(() => this.tool.spawn(args));
        await this.tool.execute(`debug ${name}`, args, new vscode.CustomExecution(async () => terminal));
        return (await terminal.ready) ? attachTo(name, this.tool.root, port) : undefined;
    }
}

/** Offers the environment of the experiment where this window's Python lacks a package. @param {Launches} launches */
const offerEnvironment = launches => vscode.debug.registerDebugAdapterTrackerFactory("debugpy", {
    createDebugAdapterTracker: ({configuration: {name, request, program, cwd}}) => ({
        /** @param {{event?: string, body?: {exitCode?: number}}} message */
        async onDidSendMessage({event, body}) {
            if (request !== "launch" || event !== "exited" || body?.exitCode !== LACKS_PACKAGE) return;
            const target = path.relative(launches.tool.root, program || cwd);
            const said = "This window's Python lacks a package of the program: the terminal names it.";
            if (await vscode.window.showWarningMessage(said, "Debug in Its Environment")) await launches.debug(name, {kind: "run", target});
        },
    }),
});

module.exports = {DebugTerminal, Launches, TYPE, argvOf, offerEnvironment};
