// The page, as a person uses it: real clicks in a real browser on the real demo.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { accessible, apiOf, eventually, startBrowser, startDemo, visit } from "./harness.mjs";

let demo;
let api;
let browser;

before(async () => {
  demo = await startDemo("--accounts", "60", "--seed", "7", "--listen", "127.0.0.1:0");
  api = apiOf(demo);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

const on = (path, body, options) => visit(browser, demo, path, body, options);

/** The demo's own repair. */
async function repaired() {
  return (await api("/api/v1/sweeps")).items.find((sweep) => sweep.summary.repaired);
}

/** Tables that are wider than the place they have. */
async function hidden(page) {
  return page.evaluate(() => [...document.querySelectorAll(".scroll")]
    .filter((place) => place.clientWidth < place.scrollWidth)
    .map((place) => `${place.querySelector("caption").textContent}: ${place.scrollWidth} in ${place.clientWidth}`));
}

test("the first sentence says whether the organization is right", async () => {
  await on("/", async (page) => {
    const sentence = await page.locator("#sentence").textContent();
    assert.match(sentence, /^(All \d+ accounts are right|\d+ of \d+ accounts? (has|have) drift|\d+ could not be checked)/);
    assert.ok(0 < (await page.locator(".tile").count()));
    assert.ok(0 < (await page.locator(".unit").count()));
  });
});

test("a tile leads to its accounts and the address says so", async () => {
  await on("/", async (page) => {
    await page.locator(".tile.in_sync").click();
    // The overview's sentence speaks of accounts too: the whole heading tells the pages apart.
    await page.getByRole("heading", { name: "Accounts", exact: true }).waitFor();
    assert.match(page.url(), /outcome=in_sync/);
    const outcomes = await page.locator("tbody .badge").allTextContents();
    assert.ok(0 < outcomes.length);
    assert.ok(outcomes.every((outcome) => outcome === "in sync"));
  });
});

test("search, filter and sort live in the address and survive a reload", async () => {
  await on("/?view=accounts", async (page) => {
    const first = await page.locator("tbody tr td:nth-child(1)").first().textContent();
    await page.getByRole("button", { name: /^Account/ }).click();
    await page.waitForURL(/sort=-id/);
    await page.locator("th[aria-sort='descending']").waitFor();
    const last = await page.locator("tbody tr td:nth-child(1)").first().textContent();
    assert.notEqual(last, first, "turned round");
    await page.reload();
    await page.locator("th[aria-sort='descending']").waitFor();
    assert.equal(await page.locator("tbody tr td:nth-child(1)").first().textContent(), last, "the order survives");
    await page.getByLabel("Name or id").fill(first.trim());
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.waitForURL(/q=\d{12}/);
    const rows = page.locator("tbody tr");
    await eventually(async () => (await rows.count()) === 1, "the table is narrowed");
    assert.equal(await rows.locator("td").first().textContent(), first);
    await page.reload();
    await eventually(async () => (await rows.count()) === 1, "the search survives");
    assert.equal(await page.getByLabel("Name or id").inputValue(), first.trim());
    await page.getByLabel("Outcome").selectOption({ label: "failed" });
    await page.waitForURL(/outcome=failed/);
    await page.goBack();
    await page.goBack();
    await page.waitForURL((url) => !url.search.includes("q="));
    await eventually(async () => 1 < (await rows.count()), "the table is as before");
  });
});

test("no match is said, with a way back", async () => {
  await on("/?view=accounts&q=no-such-account", async (page) => {
    await page.getByText("No account matches.").waitFor();
    await page.getByRole("link", { name: "Show all accounts" }).click();
    await page.locator("tbody tr").first().waitFor();
  });
});

test("one account shows what was done there", async () => {
  const { id } = await repaired();
  const [step] = (await api(`/api/v1/sweeps/${id}/changes`)).steps;
  await on(`/?view=accounts&q=${step.account_id}`, async (page) => {
    await page.locator("tbody tr a").first().click();
    await page.waitForURL((url) => url.searchParams.get("account") === step.account_id);
    const history = page.locator("section", { has: page.getByRole("heading", { name: "What was done here" }) });
    const row = history.getByRole("row").filter({ hasText: step.resource }).filter({ has: page.getByText(step.action, { exact: true }) });
    await row.first().waitFor();
    assert.match(await row.first().textContent(), /the demo/, "who asked for it");
    assert.ok(await row.first().getByRole("link", { name: id }).isVisible(), "by which sweep");
  });
});

test("a difference is shown side by side, with who gains or loses what in words", async () => {
  await on("/?view=accounts&outcome=drifted", async (page) => {
    await page.locator("tbody tr a").first().click();
    await page.getByRole("heading", { name: "What differs" }).waitFor();
    assert.ok(0 < (await page.locator(".drift p").first().textContent()).length);
    assert.equal(await page.locator(".drift").first().locator("figure pre").count(), 2);
    await page.getByText(/First seen/).first().waitFor();
    await accessible(page, "one account");
  });
});

test("a wrong address is explained", async () => {
  await on("/?account=000000000000", async (page) => {
    await page.getByRole("heading", { name: "Not found" }).waitFor();
  }, { provoked: /status of 404/ });
});

test("without the token the page asks for it and then works", async () => {
  await on("/", async (page) => {
    await page.getByRole("heading", { name: "A token is needed" }).waitFor();
    assert.equal(await page.locator("#sentence").count(), 0, "nothing is shown before");
    await page.getByRole("button", { name: "Token", exact: true }).click();
    await page.locator("input[name='token']").fill("wrong");
    const refused = page.waitForResponse((response) => response.url().endsWith("/summary") && response.request().headers().authorization === "Bearer wrong");
    await page.getByRole("button", { name: "Use it" }).click();
    assert.equal((await refused).status(), 401);
    await page.getByRole("dialog").waitFor({ state: "detached" });
    await page.getByRole("heading", { name: "A token is needed" }).waitFor();
    assert.equal(await page.locator("#sentence").count(), 0, "a wrong token shows nothing");
    await page.getByRole("button", { name: "Forget token" }).click();
    await page.getByRole("button", { name: "Token", exact: true }).click();
    await page.locator("input[name='token']").fill(demo.token);
    await page.getByRole("button", { name: "Use it" }).click();
    await page.locator("#sentence").waitFor();
  }, { token: null, provoked: /status of 401/ });
});

test("a sweep can be started from the page, after a question that says how many accounts", async () => {
  // The demo's schedule sweeps as well: only what was asked for over the API counts.
  const asked = async () => (await api("/api/v1/sweeps")).items.filter((sweep) => sweep.trigger === "api");
  const earlier = (await asked()).length;
  const { accounts } = await api("/api/v1/summary");
  const selected = Object.entries(accounts).reduce((sum, [outcome, number]) => (outcome === "skipped" ? sum : sum + number), 0);
  await on("/?view=sweeps", async (page) => {
    await page.getByRole("button", { name: "Start a sweep" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(`Looks at ${selected} accounts. Changes nothing.`, { exact: true }).waitFor();
    await dialog.getByLabel(/Repair/).check();
    await dialog.getByText(/repairs what differs/).waitFor();
    await dialog.getByLabel(/Audit/).check();
    assert.equal((await asked()).length, earlier, "asking what it would do starts nothing");
    await dialog.getByRole("button", { name: "Start", exact: true }).click();
    await page.getByText("The sweep is asked for").waitFor();
    const [sweep] = await eventually(async () => (earlier < (await asked()).length ? asked() : null), "the sweep begins");
    assert.equal(sweep.mode, "audit");
  });
});

test("every document of a sweep can be saved, what it changed as well, and the halt button is there", async () => {
  const repair = await repaired();
  await on(`/?view=sweeps&sweep=${repair.id}`, async (page) => {
    await page.getByRole("heading", { name: /steps? w(as|ere) taken/ }).waitFor();
    await page.getByRole("button", { name: "Halt writes" }).waitFor();
    const endings = new Set();
    for (const label of ["HTML", "CSV", "Markdown", "JSON", "OCSF"]) {
      const buttons = page.getByRole("button", { name: label, exact: true });
      assert.equal(await buttons.count(), 2, label);
      for (const button of await buttons.all()) {
        const [download] = await Promise.all([page.waitForEvent("download"), button.click()]);
        endings.add(download.suggestedFilename().replace(repair.id, "ID"));
        assert.ok(100 < (await readFile(await download.path())).length, label);
      }
    }
    assert.deepEqual([...endings].sort(), ["csv", "html", "json", "md", "ndjson"].flatMap((ending) => [`rolekeeper-ID.${ending}`, `rolekeeper-changes-ID.${ending}`]).sort());
  });
});

test("halt and resume, with the reason for everybody to see", async () => {
  await on("/", async (page) => {
    await page.getByRole("button", { name: "Halt writes" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel(/Why/).fill("<b>drill</b> & more");
    await dialog.getByRole("button", { name: "Halt", exact: true }).click();
    const banner = page.locator(".banner.halted");
    await banner.waitFor();
    assert.match(await banner.textContent(), /<b>drill<\/b> & more/);
    await accessible(page, "halted");
    await banner.getByRole("button", { name: "Resume" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Resume" }).click();
    await banner.waitFor({ state: "detached" });
  });
});

test("everything can be reached by keyboard", async () => {
  await on("/", async (page) => {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
    // Round and round: one of them is not there while the demo's own sweep runs.
    const missing = new Set(["Overview", "Accounts", "Sweeps", "Halt writes", "Start a sweep"]);
    const until = Date.now() + 60_000;
    while (missing.size && Date.now() < until) {
      await page.keyboard.press("Tab");
      missing.delete(await page.evaluate(() => document.activeElement.textContent.trim()));
    }
    assert.deepEqual([...missing], [], "cannot be reached");
    await page.getByRole("link", { name: "Sweeps", exact: true }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Sweeps", exact: true }).waitFor();
  });
});

for (const scheme of ["light", "dark"]) {
  for (const width of [400, 1600]) {
    test(`accessible and without sideways scrolling: ${scheme}, ${width} pixels`, async () => {
      const repair = await repaired();
      for (const path of ["/", "/?view=accounts", "/?view=sweeps", `/?view=sweeps&sweep=${repair.id}`]) {
        await on(path, async (page) => {
          await accessible(page, path);
          const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
          assert.ok(overflow <= 0, `${path} is ${overflow} pixels too wide`);
          if (width === 400) assert.deepEqual(await hidden(page), [], `${path}: a table hides a part of itself`);
        }, { colorScheme: scheme, viewport: { width, height: 900 } });
      }
    });
  }
}

test("a sweep that ends is on the page without a reload", async () => {
  await on("/", async (page) => {
    const last = page.locator(".state a[href*='sweep=']");
    const earlier = await last.getAttribute("href");
    await page.evaluate(() => { window.sameDocument = true; });
    await api("/api/v1/sweeps", { mode: "audit" });
    await eventually(async () => (await last.count()) && (await last.getAttribute("href")) !== earlier, "the page hears of it");
    assert.equal(await page.evaluate(() => window.sameDocument), true);
  });
});
