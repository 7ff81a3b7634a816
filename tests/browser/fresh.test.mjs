// What the page shows keeps up with what happens, and takes nothing out of the reader's hands.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { apiOf, eventually, startBrowser, startDaemon, sweepEnds, visit } from "./harness.mjs";

/** Longer than a refresh waits, in the page's own time. */
const REFRESHED_MS = 2000;
/** Longer than the page waits before it asks. */
const POLLED_MS = 31_000;
const SEARCH = "Name or id";

let daemon;
let api;
let browser;

before(async () => {
  daemon = await startDaemon(["--accounts", "12", "--seed", "3", "--provisioned"], `[schedule]
cron = "0 0 1 1 *"
repair_on_request = true
`);
  api = apiOf(daemon);
  await sweepEnds(daemon, { mode: "audit" });
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await daemon?.stop();
});

/** A page whose time stands still but when the test moves it on. */
function on(path, body, { prepare, ...options } = {}) {
  return visit(browser, daemon, path, body, {
    ...options,
    shows: "main h1:visible",
    prepare: async (page) => {
      const now = Date.now();
      await page.clock.install({ time: now });
      await page.clock.pauseAt(now + 1000);
      await prepare?.(page);
    },
  });
}

/** Answers wait until the test lets them go. */
async function held(page, pattern) {
  let release;
  const released = new Promise((resolve) => { release = resolve; });
  let isAsked = false;
  await page.route(pattern, async (route) => {
    isAsked = true;
    await released;
    await route.continue();
  });
  return { isAsked: () => isAsked, release };
}

/** Marks what is drawn: the mark is gone when it is drawn anew. */
async function mark(page) {
  await page.evaluate(() => { document.querySelector("main").firstElementChild.dataset.before = "yes"; });
}

async function isMarked(page) {
  return 0 < (await page.locator("main > [data-before]").count());
}

/** Moves the page's time on until it has drawn anew, but not so far that it would ask by itself. */
async function redrawn(page) {
  for (let rounds = 0; rounds < 10; rounds += 1) {
    await page.clock.runFor(REFRESHED_MS);
    await page.locator("main:not([aria-busy])").waitFor();
    if (!(await isMarked(page))) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.fail("the page was not drawn anew");
}

/** The page is connected, and has drawn what it read once it was. */
async function settled(page) {
  await mark(page);
  await redrawn(page);
  await mark(page);
}

test("what happened between the reading and the live connection is shown", async () => {
  let events;
  await on("/", async (page) => {
    await eventually(events.isAsked, "the page connects");
    const last = page.locator(".state a[href*='sweep=']");
    const earlier = await last.getAttribute("href");
    const { id } = await sweepEnds(daemon, { mode: "audit" });
    assert.equal(await last.getAttribute("href"), earlier, "nobody has told the page");
    await mark(page);
    events.release();
    await redrawn(page);
    assert.equal(await last.getAttribute("href"), `/?view=sweeps&sweep=${id}`);
  }, { prepare: async (page) => { events = await held(page, "**/api/v1/events"); } });
});

test("what is typed survives an event, and the page is fresh when it is left", async () => {
  await on("/?view=accounts", async (page) => {
    await settled(page);
    const field = page.getByLabel(SEARCH);
    await field.fill("half of a na");
    await sweepEnds(daemon, { mode: "audit" });
    await page.clock.runFor(5 * REFRESHED_MS);
    assert.ok(await isMarked(page), "drawn anew under the reader's hands");
    assert.equal(await field.inputValue(), "half of a na");
    assert.ok(await field.evaluate((element) => element === document.activeElement));
    await page.getByRole("heading", { name: "Accounts", exact: true }).click();
    await redrawn(page);
    assert.equal(await field.inputValue(), "half of a na");
  });
});

test("what is typed while a refresh is on its way survives it", async () => {
  await on("/?view=accounts", async (page) => {
    await settled(page);
    const list = await held(page, /\/api\/v1\/accounts\?/);
    await sweepEnds(daemon, { mode: "audit" });
    await eventually(async () => {
      await page.clock.runFor(REFRESHED_MS);
      return list.isAsked();
    }, "the refresh begins");
    const field = page.getByLabel(SEARCH);
    await field.fill("typed meanwhile");
    list.release();
    await page.locator("main:not([aria-busy])").waitFor();
    assert.ok(await isMarked(page), "drawn anew under the reader's hands");
    assert.equal(await field.inputValue(), "typed meanwhile");
    await page.getByRole("heading", { name: "Accounts", exact: true }).click();
    await redrawn(page);
    assert.equal(await field.inputValue(), "typed meanwhile");
  });
});

test("focus and place on the page survive a refresh", async () => {
  await on("/", async (page) => {
    await settled(page);
    const tile = page.locator(".tile.drifted");
    await tile.focus();
    await page.evaluate(() => scrollTo(0, 150));
    const { y } = await tile.boundingBox();
    await sweepEnds(daemon, { mode: "audit" });
    await redrawn(page);
    assert.ok(await tile.evaluate((element) => element === document.activeElement));
    assert.equal((await tile.boundingBox()).y, y);
  }, { viewport: { width: 1000, height: 300 } });
});

test("what was done elsewhere, of which no event tells, is shown within half a minute", async () => {
  await on("/", async (page) => {
    await settled(page);
    await api("/api/v1/halt", { why: "another replica was told to" });
    const banner = page.locator(".banner.halted");
    await page.clock.runFor(POLLED_MS);
    await banner.getByText("another replica was told to").waitFor();
    await redrawn(page);
    assert.match(await page.locator("#sentence").textContent(), /All writes are halted/);
    await api("/api/v1/resume", null);
    await page.clock.runFor(POLLED_MS);
    await banner.waitFor({ state: "detached" });
  });
});

test("a refresh that fails leaves what is known on the page, and is tried again", async () => {
  await on("/", async (page) => {
    await settled(page);
    const sentence = await page.locator("#sentence").textContent();
    let failures = 0;
    await page.route("**/api/v1/summary", (route) => {
      failures += 1;
      return route.fulfill({ status: 503, contentType: "application/problem+json", body: JSON.stringify({ detail: "the store is away" }) });
    });
    await sweepEnds(daemon, { mode: "audit" });
    await eventually(async () => {
      await page.clock.runFor(REFRESHED_MS);
      return failures;
    }, "the refresh fails");
    await page.locator("main:not([aria-busy])").waitFor();
    assert.ok(await isMarked(page));
    assert.equal(await page.locator("#sentence").textContent(), sentence);
    await page.unroute("**/api/v1/summary");
    await page.clock.runFor(POLLED_MS);
    await redrawn(page);
  }, { provoked: /status of 503/ });
});
