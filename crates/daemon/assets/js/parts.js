// Small pieces that several views show.

import { get } from "./api.js";
import { h } from "./dom.js";
import { clock, name, relative } from "./words.js";

export function badge(word, label = name(word)) {
  return h("span", { class: `badge ${word}` }, label);
}

export function when(iso) {
  return iso ? h("time", { datetime: iso, title: clock(iso) }, relative(iso)) : "never";
}

export function link(params, ...children) {
  return h("a", { href: address(params) }, ...children);
}

/** The page's own address with these parameters. */
export function address(params) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value !== null && value !== undefined && value !== ""));
  return query.size === 0 ? "/" : `/?${query}`;
}

/** A table; below 700 pixels each row becomes a card with its labels. */
export function table(caption, columns, rows) {
  return h("div", { class: "scroll" },
    h("table", { class: "cards" },
      h("caption", { class: "quiet", hidden: true }, caption),
      h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col", class: column.class, "aria-sort": column.sorted ?? null }, column.head ?? column.label)))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, index) => h("td", { class: columns[index].class, "data-label": columns[index].label }, h("div", {}, cell))))))));
}

/** How many pages of a list the reader has opened: drawn anew, it shows as many again. */
const opened = new Map();
let readOn = 0;

export function forgetPages() {
  opened.clear();
}

/** How often the reader has read on: what was begun before the last time would show less than they see. */
export function pagesReadOn() {
  return readOn;
}

function after(path, cursor) {
  return `${path}${path.includes("?") ? "&" : "?"}cursor=${encodeURIComponent(cursor)}`;
}

/** A list from its beginning, as far as the reader has opened it. */
export async function firstPages(path, signal) {
  let page = await get(path, signal);
  const items = page.items;
  for (let pages = 1; pages < (opened.get(path) ?? 1) && page.next_cursor; pages += 1) {
    page = await get(after(path, page.next_cursor), signal);
    items.push(...page.items);
  }
  return { items, next_cursor: page.next_cursor };
}

/** What follows; `place` is where it will be shown. */
export async function nextPage(path, cursor, place) {
  place.setAttribute("aria-busy", "true");
  try {
    const page = await get(after(path, cursor));
    opened.set(path, (opened.get(path) ?? 1) + 1);
    readOn += 1;
    return page;
  } finally {
    place.removeAttribute("aria-busy");
  }
}

/** A list that the API gives in pages: `draw(items)` shows all that were read, and a button reads on. */
export function paged(path, first, label, draw) {
  const items = [...first.items];
  let cursor = first.next_cursor;
  const body = h("div", {}, draw(items));
  const problem = h("p", { role: "alert" });
  const more = h("button", { type: "button", hidden: !cursor, onclick: read }, label);
  async function read() {
    more.disabled = true;
    try {
      const page = await nextPage(path, cursor, body);
      items.push(...page.items);
      cursor = page.next_cursor;
      more.hidden = !cursor;
      body.replaceChildren(draw(items));
      problem.textContent = "";
    } catch (error) {
      problem.textContent = error.message;
    }
    more.disabled = false;
  }
  return [body, problem, h("div", { class: "actions" }, more)];
}

export function failed(problem, retry) {
  return h("section", { class: "card error", role: "alert" },
    h("h1", {}, problem.status === 401 ? "A token is needed" : problem.status === 404 ? "Not found" : "This could not be shown"),
    h("p", {}, problem.message),
    problem.status === 401 ? h("p", { class: "quiet" }, "It stands in the file that http.token_file names; enter it with “Token” above.") : null,
    h("div", { class: "actions" }, h("button", { type: "button", onclick: retry }, "Try again")));
}

export function empty(...children) {
  return h("div", { class: "empty" }, ...children);
}

export function facts(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
}
