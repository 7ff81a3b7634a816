// A daemon that was started to audit only: the page offers no repair and says why, as the API does.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { apiOf, eventually, openPage, startBrowser, startDaemon } from "./harness.mjs";

let daemon;
let browser;

before(async () => {
  daemon = await startDaemon(["--accounts", "12", "--seed", "3", "--provisioned"], `[schedule]
cron = "0 0 1 1 *"
`);
  browser = await startBrowser();
});

after(async () => {
  await browser?.close();
  await daemon?.stop();
});

async function ask(mode) {
  const response = await fetch(`${daemon.url}/api/v1/sweeps`, {
    method: "POST", headers: { authorization: `Bearer ${daemon.token}`, "content-type": "application/json" }, body: JSON.stringify({ mode }),
  });
  return { status: response.status, type: response.headers.get("content-type"), body: await response.json() };
}

test("a repair is refused with what to set, and an audit is taken", async () => {
  const refused = await ask("repair");
  assert.equal(refused.status, 409);
  assert.equal(refused.type, "application/problem+json");
  assert.match(refused.body.detail, /started to audit only.*schedule\.repair_on_request = true/);
  assert.equal((await ask("audit")).status, 202);
  // While it runs the page offers no other one.
  await eventually(async () => (await apiOf(daemon)("/api/v1/sweeps")).items[0]?.outcome, "the audit ends");
});

test("the page does not offer what would be refused", async () => {
  const { page, context, wrongs } = await openPage(browser, daemon);
  await page.goto(`${daemon.url}/?view=sweeps`);
  await page.getByRole("button", { name: "Start a sweep" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByText(/No repair from here: this process was started to audit only/).waitFor();
  assert.ok(await dialog.getByLabel(/Repair/).isDisabled());
  await dialog.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText("The sweep is asked for").waitFor();
  assert.deepEqual(wrongs, []);
  await context.close();
});
