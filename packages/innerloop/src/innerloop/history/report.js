
"use strict";
// The page of runs. Whatever comes from a run is set as text or as an attribute, never as markup.
(() => {
const page = JSON.parse(document.getElementById("data").textContent);
const byId = id => document.getElementById(id);
// The palette of Okabe and Ito, which people with colour blindness can tell apart. Lines with the same
// colour differ by their dashes.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f"];
const DASHES = ["", "6 3", "2 3", "8 3 2 3"];
// A chart's size and margins, in units of its SVG.
const WIDTH = 520, HEIGHT = 260, LEFT = 64, RIGHT = 12, TOP = 12, BOTTOM = 32;
// Larger numbers are drawn at the edge: the difference of two of them must be a number.
const EDGE = 1e300;
// So many of the newest runs are ticked at first; up to so many, a new one is ticked when it comes.
const FIRST_TICKED = 12, MOST_TICKED = 40;
// So many rows are written at once, and so many points of a curve are marked.
const ROWS_AT_ONCE = 250, MOST_MARKED = 30;
const EVERY = 1000;

// --- elements
function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter(child => child !== null && child !== undefined && child !== false));
  return node;
}
const el = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// --- what a person chose; VS Code's editor and a browser's tab keep it over a reload
const store = (() => {
  if (typeof acquireVsCodeApi === "function") {
    const api = acquireVsCodeApi();
    return { read: () => api.getState(), write: value => api.setState(value) };
  }
  const key = "innerloop runs " + location.pathname;
  return {
    read: () => { try { return JSON.parse(sessionStorage.getItem(key)); } catch { return null; } },
    write: value => { try { sessionStorage.setItem(key, JSON.stringify(value)); } catch { /* full or refused */ } },
  };
})();
const chosen = Object.assign(
  { x: "step", log: false, smooth: 0, filter: "", charts: "", sort: "", down: false, ticked: null, seen: [] },
  store.read());
const keep = () => store.write({ ...chosen, ticked: [...ticked], seen: order });

// --- the runs
const runs = new Map(), slots = new Map();
const ticked = new Set(chosen.ticked || []);
let order = [], columns = { scores: [], inputs: [] }, groups = [], version = page.version || 0;

/** Take over what has changed. Returns the folders of the runs that did, and whether rows came or went. */
function apply(change) {
  for (const run of change.runs) runs.set(run.folder, run);
  const seen = new Set(order.length ? order : chosen.seen);
  if (change.order) {
    order = change.order;
    const there = new Set(order);
    for (const folder of runs.keys()) if (!there.has(folder)) runs.delete(folder);
    for (const folder of [...ticked]) if (!there.has(folder)) ticked.delete(folder);
    for (const folder of [...order].reverse()) if (!slots.has(folder)) slots.set(folder, slots.size);
    const fresh = order.filter(folder => !seen.has(folder));
    if (seen.size || chosen.ticked) {
      for (const folder of fresh) if (ticked.size < MOST_TICKED) ticked.add(folder);
    } else {
      const drawn = order.filter(folder => runs.get(folder).alive || runs.get(folder).names.length);
      for (const folder of order.length > FIRST_TICKED ? drawn.slice(0, FIRST_TICKED) : order) ticked.add(folder);
    }
  }
  const isOther = change.columns && JSON.stringify(change.columns) !== JSON.stringify(columns);
  if (change.columns) columns = change.columns;
  if (change.groups) groups = change.groups;
  if (change.version !== undefined) version = change.version;
  return { folders: change.runs.map(run => run.folder), isOther: isOther || Boolean(change.order) };
}
const style = folder => {
  const slot = slots.get(folder) || 0;
  const dash = DASHES[Math.floor(slot / COLOURS.length) % DASHES.length];
  return { stroke: COLOURS[slot % COLOURS.length], ...(dash && { "stroke-dasharray": dash }) };
};
const key = folder =>
  svg("svg", { class: "key", viewBox: "0 0 30 8", "aria-hidden": "true" },
    svg("path", { d: "M0 4H30", "stroke-width": 4, ...style(folder) }));

