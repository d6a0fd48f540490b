// The live chart: Plotly.react draws into the same element, so that zoom and selection survive every update.
const box = element.querySelector(".ep-chart");
const plot = Object.assign(document.createElement("div"), { className: "ep-plot" });
const note = Object.assign(document.createElement("p"), { className: "ep-legend" });
const behind = document.createElement("details");
behind.className = "ep-table";
behind.append(Object.assign(document.createElement("summary"), { textContent: "The numbers behind the chart" }));
const scroll = Object.assign(document.createElement("div"), { className: "ep-scroll", tabIndex: 0 });
scroll.setAttribute("role", "region");
scroll.setAttribute("aria-label", "Numbers behind the chart");
behind.append(scroll);
plot.setAttribute("role", "img");
box.append(note, plot, behind);

const COLOURS = { negative: "#D55E00", neutral: "#8A8F98", positive: "#0072B2" };
let chart = null;
let zoom = null; // kept here, because the window moves on and Plotly's own memory ends where a new range comes

// Plotly knows no zones: it is given the reader's own time as if it had none.
const local = (ms) => {
  const date = new Date(ms);
  return new Date(ms - date.getTimezoneOffset() * 60000).toISOString().slice(0, -1);
};
const zone = () => new Intl.DateTimeFormat(undefined, { timeZoneName: "short" })
  .formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
const span = (ms) => (ms >= 86400000 ? `${ms / 86400000} d` : ms >= 3600000 ? `${ms / 3600000} h` : `${ms / 60000} min`);
const percent = (value) => `${Math.round(100 * value)} %`;
const said = (share, i) => share.value[i] === null
  ? (share.n[i] ? `too few to say (${share.n[i]} scored)` : "no messages scored")
  : `${percent(share.value[i])} (${Math.round(100 * share.low[i])}-${Math.round(100 * share.high[i])}), n = ${share.n[i]}`;

// One closed outline for each stretch without a gap; a lone point becomes a short block.
const band = (share, half) => {
  const x = [];
  const y = [];
  let run = [];
  const close = () => {
    if (run.length === 1) {
      const [i] = run;
      x.push(...[-half, half, half, -half].map((d) => local(share.at[i] + d)), null);
      y.push(share.high[i], share.high[i], share.low[i], share.low[i], null);
    } else if (run.length) {
      const back = [...run].reverse();
      x.push(...run.map((i) => local(share.at[i])), ...back.map((i) => local(share.at[i])), null);
      y.push(...run.map((i) => share.high[i]), ...back.map((i) => share.low[i]), null);
    }
    run = [];
  };
  share.value.forEach((value, i) => { if (value === null) close(); else run.push(i); });
  close();
  return { x, y };
};

const ink = () => {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(name).trim();
  return { text: read("--ep-muted"), grid: read("--ep-line"), surface: read("--ep-surface"), strong: read("--ep-ink") };
};

const traces = (colours) => {
  const { bars, share } = chart;
  // The bar that is being filled ends at the data edge.
  const widths = bars.start.map((start) => Math.max(1000, Math.min(chart.step, (chart.edge ?? Infinity) - start)));
  const middle = bars.start.map((start, i) => local(start + widths[i] / 2));
  const bar = (name, values, marker) => ({
    type: "bar", name, x: middle, y: values, width: widths.map((width) => width * 0.9), marker, xaxis: "x", yaxis: "y2",
    hovertemplate: `${name}: %{y:,}<extra></extra>`,
  });
  const solid = (color) => ({ color, line: { width: 0 } });
  const hatched = { color: colours.surface, line: { width: 0 }, pattern: { shape: "/", fgcolor: COLOURS.neutral, bgcolor: colours.surface, size: 5, solidity: 0.4 } };
  const line = {
    type: "scatter", mode: "lines+markers", name: "negative share", x: share.at.map(local), y: share.value, connectgaps: false,
    line: { color: COLOURS.negative, width: 2 }, marker: { size: 4, color: COLOURS.negative }, xaxis: "x", yaxis: "y",
    text: share.at.map((_, i) => said(share, i)), hovertemplate: "negative share %{text}<extra></extra>",
  };
  const range = {
    type: "scatter", mode: "lines", ...band(share, chart.span / 4), fill: "toself", fillcolor: "rgba(213, 94, 0, 0.18)",
    line: { width: 0 }, hoverinfo: "skip", xaxis: "x", yaxis: "y",
  };
  const made = [
    range, line, bar("negative", bars.negative, solid(COLOURS.negative)), bar("neutral", bars.neutral, solid(COLOURS.neutral)),
    bar("positive", bars.positive, solid(COLOURS.positive)), bar("not scored", bars.unscored, hatched),
  ];
  if (chart.gap) {
    const x = [chart.edge, chart.edge, chart.end, chart.end, chart.edge].map(local);
    for (const yaxis of ["y3", "y4"]) made.push({
      type: "scatter", mode: "lines", x, y: [0, 1, 1, 0, 0], yaxis, fill: "toself", line: { width: 0 }, hoverinfo: "skip",
      fillpattern: { shape: "/", fgcolor: colours.grid, bgcolor: "rgba(0,0,0,0)", size: 7, solidity: 0.35 },
    });
  }
  return made;
};

