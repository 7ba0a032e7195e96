// @ts-check
"use strict";
// VS Code's side of the tool. Delete this folder and everything else goes on as before.

const fs = require("fs");
const path = require("path");
const vscode = require("vscode");
const {Commands} = require("./commands");
const {RunDocuments, SCHEME} = require("./documents");
const {ExperimentsView} = require("./experiments");
const jobFile = require("./job_file");
const {Launches, TYPE, offerEnvironment} = require("./launches");
const {LiveState} = require("./live_state");
const {RunStatus, RunsPage} = require("./runs_page");
const testsPanel = require("./tests_panel");
const {Tool} = require("./tool");

/** The folder that is a workspace of the tool. */
function root() {
    const folders = (vscode.workspace.workspaceFolders || []).map(folder => folder.uri);
    const local = folders.filter(uri => uri.scheme === "file").map(uri => uri.fsPath);
    return local.find(folder => fs.existsSync(path.join(folder, "scripts", "loop")));
}

/** @param {vscode.ExtensionContext} context */
exports.activate = context => {
    const folder = root();
    if (!folder) return;
    const tool = new Tool(folder);
    const live = new LiveState(tool);
    const documents = new RunDocuments(tool, live);
    const page = new RunsPage(tool, live);
    const launches = new Launches(tool, live);
    const view = new ExperimentsView();
    const tree = vscode.window.createTreeView("innerloop.experiments", {treeDataProvider: view});
    live.onDidChange(state => view.show(state));
    context.subscriptions.push(
        live,
        documents,
        page,
        tree,
        new RunStatus(live),
        vscode.workspace.registerTextDocumentContentProvider(SCHEME, documents),
        vscode.debug.registerDebugConfigurationProvider(TYPE, launches, vscode.DebugConfigurationProviderTriggerKind.Dynamic),
        offerEnvironment(launches),
        ...new Commands(tool, live, documents, page, launches).register(),
        // A task may have changed anything: what it built is no longer outdated.
        vscode.tasks.onDidEndTaskProcess(() => live.refreshAll()),
        vscode.tasks.onDidStartTaskProcess(() => live.refreshSoon(["runs"])),
        vscode.window.onDidChangeWindowState(window => window.focused && live.refreshSoon()),
        tree.onDidChangeVisibility(change => change.visible && live.refreshSoon()),
    );
    testsPanel.activate(context, tool, live, launches);
    jobFile.activate(context, tool, launches);
    // After the start of the window, which waits for no program.
    live.refreshSoon();
};
