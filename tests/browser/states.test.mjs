// The states that the demo does not show: nothing yet, a sweep under way, waiting for approval, the program
// gone, and an organization whose account names are out to do harm.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, apiOf, eventually, openPage, startBrowser, startDaemon, sweepEnds, visit } from "./harness.mjs";

const WAIT_MS = 120_000;

const SCHEDULE = `[schedule]
cron = "0 0 1 1 *"
repair_on_request = true
`;

let daemon;
let api;
let browser;

before(async () => {
  daemon = await startDaemon(
    ["--accounts", "60", "--seed", "11", "--provisioned", "--drift", "20%", "--hostile-names"],
    `${SCHEDULE}[rollout]
canary = 1
waves = ["100%"]
approve_above = 1
`,
  );
  api = apiOf(daemon);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await daemon?.stop();
});

function on(path, body, { prepare, at = daemon, ...options } = {}) {
  return visit(browser, at, path, body, {
    ...options,
    prepare: async (page, wrongs) => {
      page.setDefaultTimeout(WAIT_MS);
      page.on("dialog", async (dialog) => {
        wrongs.push(`a dialog of the browser: ${dialog.message()}`);
        await dialog.dismiss();
      });
      await prepare?.(page);
    },
  });
}

/** Changes what the summary says on its way to the page. */
function retold(change) {
  return (page) => page.route("**/api/v1/summary", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: change(await response.json()) });
  });
}

test("before the first sweep the page says so and what to press", async () => {
  await on("/", async (page) => {
    assert.equal(await page.locator("#sentence").textContent(), "No account has been looked at yet.");
    await page.getByText("Nothing has been looked at yet.").waitFor();
    assert.equal(await page.locator(".state.good").count(), 0, "nothing is known to be right");
    assert.ok(await page.locator("main button.primary", { hasText: "Start a sweep" }).isEnabled());
    await accessible(page, "empty");
    await page.getByRole("link", { name: "Accounts", exact: true }).click();
    // The overview says the same sentence: the heading tells the pages apart.
    await page.getByRole("heading", { name: "Accounts", exact: true }).waitFor();
    await page.locator(".empty").getByText("No account has been looked at yet.", { exact: true }).waitFor();
    await page.getByRole("link", { name: "Sweeps", exact: true }).click();
    await page.getByRole("heading", { name: "Sweeps", exact: true }).waitFor();
    await page.getByText("No sweep has run yet.", { exact: true }).waitFor();
    assert.ok(await page.locator("main button.primary", { hasText: "Start a sweep" }).isEnabled());
  });
});

test("while the first answer is on its way the page says so", async () => {
  const { page, context, wrongs } = await openPage(browser, daemon);
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  await page.route("**/api/v1/summary", async (route) => {
    await released;
    await route.continue();
  });
  await page.goto(daemon.url);
  const busy = page.locator("main[aria-busy='true']");
  await busy.getByRole("status").getByText("Loading…", { exact: true }).waitFor();
  release();
  await page.locator("#sentence").waitFor();
  await busy.waitFor({ state: "detached" });
  assert.equal(await page.locator(".loading").count(), 0);
  assert.deepEqual(wrongs, []);
  await context.close();
});

test("a sweep shows where it is and how fast, and can be ended", async () => {
  // One account after the other, each call slow: minutes, of which the test needs some seconds.
  const slow = await startDaemon(["--accounts", "200", "--seed", "11", "--provisioned", "--latency", "150ms", "--no-tail"], `${SCHEDULE}[limits]
concurrency = 1
`);
  try {
    await seeAndEnd(slow);
  } finally {
    await slow.stop();
  }
});

async function seeAndEnd(slow) {
  await on("/", async (page) => {
    await page.getByRole("button", { name: "Start a sweep" }).click();
    await page.getByRole("dialog").getByText("Looks at every selected account.").waitFor();
    await page.getByRole("dialog").getByRole("button", { name: "Start", exact: true }).click();
    const live = page.getByRole("region", { name: "Sweep under way" });
    await live.getByText(/accounts? done.*in flight.*accounts\/s/).waitFor();
    const done = async () => Number(/^([\d,]+)/.exec(await live.locator("p").first().textContent())[1].replaceAll(",", ""));
    const goesOn = async () => {
      const before = await done();
      await eventually(async () => before < (await done()), "the count goes on", WAIT_MS);
    };
    await goesOn();
    await live.locator("summary").focus();
    await page.keyboard.press("Enter");
    await live.getByRole("cell", { name: "ListAccounts", exact: true }).waitFor();
    // Filled anew twice a second: what was opened stays open, what has the focus keeps it.
    await goesOn();
    assert.ok(await live.getByRole("cell", { name: "ListAccounts", exact: true }).isVisible());
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Rate limits in force");
    await accessible(page, "running");
    await live.getByRole("button", { name: "End this sweep" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "End it", exact: true }).click();
    await live.waitFor({ state: "hidden" });
  }, { at: slow });
  const ended = await eventually(async () => (await apiOf(slow)("/api/v1/sweeps")).items.find((one) => one.outcome), "the sweep ends", WAIT_MS);
  assert.equal(ended.outcome, "cancelled");
  await on(`/?view=sweeps&sweep=${ended.id}`, async (page) => {
    await page.getByText("somebody cancelled it").waitFor();
    await page.locator(".badge.cancelled").waitFor();
  }, { at: slow });
}

