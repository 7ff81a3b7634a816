// The states that the demo does not show: nothing yet, a sweep under way, waiting for approval, the program
// gone, and an organization whose account names are out to do harm.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { openPage, startBrowser, startDaemon } from "./harness.mjs";

const WAIT_MS = 120_000;

let daemon;
let browser;
let axe;

before(async () => {
  daemon = await startDaemon(
    ["--accounts", "60", "--seed", "11", "--provisioned", "--drift", "20%", "--hostile-names", "--latency", "40ms", "--no-tail"],
    `[schedule]
cron = "0 0 1 1 *"
repair_on_request = true
[rollout]
canary = 1
waves = ["100%"]
approve_above = 1
[limits]
concurrency = 2
`,
  );
  browser = await startBrowser();
  axe = await readFile(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
});

after(async () => {
  await browser?.close();
  await daemon?.stop();
});

async function on(path, body, options = {}) {
  const { page, context, wrongs } = await openPage(browser, daemon, options);
  page.setDefaultTimeout(WAIT_MS);
  page.on("dialog", async (dialog) => {
    wrongs.push(`a dialog of the browser: ${dialog.message()}`);
    await dialog.dismiss();
  });
  await page.goto(daemon.url + path);
  await page.locator("main h1:visible, main h2:visible").first().waitFor();
  await body(page);
  assert.deepEqual(wrongs.filter((wrong) => !options.provoked?.test(wrong)), []);
  await context.close();
}

async function accessible(page, where) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }));
  assert.deepEqual(violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`), [], where);
}

async function api(path, method = "GET", body) {
  const response = await fetch(daemon.url + path, {
    method,
    headers: { authorization: `Bearer ${daemon.token}`, ...(body ? { "content-type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
}

async function eventually(condition, message) {
  const until = Date.now() + WAIT_MS;
  while (Date.now() < until) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return assert.fail(`${message}\n${daemon.output()}`);
}

/** Asks for a sweep and waits for its end. */
async function sweep(mode) {
  const earlier = (await api("/api/v1/sweeps")).items.length;
  await api("/api/v1/sweeps", "POST", { mode });
  return eventually(async () => {
    const { items } = await api("/api/v1/sweeps");
    return earlier < items.length && items[0].outcome ? items[0] : null;
  }, "the sweep never ended");
}

test("before the first sweep the page says so and what to press", async () => {
  await on("/", async (page) => {
    assert.equal(await page.locator("#sentence").textContent(), "No account has been looked at yet.");
    await page.getByText("Nothing has been looked at yet.").waitFor();
    await accessible(page, "empty");
    await page.getByRole("link", { name: "Accounts" }).click();
    await page.getByText("No account has been looked at yet.").waitFor();
    await page.getByRole("link", { name: "Sweeps" }).click();
    await page.getByText("No sweep has run yet.").waitFor();
  });
});

test("a sweep shows where it is and how fast, and can be ended", async () => {
  await on("/", async (page) => {
    await page.getByRole("button", { name: "Start a sweep" }).click();
    await page.getByRole("dialog").getByText("Looks at every selected account.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Start" }).click();
    const live = page.getByRole("region", { name: "Sweep under way" });
    await live.getByText(/accounts? done.*in flight.*accounts\/s/).waitFor();
    const done = async () => Number(/^([\d,]+)/.exec(await live.locator("p").first().textContent())[1]);
    const first = await done();
    await eventually(async () => first < (await done()), "the count stands still");
    await live.locator("summary").focus();
    await page.keyboard.press("Enter");
    await live.getByRole("cell", { name: "ListAccounts", exact: true }).waitFor();
    // Filled anew twice a second: what was opened stays open, what has the focus keeps it.
    const second = await done();
    await eventually(async () => second < (await done()), "the count stands still");
    assert.ok(await live.getByRole("cell", { name: "ListAccounts", exact: true }).isVisible());
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Rate limits in force");
    await accessible(page, "running");
    await live.getByRole("button", { name: "End this sweep" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "End it" }).click();
    await live.waitFor({ state: "hidden" });
  });
  const { items } = await eventually(async () => {
    const list = await api("/api/v1/sweeps");
    return list.items[0].outcome ? list : null;
  }, "the sweep goes on");
  assert.equal(items[0].outcome, "cancelled");
  await on(`/?view=sweeps&sweep=${items[0].id}`, async (page) => {
    await page.getByText("somebody cancelled it").waitFor();
    await page.locator(".badge.cancelled").waitFor();
  });
});

test("names that are out to do harm are only names", async () => {
  assert.equal((await sweep("audit")).outcome, "completed");
  const { items } = await api("/api/v1/accounts?limit=1000");
  const hostile = items.filter((item) => /[<>"{}=]/.test(item.name));
  assert.ok(2 < hostile.length, "the simulator has no hostile names");
  const images = async (page) => page.locator("main img, main script, main iframe, main [onerror]").count();
  await on("/?view=accounts", async (page) => {
    const shown = await page.locator("tbody tr td:nth-child(2)").allTextContents();
    for (const { name } of hostile) assert.ok(shown.some((text) => text.trim() === name.trim()), name);
    assert.equal(await images(page), 0);
    await accessible(page, "hostile names");
  });
  for (const { account_id: id, name } of hostile.slice(0, 6)) {
    await on(`/?account=${id}`, async (page) => {
      assert.ok((await page.locator("h1").textContent()).startsWith(name.trimStart().slice(0, 5)));
      assert.equal(await images(page), 0);
    });
  }
  for (const width of [400, 1280]) {
    await on("/", async (page) => {
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(overflow <= 0, `${overflow} pixels too wide at ${width}`);
    }, { viewport: { width, height: 900 } });
  }
});

test("the worst that is open has an age", async () => {
  await on("/", async (page) => {
    assert.match(await page.locator("#since").textContent(), /^The oldest (critical|high) finding was first seen .*(ago|now)\.$/);
    assert.ok(0 < (await page.locator("td[data-label='Since'] time").count()));
  });
});

test("a repair that changes much waits, is approved from the page, and goes through", async () => {
  await api("/api/v1/sweeps", "POST", { mode: "repair" });
  await on("/", async (page) => {
    const banner = page.locator(".banner.waiting");
    await banner.waitFor();
    await accessible(page, "waiting for approval");
    const [approval] = (await api("/api/v1/summary")).awaiting_approval;
    await banner.getByRole("button", { name: "Review and approve" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(`would change ${approval.changes} accounts`).waitFor();
    // What nobody agreed to yet is said in words before it is.
    assert.ok(0 < approval.widens.length);
    await dialog.getByText(approval.widens[0]).waitFor();
    await dialog.getByRole("button", { name: "Cancel" }).click();
    assert.equal((await api("/api/v1/summary")).awaiting_approval.length, 1, "looking is not approving");
    await banner.getByRole("button", { name: "Review and approve" }).click();
    await page.getByRole("dialog").getByRole("button", { name: `Approve changes to ${approval.changes}` }).click();
    await page.getByText("Approved.").waitFor();
    await banner.waitFor({ state: "detached" });
    const ended = await eventually(async () => {
      const record = await api(`/api/v1/sweeps/${approval.sweep}`);
      return record.outcome ? record : null;
    }, "the repair never ended");
    assert.equal(ended.outcome, "completed");
    assert.ok(0 < ended.summary.repaired);
    await page.locator(".state").getByText("Last repair").waitFor();
    await page.goto(`${daemon.url}/?view=sweeps&sweep=${approval.sweep}`);
    const changes = page.locator("#changes");
    await changes.getByText(/\d+ new, \d+ gone, \d+ as before/).waitFor();
    assert.ok(0 < (await changes.locator(".badge.gone").count()), "what was repaired is gone");
    await accessible(page, "changes");
  });
});

test("a program that is gone is said, and comes back without a reload", async () => {
  await on("/", async (page) => {
    await page.locator("#sentence").waitFor();
    await daemon.kill("SIGKILL");
    await page.getByText("The live connection is lost").waitFor();
    assert.ok(await page.locator("#sentence").isVisible(), "what was known stays on the page");
    await page.getByRole("link", { name: "Accounts", exact: true }).click();
    await page.getByRole("heading", { name: "This could not be shown" }).waitFor();
    await page.getByText("rolekeeper does not answer.").waitFor();
    await accessible(page, "failing");
    await daemon.run();
    await page.getByText("The live connection is lost").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator("tbody tr").first().waitFor();
  }, { provoked: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ });
});
