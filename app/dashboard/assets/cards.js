// Message cards, kept by their key. New ones come in only while that moves nothing under the reader's eyes or hand.
(() => {
  "use strict";
  const ep = (window.ep ??= {});
  const VERDICTS = [["1", "negative", "Negative"], ["2", "neutral", "Neutral"], ["3", "positive", "Positive"], ["0", "off_topic", "Off-topic"], ["u", "", "Undo"]];
  const card = (node) => node?.closest?.(".ep-card");

  const build = (element) => {
    const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
    const list = make("div", { className: "ep-list" });
    const pill = make("button", { type: "button", className: "ep-pill", hidden: true });
    const tools = make("div", { className: "ep-actions", hidden: true, role: "group", ariaLabel: "What is it?" });
    const status = make("p", { className: "ep-hidden", role: "status" });
    element.replaceChildren(pill, list, tools, status);
    let scope = null;
    let waiting = null;
    const busy = () => list.getBoundingClientRect().top < 0 || element.matches(":hover") || element.contains(document.activeElement);
    const show = () => {
      pill.hidden = true;
      if (waiting !== null) ep.patch(list, waiting);
      waiting = null;
      place();
    };
    pill.addEventListener("click", () => {
      show();
      element.scrollIntoView({ block: "start" });
    });

    // Judging: by the buttons over the card that is pointed at, or by their keys on the card that has the focus.
    let active = null;
    const place = () => {
      if (active && !list.contains(active)) active = null;
      tools.hidden = !active;
      if (active) tools.style.top = `${list.offsetTop + active.offsetTop + active.offsetHeight}px`;
    };
    const judge = async (verdict) => {
      const fields = { event: new URLSearchParams(window.location.search).get("event"), message: active.dataset.key, who: ep.who?.() ?? "analyst" };
      status.textContent = "";
      try {
        const done = await ep.act(verdict ? "mark" : "unmark", verdict ? { ...fields, verdict } : fields);
        status.textContent = ep.parse(done.html).textContent;
        tools.dataset.said = status.textContent;
      } catch (error) {
        tools.dataset.said = "The server did not answer. Try again.";
      }
    };
    for (const [key, verdict, words] of VERDICTS) {
      const button = make("button", { type: "button", textContent: words, tabIndex: -1 });
      button.setAttribute("aria-keyshortcuts", key);
      button.append(make("kbd", { textContent: key, ariaHidden: "true" }));
      button.addEventListener("click", () => judge(verdict));
      tools.append(button);
    }
    const activate = (node) => {
      if (!node || node === active) return;
      active = node;
      delete tools.dataset.said;
      place();
    };
    list.addEventListener("pointerover", (event) => activate(card(event.target)));
    list.addEventListener("focusin", (event) => activate(card(event.target)));
    element.addEventListener("pointerleave", () => { if (!element.contains(document.activeElement)) { active = null; place(); } });
    list.addEventListener("keydown", (event) => {
      const found = VERDICTS.find(([key]) => key === event.key);
      if (!found || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      activate(card(event.target));
      judge(found[1]);
    });

    return (text) => {
      const page = JSON.parse(text);
      waiting = page.html;
      if (page.scope !== scope || !page.following || !busy()) {
        scope = page.scope;
        show();
        return;
      }
      const known = new Map([...list.children].map((node) => [node.dataset.key, node]));
      let fresh = 0;
      for (const node of [...ep.parse(page.html).children]) {
        if (known.has(node.dataset.key)) ep.morph(known.get(node.dataset.key), node);
        else fresh += 1;
      }
      if (fresh === 0) { show(); return; }
      pill.textContent = fresh >= 20 ? "20 or more new messages: show" : `${fresh} new ${fresh === 1 ? "message" : "messages"}: show`;
      pill.hidden = false;
    };
  };

  const lists = new WeakMap();
  ep.renderers.messages = (element, text) => {
    if (!lists.has(element)) lists.set(element, build(element));
    lists.get(element)(text);
  };

  // j and k go through the cards, wherever the reader is, as long as nothing is being written.
  document.addEventListener("keydown", (event) => {
    if (!["j", "k"].includes(event.key) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
    const cards = [...document.querySelectorAll(".ep-card")];
    if (!cards.length) return;
    const at = cards.indexOf(card(document.activeElement));
    const next = cards[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), cards.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  });
})();
