"use strict";
// What every page does: tabs, times in the reader's zone, line numbers, enlarging, sorting. Text is only ever set as
// text; nothing of a run becomes markup here.

const byId = (id) => document.getElementById(id);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const make = (tag, text = "", className = "") => {
  const element = document.createElement(tag);
  element.textContent = text;
  if (className) element.className = className;
  return element;
};

// Tabs, as the ARIA practice describes them: arrow keys move, the address remembers.
const tabs = all('[role="tab"]');
const select = (tab, remember) => {
  for (const other of tabs) {
    const chosen = other === tab;
    other.setAttribute("aria-selected", String(chosen));
    other.tabIndex = chosen ? 0 : -1;
    byId(other.getAttribute("aria-controls")).hidden = !chosen;
  }
  if (remember) history.replaceState(null, "", `#${tab.getAttribute("aria-controls")}`);
};
for (const [at, tab] of tabs.entries()) {
  tab.addEventListener("click", () => select(tab, true));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -at, End: tabs.length - 1 - at }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const next = tabs[(at + step + tabs.length) % tabs.length];
    select(next, true);
    next.focus();
  });
}
if (tabs.length) {
  const wanted = byId(location.hash.slice(1))?.closest('[role="tabpanel"]');
  select(tabs.find((tab) => byId(tab.getAttribute("aria-controls")) === wanted) ?? tabs[0], false);
}

for (const time of all("time")) {
  const at = new Date(time.dateTime);
  if (Number.isNaN(at.valueOf())) continue;
  time.title = `${at.toISOString()} (UTC)`;
  time.textContent = at.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "long" });
}

for (const pre of all("pre[data-lines]")) {
  // A highlighted element never spans lines' ends in the middle of a line it numbers: split its nodes at newlines.
  const lines = [make("span", "", "line")];
  const put = (node, classes) => {
    if (node.nodeType === Node.TEXT_NODE) {
      node.data.split("\n").forEach((piece, number) => {
        if (number) lines.push(make("span", "", "line"));
        if (piece) lines.at(-1).append(make("span", piece, classes));
      });
    } else for (const child of node.childNodes) put(child, node.className || classes);
  };
  for (const child of [...pre.childNodes]) put(child, "");
  lines.forEach((line, number) => { line.dataset.n = number + 1; });
  pre.replaceChildren(...lines.flatMap((line, number) => (number ? ["\n", line] : [line])));
}

for (const link of all(".enlarge")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    link.closest(".picture").classList.toggle("large");
  });
}
for (const image of all(".picture img")) {
  const judge = () => image.classList.toggle("tiny", image.naturalWidth > 0 && image.naturalWidth < 128);
  if (image.complete) judge(); else image.addEventListener("load", judge);
}

// The comparison's table: a row's name sorts the runs (the columns) by that row's values.
for (const table of all("table.compare")) {
  const compare = (a, b) => {
    const [x, y] = [a, b].map((cell) => cell.querySelector("data")?.value ?? cell.querySelector("time")?.dateTime ?? cell.textContent);
    if (cellIsEmpty(a) || cellIsEmpty(b)) return cellIsEmpty(a) - cellIsEmpty(b);
    const [m, n] = [Number(x), Number(y)];
    return Number.isNaN(m) || Number.isNaN(n) ? x.localeCompare(y, undefined, { numeric: true }) : m - n;
  };
  const cellIsEmpty = (cell) => cell.querySelector(".none") !== null;
  for (const button of all("button", table)) {
    button.addEventListener("click", () => {
      const header = button.closest("th");
      const row = header.parentElement;
      const descending = header.getAttribute("aria-sort") === "ascending";
      const cells = [...row.children].slice(1);
      const order = cells.map((_, at) => at).sort((i, j) => {
        const empty = cellIsEmpty(cells[i]) || cellIsEmpty(cells[j]);
        return compare(cells[i], cells[j]) * (descending && !empty ? -1 : 1) || i - j;
      });
      for (const sorted of all("[aria-sort]", table)) sorted.removeAttribute("aria-sort");
      header.setAttribute("aria-sort", descending ? "descending" : "ascending");
      for (const line of all("tr", table)) {
        const columns = [...line.children].slice(1);
        if (columns.length === order.length) line.append(...order.map((at) => columns[at]));
      }
      byId("spoken").textContent = `Runs sorted by ${button.textContent}, ${descending ? "descending" : "ascending"}`;
    });
  }
}
for (const box of all("input[data-only-differences]")) {
  const apply = () => byId(box.dataset.onlyDifferences).classList.toggle("only-differences", box.checked);
  box.addEventListener("change", apply);
  apply();
}
