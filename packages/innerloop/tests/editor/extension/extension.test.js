"use strict";
// The extension's parts by themselves. EXTENSION names its folder; NODE_PATH has the stand-in.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const test = require("node:test");
const vscode = require("vscode");

const folder = process.env.EXTENSION;
const part = name => require(path.join(folder, name));
const manifest = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
const {Tool, ToolError, starts} = part("tool");
const {below, aboutRun, duration, facts, hasEnded, iconOf, ExperimentsView} = part("experiments");
const {LiveState} = part("live_state");
const {guarded} = part("runs_page");
const {isOf} = part("tests_panel");
const {Commands} = part("commands");
const {DebugTerminal, Launches, argvOf, offerEnvironment} = part("launches");

/** A workspace whose tool is this script. */
function workspace(script) {
    const root = fs.mkdtempSync(path.join(os.tmpdir(), "work space "));
    fs.mkdirSync(path.join(root, "scripts"));
    fs.writeFileSync(path.join(root, "scripts", "loop"), `#!${process.execPath}\n${script}\n`, {mode: 0o755});
    return root;
}

const ECHO = "console.log(JSON.stringify({args: process.argv.slice(2), cwd: process.cwd()}))";

test("arguments reach the tool as they are", async () => {
    const root = workspace(ECHO);
    const args = ["run", "a b", "$(touch x)", '"; rm -rf .', "--set", "x=`y`", "", "é\n"];
    assert.deepEqual(await new Tool(root).json(args), {args, cwd: fs.realpathSync(root)});
    assert.deepEqual(fs.readdirSync(root), ["scripts"]);
});

test("an exit code 1 with JSON is an answer, one without is the reason", async () => {
    const found = new Tool(workspace("console.log('[1]'); process.exitCode = 1"));
    assert.deepEqual(await found.json(["check"]), [1]);
    const failed = new Tool(workspace("console.error('innerloop: src/a: it is wrong [code]'); process.exit(1)"));
    await assert.rejects(failed.json(["list"]), error => error instanceof ToolError && error.message === "src/a: it is wrong [code]");
    const other = new Tool(workspace("console.log('[]'); console.error('no'); process.exit(2)"));
    await assert.rejects(other.json(["list"]), /^Error: no$/);
    const text = new Tool(workspace("console.log('hello')"));
    await assert.rejects(text.json(["list"]), /did not answer with JSON: hello/);
});

test("what is given on standard input arrives, and a tool that reads none is no failure", async () => {
    const reads = new Tool(workspace("process.stdin.on('data', text => console.log(JSON.stringify(String(text))))"));
    assert.equal(await reads.json(["check"], {stdin: "command: é"}), "command: é");
    const closes = new Tool(workspace("console.log('1')"));
    assert.equal(await closes.json(["list"], {stdin: "x".repeat(1_000_000)}), 1);
});

test("a cancelled question ends its program", async () => {
    const waits = new Tool(workspace("setInterval(() => {}, 1000)"));
    let cancel;
    const token = {onCancellationRequested: listener => ((cancel = listener), {dispose: () => {}})};
    const answer = waits.json(["list"], {token});
    cancel();
    await assert.rejects(answer, ToolError);
});

test("a missing tool is one message until it answers again", async () => {
    const {messages} = vscode.seen;
    messages.length = 0;
    const tool = new Tool(path.join(os.tmpdir(), "there is none"));
    for (let i = 0; i < 3; i++) assert.deepEqual(await tool.ask(tool.json(["list"]), ["before"]), ["before"]);
    assert.equal(messages.length, 1);
    assert.match(messages[0], /cannot be started/);
    assert.equal(await tool.ask(Promise.resolve(1), 0), 1);
    await tool.ask(tool.json(["list"]), 0);
    assert.equal(messages.length, 2);
});

test("on Windows each Python is tried, as the launcher does", () => {
    assert.deepEqual(starts("/w", true).map(argv => argv.slice(0, -1)), [["py", "-3"], ["python"], ["python3"]]);
    assert.deepEqual(starts("/w", false), [[path.join("/w", "scripts", "loop")]]);
});

