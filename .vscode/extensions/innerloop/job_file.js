// @ts-check
"use strict";
// Job files while they are typed: problems, quick fixes, completion, hover, and what can be run.
// The tool answers for the text as it is in the editor; nothing is read or written here.

const path = require("path");
const vscode = require("vscode");
const {TIMEOUT} = require("./tool");

/**
 * @typedef {{line: number, column: number, end_line: number, end_column: number}} TextRange
 * @typedef {TextRange & {title: string, text: string}} Fix
 * @typedef {TextRange & {code: string, severity: string, message: string, hint: string, file: string, fixes: Fix[]}} Finding
 * @typedef {{label: string, kind: string, detail: string, text: string}} Item
 * @typedef {TextRange & {items: Item[], hover: string}} Completion
 * @typedef {{line: number, what: string, words: string[], actions: string[]}} Lens
 */

// Milliseconds without a key until the text is checked.
const PAUSE = 300;
const COMMAND = "innerloop.jobFile";
// It offers keys and their values by the schema that the settings name.
const YAML_EXTENSION = "redhat.vscode-yaml";
// Where a job file is named otherwise than an experiment's own.
const SCHEMA = /^\$schema:\s*\S*azuremlschemas\S*job\.schema\.json/im;

/** The column of VS Code (UTF-16, from 0) for one of the tool (characters, from 1). @param {string} line @param {number} column */
function character(line, column) {
    return Array.from(line).slice(0, column - 1).join("").length;
}

/** The column of the tool for one of VS Code. @param {string} line @param {number} character */
function column(line, character) {
    return Array.from(line.slice(0, character)).length + 1;
}

/** @param {Finding} finding */
function messageOf(finding) {
    if (!finding.hint) return finding.message;
    return `${finding.message}${/[?:]$/.test(finding.message) ? "" : "."} ${finding.hint}`;
}

/** The range of a finding or fix in a document. @param {vscode.TextDocument} document @param {TextRange} range */
function rangeIn(document, range) {
    const row = Math.min(Math.max(range.line - 1, 0), document.lineCount - 1);
    const line = document.lineAt(row).text;
    return new vscode.Range(row, character(line, range.column), row, character(line, range.end_column));
}

class JobFiles {
    /** @param {import("./tool").Tool} tool @param {import("./launches").Launches} launches */
    constructor(tool, launches) {
        this.tool = tool;
        this.launches = launches;
        // The owner is that of the tasks: a check by a task and one while typing are one list.
        this.problems = vscode.languages.createDiagnosticCollection("innerloop");
        /** What each document's problems were found in. @type {Map<string, {version: number, found: {range: vscode.Range, finding: Finding}[]}>} */
        this.found = new Map();
        /** @type {Map<string, NodeJS.Timeout>} */ this.waiting = new Map();
        /** @type {Map<string, vscode.CancellationTokenSource>} */ this.asking = new Map();
        /** @type {Map<string, {version: number, lenses: Promise<{experiment: string, lenses: Lens[]}>}>} */ this.lenses = new Map();
    }

    /** The path below the workspace's folder, with "/"; "" outside of it. @param {vscode.Uri} uri */
    pathOf(uri) {
        const relative = path.relative(this.tool.root, uri.fsPath);
        const isBelow = relative && !relative.startsWith("..") && !path.isAbsolute(relative);
        return uri.scheme === "file" && isBelow ? relative.replace(/\\/g, "/") : "";
    }

    /** @param {vscode.TextDocument} document */
    isJobFile(document) {
        const file = this.pathOf(document.uri);
        if (!/\.ya?ml$/.test(file)) return false;
        return /(^|\/)azure-ml-job[^/]*$/.test(file) || SCHEMA.test(document.getText().slice(0, 4000));
    }

    /** Whether the tool has rules for the text. @param {vscode.TextDocument} document */
    isChecked(document) {
        return this.isJobFile(document) || /^src\/.*\/deploy\/[^/]+\.ya?ml$/.test(this.pathOf(document.uri));
    }

    /** Checks the document when nothing has been typed for a moment. @param {vscode.TextDocument} document */
    check(document, pause = PAUSE) {
        const key = document.uri.toString();
        clearTimeout(this.waiting.get(key));
        if (!this.isChecked(document)) return this.forget(document);
        this.waiting.set(key, setTimeout(() => this._check(document), pause));
    }

