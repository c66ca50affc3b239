"use strict";
// What comes from files is shown as text alone, never as markup.

const at = (id) => document.getElementById(id);
const data = JSON.parse(at("data").textContent);
const { layers, rows, columns, classes, regions, readings } = data;
const [UNREAD, FEW] = [0, 1]; // states of a pixel
const UNKNOWN = 255; // the byte of a value that is not known
const MARK = 5; // half of a mark's size (px)
const across = data.factor * data.bins[2]; // pixels of the image in a pixel of this page
const down = data.factor * data.bins[1];
const arrays = {};
const palettes = {};
const here = { layer: 0, row: rows >> 1, column: columns >> 1 }; // what is pointed at
let chosen = regions[0];
let range = null; // m/z shown
let cards = [];

// ---------------------------------------------------------------- text and elements

function make(tag, more = {}, ...inside) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(more)) {
    if (name in made) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...inside);
  return made;
}

function draw(parent, tag, more, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(more)) made.setAttribute(name, value);
  if (text !== undefined) made.textContent = text;
  parent.append(made);
  return made;
}

const count = (value) => value.toLocaleString("en", { maximumFractionDigits: value < 100 ? 1 : 0 });
const percent = (share) => (share > 0 && share < 0.01 ? "<\u00a01" : (100 * share).toFixed(0));
const span = (said) => `${percent(said.fraction)}\u00a0% (${percent(said.low)} to ${percent(said.high)}\u00a0%)`;
const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);
const kindOf = (name) => classes.find((kind) => kind.name === name);
const ionName = (ion) => (ion.ion ? `${ion.ion} (${ion.mz.toFixed(3)})` : ion.mz.toFixed(4));

function chip(kind) {
  return colored(make("span", { className: "chip" }), kind);
}

function colored(element, kind) {
  element.style.setProperty("--c", kind.color);
  element.style.setProperty("--edge", kind.color === "#000000" ? "#ffffff" : "#404040");
  element.classList.toggle("hatched", kind.turn > 0);
  return element;
}

function table(caption, heads, lines) {
  const head = make("tr", {}, ...heads.map(([text, className]) => make("th", { scope: "col", className, textContent: text })));
  const body = lines.map(({ cells, className = "" }) => make("tr", { className }, ...cells.map((cell, i) => make("td", { className: heads[i][1] }, cell))));
  return make("div", { className: "wide", tabIndex: 0, role: "region", "aria-label": caption },
    make("table", {}, make("caption", { textContent: caption }), make("thead", {}, head), make("tbody", {}, ...body)));
}

// ---------------------------------------------------------------- values of pixels

async function unpacked(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Kind(await new Response(stream).arrayBuffer());
}

const place = (layer, row, column) => (layer * rows + row) * columns + column;
const ofCompound = (reading) => !["p", "counts"].includes(reading);

/** Return a value as it was packed, 0 to 254, of one compound where there are several. */
function byte(name, pixel, kind) {
  return arrays[name][ofCompound(name) ? pixel * classes.length + kind : pixel];
}

const share = (name, pixel, kind) => (byte(name, pixel, kind) === UNKNOWN ? NaN : byte(name, pixel, kind) / 254);

/** Return a pixel's colour as a number of the palette; -1: grey; -2: none. */
function shade(reading, pixel, kind) {
  const state = arrays.state[pixel];
  if (state === UNREAD) return -2;
  if (reading === "counts") return Math.min(255, Math.round((255 * arrays.counts[pixel]) / data.largest));
  if (state === FEW) return -1;
  const value = reading === "width" ? byte("high", pixel, kind) - byte("low", pixel, kind) : byte(reading, pixel, kind);
  return value === UNKNOWN ? -1 : Math.max(0, Math.round((255 * value) / 254));
}

function palette(reading) {
  const hex = readings[reading].colors;
  palettes[reading] ??= Array.from({ length: 256 }, (_, i) => [0, 2, 4].map((j) => parseInt(hex.slice(6 * i + j, 6 * i + j + 2), 16)));
  return palettes[reading];
}