const run = (name, more = {}) => ({
    run: name, experiment: "a", folder: `outputs/a/${name}`, state: "done", seconds: 61.5, headline: "", scores: {}, ...more,
});
const job = (name, more = {}) => ({name, experiment: "a", slug: "a", state: "sent", status: "", backend: "azureml", at: "2026", url: "", ...more});
const A = {experiment: "a", command: "python a.py", gpu: "none", backends: ["venv"], problem: ""};
const stateOf = more => ({experiments: [A, {...A, experiment: "b"}], runs: [], jobs: [], outdated: [], ...more});
const named = items => items.map(item => item.run?.run || item.job?.name || item.outdated?.kind);

test("below an experiment: what is outdated, what runs, the newest runs, its jobs", () => {
    const runs = Array.from({length: 15}, (_, i) => run(`r${i}`, {state: i === 2 ? "running" : "done"}));
    const state = stateOf({
        runs: [...runs, run("other", {experiment: "b"}), run("j1")],
        jobs: [job("j1"), job("j2"), job("j3", {experiment: "b"})],
        outdated: [{experiment: "a", kind: "image", changed: ["x"], update: ["build", "a"]}],
    });
    assert.deepEqual(below(state).map(item => item.experiment.experiment), ["a", "b"]);
    const names = named(below(state, below(state)[0]));
    assert.deepEqual(names, ["image", "r2", "r14", "r13", "r12", "r11", "r10", "r9", "r8", "r7", "r6", "r5", "j2", "j1"]);
    assert.deepEqual(named(below(state, below(state)[1])), ["other", "j3"]);
    assert.deepEqual(below(state, {kind: "run", run: runs[0]}), []);
});

test("rows of the view say how a run stands", () => {
    const view = new ExperimentsView();
    view.show(stateOf({runs: [run("r1", {state: "running", seconds: undefined, started: "2026-01-01T00:00:00+00:00"})]}));
    const [top] = view.getChildren();
    const [child] = view.getChildren(top);
    assert.equal(view.getTreeItem(top).contextValue, "experiment");
    assert.equal(view.getTreeItem(child).contextValue, "run.running");
    assert.match(view.getTreeItem(child).label, /^running · \d/);
    assert.equal(view.getTreeItem(child).description, "r1");
    view.show(stateOf({runs: [run("r1", {tags: ["best", "final"]})]}));
    assert.equal(view.getTreeItem(view.getChildren(top)[0]).description, "best · final · r1");
    const broken = {kind: "experiment", experiment: {...A, problem: "bad"}};
    assert.deepEqual([view.getTreeItem(broken).contextValue, view.getTreeItem(broken).tooltip], ["experiment.broken", "bad"]);
    assert.equal(view.getTreeItem({kind: "job", job: job("j", {status: "Running"})}).contextValue, "job.open");
    assert.equal(view.getTreeItem({kind: "job", job: job("j", {status: "Completed"})}).contextValue, "job.ended");
});

test("state, score and time of a run", () => {
    const now = Date.parse("2026-01-01T01:02:03Z");
    const going = run("r", {state: "running", seconds: undefined, started: "2026-01-01T00:00:00+00:00", headline: "test_accuracy", scores: {test_accuracy: 0.97128}});
    assert.equal(aboutRun(going, now), "running · test accuracy 0.9713 · 1:02:03");
    assert.equal(aboutRun(run("r", {headline: "loss", scores: {loss: null}}), now), "done · loss nan · 1:01");
    assert.equal(aboutRun(run("r", {state: "killed", seconds: undefined, started: "then"}), now), "killed");
    assert.deepEqual([0, 59.9, 3600, -5].map(duration), ["0:00", "0:59", "1:00:00", "0:00"]);
});

test("each state has an icon, and each end of a job is one", () => {
    const states = ["running", "done", "stopped", "failed (3)", "killed", "queued", "unknown"];
    assert.deepEqual(states.map(state => iconOf(state)[0]), ["loading~spin", "pass", "circle-slash", "error", "error", "circle-outline", "circle-outline"]);
    for (const status of ["Completed", "FAILED", "Canceled", "Succeeded"]) assert.ok(hasEnded(job("j", {status})));
    for (const status of ["", "Running", "Queued"]) assert.ok(!hasEnded(job("j", {status})));
});

