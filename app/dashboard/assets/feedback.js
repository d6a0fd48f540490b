// The Feedback page: messages to judge, one at a time. What people wrote is only ever set as text.
(() => {
  "use strict";
  const ep = (window.ep ??= {});
  const STORED = "ep-who";
  const KEYS_OFF = "ep-keys-off";
  const FEW = 6; // so many messages before the end more are asked for
  const SHOWN = 5; // verdicts in the list below
  const AGAIN_MS = 15000; // where nothing is left to judge, new messages are looked for so often
  const WORDS = { negative: "Negative", neutral: "Neutral", positive: "Positive", off_topic: "Off-topic", skipped: "Skipped" };

  // Who is sitting there: a name that this browser keeps. It tells people apart and is no login.
  const remembered = new Map();
  const keep = (name, value) => {
    remembered.set(name, value);
    try { window.localStorage.setItem(name, value); } catch { /* not allowed: it lasts as long as the page */ }
  };
  const kept = (name) => {
    if (remembered.has(name)) return remembered.get(name);
    try { return window.localStorage.getItem(name) ?? ""; } catch { return ""; }
  };
  ep.who = () => kept(STORED).trim() || "analyst";

  const BODY = `
    <section class="ep-judge" aria-label="Message to judge">
      <details class="ep-judge-you"><summary data-count></summary>
        <div class="ep-fields">
          <label class="ep-field"><span>Your name</span><input type="text" data-who maxlength="60" autocomplete="off" placeholder="analyst"></label>
          <label class="ep-switch"><input type="checkbox" data-keys checked><span>Use the keys 1 2 3 0, j k, s and u</span></label>
        </div>
      </details>
      <div class="ep-judge-card" data-card aria-live="polite" aria-atomic="true">
        <p class="ep-judge-text" data-text dir="auto" tabindex="0" role="group" aria-label="Message"></p>
        <ul class="ep-meta" data-about></ul>
        <p class="ep-judge-said" data-said></p>
      </div>
      <div class="ep-verdicts" role="group" aria-label="What is it?">
        <button type="button" data-verdict="negative" aria-keyshortcuts="1"><i class="ep-dot ep-negative" aria-hidden="true"></i>Negative<kbd aria-hidden="true">1</kbd></button>
        <button type="button" data-verdict="neutral" aria-keyshortcuts="2"><i class="ep-dot ep-neutral" aria-hidden="true"></i>Neutral<kbd aria-hidden="true">2</kbd></button>
        <button type="button" data-verdict="positive" aria-keyshortcuts="3"><i class="ep-dot ep-positive" aria-hidden="true"></i>Positive<kbd aria-hidden="true">3</kbd></button>
        <button type="button" data-verdict="off_topic" aria-keyshortcuts="0"><i class="ep-dot ep-off-topic" aria-hidden="true"></i>Off-topic<kbd aria-hidden="true">0</kbd></button>
      </div>
      <div class="ep-moves" role="group" aria-label="Go on">
        <button type="button" data-move="-1" aria-keyshortcuts="k">Previous<kbd aria-hidden="true">k</kbd></button>
        <button type="button" data-move="1" aria-keyshortcuts="j">Next<kbd aria-hidden="true">j</kbd></button>
        <button type="button" data-verdict="skipped" aria-keyshortcuts="s">Skip<kbd aria-hidden="true">s</kbd></button>
        <button type="button" data-undo aria-keyshortcuts="u">Undo<kbd aria-hidden="true">u</kbd></button>
      </div>
      <div data-trouble></div>
      <p class="ep-hidden" role="status" data-status></p>
      <div class="ep-judge-log" data-log hidden><h3>Your last labels</h3><ol></ol></div>
    </section>`;

  const build = (element) => {
    element.innerHTML = BODY;
    const find = (name) => element.querySelector(`[data-${name}]`);
    const parts = Object.fromEntries(["count", "card", "text", "about", "said", "trouble", "status", "log", "who", "keys"].map((name) => [name, find(name)]));
    let event = "";
    let items = []; // as the server gave them
    let at = 0;
    let given = new Map(); // by message: the verdict
    let last = []; // the messages judged here, the latest last
    let totals = { judged: 0, skipped: 0 };
    let state = "loading"; // loading, ready, done, refused
    let asking = false;
    let done = Promise.resolve(); // what is sent goes out in order
    let waiting = 0;
    let generation = 0; // grows with the event and the name: what was asked for before them is of no use

    const server = async () => {
      while (!ep.judge) await new Promise((ready) => window.setTimeout(ready, 50));
      return ep.judge;
    };
    const send = (name, fields) => {
      waiting += 1;
      const mine = { event, who: ep.who(), ...fields };
      const sent = done.then(async () => {
        try {
          return await (await server())[name](mine);
        } catch {
          return { ok: false, lost: true };
        } finally {
          waiting -= 1;
        }
      });
      done = sent;
      return sent;
    };
    const refuse = (answer) => {
      if (answer.html) ep.patch(parts.trouble, answer.html); // made and escaped by the server
      else {
        const box = Object.assign(document.createElement("div"), { className: "ep-notice ep-error", role: "alert" });
        box.textContent = "The server did not answer, nothing was stored. Try again.";
        parts.trouble.replaceChildren(box);
      }
    };

    const fetchMore = async () => {
      if (asking || !event) return;
      asking = true;
      const mine = generation;
      const answer = await send("queue", {});
      asking = false;
      if (mine !== generation) { fetchMore(); return; }
      if (!answer.ok) { state = items.length ? "ready" : "refused"; refuse(answer); draw(); return; }
      totals = answer;
      const known = new Set(items.map((item) => item.id));
      items = items.concat(answer.items.filter((item) => !known.has(item.id)));
      state = at < items.length ? "ready" : "done";
      if (state === "done") window.setTimeout(() => { if (mine === generation && state === "done") fetchMore(); }, AGAIN_MS);
      draw();
    };
    const open = () => {
      generation += 1;
      [items, at, given, last, state] = [[], 0, new Map(), [], "loading"];
      parts.trouble.replaceChildren();
      draw();
      if (event) fetchMore();
    };

    // What is seen
    const put = (element, text) => { if (element.textContent !== text) element.textContent = text; };
    const entry = (text) => Object.assign(document.createElement("li"), { textContent: text });
    const isolated = (text) => {
      const made = document.createElement("li");
      made.append(Object.assign(document.createElement("bdi"), { textContent: text }));
      return made;
    };
    const about = (item) => {
      const time = Object.assign(document.createElement("time"), { dateTime: item.at, title: `${item.at.slice(0, 19).replace("T", " ")} UTC` });
      time.dataset.form = "day";
      const when = document.createElement("li");
      when.append(time);
      const made = [...item.about.slice(0, 1).map(isolated), when, ...item.about.slice(1).map(isolated)];
      if (item.more) made.push(entry(item.more));
      parts.about.replaceChildren(...made);
      ep.localise(parts.about);
    };
    const empty = () => {
      if (!event) return "Nothing is watched yet. Add an event on the Overview page.";
      if (state === "loading") return "Looking for messages …";
      if (state === "refused") return "The messages can’t be read right now.";
      return last.length || totals.judged || totals.skipped
        ? "You have judged all there is. More come with new messages; or choose another event."
        : "No messages to judge yet: none has come in that the model has scored.";
    };
    const draw = () => {
      const item = items[at];
      const verdict = item && given.get(item.id);
      parts.card.classList.toggle("ep-judge-empty", !item);
      put(parts.text, item ? item.text : empty());
      if (item) about(item); else parts.about.replaceChildren();
      put(parts.said, verdict ? `You said ${WORDS[verdict].toLowerCase()}; the model: ${item.said} (${item.why}).` : "");
      const here = last.length === 1 ? "1 here" : `${last.length} here`;
      const skipped = totals.skipped ? `, ${totals.skipped} skipped` : "";
      put(parts.count, event ? `${ep.who()} · ${totals.judged} judged${skipped} in this event · ${here}` : "");
      for (const button of element.querySelectorAll("button[data-verdict]")) {
        button.setAttribute("aria-pressed", `${verdict === button.dataset.verdict}`);
        button.setAttribute("aria-disabled", `${!item}`);
      }
      for (const button of element.querySelectorAll("button[data-move]")) {
        const to = at + Number(button.dataset.move);
        button.setAttribute("aria-disabled", `${to < 0 || to >= items.length}`);
      }
      history();
    };
    const history = () => {
      const rows = last.slice(-SHOWN).reverse().map(({ item, verdict }) => {
        const row = document.createElement("li");
        const mine = document.createElement("span");
        mine.className = "ep-judge-mine";
        const dot = Object.assign(document.createElement("i"), { className: `ep-dot ep-${verdict.replace("_", "-")}` });
        dot.ariaHidden = "true";
        mine.append(dot, WORDS[verdict]);
        const theirs = Object.assign(document.createElement("span"), { className: "ep-judge-theirs", textContent: `model: ${item.said}` });
        if (["negative", "neutral", "positive"].includes(verdict) && item.label !== verdict) theirs.classList.add("ep-judge-differs");
        const words = Object.assign(document.createElement("q"), { textContent: item.text.slice(0, 200) });
        words.dir = "auto";
        row.append(mine, theirs, words);
        return row;
      });
      parts.log.hidden = rows.length === 0;
      parts.log.querySelector("ol").replaceChildren(...rows);
    };

    // What is done
    const next = () => {
      let to = at + 1;
      while (to < items.length && given.has(items[to].id)) to += 1;
      at = Math.min(to, items.length);
      if (at >= items.length) state = asking ? "loading" : "done";
    };
    const count = (verdict, by) => {
      totals = { ...totals, [verdict === "skipped" ? "skipped" : "judged"]: totals[verdict === "skipped" ? "skipped" : "judged"] + by };
    };
    const give = async (verdict) => {
      const item = items[at];
      if (!item) return;
      const before = given.get(item.id);
      const mine = generation;
      if (before) count(before, -1);
      count(verdict, 1);
      given.set(item.id, verdict);
      last = [...last.filter((each) => each.item.id !== item.id), { item, verdict }];
      parts.trouble.replaceChildren();
      put(parts.status, `${WORDS[verdict]}. The model: ${item.said}.`);
      next();
      const saved = send("judge", { message: item.id, verdict, stratum: item.stratum });
      if (items.length - at <= FEW) fetchMore();
      draw();
      const answer = await saved;
      if (mine !== generation) return;
      if (answer.ok) { ep.refresh?.(); return; }
      // Nothing is lost: the message comes back, as it was, with the reason.
      count(verdict, -1);
      if (before) { count(before, 1); given.set(item.id, before); } else given.delete(item.id);
      last = last.filter((each) => each.item.id !== item.id);
      at = items.indexOf(item);
      state = "ready";
      refuse(answer);
      draw();
    };
    const undo = async () => {
      if (!event) return;
      const mine = generation;
      const answer = await send("undo", {});
      if (mine !== generation) return;
      if (!answer.ok) { refuse(answer); return; }
      parts.trouble.replaceChildren();
      count(answer.verdict, -1);
      given.delete(answer.message);
      last = last.filter((each) => each.item.id !== answer.message);
      const place = items.findIndex((item) => item.id === answer.message);
      if (place >= 0) at = place;
      else if (answer.item) items = [...items.slice(0, at), answer.item, ...items.slice(at)];
      state = "ready";
      put(parts.status, `Taken back: ${WORDS[answer.verdict].toLowerCase()}.`);
      draw();
      ep.refresh?.();
    };
    const move = (by) => {
      const to = at + by;
      if (to < 0 || to >= items.length) return;
      at = to;
      state = "ready";
      if (items.length - at <= FEW) fetchMore();
      draw();
    };

    element.addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button || button.ariaDisabled === "true") return;
      if (button.dataset.verdict) give(button.dataset.verdict);
      else if (button.dataset.move) move(Number(button.dataset.move));
      else if ("undo" in button.dataset) undo();
    });
    const keys = {
      1: () => give("negative"), 2: () => give("neutral"), 3: () => give("positive"), 0: () => give("off_topic"),
      s: () => give("skipped"), u: undo, j: () => move(1), k: () => move(-1),
    };
    document.addEventListener("keydown", (pressed) => {
      if (!element.isConnected || !parts.keys.checked || pressed.repeat || pressed.ctrlKey || pressed.metaKey || pressed.altKey) return;
      if (pressed.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
      const act = keys[pressed.key.toLowerCase()];
      if (!act) return;
      pressed.preventDefault();
      act();
    });
    parts.who.value = kept(STORED);
    parts.who.addEventListener("change", () => { keep(STORED, parts.who.value.trim()); open(); });
    parts.keys.checked = kept(KEYS_OFF) !== "1";
    parts.keys.addEventListener("change", () => keep(KEYS_OFF, parts.keys.checked ? "" : "1"));
    window.addEventListener("beforeunload", (leaving) => { if (waiting > 0 && last.length) leaving.preventDefault(); });

    return (text) => {
      const asked = JSON.parse(text).event;
      if (asked === event && state !== "refused" && items.length) return;
      event = asked;
      open();
    };
  };

  const pages = new WeakMap();
  ep.renderers ??= {};
  ep.renderers.judging = (element, text) => {
    if (!pages.has(element)) pages.set(element, build(element));
    pages.get(element)(text);
  };
})();
