// The first page: is the organization right, what is wrong, what to press.

import { get } from "./api.js";
import { askApprove, askCancel, askSweep, withToken } from "./dialogs.js";
import { h } from "./dom.js";
import { address, badge, empty, link, table, when } from "./parts.js";
import { map } from "./units.js";
import { OUTCOMES, accounts, count, name, took } from "./words.js";

/** How bad it is, for the color and the mark of the first sentence. */
function tone(summary) {
  const of = (outcome) => summary.accounts[outcome] ?? 0;
  const critical = summary.findings.some((finding) => finding.severity === "critical" && finding.count);
  if (summary.halted || critical || of("failed")) return ["bad", "✕"];
  if (of("drifted") || of("pending") || summary.awaiting_approval.length || hasFailed(summary.last_sweep)) return ["warn", "!"];
  // Where every account is skipped, nobody has seen that anything is right.
  return of("in_sync") || of("repaired") ? ["good", "✓"] : ["", "·"];
}

function hasFailed(sweep) {
  return sweep?.outcome === "failed";
}

/** Why what is shown may be old: the sentence above says what failed. */
function doubt({ last_sweep: last }) {
  if (!hasFailed(last)) return null;
  const what = last.mode === "repair" ? "repair" : "audit";
  return h("p", { id: "doubt" }, `What is shown may be from before the ${what} that failed.`);
}

function what(summary, reload) {
  const drifted = summary.accounts.drifted ?? 0;
  const buttons = [];
  const [approval] = summary.awaiting_approval;
  if (approval) {
    buttons.push(h("button", { class: "primary", type: "button", onclick: () => withToken(summary, () => askApprove(approval, reload)) }, `Approve changes to ${accounts(approval.changes)}`));
  }
  if (drifted) {
    buttons.push(h("a", { class: approval ? "button" : "button primary", href: address({ view: "accounts", outcome: "drifted", sort: "worst" }) }, `Review ${accounts(drifted)} with drift`));
  }
  if (summary.accounts.failed) {
    buttons.push(h("a", { class: "button", href: address({ view: "accounts", outcome: "failed" }) }, `See ${accounts(summary.accounts.failed)} that failed`));
  }
  if (!summary.running) {
    buttons.push(h("button", { class: buttons.length ? null : "primary", type: "button", onclick: () => withToken(summary, () => askSweep(summary, null, reload)) }, "Start a sweep"));
  }
  return h("div", { class: "actions" }, buttons);
}

function state(summary, reload) {
  const [mood, mark] = tone(summary);
  const last = summary.last_sweep;
  return h("section", { class: `card state ${mood}`, "aria-label": "State" },
    h("div", { class: "mark", "aria-hidden": "true" }, mark),
    h("div", {},
      h("h1", { id: "sentence" }, summary.sentence),
      h("p", { class: "quiet" },
        last ? ["Last ", last.mode === "repair" ? "repair" : "audit", " ", when(last.finished_at), " (", link({ view: "sweeps", sweep: last.id }, name(last.outcome)), `, took ${took(last.started_at, last.finished_at)}). `] : "No sweep has ended yet. ",
        summary.next_sweep_at ? ["Next sweep ", when(summary.next_sweep_at), "."] : null),
      doubt(summary),
      oldest(summary),
      what(summary, reload)));
}

/** Since when: of the worst that is open, the oldest. */
function oldest(summary) {
  const [worst] = summary.findings.filter((finding) => finding.since);
  if (!worst) return null;
  const since = summary.findings.filter((finding) => finding.since && finding.severity === worst.severity).map((finding) => finding.since).sort()[0];
  return h("p", { class: "quiet", id: "since" }, `The oldest ${worst.severity} finding was first seen `, when(since), ".");
}

function tiles(summary) {
  return h("ul", { class: "tiles", "aria-label": "Accounts by outcome" },
    OUTCOMES.filter((outcome) => outcome !== "pending" || summary.accounts[outcome]).map((outcome) => h("li", {},
      h("a", { class: `tile ${outcome}`, href: address({ view: "accounts", outcome, sort: outcome === "drifted" ? "worst" : null }) },
        h("strong", {}, count(summary.accounts[outcome])), h("span", {}, name(outcome))))));
}