test("facts of two runs differ in the lines that differ", () => {
    const [one, two] = [8, 16].map(epochs => facts(run("r", {inputs: {epochs, lr: "0.1"}, scores: {loss: null}, git: {commit: "c", dirty: true}})).split("\n"));
    assert.deepEqual(one.filter((line, i) => line !== two[i]), ["    epochs = 8"]);
    assert.ok(one.includes("code      c with uncommitted changes") && one.includes("    loss = nan"));
});

test("questions while one is answered are one, about the parts that changed", async () => {
    const asked = [];
    const tool = {
        root: "/w", isBroken: false, ask: answer => answer,
        json: async args => (asked.push(args[0]), args[0] === "runs" ? [run("r", {state: "running"})] : []),
    };
    const live = new LiveState(tool);
    await Promise.all([live.refresh(), live.refresh(["runs"]), live.refresh(["runs"])]);
    assert.deepEqual(asked, ["list", "runs", "status", "outdated"]);
    const bases = () => [...vscode.seen.watched].map(watcher => watcher.base.replace(/\\/g, "/"));
    assert.ok(bases().includes("/w/.innerloop/running") && bases().includes("/w/outputs/a/r/.run"));
    asked.length = 0;
    const first = live.refresh(["runs"]);
    await Promise.resolve();
    await Promise.all([first, live.refresh(["jobs"]), live.refresh(["jobs"])]);
    assert.deepEqual(asked, ["runs", "status"]);
    live.dispose();
    assert.deepEqual(bases(), []);
});

