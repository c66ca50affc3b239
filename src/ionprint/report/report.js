"use strict";
// tables of the ranking: one compound or all
const ranked = document.getElementById("ranked");
if (ranked) {
  ranked.addEventListener("change", () => {
    for (const part of document.querySelectorAll(".ranked")) {
      part.hidden = ranked.value !== "" && part.dataset.compound !== ranked.value;
    }
  });
}
// on paper everything is open
window.addEventListener("beforeprint", () => {
  for (const part of document.querySelectorAll("details:not(.data)")) part.open = true;
  for (const part of document.querySelectorAll(".ranked")) part.hidden = false;
});
const holder = document.getElementById("charts");
if (holder) drawCharts(JSON.parse(holder.textContent));

function drawCharts(data) {
  const sample = document.getElementById("sample");
  const compound = document.getElementById("compound");
  const from = document.getElementById("from");
  const to = document.getElementById("to");
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const config = {
    responsive: true,
    displaylogo: false,
    showSendToCloud: false, plotlyServerURL: "", // plotly offers to send the data to it
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
    toImageButtonOptions: { scale: 3 },
  };
  let lookingBright = false; // while printing

  function paper() {
    return lookingBright
      ? { paper: "#ffffff", ink: "#000000", line: "#bbbbbb" }
      : { paper: color("--paper"), ink: color("--ink"), line: color("--line") };
  }

  function layout(height) {
    const { paper: background, ink } = paper();
    return {
      paper_bgcolor: background,
      plot_bgcolor: background,
      font: { color: ink, family: "system-ui, DejaVu Sans, sans-serif", size: 13 },
      margin: { l: 60, r: 15, t: 15, b: 50 },
      height,
      legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      hovermode: "closest",
      hoverlabel: { align: "left" },
    };
  }

  function show(id, traces, box) {
    document.getElementById(id).style.height = `${box.height}px`;
    Plotly.react(id, traces, box, config);
  }

  const axis = (more) => ({ gridcolor: paper().line, zerolinecolor: paper().ink, automargin: true, ...more });
  const root = (value) => Math.sign(value) * Math.sqrt(Math.abs(value));
  const number = (value) => value.toLocaleString("en", { maximumSignificantDigits: 4 });
  const name = (place) => data.ions[place] || "unknown ion";
  // charts read some tags in texts, and names are no markup
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  // lines from low to high at each m/z, with a dot at their ends that can be pointed at
  function sticks(places, low, high, title, shade) {
    const x = [], y = [], text = [];
    places.forEach((place, i) => {
      const told = `<b>${name(place)}</b><br>m/z ${data.mz[place].toFixed(4)}<br>${title}`;
      x.push(data.mz[place], data.mz[place], null);
      y.push(root(low[i]), root(high[i]), null);
      text.push("", `${told}: ${number(Math.abs(high[i] - low[i]))} per million`, "");
    });
    return {
      type: "scatter", mode: "lines+markers", name: title, x, y, text, hoverinfo: "text",
      line: { color: shade, width: 1.6 }, marker: { color: shade, size: x.map((_, i) => (i % 3 === 1 ? 4 : 0)) },
    };
  }

  function drawSpectrum() {
    const one = data.samples[Number(sample.value)];
    const places = one.places;
    const traces = [];
    const { ink } = paper();
    for (const foreign of [false, true]) {
      const kept = places.map((_, i) => i).filter((i) => one.foreign[i] === foreign);
      if (!kept.length) continue;
      traces.push(sticks(kept.map((i) => places[i]), kept.map(() => 0), kept.map((i) => one.counts[i]),
        foreign ? "counted, not explained" : "counted", foreign ? data.alarm : ink));
    }
    const below = places.map(() => 0);
    for (const part of one.parts) {
      const kept = places.map((_, i) => i).filter((i) => part.counts[i] > 0);
      const low = kept.map((i) => -below[i]);
      kept.forEach((i) => { below[i] += part.counts[i]; });
      traces.push(sticks(kept.map((i) => places[i]), low, kept.map((i) => -below[i]), plain(part.name), part.color));
    }
    const top = Math.max(...one.counts, ...below);
    const ticks = [];
    for (let power = 10 ** Math.floor(Math.log10(top)), i = 0; i < 3; power /= 10, i += 1) ticks.push(power);
    if (top > 3 * ticks[0]) ticks.unshift(3 * ticks[0]);
    const values = [...ticks.map((t) => -t), 0, ...ticks];
    const box = layout(440);
    box.xaxis = axis({ title: { text: "m/z (u)" }, range: range() });
    box.yaxis = axis({
      title: { text: "counts per million (square-root scale)", standoff: 12 },
      tickvals: values.map(root), ticktext: values.map((v) => number(Math.abs(v))),
    });
    show("spectrum", traces, box);
    fillTable(one);
  }

  function range() {
    const low = Number(from.value), high = Number(to.value);
    return low < high ? [low, high] : [data.mz[0] - 1, data.mz[data.mz.length - 1] + 1];
  }

  function fillTable(one) {
    const order = one.places.map((_, i) => i).sort((a, b) => one.counts[b] - one.counts[a]).slice(0, 20);
    const head = ["ion", "m/z (u)", "counts per million", ...one.parts.map((part) => `by ${part.name}`)];
    const rows = order.map((i) => [
      name(one.places[i]), data.mz[one.places[i]].toFixed(4), number(one.counts[i]), ...one.parts.map((part) => number(part.counts[i])),
    ]);
    const table = document.getElementById("spectrum-table");
    table.replaceChildren(row(head, "th"), ...rows.map((cells) => row(cells, "td")));
  }

  function row(cells, kind) {
    const line = document.createElement("tr");
    cells.forEach((text, i) => {
      const cell = document.createElement(kind);
      cell.textContent = text;
      if (kind === "th") cell.scope = "col";
      else if (i) cell.className = "n";
      line.append(cell);
    });
    return line;
  }

  function drawProfiles() {
    const one = data.samples[Number(sample.value)];
    const place = document.getElementById("profiles");
    const claim = one.claims.find((c) => c.name === compound.value);
    document.getElementById("profiles-none").hidden = Boolean(claim && claim.ions.length);
    place.hidden = !(claim && claim.ions.length);
    if (place.hidden) return;
    const columns = place.clientWidth < 700 ? Math.min(2, claim.ions.length) : claim.ions.length;
    const rows = Math.ceil(claim.ions.length / columns);
    const box = layout(rows * 290 + 60);
    box.grid = { rows, columns, pattern: "independent", xgap: 0.22, ygap: 0.35 };
    box.annotations = [];
    box.shapes = [];
    const traces = [];
    const { ink } = paper();
    claim.ions.forEach((ion, i) => {
      const n = i ? String(i + 1) : "";
      const lines = [
        ["what the other compounds explain", ion.others, { color: "#8a8f94", width: 1.5, dash: "dot", shape: "hvh" }],
        [`pure ${plain(claim.title)}`, ion.own || [], { color: claim.color, width: 2.5, shape: "hvh" }],
        [plain(one.name), ion.sample, { color: ink, width: 1.5, shape: "hvh" }],
      ];
      for (const [title, y, line] of lines) {
        traces.push({
          type: "scatter", mode: "lines", name: title, x: ion.x, y, line, xaxis: `x${n}`, yaxis: `y${n}`,
          legendgroup: title, showlegend: !i, hovertemplate: "m/z %{x:.4f}<br>%{y:.3g} per million<extra>" + title + "</extra>",
        });
      }
      box[`xaxis${n}`] = axis({ title: { text: "m/z (u)" }, nticks: 3, tickformat: ".3f" });
      box[`yaxis${n}`] = axis({ title: i % columns ? undefined : { text: "counts per million" }, rangemode: "tozero", nticks: 5 });
      box.shapes.push({
        type: "rect", xref: `x${n}`, yref: `y${n} domain`, x0: ion.lower, x1: ion.upper, y0: 0, y1: 1,
        fillcolor: "#8a8f94", opacity: 0.16, line: { width: 0 }, layer: "below",
      });
      box.annotations.push({
        xref: `x${n} domain`, yref: `y${n} domain`, x: 0.5, y: 1.02, yanchor: "bottom", showarrow: false, text: `<b>${ion.ion || "unknown"}</b> ${ion.mz.toFixed(3)}`,
      });
    });
    box.legend.y = 1 + 40 / (rows * 290);
    box.margin.t = 60;
    show("profiles", traces, box);
  }

  function offerCompounds() {
    const before = compound.value;
    const claims = data.samples[Number(sample.value)].claims;
    compound.replaceChildren(...claims.map((c) => new Option(`${c.title} (${c.verdict})`, c.name)));
    if (claims.some((c) => c.name === before)) compound.value = before;
  }

  function draw() {
    drawSpectrum();
    drawProfiles();
  }

  sample.addEventListener("change", () => { offerCompounds(); draw(); });
  compound.addEventListener("change", drawProfiles);
  for (const end of [from, to]) end.addEventListener("change", drawSpectrum);
  dark.addEventListener("change", draw);
  window.addEventListener("resize", drawProfiles);
  window.addEventListener("beforeprint", () => { lookingBright = true; draw(); });
  window.addEventListener("afterprint", () => { lookingBright = false; draw(); });
  offerCompounds();
  draw();
}
