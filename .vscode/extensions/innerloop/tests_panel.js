// @ts-check
"use strict";
exports.activate = () => {};
