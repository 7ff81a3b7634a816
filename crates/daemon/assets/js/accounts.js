// The accounts table: search, filter and sort live in the address.

import { get } from "./api.js";
import { h } from "./dom.js";
import { address, badge, empty, firstPages, link, nextPage, table, when } from "./parts.js";
import { OUTCOMES, count, name } from "./words.js";

const PAGE = 200;
const COLUMNS = [["id", "Account"], ["name", "Name"], ["ou", "Organizational unit"], [null, "Outcome"], ["worst", "Worst finding"], [null, "What"], ["observed", "Last seen"]];

function query(params) {
  const wanted = { outcome: params.outcome, ou: params.ou, q: params.q, sort: params.sort, limit: PAGE };
  return new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
}

function filters(params, go) {
  const change = (event) => {
    event?.preventDefault();
    const form = new FormData(document.getElementById("filters"));
    go({ view: "accounts", q: form.get("q").trim(), outcome: form.get("outcome"), ou: form.get("ou").trim(), sort: params.sort });
  };
  return h("form", { class: "filters", id: "filters", role: "search", onsubmit: change },
    h("label", {}, "Name or id", h("input", { type: "search", name: "q", value: params.q ?? "" })),
    h("label", {}, "Outcome", h("select", { name: "outcome", onchange: change },
      h("option", { value: "" }, "any"), OUTCOMES.map((outcome) => h("option", { value: outcome, selected: outcome === params.outcome }, name(outcome))))),
    h("label", {}, "Organizational unit, with all below", h("input", { name: "ou", value: params.ou ?? "", placeholder: "prod/payments" })),
    h("button", { type: "submit" }, "Show"),
    params.q || params.outcome || params.ou ? h("a", { class: "button", href: address({ view: "accounts" }) }, "Show all") : null);
}

function columns(params, go) {
  const current = (params.sort ?? "id").replace(/^-/, "");
  const reversed = (params.sort ?? "").startsWith("-");
  return COLUMNS.map(([key, label]) => {
    if (!key) return { label };
    const sorted = key === current;
    const next = sorted && !reversed ? `-${key}` : key;
    return {
      label,
      sorted: sorted ? (reversed ? "descending" : "ascending") : null,
      head: h("button", { type: "button", onclick: () => go({ ...params, sort: next }) }, label, sorted ? (reversed ? " ↓" : " ↑") : ""),
    };
  });
}

function row(account) {
  return [
    link({ account: account.account_id }, h("span", { class: "mono" }, account.account_id)),
    account.name, account.ou_path, badge(account.outcome),
    account.severity ? badge(account.severity) : account.failure ? name(account.failure) : "–",
    account.kinds.length ? account.kinds.map(name).join(", ") : account.reason ? name(account.reason) : "–",
    when(account.observed_at),
  ];
}

export async function accounts(params, context) {
  const path = `/api/v1/accounts?${query(params)}`;
  const [page, summary] = await Promise.all([firstPages(path, context.signal), get("/api/v1/summary", context.signal)]);
  context.summary(summary);
  const rows = page.items.map(row);
  const body = h("div", {});
  const shown = h("p", { class: "quiet", role: "status" });
  let cursor = page.next_cursor;
  const more = h("button", { type: "button", onclick: load }, `Show ${PAGE} more`);
  function draw() {
    shown.textContent = `${count(rows.length)} shown${cursor ? ", there are more" : ""}.`;
    more.hidden = !cursor;
    body.replaceChildren(rows.length ? table("Accounts", columns(params, context.go), rows)
      : empty(h("p", {}, params.q || params.outcome || params.ou ? "No account matches." : "No account has been looked at yet."),
        params.q || params.outcome || params.ou ? link({ view: "accounts" }, "Show all accounts") : null));
  }
  async function load() {
    more.disabled = true;
    try {
      const next = await nextPage(path, cursor, body);
      rows.push(...next.items.map(row));
      cursor = next.next_cursor;
      draw();
    } catch (problem) {
      shown.textContent = problem.message;
    }
    more.disabled = false;
  }
  draw();
  return h("section", { class: "card" }, h("h1", {}, "Accounts"), filters(params, context.go), body, shown, more);
}
