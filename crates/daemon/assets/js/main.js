// The page: which view the address asks for, and what keeps it fresh.

import { token } from "./api.js";
import { account } from "./account.js";
import { accounts } from "./accounts.js";
import { askHalt, askResume, askToken, forgetToken, askApprove, withToken } from "./dialogs.js";
import { h } from "./dom.js";
import { listen } from "./live.js";
import { overview } from "./overview.js";
import { address, failed } from "./parts.js";
import { sweeps } from "./sweeps.js";
import { accounts as accountWords } from "./words.js";

const VIEWS = { overview, accounts, account, sweeps };
const NAV = [["Overview", "overview", {}], ["Accounts", "accounts", { view: "accounts" }], ["Sweeps", "sweeps", { view: "sweeps" }]];
/** After an event the view is read anew, at most this often. */
const REFRESH_MS = 1500;

let loading = null;
let progressListener = null;
let refreshTimer = null;
let connected = true;
let known = null;

function params() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

function viewName(wanted) {
  return wanted.account ? "account" : Object.hasOwn(VIEWS, wanted.view ?? "") ? wanted.view : "overview";
}

function go(wanted) {
  history.pushState(null, "", address(wanted));
  show(true);
}

async function show(moved = false) {
  loading?.abort();
  const controller = new AbortController();
  loading = controller;
  progressListener = null;
  const wanted = params();
  const view = viewName(wanted);
  const main = document.getElementById("main");
  nav(view);
  main.setAttribute("aria-busy", "true");
  const context = {
    signal: controller.signal, go, reload: () => show(),
    summary: (summary) => { known = summary; banners(); controls(); },
    onProgress: (listener) => { progressListener = listener; },
  };
  try {
    const content = await VIEWS[view](wanted, context);
    if (controller.signal.aborted) return;
    const focused = moved ? null : place(main);
    main.replaceChildren(...[content].flat(Infinity).filter(Boolean));
    if (focused) find(main, focused)?.focus({ preventScroll: true });
  } catch (problem) {
    if (controller.signal.aborted) return;
    main.replaceChildren(failed(problem, () => show()));
    if (problem.status === 401) controls(true);
  }
  main.removeAttribute("aria-busy");
  document.title = view === "overview" ? "rolekeeper" : `${view === "account" ? wanted.account : view} – rolekeeper`;
  if (moved) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

const FOCUSABLE = "a[href], button, input, select, textarea, summary, [tabindex]";

/** Which element has the focus, in words that hold when the view is drawn anew. */
function place(main) {
  const active = document.activeElement;
  if (!main.contains(active) || active === main) return null;
  return { tag: active.tagName, text: active.textContent, href: active.getAttribute("href") };
}

function find(main, { tag, text, href }) {
  const alike = [...main.querySelectorAll(FOCUSABLE)].filter((one) => one.tagName === tag && one.getAttribute("href") === href);
  return alike.find((one) => one.textContent === text) ?? (href ? alike[0] : null);
}

function nav(view) {
  const current = view === "account" ? "accounts" : view;
  document.getElementById("nav").replaceChildren(...NAV.map(([label, key, wanted]) =>
    h("a", { href: address(wanted), "aria-current": key === current ? "page" : null }, label)));
}

function controls(needed = false) {
  const reload = () => { controls(); show(); };
  const buttons = [];
  if (known?.writable && !known.halted) buttons.push(h("button", { type: "button", class: "danger", onclick: () => withToken(known, () => askHalt(reload)) }, "Halt writes"));
  if (known?.writable || needed || token()) {
    buttons.push(token() ? h("button", { type: "button", onclick: () => forgetToken(reload) }, "Forget token") : h("button", { type: "button", onclick: () => askToken(reload) }, "Token"));
  }
  document.getElementById("controls").replaceChildren(...buttons);
}

function banners() {
  const reload = () => show();
  const rows = [];
  if (!connected) rows.push(h("div", { class: "banner offline" }, "The live connection is lost; trying again. What you see may be old."));
  if (known?.halted) {
    rows.push(h("div", { class: "banner halted", role: "alert" }, h("strong", {}, "All writes are halted"), `by ${known.halted.by}: ${known.halted.why}`,
      h("button", { type: "button", onclick: () => withToken(known, () => askResume(known.halted, reload)) }, "Resume")));
  }
  for (const approval of known?.awaiting_approval ?? []) {
    rows.push(h("div", { class: "banner waiting" }, h("strong", {}, "A repair waits for approval"), `it would change ${accountWords(approval.changes)}`,
      h("button", { type: "button", onclick: () => withToken(known, () => askApprove(approval, reload)) }, "Review and approve")));
  }
  document.getElementById("banners").replaceChildren(...rows);
}

function onEvent(kind, data) {
  if (kind === "progress") {
    progressListener?.(data.running, data.rates);
    return;
  }
  // A dialog or a half-typed filter must not be swept away.
  if (refreshTimer === null) {
    refreshTimer = setTimeout(() => {
      refreshTimer = null;
      const typing = document.activeElement?.matches("input, textarea, select");
      if (!document.querySelector("dialog[open]") && !typing) show();
    }, REFRESH_MS);
  }
}

document.addEventListener("click", (event) => {
  const anchor = event.target.closest("a[href^='/']");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  if (!anchor || !plain || anchor.pathname !== "/") return;
  event.preventDefault();
  history.pushState(null, "", anchor.href);
  show(true);
});
addEventListener("popstate", () => show(true));

controls();
show();
listen(onEvent, (state) => {
  if (state === connected) return;
  connected = state;
  banners();
});