/** Colour a canvas, a pixel a value; what is not read stays transparent, with hatching behind. */
function fill(canvas, width, height, reading, kind, pixelAt) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  const colors = palette(reading);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const shown = shade(reading, pixelAt(x, y), kind);
      if (shown === -2) continue;
      const color = shown === -1 ? [180, 180, 180] : colors[shown];
      image.data.set([...color, 255], 4 * (y * width + x));
    }
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

// ---------------------------------------------------------------- maps

function arrange() {
  const reading = at("reading").value;
  const about = readings[reading];
  cards = ofCompound(reading) ? classes.map((kind, n) => card(reading, kind, n)) : [card(reading, null, 0)];
  at("cards").replaceChildren(...cards.map((one) => one.whole));
  at("says").textContent = `${about.title[0].toUpperCase()}${about.title.slice(1)}: ${about.unit}.`;
  const pen = at("colors").getContext("2d");
  palette(reading).forEach(([r, g, b], i) => {
    pen.fillStyle = `rgb(${r}, ${g}, ${b})`;
    pen.fillRect(i, 0, 1, 1);
  });
  const steps = [0, 0.25, 0.5, 0.75, 1];
  const tick = (part) => (reading === "p" ? String(10 ** (-part * data.p_seen))
    : reading === "counts" ? `${part === 1 ? "≥\u00a0" : ""}${count(part * data.largest)}` : String(part));
  at("ticks").replaceChildren(...steps.map((part) => make("span", { textContent: tick(part) })));
  paint();
}

/** Make the map of one compound, or of all pixels, with its cuts. */
function card(reading, kind, number) {
  const name = kind ? kind.label : readings[reading].title;
  const planes = [make("canvas", { className: "plane" })];
  const [rowLine, columnLine, box] = ["here across", "here down", "chosen"].map((className) => make("div", { className }));
  const map = make("div", {
    className: "map", tabIndex: 0, role: "application",
    "aria-label": `Map of ${name}. Arrow keys move over pixels, Enter chooses the grid cell.`,
  }, planes[0], rowLine, columnLine, box);
  map.style.aspectRatio = `${columns} / ${rows}`;
  const cuts = make("div", { className: "cuts" }, map);
  const nows = [];
  if (layers > 1) {
    const thick = `${Math.min(96, Math.max(32, 8 * layers))}px`;
    for (const [what, side] of [["a row: columns and depth", "height"], ["a column: rows and depth", "width"]]) {
      const plane = make("canvas", { className: "plane", role: "img", "aria-label": `Cut of ${name} through ${what}` });
      const now = make("div", { className: "now" });
      const cut = make("div", { className: "cut" }, plane, now);
      cut.style[side] = thick;
      planes.push(plane);
      nows.push(now);
      if (side === "width") map.after(cut);
      else cuts.append(cut);
    }
  }
  const bar = make("i");
  bar.style.width = `${100 * data.bar.share}%`;
  cuts.append(make("div", { className: "length" }, bar, data.bar.label));
  const one = { whole: make("div", { className: "card" }, make("h3", {}, ...(kind ? [chip(kind)] : []), name), cuts), map, planes, nows, rowLine, columnLine, box, number };
  listen(one);
  return one;
}

