// Everything that changes something asks first, and says how many accounts it touches.

import { post, setToken, token } from "./api.js";
import { h, toast } from "./dom.js";
import { accounts, count } from "./words.js";

/** Shows a dialog; `onSubmit` answers a promise and keeps the dialog open when it fails. */
function ask(title, content, action, onSubmit, danger = false) {
  const problem = h("p", { role: "alert" });
  const submit = h("button", { class: danger ? "danger" : "primary", type: "submit" }, action);
  const dialog = h("dialog", { "aria-labelledby": "dialog-title" },
    h("form", { onsubmit: send },
      h("h2", { id: "dialog-title" }, title), content, problem,
      h("div", { class: "actions" }, submit, h("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  async function send(event) {
    event.preventDefault();
    submit.disabled = true;
    try {
      await onSubmit(new FormData(event.target));
      dialog.close();
    } catch (error) {
      problem.textContent = error.message;
      submit.disabled = false;
    }
  }
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

export function askToken(after) {
  ask("Token",
    [h("p", {}, "Whoever holds the token may start, approve and halt. It is kept until this tab is closed."),
      h("label", {}, "Token", h("input", { name: "token", type: "password", autocomplete: "off", required: true, autofocus: true }))],
    "Use it",
    async (form) => {
      setToken(String(form.get("token")).trim());
      after();
    });
}

export function forgetToken(after) {
  setToken(null);
  after();
}

export function askSweep(summary, only, after) {
  const selected = Object.entries(summary.accounts).filter(([outcome]) => outcome !== "skipped").reduce((sum, [, number]) => sum + number, 0);
  const drifted = summary.accounts.drifted ?? 0;
  const looks = only ? accounts(only.length) : selected === 0 ? "every selected account" : accounts(selected);
  const note = h("p", { class: "quiet" });
  const explain = (mode) => {
    note.textContent = mode === "audit"
      ? `Looks at ${looks}. Changes nothing.`
      : `Looks at ${looks} and repairs what differs. ${only ? `At most ${accounts(only.length)} would be changed.` : `${accounts(drifted)} had drift when last seen; a few canary accounts are repaired first, the rest in growing waves.`}`;
  };
  explain("audit");
  // The API would refuse it; better not to offer it.
  const refused = summary.halted ? `writes are halted by ${summary.halted.by} (${summary.halted.why})` : summary.no_repair;
  ask(only ? `Sweep ${accounts(only.length)}` : "Start a sweep",
    [h("fieldset", {}, h("legend", {}, "Mode"),
      ["audit", "repair"].map((mode) => h("label", { class: "inline" },
        h("input", { type: "radio", name: "mode", value: mode, checked: mode === "audit", disabled: mode === "repair" && Boolean(refused), onchange: () => explain(mode) }),
        mode === "audit" ? "Audit: look and report" : "Repair: look, then put right"))),
    refused ? h("p", { id: "no-repair" }, `No repair from here: ${refused}.`) : null,
    note],
    "Start",
    async (form) => {
      await post("/api/v1/sweeps", only ? { mode: form.get("mode"), accounts: only } : { mode: form.get("mode") });
      toast("The sweep is asked for; it starts as soon as no other one runs.");
      after();
    });
}

export function askHalt(after) {
  ask("Halt all writes",
    [h("p", {}, "No account is changed any more, by any replica, until somebody resumes. Looking goes on."),
      h("label", {}, "Why, for whoever finds it stopped", h("textarea", { name: "why", required: true, maxlength: "500", autofocus: true }))],
    "Halt", async (form) => {
      await post("/api/v1/halt", { why: form.get("why") });
      toast("All writes are halted.");
      after();
    }, true);
}

export function askResume(halted, after) {
  ask("Resume writes",
    h("p", {}, `Halted by ${halted.by}: ${halted.why}. Repairs may change accounts again.`),
    "Resume", async () => {
      await post("/api/v1/resume");
      toast("Writes are allowed again.");
      after();
    });
}

export function askApprove(approval, after) {
  ask("Approve this repair",
    h("div", {},
      h("p", {}, approval.changes
        ? `Sweep ${approval.sweep} would change ${accounts(approval.changes)}. Canary accounts come first; a surprising result halts it.`
        : `Sweep ${approval.sweep} would change nothing now: every account is right. Accounts that join later are given what you approve.`),
      approval.widens.length ? h("p", {}, "It gives more than was agreed to before:") : null,
      approval.widens.length ? h("ul", {}, approval.widens.map((sentence) => h("li", {}, sentence))) : null),
    approval.changes ? `Approve changes to ${count(approval.changes)}` : "Approve", async () => {
      await post(`/api/v1/sweeps/${encodeURIComponent(approval.sweep)}/approve`);
      toast("Approved.");
      after();
    });
}

export function askCancel(sweep, after) {
  ask("End this sweep",
    h("p", {}, `Sweep ${sweep.id} ends after the steps under way. Accounts it has not reached stay as they are.`),
    "End it", async () => {
      await post(`/api/v1/sweeps/${encodeURIComponent(sweep.id)}/cancel`);
      toast("The sweep ends after the steps under way.");
      after();
    }, true);
}

/** Runs `action` if a token is there; otherwise asks for it first. */
export function withToken(summary, action) {
  if (!summary.writable) {
    toast("No token is configured (http.token_file), so nothing can be changed from here.");
    return;
  }
  if (token()) action();
  else askToken(action);
}
