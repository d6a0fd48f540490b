// The live chart: Plotly.react draws into the same element, so that zoom and selection survive every update.
(() => {
  "use strict";
  const ep = (window.ep ??= {});
  const COLOURS = { negative: "#D55E00", neutral: "#8A8F98", positive: "#0072B2" };
  const LEFT = 48;
  const RIGHT = 12;

  const make = (tag, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  // Plotly knows no zones: it is given the reader's own time as if it had none.
  const local = (ms) => {
    const date = new Date(ms);
    return new Date(ms - date.getTimezoneOffset() * 60000).toISOString().slice(0, -1);
  };
  const epoch = (text) => new Date(text.length === 10 ? `${text}T00:00` : text.replace(" ", "T")).getTime();
  const zone = () => new Intl.DateTimeFormat(undefined, { timeZoneName: "short" })
    .formatToParts(new Date()).find((part) => part.type === "timeZoneName").value;
  const span = (ms) => (ms >= 86400000 ? `${ms / 86400000} d` : ms >= 3600000 ? `${ms / 3600000} h` : `${ms / 60000} min`);
  const percent = (value) => `${Math.round(100 * value)} %`;
  const said = (share, i) => share.value[i] === null
    ? (share.n[i] ? `too few to say (${share.n[i]} scored)` : "no messages scored")
    : `${percent(share.value[i])} (${Math.round(100 * share.low[i])}-${Math.round(100 * share.high[i])}), n = ${share.n[i]}`;
  // Plotly reads some markup in its texts; what people wrote is none.
  const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  const short = (text) => plain(text.length > 28 ? `${text.slice(0, 27)}…` : text);

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

  const build = (element) => {
    const plot = make("div", { className: "ep-plot" });
    const note = make("p", { className: "ep-legend" });
    const tools = make("div", { className: "ep-tools" });
    const brush = make("div", { className: "ep-brush", hidden: true });
    const scroll = make("div", { className: "ep-scroll", tabIndex: 0, role: "region", ariaLabel: "Numbers behind the chart" });
    const behind = make("details", { className: "ep-table" }, make("summary", { textContent: "The numbers behind the chart" }), scroll);
    const stage = make("div", { className: "ep-stage" }, plot, brush);
    const box = make("div", { className: "ep-chart" }, make("div", { className: "ep-above" }, note, tools), stage, behind);
    element.replaceChildren(box);
    plot.setAttribute("role", "img");
    return { plot, note, tools, brush, scroll, behind, stage, box };
  };

  ep.chart = (element) => {
    const { plot, note, tools, brush, scroll, behind, stage, box } = build(element);
    let chart = null;
    let zoom = null; // kept here, because the window moves on and Plotly's own memory ends where a new range comes
    let zooming = false; // what a drag does: zoom, or select

    const ink = () => {
      const style = getComputedStyle(element);
      const read = (name) => style.getPropertyValue(name).trim();
      return { text: read("--ep-muted"), grid: read("--ep-line"), surface: read("--ep-surface"), strong: read("--ep-ink"), accent: read("--ep-accent"), soft: read("--ep-select"), over: read("--ep-on-accent") };
    };

    const hatch = (from, to, colours) => ["y3", "y4"].map((yaxis) => ({
      type: "scatter", mode: "lines", x: [from, from, to, to, from].map(local), y: [0, 1, 1, 0, 0], yaxis, fill: "toself", line: { width: 0 }, hoverinfo: "skip",
      fillpattern: { shape: "/", fgcolor: colours.grid, bgcolor: "rgba(0,0,0,0)", size: 7, solidity: 0.35 },
    }));
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
      const holes = chart.gaps.flatMap((gap) => hatch(gap.start, gap.end, colours));
      if (chart.gap) holes.push(...hatch(chart.edge, chart.end, colours));
      return [
        ...holes, range, line, bar("negative", bars.negative, solid(COLOURS.negative)), bar("neutral", bars.neutral, solid(COLOURS.neutral)),
        bar("positive", bars.positive, solid(COLOURS.positive)), bar("not scored", bars.unscored, hatched),
      ];
    };

    const marks = (colours, narrow) => {
      const shapes = [];
      const annotations = [];
      const rect = (from, to, fillcolor, more = {}) => shapes.push({
        type: "rect", xref: "x", yref: "paper", x0: local(from), x1: local(to), y0: 0, y1: 1, fillcolor, line: { width: 0 }, layer: "below", ...more,
      });
      const upright = (at, line) => shapes.push({ type: "line", xref: "x", yref: "paper", x0: local(at), x1: local(at), y0: 0, y1: 1, line });
      const words = (at, text, more = {}) => annotations.push({
        x: local(at), xref: "x", y: 1, yref: "paper", text, showarrow: false, xanchor: "left", yanchor: "top", font: { size: 12, color: colours.text }, ...more,
      });
      const gap = (from, to, text) => {
        if (to - from > (chart.end - chart.start) * 0.06) words((from + to) / 2, short(text), { y: 0.5, xanchor: "center", yanchor: "middle", textangle: narrow ? -90 : 0, bgcolor: colours.surface });
      };
      if (chart.selected) {
        rect(chart.selected[0], chart.selected[1], colours.soft);
        for (const at of chart.selected) upright(at, { color: colours.accent, width: 1.5 });
      }
      for (const flag of chart.flags) {
        if (flag.until) rect(flag.at, flag.until, colours.grid, { opacity: 0.55, line: { width: 1, dash: "dot", color: colours.text } });
        else upright(flag.at, { color: colours.strong, width: 1, dash: "dash" });
        const late = flag.at > chart.start + (chart.end - chart.start) * 0.75; // its words would leave the chart
        words(Math.max(flag.at, chart.start), `⚑ ${short(flag.text)}`, {
          xshift: late ? -3 : 3, xanchor: late ? "right" : "left", bgcolor: colours.surface, hovertext: plain(flag.text),
        });
      }
      for (const incident of chart.incidents) {
        const from = Math.max(incident.start, chart.start);
        rect(from, incident.end, colours.accent, { y0: 1, y1: 1.012, layer: "above" });
        rect(from, incident.end, colours.accent, { opacity: 0.07 });
        words(from, `<b>${incident.number}</b>`, { y: 1.012, yanchor: "bottom", bgcolor: colours.accent, font: { size: 12, color: colours.over }, borderpad: 2 });
      }
      for (const hole of chart.gaps) gap(hole.start, hole.end, hole.text);
      if (chart.gap) gap(chart.edge, chart.end, chart.gap);
      if (chart.edge !== null) upright(chart.edge, { color: colours.text, width: 1, dash: "dot" });
      return { shapes, annotations };
    };

    const layout = (colours) => {
      const narrow = box.clientWidth < 560;
      const axis = { color: colours.text, gridcolor: colours.grid, zeroline: false, fixedrange: true, automargin: false };
      const title = (text) => ({ text, font: { size: 12, color: colours.text } });
      return {
        uirevision: chart.revision, autosize: true, height: narrow ? 340 : Math.min(520, Math.max(390, box.clientWidth / 3.6)),
        margin: { l: LEFT, r: RIGHT, t: chart.incidents.length ? 24 : 8, b: 44 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
        font: { family: getComputedStyle(element).fontFamily, size: 12, color: colours.text }, barmode: "stack", dragmode: zooming ? "zoom" : false,
        hovermode: "x unified", hoverdistance: 60, hoverlabel: { bgcolor: colours.surface, bordercolor: colours.grid, font: { color: colours.strong, size: 12 } },
        xaxis: { ...axis, fixedrange: false, range: zoom ?? [local(chart.start), local(chart.end)], type: "date", anchor: "y2", showgrid: false,
          nticks: narrow ? 5 : 12, title: title(`Time, ${zone()}`) },
        yaxis: { ...axis, domain: [0.46, 1], range: [0, 1], tickformat: ".0%", nticks: 5, title: title(narrow ? "" : "Negative share") },
        yaxis2: { ...axis, domain: [0, 0.38], rangemode: "tozero", nticks: 4, title: title(narrow ? "" : "Messages") },
        yaxis3: { range: [0, 1], overlaying: "y", visible: false, fixedrange: true },
        yaxis4: { range: [0, 1], overlaying: "y2", visible: false, fixedrange: true },
        ...marks(colours, narrow),
      };
    };

    const row = (tag, texts) => make("tr", {}, ...texts.map((text) => make(tag, { textContent: text })));
    const table = () => {
      if (!behind.open || !chart) return;
      const { bars, share } = chart;
      const when = (ms) => new Date(ms).toLocaleString(undefined, { dateStyle: "short", timeStyle: "short" });
      const head = make("thead", {}, row("th", [`From (${zone()})`, "Negative", "Neutral", "Positive", "Not scored", `Negative share as classified, per ${span(chart.span)}`]));
      const body = make("tbody");
      for (let i = bars.start.length - 1; i >= 0; i -= 1) {
        const at = share.at.findLastIndex((_, k) => Math.floor(share.at[k] / chart.span) <= Math.floor(bars.start[i] / chart.span));
        body.append(row("td", [when(bars.start[i]), bars.negative[i], bars.neutral[i], bars.positive[i], bars.unscored[i], at < 0 ? "–" : said(share, at)]));
      }
      scroll.replaceChildren(make("table", {}, head, body));
    };

    const legend = () => {
      const item = (kind, text) => make("span", {}, make("i", { className: `ep-dot ep-${kind}` }), text);
      note.replaceChildren(
        item("line", `negative share as classified, with its 95 % sampling error, per ${span(chart.span)}`), item("negative", "negative"), item("neutral", "neutral"),
        item("positive", "positive"), item("unscored", "not scored"), make("span", { textContent: `bars per ${span(chart.step)}` }),
      );
    };

    // Selecting: a drag over the chart, or a press on the span of an incident.
    const selecting = make("button", { type: "button", textContent: "Zoom by dragging", title: "A drag over the chart selects a window; with this on it zooms", ariaPressed: "false" });
    const whole = make("button", { type: "button", textContent: "Whole window", hidden: true });
    tools.append(whole, selecting);
    selecting.addEventListener("click", () => {
      zooming = !zooming;
      selecting.setAttribute("aria-pressed", `${zooming}`);
      draw();
    });
    whole.addEventListener("click", () => { zoom = null; draw(); });
    const ends = () => (zoom ? zoom.map((edge) => epoch(`${edge}`)) : [chart.start, chart.end]);
    const place = (event) => {
      const area = stage.getBoundingClientRect();
      const width = area.width - LEFT - RIGHT;
      return Math.min(Math.max(event.clientX - area.left - LEFT, 0), width) / width;
    };
    const time = (part) => {
      const [low, high] = ends();
      return low + part * (high - low);
    };
    let from = null;
    stage.addEventListener("pointerdown", (event) => {
      if (zooming || !chart || event.button !== 0 || !event.target.closest(".ep-plot")) return;
      from = { part: place(event), x: event.clientX };
      stage.setPointerCapture(event.pointerId);
    });
    stage.addEventListener("pointermove", (event) => {
      if (!from || Math.abs(event.clientX - from.x) < 5) return;
      const [low, high] = [from.part, place(event)].sort((a, b) => a - b);
      const width = stage.clientWidth - LEFT - RIGHT;
      Object.assign(brush.style, { left: `${LEFT + low * width}px`, width: `${(high - low) * width}px` });
      brush.hidden = false;
    });
    const end = (event) => {
      if (!from) return;
      const [low, high] = [from.part, place(event)].sort((a, b) => a - b).map(time);
      const dragged = !brush.hidden;
      from = null;
      brush.hidden = true;
      if (event.type === "pointercancel") return;
      const pressed = chart.incidents.find((incident) => incident.start <= low && low <= incident.end);
      if (dragged) {
        const start = Math.max(Math.floor(low / chart.step) * chart.step, chart.start);
        const until = Math.max(Math.ceil(high / chart.step) * chart.step, start + chart.step);
        const text = (ms) => new Date(ms).toISOString().replace(/\.\d+/, "");
        ep.go({ start: text(start), end: text(until), incident: "", statement: "", after: "" });
      } else if (pressed) ep.go({ incident: `${pressed.number}`, start: "", end: "", statement: "", after: "" });
    };
    // The same by keyboard: arrows move the selection, with shift its end; what is not selected begins at the data edge.
    let arrows = 0;
    let reached = null; // until it is in the URL
    stage.tabIndex = 0;
    stage.setAttribute("role", "group");
    stage.setAttribute("aria-label", "Chart. Arrow keys select a window, with shift they change its length, Escape clears it");
    const choose = () => {
      const text = (ms) => new Date(ms).toISOString().replace(/\.\d+/, "");
      ep.go({ start: text(reached[0]), end: text(reached[1]), incident: "", statement: "", after: "" }, { replace: true });
      reached = null;
    };
    stage.addEventListener("keydown", (event) => {
      if (!chart || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape" && chart.selected) ep.go({ start: "", end: "", incident: "", statement: "", after: "" });
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!by) return;
      event.preventDefault();
      const step = Math.max(chart.step, Math.round((chart.end - chart.start) / 24 / chart.step) * chart.step);
      const last = Math.ceil((chart.edge ?? chart.end) / chart.step) * chart.step;
      let [low, high] = reached ?? chart.selected ?? [last, last];
      if (low === high) low -= step;
      else if (event.shiftKey) high = Math.max(high + by * step, low + chart.step);
      else [low, high] = [low + by * step, high + by * step];
      reached = [Math.max(low, chart.start), Math.max(Math.min(high, chart.end), chart.start + chart.step)];
      const width = stage.clientWidth - LEFT - RIGHT;
      const [from, to] = reached.map((at) => LEFT + (width * (at - ends()[0])) / (ends()[1] - ends()[0]));
      Object.assign(brush.style, { left: `${from}px`, width: `${to - from}px` });
      brush.hidden = false;
      window.clearTimeout(arrows);
      arrows = window.setTimeout(() => { brush.hidden = true; choose(); }, 500);
    });
    stage.addEventListener("pointerup", end);
    stage.addEventListener("pointercancel", end);

    let listening = false;
    const listen = () => {
      listening = true;
      plot.on("plotly_relayout", (change) => {
        const range = change["xaxis.range"] ?? [change["xaxis.range[0]"], change["xaxis.range[1]"]];
        if (range[0] !== undefined) zoom = [...range];
        whole.hidden = !zoom;
      });
      plot.on("plotly_doubleclick", () => { zoom = null; draw(); });
    };

    const draw = () => {
      box.hidden = !chart;
      if (!chart || !window.Plotly) return;
      const colours = ink();
      legend();
      whole.hidden = !zoom;
      stage.classList.toggle("ep-selecting", !zooming);
      const last = chart.share.value.findLastIndex((value) => value !== null);
      plot.setAttribute("aria-label", `Messages and negative share over time. ${last < 0 ? "No share yet." : `Latest negative share ${said(chart.share, last)}.`}`);
      window.Plotly.react(plot, traces(colours), layout(colours), { displayModeBar: false, responsive: true, doubleClick: false });
      if (!listening) listen();
      table();
    };

    behind.addEventListener("toggle", table);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(draw));
    new MutationObserver(draw).observe(document.body, { attributes: true, attributeFilter: ["class"] });
    if (!window.Plotly) window.addEventListener("load", draw);
    return (text) => {
      const before = chart?.revision;
      chart = text ? JSON.parse(text) : null;
      if (chart?.revision !== before) zoom = null;
      draw();
    };
  };

  const drawn = new WeakMap();
  ep.renderers.chart = (element, text) => {
    if (!drawn.has(element)) drawn.set(element, ep.chart(element));
    drawn.get(element)(text);
  };
})();
