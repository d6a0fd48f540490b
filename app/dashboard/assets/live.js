// The page's state is its URL; its panels are asked for anew about once a second and patched in place.
(() => {
  "use strict";
  const ep = (window.ep ??= {});
  ep.renderers = {}; // by panel: (element, text) => void; a panel without one is HTML
  const CARRIED = ["event", "window", "source", "country", "start", "end"];
  const SLOW_MS = 20000;
  const OURS = ["open", "data-set", "data-touched", "aria-disabled"]; // set here, not by the server
  const panels = new Map(); // by name: { digest, text }
  const feeds = new Map(); // by name: { names, every, timer, asking, failures }
  let generation = 0;
  let lost = null; // since when the server has not answered
  let told = ""; // why the address was put right: it stays until the reader goes on

  // Patching: what is the same stays, so focus, selection, scroll positions and open drawers do too.
  const key = (node) => node.dataset?.key ?? (node.id || null);
  const same = (a, b) => a.nodeName === b.nodeName && key(a) === key(b);
  const morph = (from, to) => {
    if (from.nodeType !== Node.ELEMENT_NODE) {
      if (from.data !== to.data) from.data = to.data;
      return;
    }
    for (const { name, value } of [...to.attributes]) {
      if (from.getAttribute(name) !== value && !(name === "open" && from.nodeName === "DETAILS")) from.setAttribute(name, value);
    }
    for (const { name } of [...from.attributes]) if (!to.hasAttribute(name) && !OURS.includes(name)) from.removeAttribute(name);
    if (from.dataset.answer === undefined) patch(from, to); // an answer stays until the next one
    if (from === document.activeElement || from.form?.dataset.touched) return;
    if (from.type === "checkbox" || from.type === "radio") from.checked = to.checked;
    else if (["INPUT", "SELECT", "TEXTAREA"].includes(from.nodeName)) from.value = to.value;
  };
  const patch = (from, to) => {
    let node = from.firstChild;
    for (const wanted of [...to.childNodes]) {
      let found = node;
      if (key(wanted)) while (found && key(found) !== key(wanted)) found = found.nextSibling;
      if (!found || !same(found, wanted)) { from.insertBefore(wanted, node); continue; }
      if (found === node) node = node.nextSibling;
      else from.insertBefore(found, node);
      morph(found, wanted);
    }
    while (node) { const next = node.nextSibling; node.remove(); node = next; }
  };
  ep.morph = morph;
  ep.parse = (html) => {
    const template = document.createElement("template");
    template.innerHTML = html; // escaped by the server: text, never a reader's markup
    ep.localise(template.content);
    return template.content;
  };
  ep.patch = (element, html) => patch(element, ep.parse(html));

  // The state of the page
  const query = () => window.location.search.slice(1);
  ep.go = (changes, { replace = false } = {}) => {
    const url = new URL(window.location.href);
    for (const [name, value] of Object.entries(changes)) {
      if (value === "" || value === null) url.searchParams.delete(name);
      else url.searchParams.set(name, value);
    }
    move(url, replace);
  };
  const move = (url, replace) => {
    if (url.search === window.location.search) return;
    window.history[replace ? "replaceState" : "pushState"](window.history.state, "", url);
    moved();
  };
  const moved = () => {
    generation += 1;
    panels.delete("query"); // the answer is to say how this one was understood, also where that is as before
    if (told) panels.delete("banner");
    told = "";
    carry();
    document.body.classList.add("ep-moving");
    ep.refresh();
  };
  const carry = () => {
    const here = new URLSearchParams(query());
    const kept = new URLSearchParams(CARRIED.filter((name) => here.has(name)).map((name) => [name, here.get(name)]));
    for (const link of document.querySelectorAll("a[data-carry]")) link.search = kept.toString();
  };

  // Asking
  const show = (name) => {
    const { text } = panels.get(name);
    for (const element of document.querySelectorAll(`[data-panel="${name}"]`)) {
      (ep.renderers[name] ?? ep.patch)(element, text);
      element.removeAttribute("aria-busy");
    }
  };
  const take = (answer, from) => {
    const corrected = answer.query && answer.query[1] !== query();
    if (corrected) told = answer.banner?.[1] ?? told;
    for (const [name, [digest, text]] of Object.entries(answer)) {
      panels.set(name, { digest, text: name === "banner" ? text || told : text });
      if (name !== "query") show(name);
      else if (text !== query()) {
        const url = new URL(window.location.href);
        url.search = text;
        window.history.replaceState(window.history.state, "", url);
        carry();
      }
    }
    if (corrected) for (const name of feeds.keys()) if (name !== from) ask(name);
  };
  const connected = (works) => {
    lost = works ? null : (lost ?? new Date());
    const said = works ? "" : `No answer since ${lost.toLocaleTimeString()}. Trying again …`;
    for (const element of document.querySelectorAll("[data-connection]")) if (element.textContent !== said) element.textContent = said;
  };
  const ask = async (name) => {
    const feed = feeds.get(name);
    window.clearTimeout(feed.timer);
    feed.asking?.abort();
    const mine = generation;
    const asking = (feed.asking = new AbortController());
    const slow = window.setTimeout(() => asking.abort(), SLOW_MS);
    const had = [...feed.names].filter((panel) => panels.has(panel)).map((panel) => `${panel}=${panels.get(panel).digest}`);
    try {
      const answer = await fetch(`live/${name}?${query()}`, { headers: { "x-have": had.join(" ") }, signal: asking.signal, cache: "no-store" });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const changed = answer.status === 200 ? await answer.json() : {};
      if (mine !== generation || feed.asking !== asking) return;
      for (const panel of Object.keys(changed)) feed.names.add(panel);
      take(changed, name);
      feed.failures = 0;
      feed.generation = mine;
      if ([...feeds.values()].every((other) => other.generation === generation)) document.body.classList.remove("ep-moving");
    } catch (error) {
      if (feed.asking !== asking) return; // asked anew meanwhile
      feed.failures += 1;
    } finally {
      window.clearTimeout(slow);
      if (feed.asking === asking) {
        connected([...feeds.values()].every((other) => other.failures < 3));
        feed.timer = window.setTimeout(ask, feed.every * Math.min(8, 1 + feed.failures), name);
      }
    }
  };
  ep.refresh = () => { if (!document.hidden) for (const name of feeds.keys()) ask(name); };

  // The panels appear when Gradio has drawn the page.
  const find = () => {
    for (const element of document.querySelectorAll("[data-panel]:not([data-known])")) {
      element.dataset.known = "";
      const { panel, feed, every } = element.dataset;
      if (panels.has(panel)) show(panel);
      if (!feeds.has(feed)) {
        feeds.set(feed, { names: new Set(), every: Number(every ?? 1000), failures: 0 });
        if (!document.hidden) window.setTimeout(ask, 0, feed);
      }
    }
  };
  const start = () => {
    new MutationObserver(() => { find(); carry(); }).observe(document.body, { childList: true, subtree: true });
    find();
    carry();
  };
  if (document.body) start(); else document.addEventListener("DOMContentLoaded", start);
  window.addEventListener("popstate", moved);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) for (const feed of feeds.values()) window.clearTimeout(feed.timer);
    else ep.refresh();
  });

  // Controls and links
  ep.valueOf = (control) => { // times are shown in the reader's zone and written in UTC
    if (control.type !== "datetime-local" || !control.value) return control.value;
    return new Date(control.value).toISOString().replace(/\.\d+/, "");
  };
  const set = (control, replace) => {
    const value = control.type === "checkbox" ? (control.checked ? control.value : "") : ep.valueOf(control);
    const cleared = Object.fromEntries((control.dataset.clears ?? "").split(" ").filter(Boolean).map((name) => [name, ""]));
    ep.go({ ...cleared, [control.dataset.name]: value === control.dataset.default ? "" : value }, { replace });
  };
  let typing = 0;
  document.addEventListener("change", ({ target }) => {
    if (target.dataset?.name && target.type !== "search") set(target, false);
  });
  document.addEventListener("input", ({ target }) => {
    if (target.form) target.form.dataset.touched = "1"; // what is being written is not taken away
    if (!target.dataset?.name || target.type !== "search") return;
    window.clearTimeout(typing);
    typing = window.setTimeout(set, 300, target, true);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-go]");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    move(new URL(link.href), false);
    if (link.dataset.go) document.querySelector(link.dataset.go)?.scrollIntoView({ block: "nearest" });
  });
})();
