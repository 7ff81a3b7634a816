// One account: what differs, who gains what, what would be done, what was done.

import { get } from "./api.js";
import { askSweep, withToken } from "./dialogs.js";
import { sides } from "./difference.js";
import { h } from "./dom.js";
import { badge, empty, facts, firstPages, link, paged, table, when } from "./parts.js";
import { name, sentence } from "./words.js";

function drift(found, findings) {
  const finding = findings.find((one) => !one.resolved_at && one.kind === found.kind && one.role === found.role && one.subject === found.subject);
  return h("article", { class: "drift" },
    h("h3", {}, badge(found.severity), " ", name(found.kind), found.subject ? [" · ", h("code", {}, found.subject)] : null, " · ", h("code", {}, found.role)),
    h("p", {}, sentence(found.explanation)),
    finding ? h("p", { class: "quiet" }, "First seen ", when(finding.first_seen), finding.repairs ? `; repaired ${finding.repairs} times, and back again: somebody else changes it` : "", ".") : null,
    found.before !== null || found.after !== null ? sides(found.before, found.after) : null);
}

function failure(account) {
  const fault = account.failure;
  return fault ? h("section", { class: "card error" }, h("h2", {}, "What failed: ", name(fault.category)), h("p", {}, fault.message),
    facts([fault.denied_by && fault.denied_by !== "unknown" ? ["Denied by", name(fault.denied_by)] : null, fault.request_id ? ["AWS request id", h("code", {}, fault.request_id)] : null])) : null;
}

function steps(account) {
  if (!account.steps.length) return null;
  const planned = account.steps.every((step) => step.result === "planned" || step.result === "withheld");
  return h("section", { class: "card" }, h("h2", {}, planned ? "What a repair would do, in this order" : "What the last repair did"),
    table("Steps", [{ label: "Action" }, { label: "Resource" }, { label: "Result" }, { label: "Reason" }],
      account.steps.map((step) => [h("code", {}, step.action), h("code", {}, step.resource), badge(step.result), step.reason ?? "–"])));
}

function history(path, page) {
  const columns = ["When", "Action", "Resource", "Result", "Asked for by", "Sweep"].map((label) => ({ label }));
  return h("section", { class: "card" }, h("h2", {}, "What was done here"),
    page.items.length ? paged(path, page, "Show what was done earlier", (items) => table("History", columns,
      items.map((entry) => [when(entry.intended_at), h("code", {}, entry.action), h("code", {}, entry.resource), badge(entry.result), entry.requested_by, link({ view: "sweeps", sweep: entry.sweep }, entry.sweep)])))
      : empty("rolekeeper has changed nothing in this account."));
}

function resolved(findings) {
  const past = findings.filter((finding) => finding.resolved_at);
  return past.length ? h("section", { class: "card" }, h("h2", {}, "Resolved findings"),
    table("Resolved findings", [{ label: "Severity" }, { label: "What" }, { label: "First seen" }, { label: "Resolved" }],
      past.map((finding) => [badge(finding.severity), `${name(finding.kind)}: ${finding.explanation}`, when(finding.first_seen), when(finding.resolved_at)]))) : null;
}

export async function account(params, context) {
  const id = encodeURIComponent(params.account);
  const [found, past, summary] = await Promise.all([
    get(`/api/v1/accounts/${id}`, context.signal), firstPages(`/api/v1/accounts/${id}/history`, context.signal), get("/api/v1/summary", context.signal),
  ]);
  context.summary(summary);
  return [
    h("section", { class: "card" },
      h("p", {}, link({ view: "accounts" }, "Accounts"), " / "),
      h("h1", {}, found.name, " ", badge(found.outcome)),
      facts([["Account id", h("code", {}, found.account_id)], ["Organizational unit", link({ view: "accounts", ou: found.ou_path === "/" ? "" : found.ou_path }, found.ou_path)],
        ["Last seen", when(found.observed_at)], found.reason ? ["Reason", name(found.reason)] : null]),
      h("div", { class: "actions" }, h("button", { class: found.drift.length ? "primary" : null, type: "button", onclick: () => withToken(summary, () => askSweep(summary, [found.account_id], context.reload)) }, summary.no_repair || summary.halted ? "Look again" : "Look again, or repair"))),
    failure(found),
    found.drift.length ? h("section", { class: "card" }, h("h2", {}, "What differs"), found.drift.map((one) => drift(one, found.findings)))
      : found.failure || found.outcome === "skipped" ? null : h("section", { class: "card" }, empty("Nothing differs from the specification.")),
    steps(found), history(`/api/v1/accounts/${id}/history`, past), resolved(found.findings),
  ];
}
