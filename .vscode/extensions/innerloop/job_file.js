// @ts-check
"use strict";

/** @param {import("vscode").ExtensionContext} _context @param {import("./tool").Tool} _tool */
exports.activate = (_context, _tool) => {};
