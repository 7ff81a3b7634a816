// The page: which view the address asks for, and what keeps it fresh.

import { get, token } from "./api.js";
import { account } from "./account.js";
import { accounts } from "./accounts.js";
import { askHalt, askResume, askToken, forgetToken, askApprove, withToken } from "./dialogs.js";
import { h } from "./dom.js";
import { busy, redraw, update } from "./keep.js";
import { listen } from "./live.js";
import { overview } from "./overview.js";
import { address, failed, forgetPages, pagesReadOn } from "./parts.js";
import { sweeps } from "./sweeps.js";
import { accounts as accountWords, count, relative } from "./words.js";

const VIEWS = { overview, accounts, account, sweeps };
const NAV = [["Overview", "overview", {}], ["Accounts", "accounts", { view: "accounts" }], ["Sweeps", "sweeps", { view: "sweeps" }]];
/** After an event the view is read anew, at most this often. */
const REFRESH_MS = 1500;
/** Events tell only of what the process that answers does itself; for the rest it is asked, this often. */
const POLL_MS = 30_000;
/** What a banner says before somebody reviews it. */
const WIDENS_SHOWN = 5;

let loading = null;
let progressListener = null;
let refreshTimer = null;
let connected = true;
/** The last summary that was read. */
let known = null;
/** Whether the last reading failed in a way that passes. */
let stale = false;

function params() {
  return Object.fromEntries(new URLSearchParams(location.search));
}

function viewName(wanted) {
  return wanted.account ? "account" : Object.hasOwn(VIEWS, wanted.view ?? "") ? wanted.view : "overview";
}

function go(wanted) {
  history.pushState(null, "", address(wanted));
  show({ moved: true });
}

/** Reads the view and shows it. `moved`: it is another one than before; `quiet`: nobody asked for it. */
async function show({ moved = false, quiet = false } = {}) {
  loading?.abort();
  const controller = new AbortController();
  loading = controller;
  if (moved) forgetPages();
  const wanted = params();
  const view = viewName(wanted);
  const main = document.getElementById("main");
  nav(view);
  main.setAttribute("aria-busy", "true");
  const pages = pagesReadOn();
  let listener = null;
  const context = {
    signal: controller.signal, go, reload: () => show(), summary: learn,
    onProgress: (wants) => { listener = wants; },
  };
  const content = await read(view, wanted, context, quiet);
  if (controller.signal.aborted) return;
  loading = null;
  main.removeAttribute("aria-busy");
  if (!content) return;
  if (!moved && (busy() || pages !== pagesReadOn())) {
    // Somebody began to type meanwhile, or read on: what was read is old when they are done.
    refresh();
    return;
  }
  progressListener = listener;
  if (moved) main.replaceChildren(...content);
  else redraw(main, content);
  document.title = view === "overview" ? "rolekeeper" : `${view === "account" ? wanted.account : view} – rolekeeper`;
  if (moved) {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
}

/** The view's content, or what went wrong in its place; null where that would only hide what is known. */
async function read(view, wanted, context, quiet) {
  try {
    const content = await VIEWS[view](wanted, context);
    stale = false;
    return [content].flat(Infinity).filter(Boolean);
  } catch (problem) {
    if (context.signal.aborted) return null;
    stale = problem.status === 0 || 500 <= problem.status;
    if (stale && quiet) return null;
    if (problem.status === 401) controls(true);
    return [failed(problem, () => show())];
  }
}

function learn(summary) {
  known = summary;
  banners();
  controls();
}

function nav(view) {
  const current = view === "account" ? "accounts" : view;
  update(document.getElementById("nav"), NAV.map(([label, key, wanted]) =>
    h("a", { href: address(wanted), "aria-current": key === current ? "page" : null }, label)));
}

function controls(needed = false) {
  const reload = () => { controls(); show(); };
  const buttons = [];
  if (known?.writable && !known.halted) buttons.push(h("button", { type: "button", class: "danger", onclick: () => withToken(known, () => askHalt(reload)) }, "Halt writes"));
  if (known?.writable || needed || token()) {
    buttons.push(token() ? h("button", { type: "button", onclick: () => forgetToken(reload) }, "Forget token") : h("button", { type: "button", onclick: () => askToken(reload) }, "Token"));
  }
  update(document.getElementById("controls"), buttons);
}

function waiting(approval, reload) {
  const { widens } = approval;
  const more = widens.length - WIDENS_SHOWN;
  return h("div", { class: "banner waiting", "data-sweep": approval.sweep }, h("strong", {}, "A repair waits for approval"),
    `it would change ${approval.changes ? accountWords(approval.changes) : "nothing now"}${widens.length ? ", and it gives more than was agreed to before:" : ""}`,
    h("button", { type: "button", onclick: () => withToken(known, () => askApprove(approval, reload)) }, "Review and approve"),
    widens.length ? h("ul", {}, widens.slice(0, WIDENS_SHOWN).map((sentence) => h("li", {}, sentence)), 0 < more ? h("li", {}, `${count(more)} more`) : null) : null);
}

function banners() {
  const reload = () => show();
  const rows = [];
  if (!connected) rows.push(h("div", { class: "banner offline" }, "The live connection is lost; trying again. What you see may be old."));
  if (known?.halted) {
    rows.push(h("div", { class: "banner halted", role: "alert" }, h("strong", {}, "All writes are halted"), `by ${known.halted.by}: ${known.halted.why}`,
      h("button", { type: "button", onclick: () => withToken(known, () => askResume(known.halted, reload)) }, "Resume")));
  }
  for (const approval of known?.awaiting_approval ?? []) rows.push(waiting(approval, reload));
  update(document.getElementById("banners"), rows);
}

/** Reads the view anew, as soon as that disturbs nobody. */
function refresh() {
  refreshTimer ??= setTimeout(() => {
    refreshTimer = null;
    if (loading || busy()) refresh();
    else show({ quiet: true });
  }, REFRESH_MS);
}

/** What a summary says, without what changes all the time and comes as progress. */
function said({ running, rates: _rates, ...rest }) {
  return JSON.stringify([rest, running?.sweep.id]);
}

async function poll() {
  for (const time of document.querySelectorAll("main time")) time.textContent = relative(time.dateTime);
  if (loading || !known && !stale) return;
  try {
    const summary = await get("/api/v1/summary");
    const isNews = !known || said(summary) !== said(known);
    if (isNews) learn(summary);
    if (isNews || stale) refresh();
  } catch {
    // The next one may be answered.
  }
}

function onEvent(kind, data) {
  if (kind === "progress") {
    progressListener?.(data.running, data.rates);
    return;
  }
  refresh();
}

document.addEventListener("click", (event) => {
  const anchor = event.target.closest("a[href^='/']");
  const plain = event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey;
  if (!anchor || !plain || anchor.pathname !== "/") return;
  event.preventDefault();
  history.pushState(null, "", anchor.href);
  show({ moved: true });
});
addEventListener("popstate", () => show({ moved: true }));

controls();
show();
setInterval(poll, POLL_MS);
listen(onEvent, (state) => {
  // What happened since the view was read, and before this connection, no event will tell.
  if (state) refresh();
  if (state === connected) return;
  connected = state;
  banners();
});
