// The Compare page: sides in one parameter each, and their charts over a shared axis.
(() => {
  "use strict";
  const ep = (window.ep ??= {});
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];

  // A side is the values of its controls in their order; a window that is chosen takes the place of times.
  document.addEventListener("change", ({ target }) => {
    const box = target.closest?.("[data-join]");
    if (!box) return;
    const values = [...box.querySelectorAll("select, input")].map(ep.valueOf);
    const [event, , source, country, from, to] = values;
    const timed = from && to && target.nodeName !== "SELECT" || values[1] === "";
    const parts = timed ? [event, "", source, country, from, to] : [event, values[1], source, country];
    ep.go({ [box.dataset.join]: parts.join("~").replace(/~+$/, "") });
  });

  const local = (ms) => new Date(ms - new Date(ms).getTimezoneOffset() * 60000).toISOString().slice(0, -1);
  const build = (element) => {
    const plot = document.createElement("div");
    plot.className = "ep-plot";
    plot.setAttribute("role", "img");
    const box = document.createElement("div");
    box.className = "ep-chart";
    const note = document.createElement("p");
    note.className = "ep-legend";
    box.append(note, plot);
    element.replaceChildren(box);
    let chart = null;
    const draw = () => {
      box.hidden = !chart;
      if (!chart || !window.Plotly) return;
      note.textContent = `Above: negative share as classified, with its 95 % sampling error. Below: distinct messages an hour. A point is ${chart.step < 7200 ? `${chart.step / 60} minutes` : `${chart.step / 3600} hours`}.`;
      const style = getComputedStyle(element);
      const read = (name) => style.getPropertyValue(name).trim();
      const [text, grid, surface, ink] = ["--ep-muted", "--ep-line", "--ep-surface", "--ep-ink"].map(read);
      const at = (seconds) => (chart.origin === null ? seconds / 3600 : local(chart.origin + 1000 * seconds));
      const traces = [];
      const labels = [];
      chart.sides.forEach((side, index) => {
        const color = read(`--ep-side-${index + 1}`);
        const name = `${index + 1}`;
        const x = side.at.map((seconds) => at(seconds + chart.step / 2));
        const line = { color, width: 2, dash: DASHES[index] };
        const said = side.at.map((_, i) => (side.value[i] === null ? `too few (${side.n[i]})`
          : `${Math.round(100 * side.value[i])} % (${Math.round(100 * side.low[i])}-${Math.round(100 * side.high[i])}), n = ${side.n[i]}`));
        let run = [];
        const band = { x: [], y: [] };
        const close = () => {
          if (run.length > 1) {
            const back = [...run].reverse();
            band.x.push(...run.map((i) => x[i]), ...back.map((i) => x[i]), null);
            band.y.push(...run.map((i) => side.high[i]), ...back.map((i) => side.low[i]), null);
          }
          run = [];
        };
        side.value.forEach((value, i) => {
          if (value === null || (i && side.at[i] - side.at[i - 1] > chart.step)) close();
          if (value !== null) run.push(i);
        });
        close();
        // A step without messages is a gap: nothing is drawn from one side of it to the other.
        const gapped = (values) => {
          const [xs, ys, texts] = [[], [], []];
          side.at.forEach((seconds, i) => {
            if (i && seconds - side.at[i - 1] > chart.step) { xs.push(at(seconds - chart.step / 2)); ys.push(null); texts.push(""); }
            xs.push(x[i]); ys.push(values[i]); texts.push(said[i]);
          });
          return { x: xs, y: ys, text: texts };
        };
        traces.push(
          { type: "scatter", mode: "lines", ...band, fill: "toself", fillcolor: color, opacity: 0.13, line: { width: 0 }, hoverinfo: "skip", yaxis: "y" },
          { type: "scatter", mode: "lines+markers", name, ...gapped(side.value), line, marker: { color, size: 4 }, connectgaps: false, yaxis: "y", hovertemplate: `${name}: %{text}<extra></extra>` },
          { type: "scatter", mode: "lines", name, ...gapped(side.volume), line: { ...line, width: 1.5 }, connectgaps: false, yaxis: "y2", hovertemplate: `${name}: %{y:,} messages an hour<extra></extra>` },
        );
        const last = side.value.findLastIndex((value) => value !== null);
        if (last >= 0) labels.push({ x: x[last], y: side.value[last], xref: "x", yref: "y", text: `<b>${name}</b>`, showarrow: false, xanchor: "left", xshift: 4, font: { color, size: 13 }, bgcolor: surface });
      });
      const narrow = box.clientWidth < 560;
      const height = narrow ? 340 : 420;
      // No number stands upon another, where lines end close together.
      const top = Math.max(0.01, ...chart.sides.flatMap((side) => side.high.filter((value) => value !== null)));
      const perUnit = (0.58 * (height - 52)) / top;
      let below = -Infinity;
      for (const label of labels.sort((a, b) => a.y - b.y)) {
        const at = Math.max(label.y * perUnit, below + 15);
        label.yshift = at - label.y * perUnit;
        below = at;
      }
      const axis = { color: text, gridcolor: grid, zeroline: false, fixedrange: true };
      const title = (words) => ({ text: words, font: { size: 12, color: text } });
      plot.setAttribute("aria-label", `Negative share and messages of ${chart.sides.length} sides over time; the numbers are in the table below.`);
      window.Plotly.react(plot, traces, {
        uirevision: chart.revision, autosize: true, height, margin: { l: 48, r: 28, t: 8, b: 44 }, showlegend: false,
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { family: style.fontFamily, size: 12, color: text },
        hovermode: "x unified", hoverlabel: { bgcolor: surface, bordercolor: grid, font: { color: ink, size: 12 } }, annotations: labels,
        xaxis: { ...axis, fixedrange: false, anchor: "y2", showgrid: false, ...(chart.origin === null ? { title: title("Hours after the start of each"), ticksuffix: " h" } : { type: "date", title: title("Time") }) },
        yaxis: { ...axis, domain: [0.42, 1], rangemode: "tozero", tickformat: ".0%", nticks: 5, title: title(narrow ? "" : "Negative share") },
        yaxis2: { ...axis, domain: [0, 0.34], rangemode: "tozero", nticks: 4, title: title(narrow ? "" : "An hour") },
      }, { displayModeBar: false, responsive: true });
    };
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => requestAnimationFrame(draw));
    if (!window.Plotly) window.addEventListener("load", draw);
    return (value) => { chart = value ? JSON.parse(value) : null; draw(); };
  };

  const drawn = new WeakMap();
  ep.renderers.compared = (element, value) => {
    if (!drawn.has(element)) drawn.set(element, build(element));
    drawn.get(element)(value);
  };
})();