/** Draw all maps anew, or after a move their cuts alone. */
function paint(all = true) {
  const reading = at("reading").value;
  const per = (part, whole) => `${(100 * part) / whole}%`;
  const { layer, row, column } = here;
  for (const { planes, nows, rowLine, columnLine, box, number } of cards) {
    const [flat, lying, upright] = planes;
    if (all) fill(flat, columns, rows, reading, number, (x, y) => place(layer, y, x));
    rowLine.style.top = per(row + 0.5, rows);
    columnLine.style.left = per(column + 0.5, columns);
    if (lying) {
      fill(lying, columns, layers, reading, number, (x, z) => place(z, row, x));
      fill(upright, layers, rows, reading, number, (z, y) => place(z, y, column));
      Object.assign(nows[0].style, { left: 0, right: 0, top: per(layer, layers), height: per(1, layers) });
      Object.assign(nows[1].style, { top: 0, bottom: 0, left: per(layer, layers), width: per(1, layers) });
    }
    box.hidden = !chosen.place;
    if (!chosen.place) continue;
    const [top, left, bottom, right] = chosen.place;
    Object.assign(box.style, {
      top: per(top, rows * down), left: per(left, columns * across),
      height: per(bottom + 1 - top, rows * down), width: per(right + 1 - left, columns * across),
    });
  }
  const [first, last] = [layer * data.bins[0] + 1, Math.min((layer + 1) * data.bins[0], data.shape[0])];
  at("layer-text").textContent = `${layer + 1} of ${layers} (${first === last ? "scan" : "scans"} ${first}${first === last ? "" : ` to ${last}`})`;
}

/** Say all that is known of the pixel pointed at: a heading, and lines of a table. */
function words() {
  const pixel = place(here.layer, here.row, here.column);
  const [row, column] = [here.row * down, here.column * across];
  const um = data.um ? ` (${(column * data.um).toFixed(1)}, ${(row * data.um).toFixed(1)} µm)` : "";
  const mean = data.factor > 1 ? `, mean of ${data.factor} x ${data.factor}` : "";
  const lines = [`Row ${row}, column ${column}${um}${mean}`];
  const state = arrays.state[pixel];
  if (state === UNREAD) return { lines: [...lines, "Not read: this part of the image is damaged, or was not reached."], values: [] };
  const counts = count(arrays.counts[pixel]);
  if (state === FEW) return { lines: [...lines, `${counts} counts, too few to say (${data.least} are needed)`], values: [] };
  lines.push(`${counts} counts`);
  if (arrays.p) {
    const p = 10 ** (-data.p_seen * share("p", pixel));
    lines.push(p <= data.alarm_at ? `Alarm: holds what no reference explains (p ${p.toPrecision(1)})` : `No alarm (p ${p.toPrecision(2)})`);
  }
  const values = classes.map((kind, k) => {
    const [presence, fraction, low, high, probability] = ["presence", "fraction", "low", "high", "probability"].map((name) => (arrays[name] ? share(name, pixel, k) : null));
    return arrays.fraction
      ? { kind, cells: [presence.toFixed(2), span({ fraction, low, high })] }
      : { kind, cells: [Number.isNaN(probability) ? "unknown" : probability.toFixed(2)] };
  });
  return { lines, values };
}

function tell(x, y) {
  const tip = at("tip");
  const { lines, values } = words();
  const heads = arrays.fraction ? ["", "presence", "fraction (90 %)"] : ["", "probability"];
  tip.replaceChildren(...lines.map((text) => make("p", { textContent: text })));
  if (values.length) {
    tip.append(make("table", {},
      make("tr", {}, ...heads.map((text) => make("th", { textContent: text }))),
      ...values.map(({ kind, cells }) => make("tr", {}, make("td", {}, chip(kind), kind.label), ...cells.map((text) => make("td", { textContent: text }))))));
  }
  tip.hidden = false;
  const [width, height] = [tip.offsetWidth, tip.offsetHeight];
  const left = Math.min(x + 16, document.documentElement.clientWidth - width - 4);
  const above = y + 18 + height > innerHeight && y - 14 - height > 0;
  tip.style.left = `${Math.max(4, left) + scrollX}px`;
  tip.style.top = `${(above ? y - 14 - height : y + 18) + scrollY}px`;
}

const within = (value, end) => Math.max(0, Math.min(end - 1, value));

