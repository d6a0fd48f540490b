// Message cards, kept by their key. New ones come in only while that moves nothing under the reader's eyes or hand.
const list = element.querySelector(".ep-list");
const pill = document.createElement("button");
pill.type = "button";
pill.className = "ep-pill";
pill.hidden = true;
list.before(pill);

let scope = null;
let waiting = null;

const parse = (html) => {
  const template = document.createElement("template");
  template.innerHTML = html; // escaped by the server: text, never a reader's markup
  return [...template.content.children];
};

const patch = (html) => {
  const old = new Map([...list.children].map((node) => [node.dataset.key, node]));
  const nodes = parse(html).map((node) => {
    const kept = old.get(node.dataset.key);
    if (!kept || !node.dataset.key) return node;
    if (kept.dataset.html !== node.innerHTML) kept.innerHTML = node.innerHTML;
    kept.className = node.className;
    kept.dataset.html = node.innerHTML;
    return kept;
  });
  nodes.forEach((node, index) => {
    node.dataset.html ??= node.innerHTML;
    if (list.children[index] !== node) list.insertBefore(node, list.children[index] ?? null);
  });
  while (list.children.length > nodes.length) list.lastChild.remove();
};

const busy = () => list.getBoundingClientRect().top < 0 || list.matches(":hover") || list.contains(document.activeElement);

const show = () => {
  pill.hidden = true;
  if (waiting === null) return;
  patch(waiting);
  waiting = null;
};

const update = () => {
  if (!props.value) return;
  const page = JSON.parse(props.value);
  if (page.scope !== scope || !page.following || !busy()) {
    scope = page.scope;
    waiting = page.html;
    show();
    return;
  }
  const known = new Set([...list.children].map((node) => node.dataset.key));
  const fresh = parse(page.html).filter((node) => !known.has(node.dataset.key)).length;
  waiting = page.html;
  if (fresh === 0) { show(); return; }
  pill.textContent = fresh >= 20 ? "20 or more new messages: show" : `${fresh} new ${fresh === 1 ? "message" : "messages"}: show`;
  pill.hidden = false;
};

pill.addEventListener("click", () => {
  show();
  element.scrollIntoView({ block: "start" });
});
watch("value", update);
update();
