// Sweeps: the one under way, and the past ones with their reports.

import { download, get } from "./api.js";
import { askSweep, withToken } from "./dialogs.js";
import { h, toast } from "./dom.js";
import { progress } from "./overview.js";
import { badge, empty, facts, link, table, when } from "./parts.js";
import { OUTCOMES, count, name, took } from "./words.js";

const FORMATS = [["html", "HTML"], ["csv", "CSV"], ["markdown", "Markdown", "md"], ["json", "JSON"], ["ocsf", "OCSF", "ndjson"]];

function counts(summary) {
  return OUTCOMES.filter((outcome) => summary[outcome]).map((outcome) => `${count(summary[outcome])} ${name(outcome)}`).join(", ") || "none";
}

function row(sweep) {
  return [
    link({ view: "sweeps", sweep: sweep.id }, h("span", { class: "mono" }, sweep.id)), sweep.mode, when(sweep.started_at),
    sweep.finished_at ? took(sweep.started_at, sweep.finished_at) : "–",
    sweep.outcome ? badge(sweep.outcome) : badge("running", "running"), counts(sweep.summary), `${sweep.requested_by} (${name(sweep.trigger)})`,
  ];
}

async function one(id, context) {
  const sweep = await get(`/api/v1/sweeps/${encodeURIComponent(id)}`, context.signal);
  const save = async (format, ending) => {
    try {
      await download(`/api/v1/sweeps/${encodeURIComponent(id)}/report?format=${format}`, `rolekeeper-${id}.${ending}`);
    } catch (problem) {
      toast(problem.message);
    }
  };
  return h("section", { class: "card" },
    h("p", {}, link({ view: "sweeps" }, "Sweeps"), " / "),
    h("h1", {}, sweep.mode === "repair" ? "Repair " : "Audit ", h("span", { class: "mono" }, sweep.id), " ", sweep.outcome ? badge(sweep.outcome) : badge("running", "running")),
    sweep.reason ? h("p", {}, sweep.reason) : null,
    facts([["Began", when(sweep.started_at)], sweep.finished_at ? ["Took", took(sweep.started_at, sweep.finished_at)] : null,
      ["Asked for by", `${sweep.requested_by} (${name(sweep.trigger)})`], ["Accounts", `${count(sweep.summary.accounts)}: ${counts(sweep.summary)}`]]),
    h("h2", {}, "Report"),
    h("div", { class: "actions" }, FORMATS.map(([format, label, ending]) => h("button", { type: "button", onclick: () => save(format, ending ?? format) }, label))));
}

export async function sweeps(params, context) {
  if (params.sweep) return one(params.sweep, context);
  const [page, summary] = await Promise.all([get("/api/v1/sweeps", context.signal), get("/api/v1/summary", context.signal)]);
  context.summary(summary);
  const live = h("div", { id: "live" }, summary.running ? progress(summary.running, summary.rates, summary, context.reload) : null);
  context.onProgress((running, rates) => live.replaceChildren(...(running ? [progress(running, rates, summary, context.reload)] : [])));
  return [live, h("section", { class: "card" }, h("h1", {}, "Sweeps"),
    h("div", { class: "actions" }, h("button", { class: "primary", type: "button", disabled: Boolean(summary.running), onclick: () => withToken(summary, () => askSweep(summary, null, context.reload)) }, "Start a sweep")),
    page.items.length ? table("Sweeps", [{ label: "Sweep" }, { label: "Mode" }, { label: "Began" }, { label: "Took" }, { label: "Outcome" }, { label: "Accounts" }, { label: "Asked for by" }], page.items.map(row))
      : empty("No sweep has run yet."))];
}
