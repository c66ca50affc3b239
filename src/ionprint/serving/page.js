"use strict";
// What comes from files or from the server is shown as text alone, never as markup.

const AT_ONCE = 3; // requests under way
const ENDINGS = [".txt", ".asc", ".csv", ".gz"]; // taken from folders, as `ionprint predict` does
// Okabe and Ito's, as in the figures
const PALETTE = ["#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000"];
const ELEMENTS = new Set((
  "H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se " +
  "Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy " +
  "Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu"
).split(" "));

const at = (id) => document.getElementById(id);
const files = []; // all that were given, in their order
const looks = new Map(); // of each compound: colour and hatching
let model = null;
let key = ""; // in memory alone
let locked = false; // until the key is given
let running = 0;
let toldAt = 0;
const spectraRead = () => files.flatMap((one) => one.spectra);

class KeyNeeded extends Error {}

// ---------------------------------------------------------------- text

function make(tag, more = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(more)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

/** Typeset a formula as ⁶LiH₂⁻; a text that is none is given back as it is. */
function typeset(formula, charge = "") {
  const text = String(formula).trim();
  const body = /[+-]$/.test(text) ? text.slice(0, -1) : text;
  const sign = text.slice(body.length) || charge;
  const low = (digits) => digits.replace(/\d/g, (d) => "₀₁₂₃₄₅₆₇₈₉"[d]);
  const high = (digits) => digits.replace(/[\d+-]/g, (d) => "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻"["0123456789+-".indexOf(d)]);
  let written = "";
  let end = 0;
  for (const part of body.matchAll(/(?:\[(\d+)([A-Z][a-z]?)\]|([A-Z][a-z]?)|([()]))(\d*)/g)) {
    const [whole, mass, isotope, element, bracket, count] = part;
    if (part.index !== end || !(bracket || ELEMENTS.has(isotope || element))) return String(formula);
    const usual = mass === "7" && isotope === "Li";
    written += (usual ? "" : high(mass || "")) + (isotope || element || bracket) + low(count);
    end += whole.length;
  }
  return end && end === body.length ? written + high(sign) : String(formula);
}

const charge = () => (model && model.polarity === "positive" ? "+" : "-");
const mzText = (mz) => `m/z\u00a0${mz.toFixed(3)}`;
const ionText = (one) => (one.ion ? typeset(one.ion, charge()) : "");
const ionName = (one) => (one.ion ? `${ionText(one)} (${one.mz.toFixed(3)})` : mzText(one.mz));
const percent = (share) => (share > 0 && share < 0.01 ? "<\u00a01" : (100 * share).toFixed(0));
const count = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 });
const several = (n, one, more) => `${n} ${n === 1 ? one : more}`;

function listed(names) {
  return names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}

function chip(compound) {
  return paint(make("span", { className: "chip" }), compound);
}

/** Return a compound's colour; grey for one of a model that was replaced. */
const lookOf = (compound) => looks.get(compound) || { color: "#8a8f94", turn: 0 };

/** Give an element the colour of a compound. */
function paint(element, compound) {
  const { color, turn } = lookOf(compound);
  element.style.setProperty("--c", color);
  element.style.setProperty("--edge", color === "#000000" ? "#ffffff" : "#404040");
  element.classList.toggle("hatched", turn > 0);
  element.classList.toggle("back", turn > 0 && turn % 2 === 0);
  return element;
}

// ---------------------------------------------------------------- the server

/** Ask the server; throws KeyNeeded, or an error that says in words what is wrong. */
async function ask(path, options = {}) {
  let answer;
  const used = key;
  try {
    answer = await fetch(path, { ...options, headers: used ? { "X-API-Key": used } : {}, cache: "no-store" });
  } catch (problem) {
    if (problem.name === "AbortError") throw problem;
    throw new Error(await whyNoAnswer(options.body));
  }
  if (answer.status === 401) {
    if (used === key) askForKey(); // otherwise another was given meanwhile
    throw new KeyNeeded();
  }
  if (!answer.ok) throw new Error(await reasons(answer));
  return answer;
}

async function whyNoAnswer(sent) {
  const alive = await fetch("health", { cache: "no-store" }).then((a) => a.ok, () => false);
  if (!alive) return "The server does not answer. Is it running, and is this computer connected to it?";
  const size = sent ? [...sent.values()].reduce((sum, part) => sum + (part.size || 0), 0) / 2 ** 20 : 0;
  return `The connection broke off. Try again; a file of ${size.toFixed(1)} MB may be more than this server takes.`;
}

async function reasons(answer) {
  let told = [];
  try {
    told = (await answer.json()).errors.map(({ field, reason }) => {
      const where = field.replace(/^files\[\d+\]\.?/, "").replace(/^(body|request)$/, "");
      return where && !reason.startsWith(where) ? `${where}: ${reason}` : reason;
    });
  } catch {
    told = []; // a proxy in between answers in its own way
  }
  const reason = told.join("\n");
  if (answer.status === 413) return `The file is larger than this server takes${reason ? ` (${reason})` : ""}.`;
  return reason || `The server answered with status ${answer.status}${answer.statusText ? ` (${answer.statusText})` : ""}.`;
}

