// The page of an organization with 10,000 accounts: it draws what a person can read, and finds the rest.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { apiOf, eventually, startBrowser, startDaemon, sweepEnds, visit } from "./harness.mjs";

const ACCOUNTS = 10_000;
/** Ten thousand accounts, looked at by a build that is not optimized. */
const SWEEP_MS = 480_000;
const WAIT_MS = 60_000;
/** Rows that a page of the table may draw. */
const ROWS_MAX = 300;

let daemon;
let api;
let browser;

before(async () => {
  // The role is nowhere: a look at an account is two calls in place of six, and each one looked at has something to
  // tell. The others are listed and skipped: the page shows them all the same, and the sweep need not enter them.
  daemon = await startDaemon(["--accounts", String(ACCOUNTS), "--seed", "5", "--no-limits", "--no-tail"], `[select]
exclude = { ous = ["prod/retail", "prod/data", "prod/platform", "staging", "sandbox"] }
[schedule]
cron = "0 0 1 1 *"
[limits]
quota_share = 1.0
`);
  api = apiOf(daemon);
  const sweep = await sweepEnds(daemon, { mode: "audit" }, SWEEP_MS);
  assert.equal(sweep.outcome, "completed", sweep.reason);
  browser = await startBrowser();
}, { timeout: 2 * SWEEP_MS });

after(async () => {
  await browser?.close();
  await daemon?.stop();
});

const on = (path, body) => visit(browser, daemon, path, body, {
  shows: "main h1:visible",
  prepare: (page) => page.setDefaultTimeout(WAIT_MS),
});

const rows = (page) => page.locator("tbody tr");
const ids = (page) => page.locator("tbody tr td:nth-child(1)").allTextContents();

test("the overview says how it is and where", async () => {
  const { sentence, accounts } = await api("/api/v1/summary");
  const all = Object.values(accounts).reduce((sum, number) => sum + number, 0);
  assert.ok(ACCOUNTS <= all, `only ${all} accounts`);
  await on("/", async (page) => {
    assert.equal(await page.locator("#sentence").textContent(), sentence);
    const whole = page.locator(".unit").first();
    assert.match(await whole.textContent(), new RegExp(`^The whole organization.* of ${all.toLocaleString("en-US")}$`));
    assert.ok(1 < (await page.locator(".unit").count()), "no unit below the root");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.ok(overflow <= 0, `${overflow} pixels too wide`);
  });
});

test("the table draws a page, turns round as a whole, and finds one account among all", async () => {
  const [last] = (await api("/api/v1/accounts?sort=-id&limit=1")).items;
  await on("/?view=accounts", async (page) => {
    const drawn = await rows(page).count();
    assert.ok(0 < drawn && drawn < ROWS_MAX, `${drawn} rows`);
    assert.ok(!(await ids(page)).includes(last.account_id));
    await page.getByRole("button", { name: /^Account/ }).click();
    await page.waitForURL(/sort=-id/);
    await page.locator("th[aria-sort='descending']").waitFor();
    assert.equal((await ids(page))[0], last.account_id, "the last of all is the first");
    await page.goto(`${daemon.url}/?view=accounts`);
    await page.getByLabel("Name or id").fill(last.account_id);
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.waitForURL((url) => url.searchParams.get("q") === last.account_id);
    await eventually(async () => (await rows(page).count()) === 1, "the table is narrowed");
    assert.deepEqual(await ids(page), [last.account_id]);
  });
});

test("the next page follows the first, and both stay when the page is drawn anew", async () => {
  const first = await api("/api/v1/accounts?limit=200");
  const next = await api(`/api/v1/accounts?limit=200&cursor=${encodeURIComponent(first.next_cursor)}`);
  const wanted = [...first.items, ...next.items].map((one) => one.account_id);
  await on("/?view=accounts", async (page) => {
    await page.getByRole("button", { name: "Show 200 more", exact: true }).click();
    await eventually(async () => (await rows(page).count()) === wanted.length, "the next page is shown");
    assert.equal((await ids(page)).join(" "), wanted.join(" "));
    await page.evaluate(() => {
      document.querySelector("main").firstElementChild.dataset.before = "yes";
      scrollTo(0, document.documentElement.scrollHeight);
    });
    const place = await page.evaluate(() => scrollY);
    await sweepEnds(daemon, { mode: "audit", accounts: [wanted[0]] });
    await page.locator("main > [data-before]").waitFor({ state: "detached" });
    assert.equal((await ids(page)).join(" "), wanted.join(" "));
    assert.equal(await page.evaluate(() => scrollY), place);
  });
});
