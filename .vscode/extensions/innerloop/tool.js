// @ts-check
"use strict";
// The door to the tool: scripts/loop with arguments, never through a shell.

const childProcess = require("child_process");
const path = require("path");
const vscode = require("vscode");

/** @typedef {{stdin?: string, timeout?: number, token?: vscode.CancellationToken}} Options */
/** @typedef {{experiment: string, lenses: import("./job_file").Lens[]}} Lenses */

// Bytes of output that are kept; a record of runs with long curves is large.
const LARGEST = 256 * 1024 * 1024;
// Milliseconds after which an answer about a text is of no use any more.
const TIMEOUT = 20000;
// Stands for the exit code of a program that was ended, or never started.
const STOPPED = 128;
const IS_WINDOWS = process.platform === "win32";

/**
 * How the tool is started for its output. Node starts no .cmd file without a shell, so on Windows
 * the launcher's own program runs with each Python in turn, as scripts/loop.cmd tries them.
 * @param {string} root @param {boolean} windows @returns {string[][]}
 */
function starts(root, windows) {
    const loop = path.join(root, "scripts", "loop");
    return windows ? [["py", "-3", loop], ["python", loop], ["python3", loop]] : [[loop]];
}

/** The last lines of what a command said, without its name in front. @param {string} text */
function reason(text) {
    const lines = text.trim().split("\n").map(line => line.replace(/^innerloop: /, "").trim());
    return lines.filter(Boolean).slice(-3).join(" ");
}

/** A command that could not be started, failed, or did not answer with JSON. */
class ToolError extends Error {}

class Tool {
    /** @param {string} root the workspace's folder */
    constructor(root) {
        this.root = root;
        /** Whether the last answer was a failure: it is said once. */
        this.isBroken = false;
    }

    /**
     * The text that a command prints; `codes` are the exit codes that are no failure.
     * @param {string[]} args @param {Options & {codes?: number[]}} [options] @returns {Promise<string>}
     */
    async text(args, options = {}) {
        const answer = await this._answer(args, options);
        if (answer.code === 0 || (options.codes || []).includes(answer.code)) return answer.out;
        throw new ToolError(reason(answer.err || answer.out) || `exit code ${answer.code}`);
    }

    /** @param {string[]} args @param {Options} options */
    async _answer(args, options) {
        let failure = "";
        for (const start of starts(this.root, IS_WINDOWS)) {
            const answer = await this._start([...start, ...args], options);
            if (!answer.missing) return answer;
            failure ||= `${start[0]} cannot be started: ${answer.err}`;
        }
        throw new ToolError(failure);
    }

    /** @param {string[]} argv @param {Options} options @returns {Promise<{code: number, out: string, err: string, missing: boolean}>} */
    _start(argv, options) {
        const limits = {cwd: this.root, maxBuffer: LARGEST, timeout: options.timeout || 0};
        return new Promise(resolve => {
            const child = childProcess.execFile(argv[0], argv.slice(1), limits, (error, out, err) => {
                cancel?.dispose();
                const code = !error ? 0 : typeof error.code === "number" ? error.code : STOPPED;
                const missing = ["ENOENT", "EACCES"].includes(String(error?.code));
                const why = err || (error && code === STOPPED ? error.message : "");
                resolve({code, out, err: why, missing});
            });
            const cancel = options.token?.onCancellationRequested(() => child.kill());
            child.stdin?.on("error", () => {});
            child.stdin?.end(options.stdin || "");
        });
    }

    /**
     * What a command prints as JSON. An exit code 1 with JSON says that something was found.
     * @param {string[]} args @param {Options} [options] @returns {Promise<any>}
     */
    async json(args, options = {}) {
        const answer = await this._answer(args, options);
        try {
            if (answer.code <= 1) return JSON.parse(answer.out);
        } catch {
            if (answer.code === 0) throw new ToolError(`${args[0]} did not answer with JSON: ${reason(answer.out)}`);
        }
        throw new ToolError(reason(answer.err || answer.out) || `exit code ${answer.code}`);
    }

    /**
     * A question whose failure is one message, until an answer comes again.
     * @template T @param {Promise<T>} answer @param {T} otherwise @returns {Promise<T>}
     */
    async ask(answer, otherwise) {
        try {
            const value = await answer;
            this.isBroken = false;
            return value;
        } catch (error) {
            if (!this.isBroken) this.say(error);
            this.isBroken = true;
            return otherwise;
        }
    }

    /** @param {unknown} error */
    say(error) {
        const what = error instanceof Error ? error.message : String(error);
        vscode.window.showErrorMessage(`innerloop: ${what}`);
    }

    /** What can be run in a job file with this text. @param {string} file @param {string} text @returns {Promise<Lenses>} */
    lenses(file, text) {
        return this.json(["complete", "--stdin", file, "--json"], {stdin: text, timeout: TIMEOUT});
    }

    /** A command whose output is read as it comes. @param {string[]} args */
    spawn(args) {
        const [program, ...words] = starts(this.root, IS_WINDOWS)[0];
        return childProcess.spawn(program, [...words, ...args], {cwd: this.root});
    }

    /** Runs a command in a terminal, as a task. @param {string} label @param {string[]} args */
    task(label, args) {
        const loop = path.join(this.root, "scripts", IS_WINDOWS ? "loop.cmd" : "loop");
        return this.execute(label, args, new vscode.ProcessExecution(loop, args, {cwd: this.root}));
    }

    /** @param {string} label @param {string[]} args @param {vscode.ProcessExecution | vscode.CustomExecution} execution */
    execute(label, args, execution) {
        const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(this.root)) || vscode.TaskScope.Workspace;
        const task = new vscode.Task({type: "innerloop", args}, folder, label, "innerloop", execution, "$innerloop");
        task.presentationOptions = {panel: vscode.TaskPanelKind.Dedicated, showReuseMessage: false, clear: true};
        return vscode.tasks.executeTask(task);
    }
}

module.exports = {TIMEOUT, Tool, ToolError, reason, starts};