/** Send one file; its bytes are read first, so that a file that is gone is told from a server. */
async function send(one, include) {
  let bytes;
  try {
    bytes = await one.file.arrayBuffer();
  } catch {
    throw new Error("It cannot be read from the disk (any more). Drop it again.");
  }
  const form = new FormData();
  form.append("files", new Blob([bytes]), one.file.name);
  for (const [name, value] of Object.entries(one.numbers)) form.append(name, value);
  return ask(`predict?include=${include}`, { method: "POST", body: form, signal: one.stop.signal });
}

/** Parse JSON, every number marked and kept as it was written: 1.0 is not to become 1. */
function exact(text) {
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (part) => (part[0] === '"' ? part : `"\\u0001${part}"`)));
}

const unmarked = (value) => (typeof value === "string" && value[0] === "\u0001" ? value.slice(1) : value);
const asJson = (value) => JSON.stringify(value).replace(/"\\u0001([^"]*)"/g, "$1");

// ---------------------------------------------------------------- which model answers

async function introduce() {
  try {
    model = await (await ask("model")).json();
  } catch (problem) {
    if (!(problem instanceof KeyNeeded)) at("model").textContent = problem.message;
    return;
  }
  lock(false);
  looks.clear();
  [...model.compounds].sort().forEach((name, i) => {
    looks.set(name, { color: PALETTE[i % PALETTE.length], turn: Math.floor(i / PALETTE.length) });
  });
  const named = model.name ? `${model.name}, version ${model.version}` : `a model from a folder (${model.id})`;
  at("model").replaceChildren(
    "Read by ", make("strong", { textContent: named }),
    `, which learned from ${several(model.reference_spectra, "reference spectrum", "reference spectra")} ` +
    `(${model.source}, data set ${model.dataset.name}, ${model.polarity} secondary ions). It knows:`,
  );
  at("compounds").replaceChildren(...model.compounds.map((name) => make("li", {}, chip(name), typeset(name))));
  const source = at("source");
  const simulated = model.source === "simulated";
  source.classList.toggle("simulated", simulated);
  source.replaceChildren(
    make("strong", { textContent: simulated ? "Simulated references." : "Measured references." }),
    simulated
      ? " No instrument measured what this model learned from: it shows the method, and is no judge of a real surface."
      : " This model learned from measured spectra; it holds for spectra measured in the same way.",
  );
  source.hidden = false;
  at("takes").textContent = model.reads_exports
    ? `SurfaceLab ASCII exports (.txt, .asc, also as .gz) and tables of peak areas (.csv), of ${model.polarity} ions. Folders too.`
    : "Tables of peak areas (.csv). This model was trained on areas that were made elsewhere and cannot read exported spectra.";
  if (model.needs_primary_ions) needed("primary-ions");
}

/** Show a field that was not needed before. */
function needed(name) {
  at(`${name}-field`).hidden = false;
  at("numbers").hidden = false;
}

function askForKey() {
  if (key) at("key-problem").hidden = false;
  key = "";
  lock(true);
}

function lock(closed) {
  if (closed && !locked) at("model").textContent = "This server answers only those who have its key.";
  locked = closed;
  at("key-form").hidden = !closed;
  if (!closed) at("key-problem").hidden = true;
  if (closed) at("key").focus();
}

at("key-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  key = at("key").value.trim();
  at("key").value = "";
  if (!/^[!-~]+$/.test(key)) { // what no header can hold is no key
    askForKey();
    return;
  }
  await introduce();
  work();
});

// ---------------------------------------------------------------- files

function numbersGiven() {
  const given = { primary_ions: at("primary-ions"), pulses: at("pulses") };
  return Object.fromEntries(
    Object.entries(given)
      .map(([name, input]) => [name, input.value.trim().replace(",", ".")])
      .filter(([, value]) => value),
  );
}

function add(more) {
  for (const file of more) {
    const one = { file, state: "waiting", numbers: numbersGiven(), stop: new AbortController(), spectra: [], reason: "" };
    one.lines = [make("li")];
    files.push(one);
    at("spectra").append(one.lines[0]);
    show(one);
  }
  if (more.length) toldAt = 0;
  work();
}

/** Start what waits, as many as may run at once. */
function work() {
  for (const one of files) {
    if (locked || running >= AT_ONCE) break;
    if (one.state !== "waiting") continue;
    running += 1;
    read(one).finally(() => {
      running -= 1;
      work();
    });
  }
  tell();
}

