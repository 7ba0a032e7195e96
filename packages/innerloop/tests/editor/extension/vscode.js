"use strict";
// A stand-in for the module that VS Code gives its extensions: as much of it as their pure parts use.

class EventEmitter {
    constructor() {
        this.listeners = [];
        this.event = listener => {
            this.listeners.push(listener);
            return {dispose: () => {}};
        };
    }
    fire(value) {
        for (const listener of this.listeners) listener(value);
    }
    dispose() {}
}

class TreeItem {
    constructor(label, collapsibleState = 0) {
        Object.assign(this, {label, collapsibleState});
    }
}

class Recorded {
    constructor(...values) {
        this.values = values;
    }
}

const messages = [];
const tasks = [];
const trackers = [];
const started = [];
const watched = new Set();
const registered = new Map();
const nothing = () => ({dispose: () => {}});
const shown = () => ({show: () => {}, hide: () => {}, dispose: () => {}});

/** The folder `base` counts as watched until it is disposed. */
function createFileSystemWatcher(pattern) {
    const [base] = pattern.values;
    const watcher = {listeners: [], dispose: () => watched.delete(watcher), base: base.fsPath};
    const on = listener => (watcher.listeners.push(listener), {dispose: () => {}});
    watched.add(watcher);
    return Object.assign(watcher, {onDidCreate: on, onDidChange: on, onDidDelete: on});
}

module.exports = {
    EventEmitter,
    TreeItem,
    ThemeIcon: Recorded,
    ThemeColor: Recorded,
    RelativePattern: Recorded,
    ProcessExecution: Recorded,
    CustomExecution: Recorded,
    Task: Recorded,
    TaskPanelKind: {Dedicated: 2},
    TaskScope: {Workspace: 2},
    StatusBarAlignment: {Left: 1},
    ProgressLocation: {Window: 10},
    TestRunProfileKind: {Run: 1},
    TreeItemCollapsibleState: {None: 0, Collapsed: 1, Expanded: 2},
    Disposable: {from: (...parts) => ({dispose: () => parts.forEach(part => part.dispose())})},
    Uri: {file: fsPath => ({fsPath, scheme: "file"}), from: parts => parts},
    window: {
        showInputBox: async () => "best  final ",
        withProgress: (_, act) => act(),
        showWarningMessage: async (text, button) => (messages.push(text), button),
        showErrorMessage: text => void messages.push(text),
        createTreeView: () => ({onDidChangeVisibility: nothing, dispose: () => {}}),
        createStatusBarItem: shown,
        onDidChangeWindowState: nothing,
        onDidChangeTextEditorSelection: nothing,
    },
    workspace: {
        workspaceFolders: [],
        textDocuments: [],
        createFileSystemWatcher,
        getWorkspaceFolder: () => undefined,
        registerTextDocumentContentProvider: nothing,
        onDidOpenTextDocument: nothing,
        onDidChangeTextDocument: nothing,
        onDidSaveTextDocument: nothing,
        onDidCloseTextDocument: nothing,
    },
    commands: {
        executeCommand: () => Promise.resolve(),
        registerCommand: (name, act) => (registered.set(name, act), {dispose: () => {}}),
    },
    languages: {
        createDiagnosticCollection: () => ({dispose: () => {}}),
        registerCodeActionsProvider: nothing,
        registerCodeLensProvider: nothing,
        registerCompletionItemProvider: nothing,
        registerHoverProvider: nothing,
    },
    CodeActionKind: {QuickFix: "quickfix"},
    debug: {
        registerDebugConfigurationProvider: nothing,
        registerDebugAdapterTrackerFactory: (type, factory) => (trackers.push([type, factory]), {dispose: () => {}}),
        startDebugging: (_, configuration) => Promise.resolve(started.push(configuration)),
    },
    DebugConfigurationProviderTriggerKind: {Dynamic: 2},
    tasks: {executeTask: task => void tasks.push(task), onDidEndTaskProcess: nothing, onDidStartTaskProcess: nothing, taskExecutions: []},
    tests: {
        createTestController: () => ({items: new Map(), createRunProfile: () => {}, dispose: () => {}}),
    },
    seen: {messages, tasks, watched, registered, trackers, started},
};