const layout = (colours) => {
  const narrow = box.clientWidth < 560;
  const axis = { color: colours.text, gridcolor: colours.grid, zeroline: false, fixedrange: true, automargin: false };
  const title = (text) => ({ text, font: { size: 12, color: colours.text } });
  const edge = chart.edge === null ? [] : [{
    type: "line", xref: "x", yref: "paper", x0: local(chart.edge), x1: local(chart.edge), y0: 0, y1: 1,
    line: { color: colours.text, width: 1, dash: "dot" },
  }];
  const wide = chart.gap && chart.end - chart.edge > (chart.end - chart.start) * 0.06;
  return {
    uirevision: chart.revision, autosize: true, height: narrow ? 320 : Math.min(520, Math.max(380, box.clientWidth / 3.6)),
    margin: { l: 48, r: 12, t: 8, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: getComputedStyle(element).fontFamily, size: 12, color: colours.text }, barmode: "stack", dragmode: "zoom",
    hovermode: "x unified", hoverdistance: 60, hoverlabel: { bgcolor: colours.surface, bordercolor: colours.grid, font: { color: colours.strong, size: 12 } },
    xaxis: { ...axis, fixedrange: false, range: zoom ?? [local(chart.start), local(chart.end)], type: "date", anchor: "y2", showgrid: false,
      nticks: narrow ? 5 : 12, title: title(`Time, ${zone()}`) },
    yaxis: { ...axis, domain: [0.46, 1], range: [0, 1], tickformat: ".0%", nticks: 5, title: title(narrow ? "" : "Negative share") },
    yaxis2: { ...axis, domain: [0, 0.38], rangemode: "tozero", nticks: 4, title: title(narrow ? "" : "Messages") },
    yaxis3: { range: [0, 1], overlaying: "y", visible: false, fixedrange: true },
    yaxis4: { range: [0, 1], overlaying: "y2", visible: false, fixedrange: true },
    shapes: edge,
    annotations: wide ? [{ x: local((chart.edge + chart.end) / 2), y: 0.5, xref: "x", yref: "paper", text: chart.gap, showarrow: false,
      textangle: narrow ? -90 : 0, bgcolor: colours.surface, font: { size: 12, color: colours.text } }] : [],
  };
};

const cell = (tag, text) => Object.assign(document.createElement(tag), { textContent: text });
const row = (tag, texts) => {
  const made = document.createElement("tr");
  made.append(...texts.map((text) => cell(tag, text)));
  return made;
};
const table = () => {
  if (!behind.open || !chart) return;
  const { bars, share } = chart;
  const when = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" });
  const head = document.createElement("thead");
  head.append(row("th", [`From (${zone()})`, "Negative", "Neutral", "Positive", "Not scored", `Negative share, per ${span(chart.span)}`]));
  const body = document.createElement("tbody");
  for (let i = bars.start.length - 1; i >= 0; i -= 1) {
    const at = share.at.findLastIndex((_, k) => Math.floor(share.at[k] / chart.span) <= Math.floor(bars.start[i] / chart.span));
    body.append(row("td", [when(bars.start[i]), bars.negative[i], bars.neutral[i], bars.positive[i], bars.unscored[i], at < 0 ? "–" : said(share, at)]));
  }
  const made = document.createElement("table");
  made.append(head, body);
  scroll.replaceChildren(made);
};

const legend = () => {
  const item = (kind, text) => {
    const made = cell("span", text);
    made.prepend(Object.assign(document.createElement("i"), { className: `ep-dot ep-${kind}` }));
    return made;
  };
  note.replaceChildren(
    item("line", `negative share with 95 % interval, per ${span(chart.span)}`), item("negative", "negative"), item("neutral", "neutral"),
    item("positive", "positive"), item("unscored", "not scored"), cell("span", `bars per ${span(chart.step)}`),
  );
};

let listening = false;
const listen = () => {
  listening = true;
  plot.on("plotly_relayout", (change) => {
    const range = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (range[0] !== undefined) zoom = [...range];
  });
  plot.on("plotly_doubleclick", () => {
    zoom = null;
    draw();
  });
};

const draw = () => {
  box.hidden = !chart;
  if (!chart || !window.Plotly) return;
  const colours = ink();
  legend();
  const last = chart.share.value.findLastIndex((value) => value !== null);
  plot.setAttribute("aria-label", `Messages and negative share over time. ${last < 0 ? "No share yet." : `Latest negative share ${said(chart.share, last)}.`}`);
  window.Plotly.react(plot, traces(colours), layout(colours), { displayModeBar: false, responsive: true, doubleClick: false });
  if (!listening) listen();
  table();
};

const update = () => {
  const before = chart?.revision;
  chart = props.value ? JSON.parse(props.value) : null;
  if (chart?.revision !== before) zoom = null;
  draw();
};
behind.addEventListener("toggle", table);
watch("value", update);
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(draw));
new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
if (!window.Plotly) window.addEventListener("load", draw);
update();