test("names that are out to do harm are only names", async () => {
  assert.equal((await sweepEnds(daemon, { mode: "audit" })).outcome, "completed");
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

test("the sign is not green after a sweep that failed, nor where nobody is managed", async () => {
  const right = (summary) => ({ ...summary, accounts: { in_sync: 12 }, findings: [], halted: null, awaiting_approval: [] });
  const sign = async (page) => (await page.locator(".state").getAttribute("class")).split(" ").filter((word) => !["card", "state"].includes(word)).join(" ");
  await on("/", async (page) => assert.equal(await sign(page), "good"), { prepare: retold(right) });
  const failed = (summary) => ({ ...right(summary), last_sweep: { ...summary.last_sweep, outcome: "failed", reason: "the listing broke off" } });
  await on("/", async (page) => {
    assert.equal(await sign(page), "warn");
    assert.match(await page.locator("#doubt").textContent(), /^What is shown may be from before the audit that failed\.$/);
    await accessible(page, "failed");
  }, { prepare: retold(failed) });
  const nobody = (summary) => ({ ...right(summary), accounts: { skipped: 12 } });
  await on("/", async (page) => assert.equal(await sign(page), ""), { prepare: retold(nobody) });
});

test("a unit has the color of the worst that is open in it", async () => {
  const unit = (ou_path, accounts, worst = null) => ({ ou_path, accounts, worst });
  const units = [unit("right", { in_sync: 3 }), unit("low", { drifted: 1 }, "low"), unit("high", { drifted: 1, in_sync: 2 }, "high"),
    unit("critical", { drifted: 1, in_sync: 2 }, "critical"), unit("closed", { failed: 1 })];
  await on("/", async (page) => {
    const painted = (name, part, property) => page.locator(".unit", { has: page.getByText(name, { exact: true }) }).locator(part).first()
      .evaluate((element, wanted) => getComputedStyle(element).getPropertyValue(wanted), property);
    const dot = Object.fromEntries(await Promise.all([...units.map((one) => one.ou_path), "The whole organization"].map(async (name) => [name, await painted(name, ".dot", "background-color")])));
    assert.equal(new Set([dot.right, dot.low, dot.high, dot.critical]).size, 4, JSON.stringify(dot));
    assert.equal(dot.closed, dot.critical, "where nobody can look, nobody can say");
    assert.equal(dot["The whole organization"], dot.critical, "a unit is as bad as the worst below it");
    const drift = async (name) => painted(name, ".bar rect", "fill");
    assert.notEqual(await drift("critical"), await drift("high"));
    assert.equal(await drift("critical"), await drift("closed"));
  }, { prepare: retold((summary) => ({ ...summary, units })) });
});

test("a banner says the first of much that is widened, and how much more", async () => {
  const widens = Array.from({ length: 7 }, (_, index) => `role ${index}: <b>anybody</b> may now do thing ${index}`);
  await on("/", async (page) => {
    const items = page.locator(".banner.waiting li");
    assert.deepEqual(await items.allTextContents(), [...widens.slice(0, 5), "2 more"]);
    await accessible(page, "much is widened");
  }, { prepare: retold((summary) => ({ ...summary, awaiting_approval: [{ sweep: "20260101T000000Z-0001", changes: 3, widens }] })) });
});

test("a repair that changes much waits, is approved from the page, and goes through", async () => {
  await api("/api/v1/sweeps", { mode: "repair" });
  await on("/", async (page) => {
    const banner = page.locator(".banner.waiting");
    await banner.waitFor();
    await accessible(page, "waiting for approval");
    const [approval] = (await api("/api/v1/summary")).awaiting_approval;
    // What nobody agreed to yet is said in words before it is, on the banner and in the dialog.
    assert.ok(0 < approval.widens.length);
    await banner.getByText(approval.widens[0], { exact: true }).waitFor();
    await banner.getByRole("button", { name: "Review and approve" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(`Sweep ${approval.sweep} would change ${approval.changes} accounts.`).waitFor();
    await dialog.getByText(approval.widens[0], { exact: true }).waitFor();
    await dialog.getByRole("button", { name: "Cancel", exact: true }).click();
    assert.equal((await api("/api/v1/summary")).awaiting_approval.length, 1, "looking is not approving");
    await banner.getByRole("button", { name: "Review and approve" }).click();
    await page.getByRole("dialog").getByRole("button", { name: `Approve changes to ${approval.changes}` }).click();
    await page.getByText("Approved.", { exact: true }).waitFor();
    await banner.waitFor({ state: "detached" });
    const ended = await eventually(async () => {
      const record = await api(`/api/v1/sweeps/${approval.sweep}`);
      return record.outcome ? record : null;
    }, "the repair ends");
    assert.equal(ended.outcome, "completed");
    assert.ok(0 < ended.summary.repaired);
    await page.locator(".state").getByText("Last repair").waitFor();
    await page.goto(`${daemon.url}/?view=sweeps&sweep=${approval.sweep}`);
    const changes = page.locator("#changes");
    await changes.getByText(/\d+ new, \d+ worse, \d+ gone, \d+ as before/).waitFor();
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
    const again = page.waitForRequest((request) => request.url().includes("/api/v1/accounts"));
    await page.getByRole("button", { name: "Try again" }).click();
    await again;
    await page.getByRole("heading", { name: "This could not be shown" }).waitFor();
    await daemon.run();
    // Nobody presses anything.
    await page.getByText("The live connection is lost").waitFor({ state: "detached" });
    await page.locator("tbody tr").first().waitFor();
  }, { provoked: /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE/ });
});
