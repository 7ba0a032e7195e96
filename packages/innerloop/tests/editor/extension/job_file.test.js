"use strict";
// Job files while they are typed, with a tool that answers what the test says. EXTENSION names the
// extension's folder; NODE_PATH has the stand-in for VS Code, which is completed here.

const assert = require("node:assert/strict");
const path = require("node:path");
const test = require("node:test");
const vscode = require("vscode");

const {Tool} = require(path.join(process.env.EXTENSION, "tool"));

class Range {
    constructor(...at) {
        [this.row, this.start, this.endRow, this.end] = at;
    }
    intersection(other) {
        return other.row === this.row && other.start <= this.end && this.start <= other.end ? this : undefined;
    }
}

class Token {
    constructor() {
        this.listeners = [];
        this.token = {
            isCancellationRequested: false,
            onCancellationRequested: listener => (this.listeners.push(listener), {dispose() {}}),
        };
    }
    cancel() {
        this.token.isCancellationRequested = true;
        this.listeners.forEach(listener => listener());
    }
    dispose() {}
}

const problems = new Map();
const executed = [];
const extensions = new Set();
Object.assign(vscode, {
    Range,
    CancellationTokenSource: Token,
    Diagnostic: class {
        constructor(range, message, severity) {
            Object.assign(this, {range, message, severity});
        }
    },
    CodeAction: class {
        constructor(title, kind) {
            Object.assign(this, {title, kind});
        }
    },
    CodeLens: class {
        constructor(range, command) {
            Object.assign(this, {range, command});
        }
    },
    CompletionItem: class {
        constructor(label, kind) {
            Object.assign(this, {label, kind});
        }
    },
    Hover: class {
        constructor(contents) {
            this.contents = contents;
        }
    },
    MarkdownString: class {
        appendText(text) {
            return Object.assign(this, {text});
        }
    },
    WorkspaceEdit: class {
        replace(uri, range, text) {
            Object.assign(this, {uri, range, text});
        }
    },
    CodeActionKind: {QuickFix: "quickfix"},
    CompletionItemKind: {Property: 1, EnumMember: 2, Variable: 3, Reference: 4, File: 5, Value: 6},
    extensions: {getExtension: name => (extensions.has(name) ? {} : undefined)},
    debug: {startDebugging: (folder, name) => void executed.push(["debug", name])},
    languages: {
        createDiagnosticCollection: () => ({
            set: (uri, found) => void problems.set(uri.fsPath, found),
            delete: uri => void problems.delete(uri.fsPath),
        }),
    },
});
vscode.commands.executeCommand = async (...words) => void executed.push(words);
vscode.workspace.getConfiguration = () => ({get: () => [{name: "a: step train in its container"}]});

const {JobFiles, character, column, rangeIn} = require(path.join(process.env.EXTENSION, "job_file"));

const ROOT = path.resolve("/work space");
const JOB = "src/a/azure-ml-job.yaml";

function document(text, name = JOB) {
    const fsPath = path.join(ROOT, ...name.split("/"));
    return {
        uri: {scheme: "file", fsPath, toString: () => fsPath},
        version: 1,
        isClosed: false,
        getText: () => text,
        get lineCount() {
            return text.split("\n").length;
        },
        lineAt: row => ({text: text.split("\n")[row]}),
        type(more) {
            text += more;
            this.version += 1;
        },
    };
}

/** A tool whose answers the test gives. */
function tool() {
    const asked = [];
    return {
        root: ROOT,
        asked,
        said: [],
        json(args, options) {
            return new Promise((resolve, reject) => asked.push({args, ...options, resolve, reject}));
        },
        lenses: Tool.prototype.lenses,
        async ask(answer, otherwise) {
            try {
                return await answer;
            } catch (error) {
                this.said.push(error.message);
                return otherwise;
            }
        },
        task(label, args) {
            executed.push(["task", label, args]);
        },
    };
}

/** Waits until a condition holds. */
async function until(condition) {
    while (!condition()) await new Promise(resolve => setImmediate(resolve));
}

const at = (line, start, end) => ({line, column: start, end_line: line, end_column: end});
const finding = (more = {}) => ({
    ...at(1, 1, 7), code: "key-unknown", severity: "warning", message: 'no key "comand"', hint: 'Did you mean "command"?', file: JOB, fixes: [], ...more,
});

test("columns are characters for the tool and UTF-16 for the editor", () => {
    const line = "a: 😀é x";
    assert.equal(column(line, line.indexOf("x")), 7);
    assert.equal(character(line, 7), line.indexOf("x"));
    assert.deepEqual(rangeIn(document(line), at(1, 4, 6)), new Range(0, 3, 0, 6));
});

test("problems are those of the newest text", async () => {
    const door = tool();
    const files = new JobFiles(door);
    const job = document("comand: x\n");
    files.check(job, 0);
    await until(() => door.asked.length === 1);
    assert.deepEqual(door.asked[0].args, ["check", "--stdin", job.uri.fsPath, "--json"]);
    assert.equal(door.asked[0].stdin, "comand: x\n");
    job.type("code: .\n");
    files.check(job, 0);
    await until(() => door.asked.length === 2);
    assert.equal(door.asked[0].token.isCancellationRequested, true);
    door.asked[1].resolve([finding(), finding({file: "src/a/environment/requirements.txt"})]);
    await until(() => problems.has(job.uri.fsPath));
    door.asked[0].resolve([]);
    await new Promise(resolve => setImmediate(resolve));
    const [problem, ...others] = problems.get(job.uri.fsPath);
    assert.deepEqual(others, []);
    assert.equal(problem.message, 'no key "comand". Did you mean "command"?');
    assert.deepEqual([problem.code, problem.source, problem.severity], ["key-unknown", "loop", 1]);
    assert.deepEqual(problem.range, new Range(0, 0, 0, 6));
    files.forget(job);
    assert.equal(problems.has(job.uri.fsPath), false);
});

