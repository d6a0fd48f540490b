// Message cards, kept by their key. New ones come in only while that moves nothing under the reader's eyes or hand.
(() => {
  "use strict";
  const ep = (window.ep ??= {});

  const build = (element) => {
    const list = Object.assign(document.createElement("div"), { className: "ep-list" });
    const pill = Object.assign(document.createElement("button"), { type: "button", className: "ep-pill", hidden: true });
    element.replaceChildren(pill, list);
    let scope = null;
    let waiting = null;
    const busy = () => list.getBoundingClientRect().top < 0 || list.matches(":hover") || list.contains(document.activeElement);
    const show = () => {
      pill.hidden = true;
      if (waiting !== null) ep.patch(list, waiting);
      waiting = null;
    };
    pill.addEventListener("click", () => {
      show();
      element.scrollIntoView({ block: "start" });
    });
    return (text) => {
      const page = JSON.parse(text);
      waiting = page.html;
      if (page.scope !== scope || !page.following || !busy()) {
        scope = page.scope;
        show();
        return;
      }
      const known = new Set([...list.children].map((node) => node.dataset.key));
      const coming = document.createElement("template");
      coming.innerHTML = page.html; // escaped by the server
      const fresh = [...coming.content.children].filter((node) => !known.has(node.dataset.key)).length;
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
    const at = cards.indexOf(document.activeElement?.closest?.(".ep-card"));
    const next = cards[Math.min(Math.max(at + (event.key === "j" ? 1 : -1), 0), cards.length - 1)];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  });
})();
