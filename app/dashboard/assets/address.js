(query) => {
  // The address bar holds the whole state of the page, without a new entry in the history for every key.
  const url = new URL(window.location.href);
  for (const name of ["event", "window", "source", "country", "label", "text", "distinct"]) url.searchParams.delete(name);
  for (const [name, value] of new URLSearchParams(query)) url.searchParams.set(name, value);
  window.history.replaceState(window.history.state, "", url);
  return [];
}