async function read(one) {
  one.state = "reading";
  show(one);
  try {
    const text = await (await send(one, "rows")).text();
    const marked = exact(text);
    one.spectra = JSON.parse(text).predictions.map((answer, n) => ({
      one, n, answer, row: marked.rows[n], json: asJson(marked.predictions[n]),
    }));
    one.state = "done";
    if (one.spectra.some(({ answer }) => !model || answer.model.id !== model.id)) introduce();
  } catch (problem) {
    if (problem instanceof KeyNeeded) {
      one.state = "waiting";
    } else {
      one.state = "failed";
      one.reason = problem.message;
      if (/to correct it pulses is missing/.test(one.reason)) needed("pulses");
    }
  }
  if (files.includes(one)) show(one);
}

/** Say how far it is; aloud not for every file. */
function tell() {
  const number = (state) => files.filter((one) => one.state === state).length;
  const done = number("done"), failed = number("failed");
  const busy = done + failed < files.length;
  const spectra = spectraRead();
  at("progress").hidden = !busy;
  at("progress-bar").max = files.length || 1;
  at("progress-bar").value = done + failed;
  at("progress-text").textContent = `${done + failed} of ${files.length}`;
  at("results").hidden = !files.length;
  at("csv").disabled = at("json").disabled = !spectra.length || busy;
  at("again").hidden = !failed || busy;
  if (busy && !locked && Date.now() - toldAt < 3000) return;
  toldAt = Date.now();
  const outside = spectra.filter(({ answer }) => answer.alarm.outside).length;
  const parts = [];
  if (busy) parts.push(locked ? `${several(files.length - done - failed, "file waits", "files wait")} for the key.` : `Reading: ${done + failed} of ${files.length} files.`);
  else if (files.length) {
    parts.push(`${several(spectra.length, "spectrum", "spectra")} read.`);
    if (outside) parts.push(`${outside} with something that the references do not explain.`);
    if (failed) parts.push(`${several(failed, "file", "files")} could not be read: see below, and why.`);
    if (new Set(spectra.map(({ answer }) => answer.model.id)).size > 1) {
      parts.push("The model was replaced in between: not all were read by the same one. Clear the list and drop them again to compare them.");
    }
  }
  at("status").className = busy && !locked ? "heard" : ""; // the bar is seen
  at("status").textContent = parts.join(" ");
  if (!busy && at("order").value !== "given") arrange();
}

/** Put the lines in the order that was chosen. */
function arrange() {
  const lines = files.flatMap((one) => one.lines.map((line, n) => ({ line, one, spectrum: one.spectra[n] })));
  const name = ({ one, spectrum }) => (spectrum ? spectrum.answer.name : one.file.name);
  const trouble = ({ spectrum }) => (!spectrum ? 1 : spectrum.answer.alarm.outside ? 0 : spectrum.answer.warnings.length ? 2 : 3);
  const order = at("order").value;
  if (order === "name") lines.sort((a, b) => name(a).localeCompare(name(b), "en", { numeric: true }));
  if (order === "alarm") lines.sort((a, b) => trouble(a) - trouble(b));
  at("spectra").append(...lines.map(({ line }) => line));
}

at("files").addEventListener("change", () => {
  add([...at("files").files]);
  at("files").value = ""; // the same file may be chosen again
});
at("order").addEventListener("change", arrange);
at("again").addEventListener("click", () => {
  for (const one of files.filter(({ state }) => state === "failed")) {
    one.state = "waiting";
    one.numbers = numbersGiven();
    show(one);
  }
  work();
});
at("clear").addEventListener("click", () => {
  for (const one of files.splice(0)) one.stop.abort();
  at("spectra").replaceChildren();
  at("results").hidden = true;
  tell();
  at("files").focus();
});

// files dropped beside the field would otherwise be opened instead of this page
let over = 0;
const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files");
const mark = (event, step) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  over = Math.max(0, over + step);
  document.body.classList.toggle("over", over > 0);
};
document.addEventListener("dragenter", (event) => mark(event, 1));
document.addEventListener("dragleave", (event) => mark(event, -1));
document.addEventListener("dragover", (event) => mark(event, 0));
document.addEventListener("drop", async (event) => {
  if (!hasFiles(event)) return;
  mark(event, -over);
  add(await dropped(event.dataTransfer));
});

/** Return the files of what was dropped; folders are searched. */
async function dropped(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => (item.webkitGetAsEntry && item.webkitGetAsEntry()) || item.getAsFile());
  const found = [];
  for (const entry of entries.filter(Boolean)) await walk(entry, found, false);
  return found;
}

async function walk(entry, found, inFolder) {
  const name = entry.name.toLowerCase();
  if (entry instanceof File) found.push(entry);
  else if (entry.isDirectory) {
    const reader = entry.createReader();
    const inside = [];
    for (;;) { // it gives a hundred at a time
      const some = await new Promise((done) => reader.readEntries(done, () => done([])));
      if (!some.length) break;
      inside.push(...some);
    }
    inside.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const one of inside) await walk(one, found, true);
  } else if (!inFolder || (ENDINGS.some((end) => name.endsWith(end)) && name !== "samples.csv")) {
    const unreadable = { name: entry.name, arrayBuffer: () => Promise.reject(new Error("unreadable")) };
    found.push(await new Promise((done) => entry.file(done, () => done(unreadable))));
  }
}

