// The page, as a person uses it: real clicks in a real browser on the real demo.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { openPage, startBrowser, startDemo } from "./harness.mjs";

let demo;
let browser;
let axe;

before(async () => {
  demo = await startDemo("--accounts", "60", "--seed", "7");
  browser = await startBrowser();
  axe = await readFile(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Opens an address of the page, runs the test, and insists on a clean console. */
async function on(path, body, options = {}) {
  const { page, context, wrongs } = await openPage(browser, demo, options);
  await page.goto(demo.url + path);
  await page.locator("main h1:visible, main h2:visible").first().waitFor();
  await body(page);
  // The browser itself logs an answer that the test provokes, such as a 404.
  assert.deepEqual(wrongs.filter((wrong) => !options.provoked?.test(wrong)), []);
  await context.close();
}

async function accessible(page, where) {
  // Playwright's own world: the page's content security policy stays in force.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] }));
  const found = violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`);
  assert.deepEqual(found, [], where);
}

async function getAsOperator(path) {
  const response = await fetch(demo.url + path, { headers: { authorization: `Bearer ${demo.token}` } });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
}

/** Tables that are wider than the place they have. */
async function hidden(page) {
  return page.evaluate(() => [...document.querySelectorAll(".scroll")]
    .filter((place) => place.clientWidth < place.scrollWidth)
    .map((place) => `${place.querySelector("caption").textContent}: ${place.scrollWidth} in ${place.clientWidth}`));
}

async function postAsOperator(path, body) {
  const response = await fetch(demo.url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${demo.token}`, ...(body ? { "content-type": "application/json" } : {}) },
    body: body ? JSON.stringify(body) : undefined,
  });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json();
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
    assert.notEqual(await page.locator("tbody tr td:nth-child(1)").first().textContent(), first, "turned round");
    await page.reload();
    await page.locator("th[aria-sort='descending']").waitFor();
    await page.getByLabel("Name or id").fill(first.trim());
    await page.getByRole("button", { name: "Show", exact: true }).click();
    await page.waitForURL(/q=\d{12}/);
    await assertEventually(async () => (await page.locator("tbody tr").count()) === 1, "the table was not narrowed");
    await page.goBack();
    await page.waitForURL((url) => !url.search.includes("q="));
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
  await on("/?view=accounts&outcome=repaired", async (page) => {
    if ((await page.locator("tbody tr").count()) === 0) {
      // The second sweep has seen everything in sync: any account with a history will do.
      await page.goto(`${demo.url}/?view=accounts`);
    }
    await page.locator("tbody tr a").first().click();
    await page.getByText("What was done here").waitFor();
    assert.match(page.url(), /account=\d{12}/);
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
    await page.getByRole("button", { name: "Token" }).click();
    await page.locator("input[name='token']").fill("wrong");
    await page.getByRole("button", { name: "Use it" }).click();
    await page.getByRole("heading", { name: "A token is needed" }).waitFor();
    await page.getByRole("button", { name: "Forget token" }).click();
    await page.getByRole("button", { name: "Token" }).click();
    await page.locator("input[name='token']").fill(demo.token);
    await page.getByRole("button", { name: "Use it" }).click();
    await page.locator("#sentence").waitFor();
  }, { token: null, provoked: /status of 401/ });
});

test("a sweep can be started from the page, after a question that says how many accounts", async () => {
  const sweeps = async () => {
    const response = await fetch(`${demo.url}/api/v1/sweeps`, { headers: { authorization: `Bearer ${demo.token}` } });
    return (await response.json()).items.length;
  };
  const earlier = await sweeps();
  await on("/?view=sweeps", async (page) => {
    await page.getByRole("button", { name: "Start a sweep" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText(/Looks at \d+ accounts\. Changes nothing\./).waitFor();
    await dialog.getByLabel(/Repair/).check();
    await dialog.getByText(/repairs what differs/).waitFor();
    await dialog.getByLabel(/Audit/).check();
    await dialog.getByRole("button", { name: "Start" }).click();
    await page.getByText("The sweep is asked for").waitFor();
    await assertEventually(async () => earlier < (await sweeps()), "the sweep never began");
  });
});

test("every document of a sweep can be saved, what it changed as well, and the halt button is there", async () => {
  const [repair] = (await getAsOperator("/api/v1/sweeps")).items.filter((sweep) => sweep.summary.repaired);
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
    await dialog.getByRole("button", { name: "Halt" }).click();
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
    // Not there while the demo's own sweep runs.
    await page.getByRole("button", { name: "Start a sweep" }).waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to content");
    const reached = new Set();
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press("Tab");
      reached.add(await page.evaluate(() => document.activeElement.textContent.trim()));
    }
    for (const wanted of ["Overview", "Accounts", "Sweeps", "Halt writes", "Start a sweep"]) assert.ok(reached.has(wanted), `${wanted} cannot be reached`);
    await page.getByRole("link", { name: "Sweeps" }).focus();
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Sweeps", exact: true }).waitFor();
  });
});

for (const scheme of ["light", "dark"]) {
  for (const width of [400, 1600]) {
    test(`accessible and without sideways scrolling: ${scheme}, ${width} pixels`, async () => {
      const [repair] = (await getAsOperator("/api/v1/sweeps")).items.filter((sweep) => sweep.summary.repaired);
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
    await postAsOperator("/api/v1/sweeps", { mode: "audit" });
    await assertEventually(async () => (await last.count()) && (await last.getAttribute("href")) !== earlier, "the page did not hear of it");
    assert.equal(await page.evaluate(() => window.sameDocument), true);
  });
});

async function assertEventually(condition, message) {
  const until = Date.now() + 30_000;
  while (Date.now() < until) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  assert.fail(message);
}