function listen({ map }) {
  const point = (event) => {
    const box = map.getBoundingClientRect();
    here.row = within(Math.floor(((event.clientY - box.top) / box.height) * rows), rows);
    here.column = within(Math.floor(((event.clientX - box.left) / box.width) * columns), columns);
    paint(false);
    tell(event.clientX, event.clientY);
  };
  map.addEventListener("pointermove", point);
  map.addEventListener("pointerleave", (event) => { at("tip").hidden = event.pointerType !== "touch"; });
  map.addEventListener("blur", () => { at("tip").hidden = true; });
  map.addEventListener("click", (event) => {
    point(event);
    choose(cell());
  });
  map.addEventListener("keydown", (event) => {
    const step = event.shiftKey ? Math.max(1, Math.round(Math.max(rows, columns) / 16)) : 1;
    const move = { ArrowUp: [-step, 0], ArrowDown: [step, 0], ArrowLeft: [0, -step], ArrowRight: [0, step] }[event.key];
    if (!move && event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    if (event.key === "Escape") {
      at("tip").hidden = true;
      return;
    }
    if (!move) {
      choose(cell());
      return;
    }
    here.row = within(here.row + move[0], rows);
    here.column = within(here.column + move[1], columns);
    paint(false);
    const box = map.getBoundingClientRect();
    tell(box.left + ((here.column + 0.5) / columns) * box.width, box.top + ((here.row + 0.5) / rows) * box.height);
    const { lines, values } = words();
    at("heard").textContent = [...lines, ...values.map(({ kind, cells }) => `${kind.label} ${cells.at(-1)}`)].join("; ");
  });
}

/** Return the cell of the grid around the pixel pointed at. */
function cell() {
  const [row, column] = [here.row * down, here.column * across];
  return regions.find(({ kind, place: p }) => kind === "cell" && p[0] <= row && row <= p[2] && p[1] <= column && column <= p[3]) || chosen;
}

// ---------------------------------------------------------------- a region

const present = (answer) => Object.entries(answer.compounds).filter(([, said]) => said.present).sort(([, a], [, b]) => b.fraction - a.fraction);

function choose(region) {
  chosen = region;
  at("regions").value = String(regions.indexOf(region));
  paint(false);
  const { answer } = region;
  const there = answer ? present(answer) : [];
  const said = !answer ? `Nothing can be read from its ${count(region.counts)} counts.`
    : there.length ? `Holds ${listed(there.map(([name, one]) => `${kindOf(name).label} ${percent(one.fraction)}\u00a0%`))}.`
      : "None of the model's compounds is called present.";
  at("picked").replaceChildren(
    make("strong", { textContent: region.place || region.kind === "drawn" ? `Chosen: ${named(region)}. ` : `${named(region)}. ` }), said, " ",
    make("a", { href: "#region", textContent: "See its ions" }));
  const box = make("div", { className: "told" }, make("p", { className: "words", textContent: said }),
    make("p", { textContent: `${count(region.pixels)} pixels in ${layers > 1 ? "all layers" : "the map"}, ${count(region.counts)} counts.` }));
  if (region.chance !== null)
    box.append(make("p", { className: "remark", textContent: `About ${count(region.chance)} pixels would be called so by chance if the compound were nowhere. These pixels were chosen by the same counts, so their sum leans towards it.` }));
  if (answer) {
    box.append(bars(there));
    if (answer.alarm.outside) {
      box.classList.add("outside");
      const ions = answer.alarm.unexplained.map(ionName).join(", ");
      box.append(make("p", { className: "alarm" }, make("strong", { textContent: "Alarm: " }), `holds something that the references do not explain${ions ? `: ${ions}` : ""}.`));
    }
    for (const warning of answer.warnings) box.append(make("p", { className: "remark", textContent: `Note: ${warning}.` }));
    box.append(make("p", { className: "remark", textContent: `In the tables: ${answer.holds}` }));
  }
  at("told").replaceChildren(box);
  evidence(answer, there);
  spectrum();
  course();
}

const named = (region) => ({ all: "Whole image", alarm: "Pixels with an alarm", "too few counts": "Pixels with too few counts" }[region.kind === "found" && region.name]
  || (region.kind === "found" ? `Pixels with ${kindOf(region.name.replace(/ present$/, ""))?.label ?? region.name}` : region.kind === "cell" ? region.name.replaceAll("-", "–") : region.name));

function bars(there) {
  return make("ul", { className: "bars", hidden: !there.length, "aria-label": "Composition" }, ...there.map(([name, said]) => {
    const full = colored(make("span", { className: "fill" }), kindOf(name));
    full.style.width = `${100 * said.fraction}%`;
    const whisker = make("span", { className: "whisker" });
    whisker.style.left = `${100 * said.low}%`;
    whisker.style.width = `${100 * (said.high - said.low)}%`;
    return make("li", {}, make("span", {}, chip(kindOf(name)), kindOf(name).label),
      make("span", { className: "track", "aria-hidden": "true" }, full, whisker), make("span", { className: "n", textContent: span(said) }),
      make("span", { className: "proof", textContent: said.proof === "noise" ? "noise only" : said.proof ? `${said.proof} proof` : "" }));
  }));
}

function evidence(answer, there) {
  const goTo = (mz) => make("button", { type: "button", textContent: mz.toFixed(4), title: "Show it in the spectrum", onclick: () => {
    range = [mz - 1.5, mz + 1.5];
    spectrum();
    at("spectrum").scrollIntoView({ block: "nearest" });
  } });
  const shown = there.filter(([, said]) => said.evidence.length).map(([name, said]) => table(
    `Ions for and against ${kindOf(name).label} (${said.proof === "noise" ? "noise only" : `${said.proof} proof`})`,
    [["m/z (u)", ""], ["ion", ""], ["speaks", ""], ["counts", "n"], ["standard errors above background", "n"], ["above the other compounds", "n"]],
    said.evidence.map((ion) => ({
      className: ion.strength === "noise" || ion.side === "against" ? "against" : "",
      cells: [goTo(ion.mz), ion.ion || "unknown", ion.side === "against" ? "against it" : `for it, ${ion.strength}`, count(ion.counts), ion.above_background.toFixed(1), ion.above_others.toFixed(1)],
    }))));
  if (answer?.alarm.unexplained.length) {
    shown.push(table("Not explained by the references", [["m/z (u)", ""], ["ion", ""], ["counts", "n"]],
      answer.alarm.unexplained.map((ion) => ({ cells: [goTo(ion.mz), ion.ion || "unknown", count(ion.counts)] }))));
  }
  at("evidence").replaceChildren(...shown);
}

// ---------------------------------------------------------------- spectrum and depth

/** Return round numbers between two ends. */
function ticks(low, high, wanted) {
  const power = 10 ** Math.floor(Math.log10((high - low) / wanted));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => (high - low) / s <= wanted) || 10 * power;
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return Array.from({ length: Math.floor(high / step) - Math.ceil(low / step) + 1 }, (_, i) => ((Math.ceil(low / step) + i) * step).toFixed(digits));
}