// ---------------------------------------------------------------- a line a spectrum

function show(one) {
  const before = one.lines;
  one.lines = one.state === "done" ? one.spectra.map(spectrumLine) : [fileLine(one)];
  before[0].replaceWith(...one.lines);
  for (const line of before.slice(1)) line.remove();
}

function fileLine(one) {
  const words = { waiting: "waiting", reading: "being read …", failed: "could not be read" };
  const head = make("div", { className: "head" },
    make("h3", { textContent: one.file.name }),
    make("p", { textContent: words[one.state] }));
  if (one.state === "failed") head.append(make("p", { className: "alarm whole", textContent: withoutName(one.reason, one.file.name) }));
  return make("li", { className: `spectrum ${one.state}` }, head);
}

/** Drop a file's name from the begin of what is said of it: it stands beside. */
function withoutName(reason, name) {
  if (!reason.startsWith(name)) return reason;
  const rest = reason.slice(name.length).replace(/^[\s,:]+/, "");
  return rest.charAt(0).toUpperCase() + rest.slice(1);
}

function present(answer) {
  return Object.entries(answer.compounds)
    .filter(([, said]) => said.present)
    .sort(([, a], [, b]) => b.fraction - a.fraction);
}

function spectrumLine(spectrum) {
  const { answer } = spectrum;
  const { alarm } = answer;
  const there = present(answer);
  const detail = make("div", { className: "detail", hidden: true, id: `detail-${spectrumLine.made++}` });
  const open = make("button", { type: "button", className: "open", textContent: answer.name, "aria-expanded": "false", "aria-controls": detail.id });
  const said = there.length
    ? `Holds ${listed(there.map(([name]) => typeset(name)))}.`
    : "None of the model's compounds is called present.";
  const about = make("div", {},
    make("h3", {}, open),
    make("p", { className: "words", textContent: said }),
    make("p", { className: "remark", textContent: answer.source === "peak list" ? "peak list" : `${answer.source} spectrum` }));
  const head = make("div", { className: "head" }, about, bars(there));
  if (alarm.outside) {
    const ions = alarm.unexplained.map(ionName).join(", ");
    head.append(make("p", { className: "alarm whole" },
      make("strong", { textContent: "Alarm: " }),
      `holds something that the references do not explain${ions ? `: ${ions}` : ""}.`));
  }
  for (const warning of answer.warnings) head.append(make("p", { className: "warned whole", textContent: `Note: ${warning}.` }));
  head.addEventListener("click", (event) => {
    if (event.target.closest("button") !== open && String(getSelection())) return; // a text was marked
    const opened = open.getAttribute("aria-expanded") !== "true";
    open.setAttribute("aria-expanded", String(opened));
    detail.hidden = !opened;
    if (opened && !detail.firstChild) fill(detail, spectrum);
  });
  return make("li", { className: `spectrum${alarm.outside ? " outside" : ""}` }, head, detail);
}
spectrumLine.made = 0;

function bars(there) {
  const list = make("ul", { className: "bars", hidden: !there.length, "aria-label": "Composition" });
  for (const [name, said] of there) {
    const fill = paint(make("span", { className: "fill" }), name);
    fill.style.width = `${100 * said.fraction}%`;
    const whisker = make("span", { className: "whisker" });
    whisker.style.left = `${100 * said.low}%`;
    whisker.style.width = `${100 * (said.high - said.low)}%`;
    const proof = said.proof === "noise" ? "noise only" : `${said.proof} proof`;
    list.append(make("li", {},
      make("span", { className: "name" }, chip(name), typeset(name)),
      make("span", { className: "track", "aria-hidden": "true" }, fill, whisker),
      make("span", { className: "share n" }, `${percent(said.fraction)}\u00a0% `,
        make("small", { textContent: `(${percent(said.low)} to ${percent(said.high)}\u00a0%)` })),
      said.proof ? make("span", { className: `proof ${said.proof}`, textContent: proof }) : ""));
  }
  return list;
}

// ---------------------------------------------------------------- its detail

function table(caption, columns, rows) {
  const head = make("tr", {}, ...columns.map(([title, kind]) => make("th", { scope: "col", className: kind, textContent: title })));
  const body = rows.map(({ cells, className = "" }) => make("tr", { className }, ...cells.map((cell, i) => {
    const made = make(i ? "td" : "th", { className: columns[i][1] }, cell);
    if (!i) made.scope = "row";
    return made;
  })));
  return make("div", { className: "wide", tabIndex: 0, role: "region", "aria-label": caption },
    make("table", {}, make("caption", { textContent: caption }), make("thead", {}, head), make("tbody", {}, ...body)));
}