    /** @param {vscode.TextDocument} document */
    async _check(document) {
        const key = document.uri.toString();
        const version = document.version;
        this.waiting.delete(key);
        this.asking.get(key)?.cancel();
        const source = new vscode.CancellationTokenSource();
        this.asking.set(key, source);
        const words = ["check", "--stdin", document.uri.fsPath, "--json"];
        const options = {stdin: document.getText(), timeout: TIMEOUT, token: source.token};
        const answer = this.tool.json(words, options).catch(error => {
            if (source.token.isCancellationRequested) return undefined; // a newer text is checked
            throw error;
        });
        /** @type {Finding[] | undefined} */ const findings = await this.tool.ask(answer, undefined);
        if (this.asking.get(key) === source) this.asking.delete(key);
        source.dispose();
        if (!findings || document.isClosed || document.version !== version) return;
        const own = findings.filter(finding => finding.file === this.pathOf(document.uri));
        const found = own.map(finding => ({range: rangeIn(document, finding), finding}));
        this.found.set(key, {version, found});
        this.problems.set(document.uri, found.map(one => this._diagnostic(one.range, one.finding)));
    }

    /** @param {vscode.Range} range @param {Finding} finding */
    _diagnostic(range, finding) {
        const severities = {error: 0, warning: 1, info: 2};
        const severity = severities[/** @type {keyof typeof severities} */ (finding.severity)] ?? 0;
        return Object.assign(new vscode.Diagnostic(range, messageOf(finding), severity), {source: "loop", code: finding.code});
    }

    /** @param {vscode.TextDocument} document */
    forget(document) {
        const key = document.uri.toString();
        clearTimeout(this.waiting.get(key));
        this.waiting.delete(key);
        this.asking.get(key)?.cancel();
        this.lenses.delete(key);
        if (this.found.delete(key)) this.problems.delete(document.uri);
    }

    /** A file that a job file names may have changed. @param {vscode.TextDocument} saved */
    checkOthers(saved) {
        for (const document of vscode.workspace.textDocuments) {
            if (document !== saved && this.isChecked(document)) this.check(document);
        }
    }

    /** @param {vscode.TextDocument} document @param {vscode.Range} range */
    provideCodeActions(document, range) {
        const known = this.found.get(document.uri.toString());
        if (!known || known.version !== document.version) return [];
        return known.found.filter(one => one.range.intersection(range)).flatMap(one =>
            one.finding.fixes.map((fix, index) => {
                const action = new vscode.CodeAction(fix.title, vscode.CodeActionKind.QuickFix);
                const edit = new vscode.WorkspaceEdit();
                edit.replace(document.uri, rangeIn(document, fix), fix.text);
                return Object.assign(action, {edit, diagnostics: [this._diagnostic(one.range, one.finding)], isPreferred: index === 0});
            }),
        );
    }

    /**
     * @param {vscode.TextDocument} document @param {vscode.Position} position @param {vscode.CancellationToken} token
     * @returns {Promise<Completion | undefined>} what may stand there; undefined without an answer
     */
    async _complete(document, position, token) {
        if (!this.isJobFile(document)) return undefined;
        const at = `${position.line + 1}:${column(document.lineAt(position.line).text, position.character)}`;
        const words = ["complete", "--stdin", document.uri.fsPath, "--at", at, "--json"];
        const options = {stdin: document.getText(), timeout: TIMEOUT, token};
        // The check of the same text says what is wrong with the tool.
        return this.tool.json(words, options).catch(() => undefined);
    }

    /** @param {vscode.TextDocument} document @param {vscode.Position} position @param {vscode.CancellationToken} token */
    async provideCompletionItems(document, position, token) {
        const answer = await this._complete(document, position, token);
        if (!answer || token.isCancellationRequested) return [];
        const range = rangeIn(document, answer);
        const hasSchema = vscode.extensions.getExtension(YAML_EXTENSION) !== undefined;
        const items = answer.items.filter(item => !hasSchema || !["key", "value"].includes(item.kind));
        return items.map((item, index) => {
            const kinds = {key: vscode.CompletionItemKind.Property, value: vscode.CompletionItemKind.EnumMember, reference: vscode.CompletionItemKind.Variable, compute: vscode.CompletionItemKind.Reference, component: vscode.CompletionItemKind.File};
            const kind = kinds[/** @type {keyof typeof kinds} */ (item.kind)] ?? vscode.CompletionItemKind.Value;
            const {label, detail, text} = item;
            const sortText = String(index).padStart(4, "0");
            return Object.assign(new vscode.CompletionItem(label, kind), {detail, insertText: text, filterText: label, range, sortText});
        });
    }