// --- numbers
const WORDS = { nan: NaN, inf: Infinity, "-inf": -Infinity };
const number = value => typeof value === "number" ? value : value in WORDS ? WORDS[value] : NaN;
const short = (value, digits = 5) => {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const text = value.toPrecision(digits);
  return text.includes("e") || !text.includes(".") ? String(Number(text)) : text.replace(/\.?0+$/, "");
};
const UNITS = ["B", "kB", "MB", "GB", "TB"];
function bytes(value) {
  let unit = 0;
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) { value /= 1000; unit++; }
  return Number.isFinite(value) ? `${short(value, 3)} ${UNITS[unit]}` : short(value);
}
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (Math.abs(seconds) < 120) return `${short(seconds, 3)} s`;
  const minutes = Math.floor(seconds / 60), rest = Math.floor(seconds % 60);
  return minutes < 120 ? `${minutes} min ${rest} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
const elapsed = run =>
  run.seconds ?? (page.live && run.alive && run.started ? Math.max(0, Date.now() / 1000 - run.started) : null);
const clip = value => Math.max(-EDGE, Math.min(EDGE, value));

/** A scale from numbers to coordinates, with `ticks`, and back with `inverse`. */
function scaleOf(low, high, start, end, isLog) {
  const inner = isLog ? Math.log10 : clip, outer = isLog ? value => 10 ** value : value => value;
  low = inner(low); high = inner(high);
  const margin = (high - low) * 0.04 || (isLog ? 0.5 : Math.abs(high) * 0.1 || 1);
  low -= margin; high += margin;
  const scale = value => Math.round((start + (inner(value) - low) / (high - low) * (end - start)) * 10) / 10;
  scale.inverse = at => outer(low + (at - start) / (end - start) * (high - low));
  scale.ticks = () => {
    const rough = Math.max((high - low) / 6, isLog ? 1 : 0), power = 10 ** Math.floor(Math.log10(rough));
    const step = isLog && high - low < 2 ? 1 : power * [1, 2, 5, 10].find(digit => power * digit >= rough * 0.999);
    const ticks = [];
    for (let tick = Math.ceil(low / step); tick <= Math.floor(high / step); tick++) ticks.push(outer(tick * step));
    return ticks.length ? ticks : [outer((low + high) / 2)];
  };
  return scale;
}

// --- charts
const charts = new Map();
const chartsBox = byId("charts");
const SPLIT = /^(train|training|val|valid|validation|test|eval|dev)[_.\-]/i;
function groupOf(name) {
  const slash = name.indexOf("/");
  if (slash > 0) return name.slice(0, slash);
  const match = SPLIT.exec(name);
  return match ? match[1].toLowerCase() : "";
}
/** A sort key: what has no prefix first; in a group losses, then scores, then times. */
const rank = name => `${/second|time|duration/i.test(name) ? 2 : /loss/i.test(name) ? 0 : 1}${name}`;
const compare = (a, b) => a < b ? -1 : a > b ? 1 : 0;

function chartNames() {
  const names = new Set(), system = new Set();
  for (const run of runs.values()) for (const name of run.names) names.add(name);
  for (const folder of ticked) for (const name in runs.get(folder)?.system || {}) system.add(name);
  const wanted = [...names].map(name => ({ id: "m " + name, name, group: groupOf(name), system: false }));
  wanted.sort((a, b) => compare(a.group, b.group) || compare(rank(a.name), rank(b.name)));
  for (const name of [...system].sort()) wanted.push({ id: "s " + name, name, group: "system", system: true });
  const words = chosen.charts.toLowerCase().split(/\s+/).filter(Boolean);
  return wanted.filter(one => words.every(word => one.name.toLowerCase().includes(word)));
}

const seen = typeof IntersectionObserver === "function" ? new IntersectionObserver(entries => {
  for (const entry of entries) {
    const chart = entry.target.chart;
    chart.isNear = entry.isIntersecting;
    if (chart.isNear && chart.isDirty) draw(chart);
  }
}, { rootMargin: "600px" }) : null;

function makeChart(spec) {
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": spec.name, tabindex: "0" });
  const tip = el("div", { class: "tip", hidden: true, "aria-live": "polite" });
  const note = el("small");
  const figure = el("figure", {}, el("figcaption", {}, spec.name.replaceAll("_", " "), note), picture, tip);
  const chart = { ...spec, figure, picture, tip, note, lines: [], isDirty: true, isNear: !seen, at: null };
  figure.chart = chart;
  picture.onpointermove = event => {
    const box = picture.getBoundingClientRect();
    if (chart.across) readAt(chart, chart.across.inverse((event.clientX - box.left) / box.width * WIDTH));
  };
  picture.onpointerleave = picture.onblur = () => unread(chart);
  picture.onkeydown = event => step(chart, event);
  seen?.observe(figure);
  return chart;
}

/** Put the charts that there are into their groups. */
function layCharts() {
  const wanted = chartNames(), ids = new Set(wanted.map(one => one.id));
  for (const [id, chart] of charts) if (!ids.has(id)) {
    seen?.unobserve(chart.figure);
    chart.figure.remove();
    charts.delete(id);
  }
  const boxes = new Map([...chartsBox.children].map(box => [box.dataset.group, box]));
  let last = null;
  for (const spec of wanted) {
    if (!charts.has(spec.id)) charts.set(spec.id, makeChart(spec));
    const name = `${spec.system ? "s" : "m"} ${spec.group}`;
    if (!boxes.has(name)) {
      const title = spec.group || (wanted.some(one => one.group) ? "metrics" : "curves");
      boxes.set(name, el("details", { open: true, "data-group": name }, el("summary", {}, title), el("div", { class: "charts" })));
    }
    const box = boxes.get(name), inner = box.lastElementChild;
    if (last?.box !== box) {
      const place = last ? last.box.nextSibling : chartsBox.firstChild;
      if (place !== box) chartsBox.insertBefore(box, place);
    }
    const before = last?.box === box ? last.figure.nextSibling : inner.firstChild;
    if (before !== charts.get(spec.id).figure) inner.insertBefore(charts.get(spec.id).figure, before);
    last = { box, figure: charts.get(spec.id).figure };
  }
  for (const box of boxes.values()) if (box.tagName === "DETAILS")
    box.className = `wide${Math.min(3, box.lastElementChild.childElementCount)}`;
  for (const box of [...chartsBox.children]) if (box.tagName === "DETAILS" && !box.querySelector("figure")) box.remove();
  let none = byId("none");
  if (!wanted.length && !none) chartsBox.append(el("p", { id: "none" }, "No run has written a curve yet."));
  else if (wanted.length) none?.remove();
}

function column(owner, name) {
  const cached = "_" + name;
  return owner[cached] ??= owner[name] ? Float64Array.from(owner[name], number) : null;
}
/** The coordinates of a run's curve on an axis; null if it has none there. */
function xs(run, curve, axis) {
  const values = column(run.axes[curve.axis], axis);
  if (axis !== "time" || !values) return values;
  const first = values.find(Number.isFinite), wait = first - run.started;
  const start = wait >= 0 && wait < 3600 ? run.started : first;  // a job may have been in a queue
  return values.map(value => value - start);
}
function smoothed(values, weight) {
  let last = 0, count = 0;
  return values.map(value => {
    if (!Number.isFinite(value)) { last = count = 0; return value; }
    last = last * weight + (1 - weight) * value;
    return last / (1 - weight ** ++count);
  });
}

function drawAll() {
  for (const chart of charts.values()) {
    chart.isDirty = true;
    if (chart.isNear || charts.size <= 12) draw(chart);
  }
}

function draw(chart) {
  chart.isDirty = false;
  const shown = order.filter(folder => ticked.has(folder)).map(folder => runs.get(folder));
  const having = shown.filter(run => (chart.system ? run.system : run.curves)[chart.name])
    .map(run => ({ run, curve: (chart.system ? run.system : run.curves)[chart.name] }));
  const wanted = chart.system ? "step" : chosen.x;
  const axis = having.some(({ run, curve }) => run.axes[curve.axis][wanted]) ? wanted : "step";
  chart.unit = chart.system ? "seconds" : axis === "time" ? "seconds since the start" : axis;
  chart.text = chart.system && /memory/.test(chart.name) ? bytes : value => short(value);
  const lines = having.filter(({ run, curve }) => run.axes[curve.axis][axis])
    .map(({ run, curve }) => ({ run, x: xs(run, curve, axis), y: column(curve, "y") }));
  chart.lines = lines;
  const left = having.length - lines.length;
  chart.note.textContent = [
    axis === "step" && !chart.system && wanted === "step" ? "" : axis === wanted ? chart.unit : "by step",
    left ? `${left} run${left > 1 ? "s" : ""} without ${axis}` : "",
    !lines.length && shown.length ? "not of the ticked runs" : "",
  ].filter(Boolean).map(text => ` · ${text}`).join("");
  const isLog = chosen.log;
  let low = Infinity, high = -Infinity, first = Infinity, last = -Infinity;
  for (const { x, y } of lines) for (let i = 0; i < y.length; i++) {
    if (Number.isFinite(x[i])) { first = Math.min(first, x[i]); last = Math.max(last, x[i]); }
    if (Number.isFinite(y[i]) && (!isLog || y[i] > 0)) { low = Math.min(low, y[i]); high = Math.max(high, y[i]); }
  }
  if (!(first <= last)) { first = 0; last = 1; }
  if (!(low <= high)) { low = isLog ? 1 : 0; high = 1; }
  chart.across = scaleOf(first, last, LEFT, WIDTH - RIGHT, false);
  chart.up = scaleOf(low, high, HEIGHT - BOTTOM, TOP, isLog);
  const nodes = [];
  for (const tick of chart.up.ticks()) {
    const y = chart.up(tick);
    nodes.push(svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }),
      svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, chart.system ? chart.text(tick) : short(tick, 4)));
  }
  for (const tick of chart.across.ticks()) {
    if (Number.isInteger(tick) || axis === "time")
      nodes.push(svg("text", { x: chart.across(tick), y: HEIGHT - 12, "text-anchor": "middle" }, short(tick, 6)));
  }
  for (const line of lines) nodes.push(lineOf(chart, line, isLog));
  chart.picture.replaceChildren(...nodes);
  if (chart.at !== null) readAt(chart, chart.at);
}

function lineOf(chart, { run, x, y }, isLog) {
  const group = svg("g", { class: "run", "data-run": run.folder });
  const look = style(run.folder);
  const weight = Number(chosen.smooth);
  const title = () => svg("title", {}, `${run.experiment} ${run.id}: ${chart.name} ${short(y[y.length - 1])}`);
  if (weight) polylines(group, chart, x, y, isLog, { class: "raw", ...look });
  polylines(group, chart, x, weight ? smoothed(y, weight) : y, isLog, look, title);
  let isFinite = true;
  for (let i = 0; i < y.length; i++) {
    if (!Number.isFinite(x[i])) continue;
    const isHere = Number.isFinite(y[i]) && (!isLog || y[i] > 0);
    if (!isHere && isFinite) {
      const isLow = y[i] === -Infinity || (Number.isFinite(y[i]) && y[i] <= 0);
      group.append(svg("text", { class: "diverged", x: chart.across(x[i]), y: isLow ? HEIGHT - BOTTOM - 2 : TOP + 10,
        "text-anchor": "middle", fill: look.stroke }, Number.isFinite(y[i]) ? "▾" : "✕",
        svg("title", {}, `${run.id}, from ${short(x[i], 6)}: ${short(y[i])}${Number.isFinite(y[i]) ? ", which has no logarithm" : ""}`)));
      group.lastChild.style.fill = look.stroke;
    }
    isFinite = isHere;
  }
  return group;
}

function polylines(group, chart, x, y, isLog, look, title) {
  let points = [];
  const end = () => {
    if (!points.length) return;
    group.append(svg("polyline", { points: points.join(" "), ...look }, title && title()));
    if (title && (y.length <= MOST_MARKED || points.length === 1))
      for (const point of points) {
        const [cx, cy] = point.split(",");
        group.append(svg("circle", { cx, cy, r: 2.2, fill: look.stroke }));
      }
    points = [];
  };
  for (let i = 0; i < y.length; i++) {
    if (Number.isFinite(y[i]) && Number.isFinite(x[i]) && (!isLog || y[i] > 0)) points.push(`${chart.across(x[i])},${chart.up(y[i])}`);
    else end();
  }
  end();
}

function nearest(values, x) {
  let best = -1, least = Infinity;
  for (let i = 0; i < values.length; i++) {
    const distance = Math.abs(values[i] - x);
    if (distance < least) { least = distance; best = i; }
  }
  return best;
}

/** Show the values of all lines at x. */
function readAt(chart, x) {
  chart.at = x;
  const rows = [];
  let at = null;
  for (const { run, x: values, y } of chart.lines) {
    const i = nearest(values, x);
    if (i < 0) continue;
    if (at === null || Math.abs(values[i] - x) < Math.abs(at - x)) at = values[i];
    rows.push({ run, x: values[i], y: y[i] });
  }
  if (at === null) return unread(chart);
  rows.sort((a, b) => Number.isNaN(a.y) - Number.isNaN(b.y) || b.y - a.y);
  const more = rows.length - 14;
  chart.tip.replaceChildren(
    el("div", { class: "soft" }, `${chart.unit} ${chart.unit === "step" ? short(at, 7) : short(at, 4)}`),
    ...rows.slice(0, 14).map(row => el("div", {}, el("span", {}, key(row.run.folder), " ", row.run.id),
      el("b", { class: Number.isFinite(row.y) ? "" : "bad" }, chart.text(row.y) + (row.x === at ? "" : ` (at ${short(row.x, 5)})`)))),
    ...(more > 0 ? [el("div", { class: "soft" }, `and ${more} more`)] : []));
  chart.tip.hidden = false;
  const across = chart.across(at);
  let cross = chart.picture.querySelector(".cross");
  if (!cross) chart.picture.append(cross = svg("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM }));
  cross.setAttribute("x1", across);
  cross.setAttribute("x2", across);
  chart.shownAt = at;
}
function unread(chart) {
  chart.at = null;
  chart.tip.hidden = true;
  chart.picture.querySelector(".cross")?.remove();
}
/** Read the next values with the arrow keys. */
function step(chart, event) {
  const all = [...new Set(chart.lines.flatMap(line => [...line.x]))].filter(Number.isFinite).sort((a, b) => a - b);
  const now = chart.at === null ? -1 : all.indexOf(chart.shownAt);
  const size = event.shiftKey ? 10 : 1;
  const to = { ArrowRight: now + size, ArrowLeft: now < 0 ? all.length - 1 : now - size, Home: 0, End: all.length - 1 }[event.key];
  if (event.key === "Escape") unread(chart);
  if (to === undefined || !all.length) return;
  event.preventDefault();
  readAt(chart, all[Math.max(0, Math.min(all.length - 1, to))]);
}

// --- the table
const table = byId("runs"), head = table.tHead, body = table.tBodies[0];
const rows = new Map();
let spec = [];

function columnsOf() {
  const text = (name, value) => ({ name, value, text: value });
  const figure = (name, value, digits) => ({ name, isNumber: true, value, text: run => {
    const found = value(run);
    return found === undefined || found === null ? "" : short(found, digits);
  } });
  const score = name => figure(name, run => name in run.scores ? number(run.scores[name]) : undefined, 5);
  const input = name => {
    const texts = [...runs.values()].map(run => run.inputs[name] ?? "");
    const isNumber = texts.every(text => text === "" || !Number.isNaN(Number(text)) || text.toLowerCase() in WORDS);
    const value = run => isNumber ? (run.inputs[name] ?? "") === "" ? undefined : Number(run.inputs[name]) : run.inputs[name] ?? "";
    return { name, isNumber, value, text: run => run.inputs[name] ?? "" };
  };
  return [
    { name: "run", value: run => run.id, text: run => run.id, node: runCell },
    { name: "state", value: run => run.state, text: run => run.state, node: stateCell },
    ...(new Set([...runs.values()].map(run => run.experiment)).size > 1 ? [text("experiment", run => run.experiment)] : []),
    ...columns.scores.map(score), ...columns.inputs.map(input),
    { name: "seconds", isNumber: true, value: elapsed, text: run => { const s = elapsed(run); return s === null ? "" : s.toFixed(1); } },
    text("backend", run => run.backend),
    { ...text("code", run => run.code), node: run => el("code", {}, run.code) },
  ];
}
function runCell(run) {
  const button = el("button", { type: "button", title: run.command, onclick: () => openRun(run.folder) }, run.id);
  return el("span", {}, button, ...run.tags.map(tag => el("span", { class: "tag" }, tag)),
    run.note && el("span", { class: "soft", title: run.note }, " ✎"));
}
function stateCell(run) {
  const diverged = run.diverged && !run.bad ? ` · ${run.diverged}` : "";
  return el("span", { class: run.bad || run.diverged ? "bad" : run.alive ? "good" : "", title: run.problems.join("; ") || null },
    run.state + diverged);
}

function layHead() {
  spec = columnsOf();
  const all = el("input", { type: "checkbox", id: "all", title: "all of them", "aria-label": "show all runs that are listed", onchange: tickAll });
  head.replaceChildren(el("tr", {}, el("th", { scope: "col" }, all), ...spec.map(one =>
    el("th", { scope: "col", class: one.isNumber ? "number" : "", "aria-sort": chosen.sort === one.name ? chosen.down ? "descending" : "ascending" : null },
      el("button", { type: "button", onclick: () => sortBy(one.name) }, one.name.replaceAll("_", " "))))));
}
function layRow(row, run) {
  const box = row.firstElementChild?.querySelector("input") || el("input", { type: "checkbox", "data-run": run.folder,
    "aria-label": `show ${run.id} in the charts`, onchange: event => tick(run.folder, event.target.checked) });
  box.checked = ticked.has(run.folder);
  const isFocused = row.contains(document.activeElement) && document.activeElement.tagName === "BUTTON";
  row.replaceChildren(el("td", {}, row.firstElementChild?.firstElementChild || el("label", {}, box, key(run.folder))),
    ...spec.map(one => {
      const text = one.text(run);
      return el("td", { class: one.isNumber ? "number" : "text", title: text.length > 40 ? text : null }, one.node ? one.node(run) : text);
    }));
  if (isFocused) row.querySelector("button")?.focus();
}
const highlight = folder => on => {
  const isDrawn = on && ticked.has(folder);
  chartsBox.classList.toggle("one", isDrawn);
  for (const line of chartsBox.querySelectorAll(".run")) line.classList.toggle("chosen", isDrawn && line.dataset.run === folder);
};
function rowOf(folder) {
  if (!rows.has(folder)) {
    const on = highlight(folder);
    const row = el("tr", { "data-run": folder, onmouseenter: () => on(true), onmouseleave: () => on(false) });
    layRow(row, runs.get(folder));
    rows.set(folder, row);
  }
  return rows.get(folder);
}

function listed() {
  const words = chosen.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const textOf = run => [run.experiment, run.id, run.state, run.backend, run.code, run.note, run.diverged, ...run.tags,
    ...Object.entries(run.inputs).map(pair => pair.join("="))].join("\n").toLowerCase();
  let found = words.length ? order.filter(folder => { const text = textOf(runs.get(folder)); return words.every(word => text.includes(word)); }) : [...order];
  const by = spec.find(one => one.name === chosen.sort);
  if (by) {
    // What has no value comes last in both directions: "nan", then nothing.
    const place = value => value === undefined || value === null || value === "" ? 2 : Number.isNaN(value) ? 1 : 0;
    const sign = chosen.down ? -1 : 1;
    const values = new Map(found.map(folder => [folder, by.value(runs.get(folder))]));
    found.sort((a, b) => {
      const x = values.get(a), y = values.get(b);
      return place(x) - place(y) || (place(x) ? 0 : sign * (typeof x === "string" ? x.localeCompare(y, undefined, { numeric: true }) : x < y ? -1 : x > y ? 1 : 0));
    });
  }
  return found;
}
let filling = 0;
/** Put the rows in their order, the first ones at once. */
function layRows() {
  const found = listed(), turn = ++filling;
  const there = new Set(found);
  for (const [folder, row] of rows) if (!there.has(folder)) { row.remove(); if (!runs.has(folder)) rows.delete(folder); }
  let at = 0;
  const put = count => {
    let place = at ? rowOf(found[at - 1]).nextSibling : body.firstChild;
    for (const end = Math.min(found.length, at + count); at < end; at++) {
      const row = rowOf(found[at]);
      if (place === row) place = row.nextSibling;
      else body.insertBefore(row, place);
    }
    if (at < found.length) setTimeout(() => turn === filling && put(ROWS_AT_ONCE), 0);
  };
  put(ROWS_AT_ONCE);
  byId("more").textContent = found.length < order.length ? `${found.length} of ${order.length} runs match the filter.` : "";
  layTicks();
}
function sortBy(name) {
  chosen.down = chosen.sort === name && !chosen.down;
  chosen.sort = name;
  [...head.rows[0].cells].slice(1).forEach((cell, i) => {
    cell.removeAttribute("aria-sort");
    if (spec[i].name === name) cell.setAttribute("aria-sort", chosen.down ? "descending" : "ascending");
  });
  layRows();
  keep();
}
function layTicks() {
  const found = listed(), count = found.filter(folder => ticked.has(folder)).length;
  const all = byId("all");
  all.checked = count > 0;
  all.indeterminate = count > 0 && count < found.length;
  compareButton.disabled = ticked.size !== 2;
  compareButton.textContent = ticked.size === 2 ? "Compare the two ticked runs" : "Compare (tick two runs)";
}
function tick(folder, on) {
  if (on) ticked.add(folder); else ticked.delete(folder);
  ticksChanged();
}
function tickAll(event) {
  for (const folder of listed()) {
    if (event.target.checked) ticked.add(folder); else ticked.delete(folder);
    const row = rows.get(folder);
    if (row) row.querySelector("input").checked = event.target.checked;
  }
  ticksChanged();
}
function ticksChanged() {
  layTicks();
  layCharts();
  drawAll();
  keep();
  refine();
}

// --- the tools
const compareButton = el("button", { type: "button", disabled: true, onclick: openCompare });
function layTools() {
  const select = el("select", { "aria-label": "x axis", onchange: event => set("x", event.target.value) },
    ...["step", "epoch", "time"].map(name => el("option", { value: name, selected: chosen.x === name }, name)));
  const log = el("input", { type: "checkbox", onchange: event => set("log", event.target.checked) });
  log.checked = chosen.log;
  const smooth = el("input", { type: "range", min: 0, max: 0.99, step: 0.01, value: chosen.smooth, oninput: event => set("smooth", Number(event.target.value)) });
  const filter = el("input", { type: "search", placeholder: "Filter charts", "aria-label": "Filter charts", value: chosen.charts,
    oninput: event => { chosen.charts = event.target.value; layCharts(); drawAll(); keep(); } });
  byId("tools").append(el("label", {}, "x", select), el("label", {}, log, "log scale"), el("label", {}, "smoothing", smooth), filter);
  byId("table-tools").append(compareButton, el("input", { type: "search", placeholder: "Filter runs", "aria-label": "Filter runs", value: chosen.filter,
    oninput: event => { chosen.filter = event.target.value; layRows(); keep(); } }));
}
function set(name, value) {
  chosen[name] = value;
  drawAll();
  keep();
}

// --- sweeps and pipelines
const groupBoxes = new Map();
function layGroups() {
  const box = byId("groups"), there = new Set();
  const newest = [...groups].sort((a, b) => -compare(a.folder, b.folder));
  newest.forEach((group, index) => {
    const id = `${group.kind} ${group.folder}`, text = JSON.stringify(group);
    there.add(id);
    const known = groupBoxes.get(id);
    if (known?.text === text) return;
    const node = el("details", { open: known ? known.node.open : index === 0, "data-group": id },
      ...(group.kind === "sweep" ? sweep(group) : pipeline(group)));
    if (known) known.node.replaceWith(node);
    else box.insertBefore(node, box.children[index] || null);
    groupBoxes.set(id, { node, text });
  });
  for (const [id, { node }] of groupBoxes) if (!there.has(id)) { node.remove(); groupBoxes.delete(id); }
}
const nameOf = group => `${group.experiment} ${group.folder.split("/").slice(2).join("/")}`;
const GOOD_STATES = ["done", "kept"], BAD_STATES = ["failed", "stopped", "killed"];
const look = state => GOOD_STATES.includes(state) ? "good" : BAD_STATES.includes(state) ? "bad" : { running: "going", "stopped early": "early" }[state] || "";
const sign = state => ({ good: "✓ ", bad: "✕ ", going: "▸ ", early: "⊘ " })[look(state)] || "";
const openPart = part => runs.has(part.folder)
  ? el("button", { type: "button", onclick: () => openRun(part.folder) }, part.name) : part.name;
function plainTable(names, lines, attributes = {}) {
  return el("div", { class: "scroll", tabindex: "0", role: "region", ...attributes }, el("table", {}, el("thead", {}, el("tr", {}, ...names.map(name => el("th", { scope: "col" }, name)))),
    el("tbody", {}, ...lines.map(line => el("tr", {}, ...line.map(cell => cell instanceof Node && cell.tagName === "TD" ? cell : el("td", {}, cell)))))));
}

function sweep(group) {
  const names = [...new Set(group.parts.flatMap(part => Object.keys(part.values)))];
  const best = group.parts.find(part => part.name === group.best);
  const parts = [...group.parts];
  const signOf = group.goal === "minimize" ? 1 : -1;
  const place = part => part.metric === null ? 1 : 0;
  parts.sort((a, b) => place(a) - place(b) || signOf * ((a.metric ?? 0) - (b.metric ?? 0)));
  const title = `Sweep ${nameOf(group)}: ${parts.length} trial${parts.length === 1 ? "" : "s"}` + (best ? `, best ${best.name}` +
    (best.metric === null ? "" : ` (${group.metric} ${short(best.metric)})`) : "");
  const metric = group.metric || "metric";
  return [el("summary", {}, title),
    names.length ? parallel(group, names, metric) : null,
    plainTable(["trial", "", "state", ...names, ...(group.metric ? [metric] : []), "time"], parts.map(part => [
      openPart(part),
      part === best ? el("td", { class: "good" }, "★ best") : "",
      el("td", { class: look(part.state) === "bad" || part.diverged ? "bad" : look(part.state) === "early" ? "soft" : "" }, (look(part.state) === "early" ? sign(part.state) : "") + part.state + (part.diverged ? " · diverged" : "")),
      ...names.map(name => part.values[name] ?? ""),
      ...(group.metric ? [part.metric === null ? part.diverged ? "✕" : "" : short(part.metric, 6)] : []),
      duration(part.seconds),
    ]), { class: "scroll parts", "aria-label": "trials" })];
}

/** The trials as lines over one axis for each value, and one for the metric. */
function parallel(group, names, metric) {
  const width = 900, height = 270, top = 44, bottom = height - 26;
  const axes = [...names.map(name => ({ name, of: part => part.values[name] })),
    ...(group.metric ? [{ name: metric, of: part => part.metric, isMetric: true }] : [])];
  axes.forEach((axis, i) => {
    axis.x = axes.length === 1 ? width / 2 : 70 + i * (width - 140) / (axes.length - 1);
    const values = group.parts.map(axis.of).filter(value => value !== undefined && value !== null);
    const numbers = values.map(Number);
    if (values.length && numbers.every(Number.isFinite)) {
      const low = Math.min(...numbers), high = Math.max(...numbers);
      const isLog = !axis.isMetric && low > 0 && high / low >= 50;
      const inner = isLog ? Math.log : value => value;
      axis.y = value => low === high ? (top + bottom) / 2 : bottom - (inner(Number(value)) - inner(low)) / (inner(high) - inner(low)) * (bottom - top);
      axis.labels = low === high ? [low] : [low, high];
      axis.labels = axis.labels.map(value => [value, short(value, 4)]);
    } else {
      const texts = [...new Set(values)].sort();
      axis.y = value => texts.length < 2 ? (top + bottom) / 2 : bottom - texts.indexOf(value) / (texts.length - 1) * (bottom - top);
      axis.labels = (texts.length > 8 ? [texts[0], texts[texts.length - 1]] : texts).map(text => [text, text.length > 14 ? text.slice(0, 13) + "…" : text]);
    }
  });
  const lines = [...group.parts].sort((a, b) => (a.name === group.best) - (b.name === group.best)).map(part => {
    const points = [];
    for (const axis of axes) {
      const value = axis.of(part);
      if (value !== undefined && value !== null) points.push(`${axis.x.toFixed(1)},${axis.y(value).toFixed(1)}`);
      else if (axis.isMetric && part.diverged) points.push(`${axis.x.toFixed(1)},${bottom + 14}`);
    }
    const kind = part.name === group.best ? " best" : part.diverged || look(part.state) === "bad" ? " diverged" : look(part.state) === "early" ? " early" : "";
    const said = Object.entries(part.values).map(pair => pair.join(" ")).join(", ");
    return svg("polyline", { class: `trial${kind}`, points: points.join(" ") },
      svg("title", {}, `${part.name} (${part.state}): ${said}${group.metric ? ` → ${part.metric === null ? part.diverged ? "diverged" : "no" : short(part.metric)} ${metric}` : ""}`));
  });
  return svg("svg", { class: "picture", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `trials of ${nameOf(group)}: ${axes.map(axis => axis.name).join(", ")}` },
    ...axes.flatMap(axis => [
      svg("line", { class: "axis", x1: axis.x, x2: axis.x, y1: top, y2: bottom }),
      svg("text", { x: axis.x, y: 20, "text-anchor": "middle" }, axis.name),
    ]), ...lines,
    ...axes.flatMap(axis => axis.labels.map(([value, text]) => svg("text", { x: axis.x + 6, y: axis.y(value) + (axis.y(value) > bottom - 4 ? 14 : -4) }, text))));
}

function pipeline(group) {
  const steps = new Map(group.parts.map(part => [part.name, part]));
  const layers = new Map();
  const layer = (name, path = []) => {
    if (layers.has(name)) return layers.get(name);
    const needs = path.includes(name) ? [] : steps.get(name).needs.filter(need => steps.has(need));
    const found = needs.length ? 1 + Math.max(...needs.map(need => layer(need, [...path, name]))) : 0;
    layers.set(name, found);
    return found;
  };
  const high = new Map(), places = new Map();
  for (const name of steps.keys()) {
    const x = layer(name), y = high.get(x) || 0;
    high.set(x, y + 1);
    places.set(name, { x: 8 + x * 230, y: 8 + y * 66 });
  }
  const width = 16 + Math.max(0, ...layers.values()) * 230 + 180, height = 8 + Math.max(1, ...high.values()) * 66;
  const state = part => `${sign(part.state)}${part.state}${part.seconds === null ? "" : `, ${duration(part.seconds)}`}`;
  const edges = group.parts.flatMap(part => part.needs.filter(need => places.has(need)).map(need => {
    const from = places.get(need), to = places.get(part.name), x = from.x + 180, y = from.y + 24;
    return svg("path", { class: "edge", "marker-end": "url(#arrow)", d: `M${x} ${y} C${x + 25} ${y} ${to.x - 30} ${to.y + 24} ${to.x - 3} ${to.y + 24}` });
  }));
  const boxes = group.parts.map(part => {
    const { x, y } = places.get(part.name);
    const name = part.name.length > 24 ? part.name.slice(0, 23) + "…" : part.name;
    return svg("g", { class: `step ${look(part.state)}` }, svg("rect", { x, y, width: 180, height: 48, rx: 8 }),
      svg("text", { class: "name", x: x + 10, y: y + 20 }, name), svg("text", { x: x + 10, y: y + 37 }, state(part)),
      svg("title", {}, `${part.name}: ${state(part)}`));
  });
  const failed = group.parts.filter(part => look(part.state) === "bad").length, done = group.parts.filter(part => look(part.state) === "good").length;
  return [el("summary", {}, `Pipeline ${nameOf(group)}: ${done} of ${group.parts.length} steps done${failed ? `, ${failed} failed` : ""}`),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "steps" },
      svg("svg", { class: "graph", width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
        "aria-label": `steps: ${group.parts.map(part => `${part.name} ${part.state}${part.needs.length ? ` after ${part.needs.join(" and ")}` : ""}`).join(", ")}` },
        svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { d: "M0 0L8 4L0 8z", class: "axis", fill: "currentColor" }))),
        ...edges, ...boxes)),
    plainTable(["step", "state", "after", "time"], group.parts.map(part => [openPart(part), el("td", { class: look(part.state) }, part.state), part.needs.join(", "), duration(part.seconds)]), { "aria-label": "steps as a table" })];
}

// --- one run, and two side by side
const dialog = byId("detail");
let opened = null;
dialog.onclose = () => { opened = null; dialog.replaceChildren(); };
function show(title, ...children) {
  dialog.replaceChildren(el("div", { class: "bar" }, el("h2", { id: "detail-title" }, title),
    el("button", { type: "button", onclick: () => dialog.close() }, "Close")), ...children);
  if (!dialog.open) dialog.showModal();
  dialog.scrollTop = 0;
}
const facts = pairs => el("table", { class: "facts" }, el("tbody", {}, ...pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined)
  .map(([name, value]) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, value)))));
const part = (title, ...children) => [el("div", { class: "part" }, el("h3", {}, title), ...children)];

async function ask(name, query) {
  const answer = await fetch(`${name}?${new URLSearchParams(query)}`, { cache: "no-store" });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

function openRun(folder) {
  const run = runs.get(folder);
  const left = el("div", {}, el("p", {}, page.live ? "…" : "")), output = logView();
  opened = { folder, output, next: 0 };
  const times = [["started", run.started ? new Date(run.started * 1000).toLocaleString() : ""], ["time", duration(elapsed(run))]];
  show(`${run.experiment} ${run.id}`, el("div", { class: "columns" },
    ...part("Run", facts([["state", stateCell(run)], ["tags", run.tags.join(", ")], ["note", run.note], ...times, ["files", page.live ? run.folder : folderLink(run)],
      ...run.problems.map(text => ["problem", text])])),
    ...(Object.keys(run.inputs).length ? part("Inputs", facts(Object.entries(run.inputs))) : []),
    ...(Object.keys(run.scores).length ? part("Scores", facts(Object.entries(run.scores).map(([name, value]) => [name, short(number(value), 7)]))) : []),
    ...Object.entries(run.facts).filter(([, group]) => Object.keys(group).length).flatMap(([name, group]) => part(name[0].toUpperCase() + name.slice(1), facts(Object.entries(group))))),
    left, ...part("Output", output.node));
  if (page.live) {
    ask("files", { run: folder }).then(found => opened?.folder === folder && layFiles(left, folder, found)).catch(() => left.replaceChildren());
    followLog();
  } else {
    const found = (page.outputs || {})[folder];
    if (found) { layFiles(left, folder, found); output.add(found.log); }
    else left.replaceChildren(el("p", {}, "This page has the outputs and the log of the newest runs alone; `loop runs --open` shows those of all."));
  }
}
function folderLink(run) {
  const inside = run.folder.replace(/^outputs\//, "").split("/").map(encodeURIComponent).join("/");
  return location.protocol === "file:" ? el("a", { href: `./${inside}/` }, run.folder) : run.folder;
}
function layFiles(box, folder, found) {
  const images = found.files.filter(file => file.kind === "image" && (page.live || file.url));
  const tables = found.files.filter(file => file.rows && file.rows.length > 1);
  const others = found.files.filter(file => !images.includes(file) && !tables.includes(file));
  const address = file => page.live ? `image?${new URLSearchParams({ run: folder, name: file.name })}` : file.url;
  box.replaceChildren(
    ...(images.length ? part("Images", el("div", { class: "images" }, ...images.map(file =>
      el("figure", {}, el("figcaption", {}, file.name), el("img", { alt: file.name, loading: "lazy", src: address(file) }))))) : []),
    ...tables.flatMap(file => part(file.name, plainTable(file.rows[0], file.rows.slice(1), { "aria-label": file.name }))),
    ...(others.length ? part("Files", facts(others.map(file => [file.name, bytes(file.size)]))) : []),
    ...(found.patch ? part("Not committed", el("pre", { tabindex: "0" }, ...patchLines(found.patch))) : []));
}

/** The text of a log as a terminal would show it: without its colours, and with the last text of a line. */
const plain = text => text.replace(/\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(\x07|\x1b\\)/g, "").replace(/\r+\n/g, "\n").replace(/[^\n]*\r(?!\n)/g, "");
function logView() {
  let text = "";
  const pre = el("pre", { tabindex: "0", "aria-label": "output" }), count = el("span", { class: "soft", role: "status" });
  const search = el("input", { type: "search", placeholder: "Search the output", "aria-label": "Search the output", oninput: () => lay() });
  const lay = () => {
    const isAtEnd = pre.scrollTop + pre.clientHeight >= pre.scrollHeight - 20;
    const shown = plain(text), word = search.value.toLowerCase();
    if (!word) {
      pre.textContent = shown;
      count.textContent = "";
    } else {
      const lines = shown.split("\n"), found = [];
      lines.forEach((line, i) => line.toLowerCase().includes(word) && found.push([i + 1, line]));
      count.textContent = `${found.length} of ${lines.length} lines`;
      pre.replaceChildren(...found.slice(0, 1000).flatMap(([at, line]) => [el("span", { class: "soft" }, `${at}: `), ...marked(line, word), "\n"]));
    }
    if (isAtEnd) pre.scrollTop = pre.scrollHeight;
  };
  const view = {
    node: el("div", {}, el("div", { class: "tools" }, search, count), pre),
    add: (more, isNew) => { text = (isNew ? "" : text) + more; lay(); },
  };
  return view;
}
function marked(line, word) {
  const low = line.toLowerCase(), parts = [];
  let from = 0;
  for (let at = low.indexOf(word); at >= 0 && low.length === line.length; at = low.indexOf(word, from)) {
    parts.push(line.slice(from, at), el("mark", {}, line.slice(at, at + word.length)));
    from = at + word.length;
  }
  return [...parts, line.slice(from)];
}
async function followLog() {
  const here = opened;
  if (!page.live || !here?.output || here.isAsking) return;
  here.isAsking = true;
  try {
    const found = await ask("log", { run: here.folder, start: here.next });
    if (found.text || found.start < here.next) here.output.add(found.text, found.start !== here.next);
    here.next = found.next;
  } catch { /* the run is gone, or the command has ended */ }
  here.isAsking = false;
}

async function openCompare() {
  const [a, b] = order.filter(folder => ticked.has(folder)).reverse().map(folder => runs.get(folder));
  const only = el("input", { type: "checkbox" }), box = el("div"), patches = el("div");
  only.checked = true;
  const score = run => Object.fromEntries(Object.entries(run.scores).map(([name, value]) => [name, short(number(value), 7)]));
  const base = run => ({ state: run.state, time: duration(elapsed(run)), tags: run.tags.join(", "), note: run.note });
  const sections = [["Scores", score(a), score(b)], ["Inputs", a.inputs, b.inputs],
    ...[...new Set([...Object.keys(a.facts), ...Object.keys(b.facts)])].map(name => [name[0].toUpperCase() + name.slice(1), a.facts[name] || {}, b.facts[name] || {}]),
    ["Run", base(a), base(b)]];
  const lay = () => {
    const lines = sections.flatMap(([title, left, right]) => {
      const names = [...new Set([...Object.keys(left), ...Object.keys(right)])].filter(name => !only.checked || left[name] !== right[name]);
      return names.length ? [el("tr", {}, el("th", { colspan: 4, scope: "colgroup" }, el("b", {}, title))), ...names.map(name => {
        const isOther = left[name] !== right[name];
        return el("tr", { class: isOther ? "differs" : "" }, el("th", { scope: "row" }, name), el("td", {}, left[name] ?? "–"), el("td", {}, right[name] ?? "–"), el("td", { class: "soft" }, isOther ? "differs" : ""));
      })] : [];
    });
    box.replaceChildren(el("div", { class: "scroll" }, el("table", { class: "facts" },
      el("thead", {}, el("tr", {}, el("td"), el("th", { scope: "col" }, key(a.folder), " ", a.id), el("th", { scope: "col" }, key(b.folder), " ", b.id), el("td"))),
      el("tbody", {}, ...(lines.length ? lines : [el("tr", {}, el("td", { colspan: 4 }, "Nothing that was recorded differs."))])))));
  };
  only.onchange = lay;
  lay();
  const here = opened = { compare: [a.folder, b.folder] };
  show(`${a.id} and ${b.id}`, el("label", {}, only, " only what differs"), box, patches);
  const [left, right] = await Promise.all([a, b].map(run => page.live ? ask("files", { run: run.folder }).catch(() => null) : (page.outputs || {})[run.folder]));
  const code = page.live ? await ask("code", { one: a.folder, other: b.folder }).catch(() => null) : null;
  if (opened !== here) return;
  if (left?.packages && right?.packages) {
    sections.splice(2, 0, ["Packages", left.packages, right.packages]);
    lay();
  }
  if (code && !code.why) {
    patches.replaceChildren(...part(code.patch ? "Code, from the first run to the second" : "Code: the same in both",
      ...(code.patch ? [el("pre", { tabindex: "0", class: "patch" }, ...patchLines(code.patch))] : [])));
  } else if (left?.patch || right?.patch) {
    patches.replaceChildren(...part("Not committed", el("div", { class: "sides" }, ...[[a, left], [b, right]].map(([run, found]) =>
      el("div", {}, el("b", {}, run.id), el("pre", { tabindex: "0" }, ...(found?.patch ? patchLines(found.patch) : ["nothing"])))))));
  }
}
const patchLines = text => text.split("\n").map(line =>
  el("span", { class: /^\+(?!\+\+)/.test(line) ? "added" : /^-(?!--)/.test(line) ? "removed" : null }, line + "\n"));

// --- the page
function layStatus(text) {
  const going = order.filter(folder => runs.get(folder).alive).length;
  const words = text || `${order.length} run${order.length === 1 ? "" : "s"}, newest first${going ? `, ${going} running` : ""}` +
    (page.live ? ". This page follows them." : ".");
  const status = byId("status");
  if (status.textContent !== words) status.textContent = words;
  status.className = text ? "off" : page.live ? "live" : "";
}
function lay(change) {
  if (change.isOther) {
    rows.forEach((row, folder) => { if (!runs.has(folder)) { row.remove(); rows.delete(folder); } });
    layHead();
    for (const [folder, row] of rows) layRow(row, runs.get(folder));
    layRows();
  } else {
    for (const folder of change.folders) if (rows.has(folder)) layRow(rows.get(folder), runs.get(folder));
    if (change.folders.length && chosen.sort) layRows();
  }
  if (change.isOther || change.folders.length) {
    layCharts();
    drawAll();
  }
  layGroups();
  layStatus();
}
/** Ask for all points of the ticked runs that came with some of them left out. */
async function refine() {
  if (!page.live) return;
  for (const folder of order.filter(folder => ticked.has(folder) && runs.get(folder).thinned && !runs.get(folder).isAsked).slice(0, MOST_TICKED)) {
    const run = runs.get(folder);
    run.isAsked = true;
    try {
      const full = await ask("run", { run: folder });
      if (runs.get(folder) === run) { Object.assign(run, { curves: full.curves, system: full.system, axes: full.axes, thinned: false }); layCharts(); drawAll(); }
    } catch { /* it is gone: the next change says so */ }
  }
}
let failures = 0, timer = 0;
async function follow() {
  clearTimeout(timer);
  if (!document.hidden) {
    try {
      const change = await ask("changes", { since: version });
      failures = 0;
      lay(apply(change));
      for (const folder of order) {
        const run = runs.get(folder), row = rows.get(folder);
        if (run.alive && row) row.cells[1 + spec.findIndex(one => one.name === "seconds")].textContent = spec.find(one => one.name === "seconds").text(run);
      }
      if (opened?.folder && !runs.has(opened.folder)) { opened = null; dialog.close(); }
      followLog();
      refine();
    } catch {
      if (++failures > 2) layStatus("The command that served this page has ended: it shows what was there until then.");
    }
  }
  clearTimeout(timer);
  timer = setTimeout(follow, failures > 2 ? 3 * EVERY : EVERY);
}
layTools();
lay(apply(page));
keep();
if (page.live) {
  document.addEventListener("visibilitychange", () => { if (!document.hidden) follow(); });
  refine();
  timer = setTimeout(follow, EVERY);
}
})();
