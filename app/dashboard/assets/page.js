// Times become the reader's own, the menu opens, and forms reach the server.
(() => {
  "use strict";
  const ep = (window.ep ??= {});
  const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const forms = {
    clock: new Intl.DateTimeFormat(undefined, { ...time, second: "2-digit", timeZoneName: "short" }),
    minute: new Intl.DateTimeFormat(undefined, { ...time, timeZoneName: "short" }),
    bare: new Intl.DateTimeFormat(undefined, time),
    day: new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", ...time, timeZoneName: "short" }),
  };
  // Times are written in UTC, which stays on hover; a time of another day says so.
  ep.localise = (root) => {
    const today = new Date().toDateString();
    for (const element of root.querySelectorAll("time[data-form]")) {
      const at = new Date(element.dateTime);
      const dated = ["clock", "minute"].includes(element.dataset.form) && at.toDateString() !== today;
      const text = forms[dated ? "day" : element.dataset.form].format(at);
      if (element.textContent !== text) element.textContent = text;
    }
    for (const input of root.querySelectorAll("input[data-utc]")) {
      const at = new Date(input.dataset.utc);
      if (!Number.isNaN(at.getTime())) input.setAttribute("value", new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16));
    }
  };

  // What people do goes to the server as a name and fields; the answer is HTML, and the page looks again at once.
  const fields = (form, submitter) => {
    const made = {};
    for (const [name, value] of new FormData(form, submitter)) made[name] = name in made ? [].concat(made[name], value) : value;
    for (const input of form.querySelectorAll("input[data-utc]")) {
      made[input.name] = ep.valueOf(input);
    }
    return made;
  };
  ep.act = async (name, values) => {
    const done = await ep.server.act([name, values]);
    if (done.ok) ep.refresh();
    return done;
  };
  const perform = async (button, name, values, place) => {
    if (button?.ariaDisabled === "true") return null;
    button?.setAttribute("aria-disabled", "true");
    try {
      const done = await ep.act(name, values);
      if (place) ep.patch(place, done.html);
      return done;
    } catch (error) {
      if (place) place.textContent = "The server did not answer. Try again.";
      return null;
    } finally {
      button?.removeAttribute("aria-disabled");
    }
  };
  document.addEventListener("submit", async (event) => {
    const form = event.target;
    if (!form.dataset.act) return;
    event.preventDefault();
    const name = event.submitter?.dataset.act ?? form.dataset.act;
    const done = await perform(event.submitter, name, fields(form, event.submitter), form.querySelector("[data-answer]"));
    if (done?.ok && !event.submitter?.dataset.act) {
      delete form.dataset.touched;
      if (form.dataset.after === "reset") form.reset();
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-act][type=button]");
    if (button && (!button.dataset.sure || window.confirm(button.dataset.sure))) {
      const place = button.closest("[data-actions]")?.querySelector("[data-answer]") ?? null;
      perform(button, button.dataset.act, JSON.parse(button.dataset.fields ?? "{}"), place);
    }
    const menu = event.target.closest?.(".ep-menu");
    const open = menu?.getAttribute("aria-expanded") === "true";
    for (const each of document.querySelectorAll(".ep-menu")) each.setAttribute("aria-expanded", `${each === menu && !open}`);
  });

  // A dial shows what it stands on.
  document.addEventListener("input", ({ target }) => {
    if (!target.dataset?.words) return;
    const said = JSON.parse(target.dataset.words)[Number(target.value)];
    target.setAttribute("aria-valuetext", said);
    target.closest("label").querySelector("output").textContent = said;
  });

  // On a wide screen what is in a drawer is always shown.
  const wide = window.matchMedia("(min-width: 641px)");
  const drawers = () => {
    for (const drawer of document.querySelectorAll("details.ep-drawer:not([data-set])")) {
      drawer.dataset.set = "";
      drawer.open = wide.matches;
    }
  };
  wide.addEventListener("change", () => {
    for (const drawer of document.querySelectorAll("details.ep-drawer")) drawer.open = wide.matches;
  });
  const look = () => {
    ep.localise(document);
    drawers();
    const page = document.querySelector("#ep-pages [aria-current=page]")?.textContent;
    const title = page ? `${page} · EventPulse` : "EventPulse";
    if (document.title !== title) document.title = title;
  };
  const watch = () => {
    new MutationObserver(look).observe(document.body, {
      childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["datetime"],
    });
    look();
  };
  if (document.body) watch();
  else document.addEventListener("DOMContentLoaded", watch);
})();