    /** @param {vscode.TextDocument} document @param {vscode.Position} position @param {vscode.CancellationToken} token */
    async provideHover(document, position, token) {
        const answer = await this._complete(document, position, token);
        if (!answer?.hover) return undefined;
        // As text: what a job file says is no markup.
        return new vscode.Hover(new vscode.MarkdownString().appendText(answer.hover));
    }

    /** @param {vscode.TextDocument} document */
    async provideCodeLenses(document) {
        if (!this.isJobFile(document)) return [];
        const key = document.uri.toString();
        const version = document.version;
        if (this.lenses.get(key)?.version !== version) {
            const lenses = this.tool.lenses(document.uri.fsPath, document.getText()).catch(() => ({experiment: "", lenses: []}));
            this.lenses.set(key, {version, lenses});
        }
        const answer = await this.lenses.get(key)?.lenses;
        return (answer?.lenses || []).flatMap(lens => {
            const row = Math.min(lens.line, document.lineCount) - 1;
            return lens.actions.map(action => new vscode.CodeLens(new vscode.Range(row, 0, row, 0), {
                title: titleOf(action, lens),
                command: COMMAND,
                arguments: [action, document.uri, answer?.experiment || "", lens],
            }));
        });
    }

    /** Runs, debugs, submits or lists what a lens is about. @param {string} action @param {vscode.Uri} uri @param {string} experiment @param {Lens} lens */
    async act(action, uri, experiment, lens) {
        const file = this.pathOf(uri);
        if (action === "runs") return vscode.commands.executeCommand("innerloop.runs", itemOf(experiment));
        const document = vscode.workspace.textDocuments.find(one => one.uri.toString() === uri.toString());
        if (document?.isDirty && !(await document.save())) return;
        const name = [action, experiment || path.basename(file), lens.what].filter(Boolean).join(" ");
        if (action === "run") return this.tool.task(name, ["run", file, ...lens.words]);
        if (action === "submit") return this.tool.task(name, ["submit", file]);
        return this.launches.debug(name.replace(/^debug /, ""), {kind: "run", target: file, words: lens.words});
    }
}

/** What the commands of the view take. @param {string} experiment */
const itemOf = experiment => (experiment ? {kind: "experiment", experiment: {experiment}} : undefined);

/** @param {string} action @param {Lens} lens */
function titleOf(action, lens) {
    const title = action[0].toUpperCase() + action.slice(1);
    return lens.what && action === "run" ? `${title} ${lens.what}` : title;
}

/** @param {vscode.ExtensionContext} context @param {import("./tool").Tool} tool @param {import("./launches").Launches} launches */
exports.activate = (context, tool, launches) => {
    const files = new JobFiles(tool, launches);
    const yaml = [{scheme: "file", pattern: new vscode.RelativePattern(vscode.Uri.file(tool.root), "**/*.{yaml,yml}")}];
    context.subscriptions.push(
        files.problems,
        vscode.workspace.onDidOpenTextDocument(document => files.check(document, 0)),
        vscode.workspace.onDidChangeTextDocument(change => files.check(change.document)),
        vscode.workspace.onDidSaveTextDocument(document => files.checkOthers(document)),
        vscode.workspace.onDidCloseTextDocument(document => files.forget(document)),
        vscode.languages.registerCodeActionsProvider(yaml, files, {providedCodeActionKinds: [vscode.CodeActionKind.QuickFix]}),
        vscode.languages.registerCompletionItemProvider(yaml, files, ":", " ", ".", "{", "/"),
        vscode.languages.registerHoverProvider(yaml, files),
        vscode.languages.registerCodeLensProvider(yaml, files),
        vscode.commands.registerCommand(COMMAND, (action, uri, experiment, lens) => files.act(action, uri, experiment, lens)),
        {dispose: () => vscode.workspace.textDocuments.forEach(document => files.forget(document))},
    );
    vscode.workspace.textDocuments.forEach(document => files.check(document, 0));
};

Object.assign(exports, {JobFiles, character, column, messageOf, rangeIn, titleOf});