/** Begin a drawing with axes; return it with its scales. */
function axes(element, xEnds, yEnds, xTicks, yTicks, xTitle, yTitle, log) {
  const [width, height] = [element.clientWidth, element.clientHeight];
  const [left, right, top, bottom] = [62, width - 12, 26, height - 42];
  element.replaceChildren();
  const svg = draw(element, "svg", { width, height, "aria-hidden": "true" });
  const f = log ? Math.log10 : (v) => v;
  const x = (v) => left + ((v - xEnds[0]) / (xEnds[1] - xEnds[0])) * (right - left);
  const y = (v) => bottom - ((f(v) - f(yEnds[0])) / (f(yEnds[1]) - f(yEnds[0]))) * (bottom - top);
  for (const v of yTicks) {
    draw(svg, "path", { class: "grid", d: `M${left} ${y(v)}H${right}` });
    draw(svg, "text", { class: "soft", x: left - 6, y: y(v) + 4, "text-anchor": "end" }, Number(v).toLocaleString("en"));
  }
  for (const v of xTicks) draw(svg, "text", { class: "soft", x: x(v), y: bottom + 17, "text-anchor": "middle" }, v);
  draw(svg, "path", { class: "axis", d: `M${left} ${bottom}H${right}` });
  draw(svg, "text", { x: (left + right) / 2, y: height - 6, "text-anchor": "middle" }, xTitle);
  draw(svg, "text", { x: 4, y: 14 }, yTitle);
  return { svg, x, y, left, right, top, bottom };
}