/** What the reader has opened stays open when the view is read anew. */
let ratesOpen = false;

/** The sweep under way: made once and then filled twice a second, so that a focused button stays where it is. */
export function panel(summary, reload) {
  let sweep = null;
  const title = h("h2", {});
  const bar = h("progress", { "aria-label": "Accounts done" });
  const counts = h("p", {});
  const outcomes = h("p", { class: "quiet" });
  const limits = h("div", {});
  const details = h("details", { open: ratesOpen, ontoggle: (event) => { ratesOpen = event.target.open; } }, h("summary", {}, "Rate limits in force"), limits);
  const element = h("section", { class: "card", "aria-label": "Sweep under way" }, title, bar, counts, outcomes, details,
    h("div", { class: "actions" }, h("button", { class: "danger", type: "button", onclick: () => withToken(summary, () => askCancel(sweep, reload)) }, "End this sweep")));
  function fill(running, rates) {
    element.hidden = !running;
    if (!running) return;
    sweep = running.sweep;
    // Skipped accounts are not walked through, so they are no part of the way either.
    const done = running.done.accounts - running.done.skipped;
    const of = running.selected;
    bar.max = Math.max(of, 1);
    if (running.whole) bar.value = Math.min(done, of);
    else bar.removeAttribute("value");
    title.textContent = sweep.mode === "repair" ? "A repair is under way" : "An audit is under way";
    counts.textContent = [running.whole ? `${count(done)} of ${accounts(of)} done` : `${accounts(done)} done while the organization is still being listed`,
      `${count(running.in_flight)} in flight`, `${running.accounts_per_second} accounts/s`, running.wave ? `wave ${running.wave[0]} of ${running.wave[1]}` : null].filter(Boolean).join(", ");
    outcomes.textContent = OUTCOMES.filter((outcome) => running.done[outcome]).map((outcome) => `${count(running.done[outcome])} ${name(outcome)}`).join(", ");
    details.hidden = rates.length === 0;
    limits.replaceChildren(table("Rate limits in force", [{ label: "Service" }, { label: "Operation" }, { label: "Calls a second", class: "number" }],
      rates.map((rate) => [rate.service, rate.operation, rate.rate.toFixed(1)])));
  }
  fill(summary.running, summary.rates);
  return { element, fill };
}

function wrong(summary) {
  const roles = 1 < new Set(summary.findings.map((finding) => finding.role)).size;
  const columns = [{ label: "Severity" }, { label: "What" }, roles ? { label: "Role" } : null, { label: "Since" }, { label: "Accounts", class: "number" }];
  const rows = summary.findings.map((finding) => [
    badge(finding.severity), name(finding.kind), roles ? h("code", {}, finding.role) : null, finding.since ? when(finding.since) : "–",
    link({ view: "accounts", outcome: "drifted", sort: "worst" }, count(finding.count)),
  ].filter((_, index) => columns[index]));
  return h("section", { class: "card" }, h("h2", {}, "What is wrong"),
    rows.length ? table("Open findings by kind", columns.filter(Boolean), rows)
      : empty("Nothing differs from the specification."));
}

function skipped(summary) {
  const rows = Object.entries(summary.skipped).filter(([, number]) => number);
  return rows.length ? h("p", { class: "quiet" }, "Skipped: ", rows.map(([reason, number]) => `${count(number)} ${name(reason)}`).join(", "), ".") : null;
}

export async function overview(_params, context) {
  const summary = await get("/api/v1/summary", context.signal);
  context.summary(summary);
  const live = panel(summary, context.reload);
  context.onProgress(live.fill);
  if (Object.values(summary.accounts).every((number) => !number) && !summary.running) {
    return [state(summary, context.reload), live.element, h("section", { class: "card" }, empty(h("p", {}, "Nothing has been looked at yet."), h("p", {}, "The first sweep fills this page: it runs on the schedule, or when you start one.")))];
  }
  return [
    state(summary, context.reload), live.element, tiles(summary), skipped(summary),
    h("div", { class: "columns" },
      h("section", { class: "card" }, h("h2", {}, "Where"), map(summary.units)),
      wrong(summary)),
  ];
}
