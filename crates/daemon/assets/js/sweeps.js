// Sweeps: the one under way, and the past ones with their reports.

import { download, get } from "./api.js";
import { askSweep, withToken } from "./dialogs.js";
import { h, toast } from "./dom.js";
import { panel } from "./overview.js";
import { badge, empty, facts, firstPages, link, paged, table, when } from "./parts.js";
import { OUTCOMES, count, name, took } from "./words.js";

const FORMATS = [["html", "HTML"], ["csv", "CSV"], ["markdown", "Markdown", "md"], ["json", "JSON"], ["ocsf", "OCSF", "ndjson"]];

/** Rows of a table that a person still reads. */
const CHANGES_SHOWN = 100;

const COLUMNS = ["Sweep", "Mode", "Began", "Took", "Outcome", "Accounts", "Asked for by"].map((label) => ({ label }));

function counts(summary) {
  return OUTCOMES.filter((outcome) => summary[outcome]).map((outcome) => `${count(summary[outcome])} ${name(outcome)}`).join(", ") || "none";
}

/** Who asked, and by which way where that says more. */
function asker(sweep) {
  const way = name(sweep.trigger);
  return sweep.requested_by.toLowerCase() === way ? way : `${sweep.requested_by} (${way})`;
}

function row(sweep) {
  return [
    link({ view: "sweeps", sweep: sweep.id }, h("span", { class: "mono" }, sweep.id)), sweep.mode, when(sweep.started_at),
    sweep.finished_at ? took(sweep.started_at, sweep.finished_at) : "–",
    sweep.outcome ? badge(sweep.outcome) : badge("running", "running"), counts(sweep.summary), asker(sweep),
  ];
}

/** Buttons that save a document of a sweep in each form. */
function saves(path, filename) {
  const save = async (format, ending) => {
    try {
      await download(`${path}?format=${format}`, `${filename}.${ending}`);
    } catch (problem) {
      toast(problem.message);
    }
  };
  return h("div", { class: "actions" }, FORMATS.map(([format, label, ending]) => h("button", { type: "button", onclick: () => save(format, ending ?? format) }, label)));
}

/** A table of the first rows, and how many more there are. */
function listed(caption, columns, rows, all) {
  if (!rows.length) return null;
  const shown = rows.slice(0, CHANGES_SHOWN);
  return [table(caption, columns.map((label) => ({ label })), shown),
    shown.length < all ? h("p", { class: "quiet" }, `${count(all - shown.length)} more are in the files below.`) : null];
}

/** What changed since the comparable sweep before; nothing where there is none. */
async function changes(sweep, context) {
  if (!sweep.compared_with) return null;
  const path = `/api/v1/sweeps/${encodeURIComponent(sweep.id)}/changes`;
  const found = await get(path, context.signal);
  const account = (one) => link({ account: one.account_id }, h("span", { class: "mono" }, one.account_id));
  const rows = [...found.new.map((one) => ["new", one]), ...found.worse.map((one) => ["worse", one]), ...found.gone.map((one) => ["gone", one])]
    .map(([change, one]) => [badge(change), account(one), one.name, badge(one.severity), name(one.kind), one.explanation]);
  const steps = found.steps.map((one) => [account(one), one.name, h("code", {}, one.action), h("code", {}, one.resource), badge(one.result), one.reason ?? "–"]);
  return h("section", { class: "card", id: "changes" },
    h("h2", {}, "What changed since the sweep before"),
    h("p", {}, `${count(found.counts.new)} new, ${count(found.counts.worse)} worse, ${count(found.counts.gone)} gone, ${count(found.counts.as_before)} as before, compared with `,
      link({ view: "sweeps", sweep: found.since.id }, h("span", { class: "mono" }, found.since.id)), " (", when(found.since.started_at), ")."),
    listed("Changes", ["Change", "Account", "Name", "Severity", "What", "In words"], rows, found.counts.new + found.counts.worse + found.counts.gone) ?? empty("No difference is new, worse or gone."),
    steps.length ? h("h3", {}, `${count(found.counts.steps)} ${found.counts.steps === 1 ? "step was" : "steps were"} taken`) : null,
    listed("Steps", ["Account", "Name", "Action", "Resource", "Result", "Reason"], steps, found.counts.steps),
    h("h3", {}, "Save what changed"), saves(path, `rolekeeper-changes-${sweep.id}`));
}

async function one(id, context) {
  const path = `/api/v1/sweeps/${encodeURIComponent(id)}`;
  const [sweep, summary] = await Promise.all([get(path, context.signal), get("/api/v1/summary", context.signal)]);
  context.summary(summary);
  const changed = await changes(sweep, context);
  return [h("section", { class: "card" },
    h("p", {}, link({ view: "sweeps" }, "Sweeps"), " / "),
    h("h1", {}, sweep.mode === "repair" ? "Repair " : "Audit ", h("span", { class: "mono" }, sweep.id), " ", sweep.outcome ? badge(sweep.outcome) : badge("running", "running")),
    sweep.reason ? h("p", {}, sweep.reason) : null,
    facts([["Began", when(sweep.started_at)], sweep.finished_at ? ["Took", took(sweep.started_at, sweep.finished_at)] : null,
      ["Asked for by", asker(sweep)], ["Accounts", `${count(sweep.summary.accounts)}: ${counts(sweep.summary)}`]]),
    h("h2", {}, "Save the report"), saves(`${path}/report`, `rolekeeper-${id}`)), changed];
}

export async function sweeps(params, context) {
  if (params.sweep) return one(params.sweep, context);
  const [page, summary] = await Promise.all([firstPages("/api/v1/sweeps", context.signal), get("/api/v1/summary", context.signal)]);
  context.summary(summary);
  const live = panel(summary, context.reload);
  context.onProgress(live.fill);
  return [live.element, h("section", { class: "card" }, h("h1", {}, "Sweeps"),
    h("div", { class: "actions" }, h("button", { class: "primary", type: "button", disabled: Boolean(summary.running), onclick: () => withToken(summary, () => askSweep(summary, null, context.reload)) }, "Start a sweep")),
    page.items.length ? paged("/api/v1/sweeps", page, "Show earlier sweeps", (items) => table("Sweeps", COLUMNS, items.map(row)))
      : empty("No sweep has run yet."))];
}