function spectrum() {
  const element = at("spectrum");
  const { mz, ions } = data;
  const whole = [Math.max(0, mz[0] - 2), mz.at(-1) + 2];
  range = range && range[1] > whole[0] && range[0] < whole[1] ? range : whole;
  at("from").value = range[0].toFixed(2);
  at("to").value = range[1].toFixed(2);
  if (!element.clientWidth) return;
  const log = at("scale").value === "log";
  const seen = mz.map((_, i) => i).filter((i) => range[0] <= mz[i] && mz[i] <= range[1]);
  const most = Math.max(10, ...seen.map((i) => chosen.areas[i]));
  const least = log ? 0.5 : 0;
  const yEnds = log ? [least, most * 4] : [0, most * 1.25];
  const decades = Array.from({ length: Math.floor(Math.log10(most)) + 1 }, (_, i) => 10 ** i);
  const { svg, x, y, left, right, top, bottom } = axes(element, range, yEnds, ticks(...range, Math.max(3, element.clientWidth / 90)), log ? decades : ticks(0, most, 5), "m/z (u)", "counts", log);
  const stem = (i) => `M${x(mz[i]).toFixed(1)} ${bottom}V${y(Math.max(least, chosen.areas[i])).toFixed(1)}`;
  draw(svg, "path", { class: "stems", d: seen.map(stem).join("") });
  const nearest = (ion) => seen.find((i) => Math.abs(mz[i] - ion.mz) < 2e-4);
  const marks = [];
  const { answer } = chosen;
  const there = answer ? present(answer) : [];
  for (const [name, said] of there) {
    const own = said.evidence.filter((e) => e.side === "for" && e.strength !== "noise");
    for (const ion of own) marks.push({ i: nearest(ion), kind: kindOf(name), weight: ion.above_others });
  }
  for (const ion of answer?.alarm.unexplained ?? []) marks.push({ i: nearest(ion), kind: null, weight: 1e9 });
  const boxes = [];
  for (const { i, kind } of marks.filter((m) => m.i !== undefined).sort((a, b) => b.weight - a.weight)) {
    const [px, py] = [x(mz[i]), y(Math.max(least, chosen.areas[i])) - MARK - 2];
    if (kind) {
      draw(svg, "path", { d: stem(i), stroke: kind.color, "stroke-width": 2.5 });
      draw(svg, "path", { class: "edge", fill: kind.color, d: `M${px - MARK} ${py - MARK}h${2 * MARK}l${-MARK} ${2 * MARK}z` });
    } else {
      draw(svg, "path", { class: "foreign", d: stem(i) });
      draw(svg, "circle", { class: "foreign", cx: px, cy: py, r: MARK });
    }
    const label = ions[i] || mz[i].toFixed(3);
    const half = 3.7 * label.length + 4;
    for (let ly = py - MARK - 5; ly > top - 8; ly -= 14) { // the first height with room
      const box = [px - half, px + half, ly - 12, ly + 3];
      if (box[0] < left || box[1] > right + 10 || boxes.some((b) => b[0] < box[1] && box[0] < b[1] && b[2] < box[3] && box[2] < b[3])) continue;
      boxes.push(box);
      draw(svg, "text", { class: "halo", x: px, y: ly, "text-anchor": "middle" }, label);
      break;
    }
  }
  const swatches = there.filter(([, said]) => said.evidence.length).map(([name]) => make("li", {}, chip(kindOf(name)), `ions that speak for ${kindOf(name).label}`));
  if (answer?.alarm.unexplained.length) swatches.push(make("li", { className: "warned", textContent: "○ not explained by the references" }));
  at("legend").replaceChildren(...swatches);
  element.setAttribute("aria-label", `Summed spectrum of ${named(chosen)}, counts against m/z; its ions are in the tables below.`);
}

