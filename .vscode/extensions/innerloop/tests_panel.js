// @ts-check
"use strict";
// The Testing panel: the tests of each experiment, run by `loop test` in its environment.

const fs = require("fs");
const os = require("os");
const path = require("path");
const vscode = require("vscode");

/** @typedef {{name: string, state: "passed" | "failed" | "errored" | "skipped", seconds: number, message: string}} Result */

/** An ID of pytest as its results have it: module, classes and function. @param {string} id */
function nameOf(id) {
    const [file, ...rest] = id.split("::");
    return [...file.replace(/\.py$/, "").split("/").filter(part => !/^\.*$/.test(part)), ...rest].join(".");
}

/** Whether a result is of a test: the folders in front may be written in another way. @param {string} name @param {string} id */
const isOf = (name, id) => `.${name}`.endsWith(`.${nameOf(id)}`) || `.${nameOf(id)}`.endsWith(`.${name.replace(/^\.+/, "")}`);

/**
 * @param {vscode.ExtensionContext} context @param {import("./tool").Tool} tool
 * @param {import("./live_state").LiveState} live @param {import("./launches").Launches} launches
 */
function activate(context, tool, live, launches) {
    const controller = vscode.tests.createTestController("innerloop", "Experiments");
    const showTops = () => {
        const names = live.state.experiments.filter(row => !row.problem).map(row => row.experiment);
        const known = controller.items;
        known.forEach(item => names.includes(item.id) || known.delete(item.id));
        for (const name of names.filter(name => !known.get(name))) {
            // Without a place: a click on one that is a folder would open the Explorer.
            const item = controller.createTestItem(name, name);
            item.canResolveChildren = true;
            known.add(item);
        }
    };

    /** @param {vscode.TestItem} top */ const resolve = async top => {
        const rows = await tool.json(["test", top.id, "--list", "--json"]).catch(error => void (top.error = error.message));
        if (!rows) return;
        top.error = undefined;
        top.children.replace(rows.map((/** @type {{id: string, file: string, line: number}} */ row) => {
            const label = row.id.split("::").slice(1).join("::");
            const item = controller.createTestItem(row.id, label, vscode.Uri.file(path.join(tool.root, row.file)));
            item.range = new vscode.Range(row.line - 1, 0, row.line - 1, 0);
            item.description = path.posix.basename(row.file);
            return item;
        }));
    };
    controller.resolveHandler = async item => {
        if (item) await resolve(item);
        else await live.refresh(["experiments"]);
    };
    controller.refreshHandler = async () => {
        await live.refresh(["experiments"]);
        await Promise.all([...controller.items].map(([, item]) => resolve(item)));
    };

    /** @param {vscode.TestRun} run @param {vscode.TestItem} top @param {vscode.TestItem[]} chosen none for all @param {vscode.CancellationToken} token */
    const test = async (run, top, chosen, token) => {
        if (!top.children.size) await resolve(top);
        const items = chosen.length ? chosen : [...top.children].map(([, item]) => item);
        items.forEach(item => run.started(item));
        const folder = fs.mkdtempSync(path.join(os.tmpdir(), "innerloop-"));
        const file = path.join(folder, "results.json");
        const argv = ["test", top.id, "--junit", file, ...(chosen.length ? ["--", ...chosen.map(item => item.id)] : [])];
        let said = "";
        try {
            const codes = [1, 5]; // pytest's: failed, none collected
            said = await tool.text(argv, {token, codes});
            /** @type {Result[]} */ const found = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : [];
            for (const item of items) report(run, item, found.filter(result => isOf(result.name, item.id)), said);
        } catch (error) {
            said = error instanceof Error ? error.message : String(error);
            items.forEach(item => run.errored(item, new vscode.TestMessage(said)));
        } finally {
            fs.rmSync(folder, {recursive: true, force: true});
            run.appendOutput(said.replace(/\r?\n/g, "\r\n"));
        }
    };

    controller.createRunProfile("Run", vscode.TestRunProfileKind.Run, async (request, token) => {
        const run = controller.createTestRun(request);
        const asked = request.include || [...controller.items].map(([, item]) => item);
        const tops = new Set(asked.map(item => item.parent || item));
        for (const top of tops) {
            if (token.isCancellationRequested) break;
            await test(run, top, asked.includes(top) ? [] : asked.filter(item => item.parent === top), token);
        }
        run.end();
    }, true);
    controller.createRunProfile("Debug", vscode.TestRunProfileKind.Debug, async request => {
        const [first] = request.include || [];
        if (!first) return tool.say("choose a test to debug");
        const rest = first.parent ? (request.include || []).filter(item => item.parent === first.parent).map(item => item.id) : [];
        await launches.debug(`test ${first.label}`, {kind: "test", target: (first.parent || first).id, rest});
    });
    context.subscriptions.push(controller, live.onDidChange(showTops));
}

/**
 * What a test's results say: several where it has parameters; the worst counts.
 * @param {vscode.TestRun} run @param {vscode.TestItem} item @param {Result[]} found @param {string} said
 */
function report(run, item, found, said) {
    const seconds = found.reduce((sum, result) => sum + result.seconds, 0);
    const bad = found.filter(result => result.state === "failed" || result.state === "errored");
    if (bad.length) run.failed(item, bad.map(result => messageOf(item, result.message)), seconds * 1000);
    else if (found.some(result => result.state === "passed")) run.passed(item, seconds * 1000);
    else if (found.length) run.skipped(item);
    else run.errored(item, new vscode.TestMessage(`It has no result.\n${said.trim().split("\n").slice(-20).join("\n")}`));
}

/** @param {vscode.TestItem} item @param {string} text */
function messageOf(item, text) {
    const message = new vscode.TestMessage(text);
    const name = path.basename(item.uri?.fsPath || "").replace(/\./g, "\\.");
    const line = [...text.matchAll(new RegExp(`(?:^|/)${name}:(\\d+):`, "gm"))].pop()?.[1];
    const at = line ? new vscode.Range(Number(line) - 1, 0, Number(line) - 1, 0) : item.range;
    if (item.uri && at) message.location = new vscode.Location(item.uri, at);
    return message;
}

module.exports = {activate, isOf, nameOf};