function fill(detail, spectrum) {
  const { answer } = spectrum;
  const { alarm, scale } = answer;
  const drawn = chart(spectrum);
  const goTo = (mz) => make("button", { type: "button", textContent: mz.toFixed(4), title: "Show it in the spectrum", onclick: () => drawn.show(mz) });
  const compounds = table(
    "Compounds",
    [["compound", ""], ["called present", ""], ["fraction (%)", "n"], ["90 % interval (%)", "n"], ["presence score", "n"], ["probability", "n"], ["proof", ""]],
    Object.entries(answer.compounds).map(([name, said]) => ({
      className: said.present ? "" : "against",
      cells: [
        make("span", {}, chip(name), typeset(name)), said.present ? "yes" : "no", (100 * said.fraction).toFixed(1),
        `${(100 * said.low).toFixed(1)} to ${(100 * said.high).toFixed(1)}`, said.presence.toFixed(3), said.probability.toFixed(3), said.proof || "",
      ],
    })),
  );
  const evidence = present(answer).filter(([, said]) => said.evidence.length).map(([name, said]) => table(
    `For and against ${typeset(name)} (${said.proof === "noise" ? "noise only" : `${said.proof} proof`})`,
    [["m/z (u)", ""], ["ion", ""], ["speaks", ""], ["counts", "n"], ["standard errors above background", "n"], ["above the other compounds", "n"]],
    said.evidence.map((ion) => ({
      className: ion.strength === "noise" || ion.side === "against" ? "against" : "",
      cells: [
        goTo(ion.mz), ionText(ion) || "unknown", ion.side === "against" ? "against it" : `for it, ${ion.strength}`,
        count(ion.counts), ion.above_background.toFixed(1), ion.above_others.toFixed(1),
      ],
    })),
  ));
  const ionTable = (caption, ions) => (ions.length
    ? [table(caption, [["m/z (u)", ""], ["ion", ""], ["counts", "n"]], ions.map((ion) => ({ cells: [goTo(ion.mz), ionText(ion) || "unknown", count(ion.counts)] })))]
    : []);
  const by = answer.model;
  const fit = scale.error_ppm === null ? "" : `, ${scale.error_ppm} ppm off (root mean square)`;
  const facts = [
    ["In the tables", answer.holds],
    ["Alarm", `${alarm.outside ? "outside" : "inside"} the references' reach: p ${alarm.p.toFixed(4)}, distance ${alarm.distance.toFixed(4)}`],
    ["Outlier", alarm.outlier
      ? `yes, p ${alarm.outlier_p.toFixed(4)}: ${several(alarm.clipped.length, "ion was", "ions were")} clipped to the references' range before the probabilities were taken`
      : `no, p ${alarm.outlier_p.toFixed(4)}`],
    ["Mass scale", `${scale.result}, ${several(scale.ions, "ion", "ions")}${fit}`],
    ["Coverage", `peaks for ${(100 * answer.coverage).toFixed(1)} % of the references' signal`],
    ["Counts in peaks", count(answer.counts)],
    ["Peaks beside the model's", String(answer.beside.length)],
    ["Spectrum", answer.source],
    ["Model", `${by.name ? `${by.name}, version ${by.version}, ` : ""}${by.id} (${by.source} references)`],
  ];
  const more = make("dl", {}, ...facts.map(([name, text]) => make("div", {}, make("dt", { textContent: name }), make("dd", { textContent: text }))));
  detail.append(
    compounds, drawn.whole, ...evidence,
    ...ionTable("Not explained by the references", alarm.unexplained),
    ...ionTable("Peaks beside the model's", answer.beside.slice(0, 20)), more,
  );
  drawn.begin();
}

// ---------------------------------------------------------------- the spectrum