function course() {
  if (layers === 1) return;
  at("course").hidden = !chosen.depth;
  at("no-course").hidden = !!chosen.depth;
  const element = at("depth");
  if (!chosen.depth || !element.clientWidth) return;
  const [fraction, low, high] = chosen.depth;
  const { svg, x, y } = axes(element, [0.8, layers + 0.2], [0, 1], ticks(1, layers, Math.min(layers, 10)), [0, 0.25, 0.5, 0.75, 1], "layer", "share of the signal", false);
  const known = fraction.map((_, i) => i).filter((i) => fraction[i][0] !== null);
  const runs = known.reduce((all, i) => (all.at(-1)?.at(-1) === i - 1 ? all.at(-1).push(i) : all.push([i]), all), []);
  const line = (values, run, k) => run.map((i) => `${x(i + 1).toFixed(1)} ${y(values[i][k]).toFixed(1)}`);
  classes.forEach((kind, k) => {
    for (const run of runs) draw(svg, "path", { fill: kind.color, "fill-opacity": 0.22, d: `M${[...line(high, run, k), ...line(low, run, k).reverse()].join("L")}z` });
  });
  classes.forEach((kind, k) => {
    for (const run of runs) {
      const d = `M${line(fraction, run, k).join("L")}`;
      draw(svg, "path", { d, fill: "none", class: "axis", "stroke-width": 4 });
      draw(svg, "path", { d, fill: "none", stroke: kind.color, "stroke-width": 2.5 });
      for (const i of run) draw(svg, "circle", { class: "edge", cx: x(i + 1), cy: y(fraction[i][k]), r: 3.5, fill: kind.color });
    }
  });
  at("lines").replaceChildren(...classes.map((kind) => make("li", {}, chip(kind), kind.label)));
}

// ---------------------------------------------------------------- beginning

function offer() {
  const groups = [["found", "Found by the model"], ["drawn", "Drawn"], ["cell", "Cells of a grid"]];
  for (const [kind, label] of groups) {
    const own = regions.map((region, n) => [region, n]).filter(([region]) => region.kind === kind && (region.pixels || kind !== "found"));
    if (own.length) at("regions").append(make("optgroup", { label }, ...own.map(([region, n]) => new Option(named(region), String(n)))));
  }
}

async function begin() {
  for (const [name, text] of Object.entries(data.arrays)) arrays[name] = await unpacked(text, name === "counts" ? Uint16Array : Uint8Array);
  document.body.append(make("div", { id: "tip", hidden: true, "aria-hidden": "true" }));
  offer();
  arrange();
  choose(regions[0]);
  at("reading").addEventListener("change", arrange);
  at("layer").addEventListener("input", () => {
    here.layer = Number(at("layer").value) - 1;
    paint();
  });
  at("regions").addEventListener("change", () => choose(regions[Number(at("regions").value)]));
  at("scale").addEventListener("change", spectrum);
  at("whole").addEventListener("click", () => {
    range = null;
    spectrum();
  });
  for (const end of [at("from"), at("to")]) {
    end.addEventListener("change", () => {
      const ends = [at("from"), at("to")].map((field) => Number(field.value.replace(",", ".")));
      if (ends[0] < ends[1]) range = ends;
      spectrum();
    });
  }
  document.addEventListener("pointerdown", (event) => { // a tap leaves it open
    if (!event.target.closest(".map")) at("tip").hidden = true;
  });
  new ResizeObserver(() => {
    spectrum();
    course();
  }).observe(at("spectrum"));
  document.body.dataset.ready = "yes";
}

begin().catch((problem) => {
  at("problem").hidden = false;
  at("problem").textContent = `The maps cannot be shown: ${problem.message} A browser of 2023 or later shows them.`;
});