test("a failure of the tool is said, a cancelled question is not", async () => {
    const door = tool();
    const files = new JobFiles(door);
    const job = document("a: 1\n");
    files.check(job, 0);
    await until(() => door.asked.length === 1);
    files.check(job, 0);
    await until(() => door.asked.length === 2);
    door.asked[0].reject(new Error("killed"));
    door.asked[1].reject(new Error("broken"));
    await until(() => door.said.length > 0);
    assert.deepEqual(door.said, ["broken"]);
});

test("job files are known by their names or schemas, within the workspace", () => {
    const files = new JobFiles(tool());
    assert.ok(files.isJobFile(document("", "src/a/azure-ml-job-2.yml")));
    const schema = "$schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json\n";
    assert.ok(files.isJobFile(document(schema, "jobs/sweep.yaml")));
    for (const name of ["src/a/other.yaml", "src/a/azure-ml-job.py", "../azure-ml-job.yaml"]) {
        assert.ok(!files.isJobFile(document("", name)), name);
    }
    assert.ok(files.isChecked(document("", "src/a/deploy/endpoint.yaml")));
    assert.ok(!files.isChecked(document("", ".github/workflows/ci.yml")));
});

test("fixes are quick fixes of the text that they were made for", async () => {
    const door = tool();
    const files = new JobFiles(door);
    const job = document("comand: x\n");
    const fixes = [
        {title: "Replace it with command", ...at(1, 1, 7), text: "command"},
        {title: "Add", ...at(1, 1, 1), text: "x:\n"},
    ];
    files.check(job, 0);
    await until(() => door.asked.length === 1);
    door.asked[0].resolve([finding({fixes})]);
    await until(() => problems.has(job.uri.fsPath));
    const actions = files.provideCodeActions(job, new Range(0, 3, 0, 3));
    assert.deepEqual(actions.map(one => [one.title, one.edit.text, one.isPreferred]), [
        ["Replace it with command", "command", true],
        ["Add", "x:\n", false],
    ]);
    assert.deepEqual(files.provideCodeActions(job, new Range(1, 0, 1, 0)), []);
    job.type("y");
    assert.deepEqual(files.provideCodeActions(job, new Range(0, 3, 0, 3)), []);
    files.forget(job);
});

const ITEMS = [
    {label: "command", kind: "key", detail: "What runs", text: "command: "},
    {label: "inputs.x", kind: "reference", detail: "3", text: "inputs.x}}"},
];

test("completion replaces the word, and leaves keys to the YAML extension", async () => {
    const door = tool();
    const files = new JobFiles(door);
    const job = document("é: ${{in\n");
    const ask = () => files.provideCompletionItems(job, {line: 0, character: 8}, new Token().token);
    const first = ask();
    door.asked[0].resolve({...at(1, 7, 9), items: ITEMS, hover: ""});
    assert.equal(door.asked[0].args[4], "1:9");
    const items = await first;
    assert.deepEqual(items.map(item => [item.label, item.insertText]), [["command", "command: "], ["inputs.x", "inputs.x}}"]]);
    assert.deepEqual(items[0].range, new Range(0, 6, 0, 8));
    extensions.add("redhat.vscode-yaml");
    const second = ask();
    door.asked[1].resolve({...at(1, 7, 9), items: ITEMS, hover: ""});
    assert.deepEqual((await second).map(item => item.label), ["inputs.x"]);
    const third = ask();
    door.asked[2].reject(new Error("broken"));
    assert.deepEqual(await third, []);
    assert.deepEqual(await files.provideCompletionItems(document("", "a.yaml"), {line: 0, character: 0}), []);
});

test("what a file says is shown as text", async () => {
    const door = tool();
    const hover = new JobFiles(door).provideHover(document("x: 1\n"), {line: 0, character: 0}, new Token().token);
    door.asked[0].resolve({...at(1, 1, 2), items: [], hover: "x: [a](command:b)"});
    assert.equal((await hover).contents.text, "x: [a](command:b)");
});

test("lenses run, debug, submit and list what they are above", async () => {
    const door = tool();
    const launches = {debug: (name, what) => void executed.push(["debug", name, what])};
    const files = new JobFiles(door, launches);
    const job = document("jobs:\n  train: {}\n");
    const answer = files.provideCodeLenses(job);
    const all = ["run", "debug", "submit", "runs"];
    door.asked[0].resolve({
        experiment: "a",
        lenses: [
            {line: 1, what: "", words: [], actions: all},
            {line: 2, what: "train", words: ["--step", "train"], actions: ["run", "debug"]},
        ],
    });
    const lenses = await answer;
    assert.deepEqual(lenses.map(lens => [lens.range.row, lens.command.title]), [
        [0, "Run"], [0, "Debug"], [0, "Submit"], [0, "Runs"], [1, "Run train"], [1, "Debug"],
    ]);
    await files.provideCodeLenses(job);
    assert.equal(door.asked.length, 1);
    executed.length = 0;
    for (const lens of lenses) await files.act(...lens.command.arguments);
    const item = {kind: "experiment", experiment: {experiment: "a"}};
    assert.deepEqual(executed, [
        ["task", "run a", ["run", JOB]],
        ["debug", "a", {kind: "run", target: JOB, words: []}],
        ["task", "submit a", ["submit", JOB]],
        ["innerloop.runs", item],
        ["task", "run a train", ["run", JOB, "--step", "train"]],
        ["debug", "a train", {kind: "run", target: JOB, words: ["--step", "train"]}],
    ]);
});