let plotly = null;
function loadPlotly() {
  plotly = plotly || new Promise((done, failed) => {
    const script = make("script", { src: "plotly.js", onload: done });
    script.onerror = () => {
      plotly = null;
      script.remove();
      failed(new Error("The drawing cannot be loaded from the server. Close this and open it again."));
    };
    document.head.append(script);
  });
  return plotly;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const MARGIN = { l: 68, r: 14, t: 10, b: 48 };
const LABEL = 16; // height (px)
const MARK = 7; // half of a mark's size (px)
const LONGEST = 90; // line from a mark to its name (px)
const SHAPES = {
  strong: ["triangle-down", "M0,3 L14,3 L7,13 Z", true],
  weak: ["triangle-down-open", "M0,3 L14,3 L7,13 Z", false],
  foreign: ["circle-open", "M7,1 A6,6 0 1 0 7.01,1 Z", false],
};

/** Return the place of a spectrum's drawing, and ways to begin it and to show an ion in it. */
function chart(spectrum) {
  const { answer } = spectrum;
  const place = make("div", { className: "chart", role: "img" });
  const scale = make("select", {}, new Option("logarithmic", "log"), new Option("linear", "linear"));
  const from = make("input", { inputMode: "decimal" });
  const to = make("input", { inputMode: "decimal" });
  const whole = make("button", { type: "button", textContent: "Whole spectrum" });
  const note = make("p", { className: "remark", role: "status", textContent: "Fetching the spectrum …" });
  const controls = make("div", { className: "controls", hidden: true },
    make("label", {}, "Counts ", scale), make("label", {}, "m/z from ", from), make("label", {}, "to ", to), whole);
  const marks = marksOf(answer);
  const legend = make("ul", { className: "marks", hidden: true });
  const box = make("section", {}, make("h4", { textContent: "Spectrum" }), controls, legend, place, note);
  place.hidden = true;
  let profile = null;
  let range = null;

  function all() {
    const { mz } = profile;
    const edge = 0.02 * (mz.at(-1) - mz[0]) + 0.3;
    return [Math.max(0, mz[0] - edge), mz.at(-1) + edge];
  }

  /** Begin with the part in which the model has peaks. */
  function start() {
    const [first, last] = all();
    const end = model ? 1.03 * Math.max(...model.peaks.map((peak) => peak.mz)) : last;
    return [first, end > first ? Math.min(last, end) : last];
  }

  function draw() {
    if (!profile || !place.clientWidth) return;
    const { traces, layout } = drawing(profile, marks, range, scale.value, place);
    from.value = range[0].toFixed(2);
    to.value = range[1].toFixed(2);
    const first = !place.on; // a detail may be closed again before its spectrum is there
    Plotly.react(place, traces, layout, {
      displaylogo: false, doubleClick: false, toImageButtonOptions: { scale: 3, filename: answer.name },
      showSendToCloud: false, plotlyServerURL: "", // plotly's own default is a button that sends the data to it
      modeBarButtons: [["toImage"], ["zoom2d", "pan2d"], ["zoomIn2d", "zoomOut2d"]],
    });
    if (!first) return;
    place.on("plotly_relayout", (changed) => {
      if (changed["xaxis.autorange"]) look(...all());
      else if ("xaxis.range[0]" in changed) look(changed["xaxis.range[0]"], changed["xaxis.range[1]"]);
    });
    place.on("plotly_doubleclick", () => look(...all()));
  }

  function look(low, high) {
    const [first, last] = all();
    low = Math.max(low, first);
    high = Math.min(high, last);
    if (high - low > 1e-3) range = [low, high];
    draw();
  }

  async function begin() {
    try {
      const [answered] = await Promise.all([send(spectrum.one, "profile").then((a) => a.json()), loadPlotly()]);
      profile = answered.profiles[spectrum.n];
    } catch (problem) {
      note.textContent = problem instanceof KeyNeeded ? "The server asks for its key again: give it above, and open this anew." : problem.message;
      return;
    }
    if (!profile.mz.length) {
      note.textContent = "There is nothing in it to be drawn.";
      return;
    }
    range = start();
    note.textContent = `${profile.kind === "peaks" ? "Each line is a peak's area." : "Each line is a bin on the calibrated scale; bins without counts are left out."} ` +
      "Drag over a part to enlarge it, double-click for all of it; more ions are named where there is room. The tables below name them all.";
    legend.replaceChildren(...legendOf(marks));
    place.hidden = controls.hidden = legend.hidden = false;
    place.setAttribute("aria-label", `Spectrum of ${answer.name}, with its evidence ions marked: ${
      marks.map((m) => `${ionName(m)}, ${m.foreign ? "not explained" : `for ${m.compounds.map((c) => c.name).join(" and ")}`}`).join("; ") || "none"}.`);
    draw();
    new ResizeObserver(draw).observe(place);
    dark.addEventListener("change", draw);
  }

  scale.addEventListener("change", draw);
  for (const end of [from, to]) {
    end.addEventListener("change", () => {
      const [low, high] = [Number(from.value.replace(",", ".")), Number(to.value.replace(",", "."))];
      if (low < high) look(low, high);
      else draw();
    });
  }
  whole.addEventListener("click", () => look(...all()));
  return {
    whole: box,
    begin,
    show(mz) {
      if (!profile) return;
      const reach = Math.max(0.25, 20 * Math.sqrt(mz) * (profile.bin_width || 0)); // ten bins
      look(mz - reach, mz + reach);
      box.scrollIntoView({ block: "nearest" });
    },
  };
}

/** Gather what is to be marked, an entry an m/z: the ions that speak for compounds, the unexplained. */
function marksOf(answer) {
  const found = new Map();
  const entry = (ion) => {
    if (!found.has(ion.mz)) found.set(ion.mz, { mz: ion.mz, ion: ion.ion, compounds: [], foreign: false, weight: 0 });
    return found.get(ion.mz);
  };
  for (const ion of answer.alarm.unexplained) Object.assign(entry(ion), { foreign: true, weight: 1e6 });
  for (const [name, said] of present(answer)) {
    for (const ion of said.evidence) {
      if (ion.side !== "for" || !["strong", "weak"].includes(ion.strength)) continue;
      const one = entry(ion);
      one.compounds.push({ name, strength: ion.strength, above: ion.above_others });
      one.weight += ion.above_others;
    }
  }
  return [...found.values()].sort((a, b) => b.weight - a.weight);
}

function legendOf(marks) {
  const shown = [];
  const symbol = (shape, color) => {
    const [, path, full] = SHAPES[shape];
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 14 14");
    svg.setAttribute("aria-hidden", "true");
    const drawn = document.createElementNS(svg.namespaceURI, "path");
    drawn.setAttribute("d", path);
    drawn.style.fill = full ? color : "none";
    drawn.style.stroke = full ? "var(--soft)" : color;
    drawn.style.strokeWidth = full ? "0.8" : "2";
    svg.append(drawn);
    return svg;
  };
  for (const strength of ["strong", "weak"]) {
    const names = new Set(marks.flatMap((m) => m.compounds.filter((c) => c.strength === strength).map((c) => c.name)));
    for (const name of [...names].sort()) shown.push(make("li", {}, symbol(strength, lookOf(name).color), `${strength} for ${typeset(name)}`));
  }
  if (marks.some((m) => m.foreign)) shown.push(make("li", {}, symbol("foreign", "var(--alarm)"), "not explained by the references"));
  return shown;
}

/** Return the first place in rising numbers that is not below a value. */
function firstFrom(values, value) {
  let low = 0, high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Return the highest line of each column of the screen: more cannot be seen. */
function thinned({ mz, counts }, [low, high], columns) {
  const kept = [];
  let last = -1;
  for (let i = firstFrom(mz, low); i < mz.length && mz[i] <= high; i += 1) {
    const column = Math.floor(((mz[i] - low) / (high - low)) * columns);
    if (column !== last) kept.push(i);
    else if (counts[i] > counts[kept.at(-1)]) kept[kept.length - 1] = i;
    last = column;
  }
  return kept;
}

/** Return the height of the peak at an m/z. */
function apex({ mz, counts, bin_width: width }, at) {
  const reach = Math.max(1.5e-4 * at, width ? 4 * Math.sqrt(at) * width : 0);
  let top = 0;
  for (let i = firstFrom(mz, at - reach); i < mz.length && mz[i] <= at + reach; i += 1) top = Math.max(top, counts[i]);
  return top;
}

function drawing(profile, marks, range, kind, element) {
  const width = element.clientWidth - MARGIN.l - MARGIN.r;
  const height = element.clientHeight - MARGIN.t - MARGIN.b;
  const log = kind === "log";
  const kept = thinned(profile, range, 2 * width);
  const heights = kept.map((i) => profile.counts[i]).filter((v) => v > 0);
  const top = heights.reduce((a, b) => Math.max(a, b), 1);
  const least = log ? Math.min(0.5, heights.reduce((a, b) => Math.min(a, b), 1) / 2) : 0;
  const ends = log ? [Math.log10(least), Math.log10(top)] : [0, top];
  ends[1] += 0.3 * (ends[1] - ends[0]); // room for names
  const xAt = (mz) => ((mz - range[0]) / (range[1] - range[0])) * width;
  const yAt = (value) => (((log ? Math.log10(Math.max(value, least)) : value) - ends[0]) / (ends[1] - ends[0])) * height;
  const valueAt = (px) => {
    const value = ends[0] + (px / height) * (ends[1] - ends[0]);
    return log ? 10 ** value : value;
  };

  const x = [], y = [], text = [];
  for (const i of kept) {
    const told = `m/z ${profile.mz[i].toFixed(4)}<br>${count(profile.counts[i])} counts`;
    x.push(profile.mz[i], profile.mz[i], null);
    y.push(least, profile.counts[i], null);
    text.push("", told, "");
  }
  const ink = css("--ink"), paper = css("--paper"), red = css("--alarm"), soft = css("--soft");
  const traces = [{
    type: "scatter", mode: "lines", name: "counts", x, y, text, hoverinfo: "text", connectgaps: false,
    line: { color: css("--stem"), width: profile.kind === "peaks" ? 1.6 : 1.1 },
  }];

  const seen = marks
    .filter(({ mz }) => mz >= range[0] && mz <= range[1])
    .map((one) => ({ ...one, px: xAt(one.mz), py: yAt(apex(profile, one.mz)) + MARK }));
  const symbols = (chosen, shape, color, name, told) => {
    if (!chosen.length) return;
    const [symbol, , full] = SHAPES[shape];
    traces.push({
      type: "scatter", mode: "markers", name, x: chosen.map((m) => m.mz), y: chosen.map((m) => valueAt(m.py)),
      text: chosen.map(told), hoverinfo: "text", cliponaxis: false,
      marker: { symbol, color, size: shape === "foreign" ? 17 : 2 * MARK - 3, line: { width: full ? 0.8 : 2.2, color: full ? soft : color } },
    });
  };
  const head = (m) => `<b>${plain(ionText(m) || "unknown ion")}</b><br>m/z ${m.mz.toFixed(4)}`;
  for (const compound of new Set(seen.flatMap((m) => m.compounds.map((c) => c.name)))) {
    for (const strength of ["strong", "weak"]) {
      const own = (m) => m.compounds.find((c) => c.name === compound && c.strength === strength);
      symbols(seen.filter(own), strength, lookOf(compound).color, `${compound}, ${strength}`,
        (m) => `${head(m)}<br>${strength} evidence for ${plain(typeset(compound))},<br>${own(m).above.toFixed(1)} standard errors above the others`);
    }
  }
  symbols(seen.filter((m) => m.foreign), "foreign", red, "not explained", (m) => `${head(m)}<br>not explained by the references`);

  return {
    traces,
    layout: {
      paper_bgcolor: paper, plot_bgcolor: paper, margin: MARGIN, showlegend: false, hovermode: "closest", dragmode: "zoom",
      font: { color: ink, family: "system-ui, DejaVu Sans, sans-serif", size: 13 },
      width: element.clientWidth, height: element.clientHeight, hoverlabel: { align: "left" },
      modebar: { bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink },
      xaxis: { title: { text: "m/z (u)", standoff: 6 }, range, gridcolor: css("--line"), zeroline: false },
      yaxis: {
        title: { text: "counts", standoff: 4 }, type: kind, range: ends, fixedrange: true, gridcolor: css("--line"), zeroline: false,
        ...(log ? { dtick: 1, exponentformat: "power" } : { exponentformat: "none", separatethousands: true }),
      },
      annotations: named(seen, width, height).map(({ mark, dx, dy }) => ({
        x: mark.mz, y: log ? Math.log10(valueAt(mark.py)) : valueAt(mark.py), text: plain(labelOf(mark)), ax: dx, ay: -dy,
        xanchor: "center", yanchor: "middle", showarrow: true, arrowhead: 0, arrowwidth: 1, standoff: MARK,
        arrowcolor: mark.foreign ? red : soft, bgcolor: paper, borderpad: 1, borderwidth: 1.5, font: { size: 12, color: mark.foreign ? red : ink },
        bordercolor: mark.foreign ? red : lookOf(mark.compounds[0].name).color,
      })),
    },
  };
}

const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const labelOf = (mark) => ionText(mark) || mark.mz.toFixed(3);

/** Find room for names above their marks, the weightiest first; those without room are left out. */
function named(seen, width, height) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = "12px system-ui, DejaVu Sans, sans-serif";
  const names = []; // boxes, and the small ones of the lines that lead to them
  const marks = seen.map(({ px, py }) => [px - MARK, px + MARK, py - MARK, py + MARK]);
  const free = ([a, b, c, d], boxes) => boxes.every(([e, f, g, h]) => b < e || a > f || d < g || c > h);
  const found = [];
  for (const mark of seen) {
    const half = pen.measureText(labelOf(mark)).width / 2 + 5;
    search: for (let dy = MARK + LABEL; dy <= LONGEST && mark.py + dy + LABEL / 2 < height; dy += LABEL / 2) {
      for (const dx of [0, half, -half, 2 * half, -2 * half]) {
        const [x, y] = [mark.px + dx, mark.py + dy];
        const box = [x - half, x + half, y - LABEL / 2 - 2, y + LABEL / 2 + 2];
        if (box[0] < 0 || box[1] > width || !free(box, marks) || !free(box, names)) continue;
        const steps = Math.floor((dy - LABEL / 2) / 5);
        const line = Array.from({ length: steps }, (_, i) => {
          const [u, v] = [mark.px + ((i + 1) / (steps + 1)) * dx, mark.py + ((i + 1) / (steps + 1)) * dy];
          return [u - 1, u + 1, v - 1, v + 1];
        });
        if (!line.every((point) => free(point, names))) continue;
        names.push(box, ...line);
        found.push({ mark, dx, dy });
        break search;
      }
    }
  }
  return found;
}

// ---------------------------------------------------------------- downloads

function csvCell(value) {
  let text = value === null || value === undefined ? "" : value === true ? "True" : value === false ? "False" : String(unmarked(value));
  // a spreadsheet would take such a text for a formula; numbers are marked
  if (typeof value === "string" && /^'*[=+@\t\r-]/.test(value)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Return the table that `ionprint predict --format csv` writes, byte by byte. */
function csv(rows) {
  const columns = [...new Set(rows.flatMap(Object.keys))];
  const lines = [columns, ...rows.map((row) => columns.map((name) => row[name]))];
  return lines.map((line) => `${line.map(csvCell).join(",")}\n`).join("");
}

function download(name, text, type) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

at("csv").addEventListener("click", () => download("ionprint.csv", csv(spectraRead().map(({ row }) => row)), "text/csv;charset=utf-8"));
at("json").addEventListener("click", () => download("ionprint.json", `[${spectraRead().map(({ json }) => json).join(",")}]\n`, "application/json"));

introduce();