test("the page for the editor runs its own script alone and loads nothing", () => {
    const html = '<!doctype html>\n<meta charset="utf-8">\n<p>&lt;script&gt;</p>\n<script>\n1\n</script>\n';
    const page = guarded(html, "N");
    assert.match(page, /<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-N'">/);
    assert.equal(page.match(/<script nonce="N">/g).length, 1);
    assert.ok(!page.includes("<script>"));
});

test("a result is of the test with its module, classes and name", () => {
    assert.ok(isOf("tests.test_a.TestB.test_one", "tests/test_a.py::TestB::test_one"));
    assert.ok(isOf("...common.tests.test_c.test_shared", "../common/tests/test_c.py::test_shared"));
    assert.ok(isOf("test_a.test_one", "tests/test_a.py::test_one"));
    assert.ok(!isOf("tests.test_a.TestB.test_one", "tests/test_a.py::test_one"));
    assert.ok(!isOf("tests.test_aa.test_one", "tests/test_a.py::test_one"));
    assert.ok(!isOf("other.test_a.test_one", "tests/test_a.py::test_one"));
});

test("what is debugged is one command line, with pytest's arguments last", () => {
    assert.deepEqual(argvOf({kind: "run", target: "a"}, 1), ["run", "a", "--debug", "--port", "1"]);
    const step = {kind: "run", target: "a", words: ["--step", "s"]};
    assert.deepEqual(argvOf(step, 1), ["run", "a", "--step", "s", "--debug", "--port", "1"]);
    const one = {kind: "test", target: "a", rest: ["tests/test_a.py::test_b"]};
    assert.deepEqual(argvOf(one, 1), ["test", "a", "--debug", "--port", "1", "--", "tests/test_a.py::test_b"]);
});

test("each experiment, step and trial can be debugged, whatever its job file says", async () => {
    const root = workspace(ECHO);
    for (const name of ["p", "s", "broken"]) fs.writeFileSync(path.join(root, `${name}.yaml`), name);
    const lens = (what, words, actions) => ({line: 1, what, words, actions});
    const answers = {
        p: [lens("", [], ["run", "debug"]), lens("fit", ["--step", "fit"], ["run", "debug"])],
        s: [lens("4 trials", ["--trials", "4"], ["run"]), lens("one trial", [], ["run", "debug"])],
    };
    const tool = {root, lenses: async (_, text) => ({lenses: answers[text] || assert.fail(text)})};
    const experiments = ["p", "s", "broken", "none"].map(name => ({...A, experiment: name, job: `${name}.yaml`}));
    experiments[1].machines = ["ssh:box"];
    const launches = new Launches(tool, {isRead: true, state: stateOf({experiments})});
    const found = await launches.provideDebugConfigurations();
    assert.deepEqual(found.map(one => [one.name, one.target, one.words]), [
        ["p", "p", []], ["p: fit", "p", ["--step", "fit"]], ["s: one trial", "s", []],
        ["s: one trial on ssh:box", "s", ["--backend", "ssh:box"]], ["broken", "broken", []], ["none", "none", []],
    ]);
    assert.ok(found.every(one => one.type === "innerloop" && one.kind === "run"));
});

test("a debugger is attached once it listens, and not if the command ends before", async () => {
    const terminal = script => new DebugTerminal(() => new Tool(workspace(script)).spawn([]));
    const listens = terminal("console.log('building'); console.log('innerloop: ready for the debugger'); process.stdin.once('data', () => process.exit(3))");
    let said = "";
    listens.onDidWrite(text => (said += text));
    const ended = new Promise(resolve => listens.onDidClose(resolve));
    listens.open();
    assert.equal(await listens.ready, true);
    assert.equal(said, "building\r\ninnerloop: ready for the debugger\r\n");
    listens.handleInput("x\r");
    assert.equal(await ended, 3);
    for (const script of ["console.error('innerloop: src/a: wrong [code]'); process.exit(1)", ""]) {
        const ends = terminal(script);
        ends.open();
        assert.equal(await ends.ready, false);
    }
    const missing = new DebugTerminal(() => new Tool(path.join(os.tmpdir(), "there is none")).spawn([]));
    missing.open();
    assert.equal(await missing.ready, false);
});

test("only rows that differ are drawn again", () => {
    const view = new ExperimentsView();
    const fired = [];
    view.onDidChangeTreeData(item => fired.push(item?.run?.run || item?.experiment?.experiment));
    const show = more => (fired.splice(0), view.show(stateOf(more)), fired.splice(0));
    const drawn = () => view.getChildren().flatMap(top => [top, ...view.getChildren(top)]);
    const runs = [run("r1"), run("r2"), run("b1", {experiment: "b"})];
    assert.deepEqual(show({runs}), [undefined]);
    const before = drawn();
    assert.deepEqual(show({runs: structuredClone(runs)}), []);
    assert.deepEqual(show({runs: [runs[0], run("r2", {scores: {loss: 1}, headline: "loss"}), runs[2]]}), ["r2"]);
    assert.equal(view.getTreeItem(before[1]).label, "done · loss 1 · 1:01");
    assert.deepEqual(show({runs: [...runs, run("r3")]}), ["a", "r2"]);
    assert.deepEqual(show({runs: [...runs, run("r3")], starting: ["b"]}), ["b"]);
    assert.equal(view.getTreeItem(before[3]).description, "starting...");
    assert.deepEqual(show({}), [undefined]);
    assert.deepEqual(show({experiments: [A]}), [undefined]);
});

test("while a run starts it is looked for, whether a watcher sees it or not", async context => {
    let asked = 0;
    const tool = {root: "/w", isBroken: true, ask: answer => answer, json: async args => (args[0] === "runs" && asked++, [])};
    const live = new LiveState(tool);
    context.mock.timers.enable({apis: ["setTimeout"]});
    const beat = async () => (context.mock.timers.tick(5000), await live.reading);
    await live.refresh(["runs"]);
    await beat();
    assert.equal(asked, 1);
    live.starts("a");
    await beat();
    await beat();
    assert.equal(asked, 3);
    live.starting.clear();
    await beat();
    await beat();
    assert.equal(asked, 4);
    vscode.tasks.taskExecutions.push({});
    await live.refresh(["runs"]);
    await beat();
    assert.equal(asked, 6);
    vscode.tasks.taskExecutions.pop();
    live.dispose();
});

test("a run that was asked for is shown until it is there, or its task has ended", async () => {
    let runs = [];
    const tool = {root: "/w", isBroken: true, ask: answer => answer, json: async args => (args[0] === "runs" ? runs : [])};
    const live = new LiveState(tool);
    const starting = () => live.state.starting;
    live.starts("a");
    live.starts("b");
    await live.refresh(["runs"]);
    assert.deepEqual(starting(), ["a", "b"]);
    runs = [run("r1")];
    await live.refresh(["runs"]);
    assert.deepEqual(starting(), ["b"]);
    await live.refreshAll();
    assert.deepEqual(starting(), []);
    live.dispose();
});

test("a run is tagged by its folder, with every name that was typed", async () => {
    const asked = [];
    const commands = new Commands({text: async args => void asked.push(args)}, {refresh: async () => {}});
    await commands._tag(run("r1"));
    assert.deepEqual(asked, [["runs", "tag", "outputs/a/r1", "best", "final"]]);
});

test("the manifest and the code have the same commands, and every menu names one", () => {
    vscode.workspace.workspaceFolders = [{uri: vscode.Uri.file(workspace(ECHO))}];
    const before = vscode.seen.registered.size;
    assert.equal(before, 0);
    const subscriptions = [];
    part("extension").activate({subscriptions});
    const contributed = manifest.contributes.commands.map(command => command.command);
    const registered = [...vscode.seen.registered.keys()];
    assert.deepEqual(registered.filter(name => !contributed.includes(name)), []);
    assert.deepEqual(contributed.filter(name => !registered.includes(name)), []);
    for (const items of Object.values(manifest.contributes.menus)) {
        for (const item of items) assert.ok(contributed.includes(item.command), item.command);
    }
    subscriptions.forEach(subscription => subscription?.dispose?.());
});

test("a folder without the tool starts nothing", () => {
    vscode.workspace.workspaceFolders = [{uri: vscode.Uri.file(os.tmpdir())}, {uri: {scheme: "memfs", fsPath: "/"}}];
    part("extension").activate({get subscriptions() { throw new Error("something was started"); }});
});

test("trusted workspaces only, where the workspace is, with files that are there", () => {
    assert.equal(manifest.capabilities.untrustedWorkspaces.supported, false);
    assert.deepEqual(manifest.extensionKind, ["workspace"]);
    assert.equal(manifest.dependencies, undefined);
    const media = manifest.contributes.walkthroughs[0].steps.map(step => step.media.markdown);
    for (const name of [manifest.main, ...media, manifest.contributes.viewsContainers.activitybar[0].icon]) {
        assert.ok(fs.existsSync(path.join(folder, name)), name);
    }
    assert.equal(manifest.contributes.walkthroughs[0].steps.length, 3);
});

test("a program whose Python lacks a package is offered its environment", async () => {
    const {messages, trackers, started} = vscode.seen;
    offerEnvironment(new Launches(new Tool("/w"), new LiveState(new Tool("/w"))));
    const [type, factory] = trackers.pop();
    assert.equal(type, "debugpy");
    const python = fs.readFileSync(path.join(folder, "start", "sitecustomize.py"), "utf8");
    const exitCode = Number(/^EXIT_CODE = (\d+)$/m.exec(python)[1]);
    const ends = async (configuration, body) => {
        [messages.length, started.length] = [0, 0];
        const tracker = factory.createDebugAdapterTracker({configuration});
        await tracker.onDidSendMessage({type: "event", event: "initialized"});
        await tracker.onDidSendMessage({type: "event", event: "exited", body});
        return started.map(one => one.target);
    };
    const program = "/w/src/a/train.py";
    assert.deepEqual(await ends({name: "a: train.py", request: "launch", program}, {exitCode}), [path.join("src", "a", "train.py")]);
    assert.deepEqual(await ends({name: "a: part", request: "launch", cwd: "/w/src/a"}, {exitCode}), [path.join("src", "a")]);
    assert.deepEqual(await ends({name: "a", request: "launch", program}, {exitCode: 1}), []);
    assert.deepEqual(await ends({name: "a", request: "attach", program}, {exitCode}), []);
    assert.deepEqual(messages, []);
});
