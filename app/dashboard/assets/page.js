// Times on the page are written in UTC; here they become the reader's own, with the zone shown and UTC on hover.
(() => {
  "use strict";
  const time = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const forms = {
    clock: new Intl.DateTimeFormat(undefined, { ...time, second: "2-digit", timeZoneName: "short" }),
    minute: new Intl.DateTimeFormat(undefined, { ...time, timeZoneName: "short" }),
    day: new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", ...time, timeZoneName: "short" }),
  };
  const localise = (root) => {
    for (const element of root.querySelectorAll("time[data-form]")) {
      const text = forms[element.dataset.form].format(new Date(element.dateTime));
      if (element.textContent !== text) element.textContent = text;
    }
  };
  const watch = () => {
    new MutationObserver(() => localise(document)).observe(document.body, {
      childList: true, subtree: true, characterData: true, attributes: true, attributeFilter: ["datetime"],
    });
    localise(document);
  };
  if (document.body) watch();
  else document.addEventListener("DOMContentLoaded", watch);
})();
