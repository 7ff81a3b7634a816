// Pictures of the page for README, from the program's own demo:
// node screenshots.mjs FOLDER

import { mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { openPage, startBrowser, startDemo } from "./harness.mjs";

const [folder] = process.argv.slice(2);
/** What a README may weigh. */
const BYTES_MAX = 150_000;
const WIDE = { viewport: { width: 1280, height: 860 } };

const PICTURES = [
  ["overview-light", "/", { ...WIDE, colorScheme: "light" }],
  ["overview-dark", "/", { ...WIDE, colorScheme: "dark" }],
  ["account", async (api) => `/?account=${(await worst(api)).account_id}`, { ...WIDE, colorScheme: "light" }],
  ["sweeps", "/?view=sweeps", { viewport: { width: 1280, height: 600 }, colorScheme: "light" }],
  ["phone", "/", { viewport: { width: 400, height: 860 }, colorScheme: "light" }],
];

/** What is seen side by side. */
const DOCUMENTS = ["trust_policy", "policy_document"];

async function worst(api) {
  const { items } = await api("/api/v1/accounts?outcome=drifted&sort=worst");
  return items.find((item) => item.kinds.some((kind) => DOCUMENTS.includes(kind))) ?? items[0];
}

/** The demo repairs what it began with; then somebody changes an account, and an audit finds it. */
async function untilSomethingDiffers(api) {
  const until = Date.now() + 300_000;
  while (Date.now() < until) {
    const summary = await api("/api/v1/summary");
    if (!summary.running && summary.findings.some((finding) => ["critical", "high"].includes(finding.severity) && DOCUMENTS.includes(finding.kind))) return;
    if (!summary.running) await api("/api/v1/sweeps", { mode: "audit" });
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  throw new Error("nothing went wrong in the demo");
}

const demo = await startDemo("--accounts", "240", "--seed", "7", "--listen", "127.0.0.1:0");
const browser = await startBrowser();
try {
  const api = async (path, body) => {
    const options = { headers: { authorization: `Bearer ${demo.token}`, "content-type": "application/json" } };
    const response = await fetch(demo.url + path, body ? { ...options, method: "POST", body: JSON.stringify(body) } : options);
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
  };
  await untilSomethingDiffers(api);
  await mkdir(folder, { recursive: true });
  for (const [name, where, options] of PICTURES) {
    const { page, context, wrongs } = await openPage(browser, demo, options);
    await page.goto(demo.url + (typeof where === "string" ? where : await where(api)));
    await page.locator("main h1:visible, main h2:visible").first().waitFor();
    await page.waitForLoadState("load");
    const path = join(folder, `${name}.png`);
    await page.screenshot({ path, animations: "disabled" });
    const { size } = await stat(path);
    if (BYTES_MAX < size) throw new Error(`${path} has ${size} bytes, more than ${BYTES_MAX}`);
    if (wrongs.length) throw new Error(`${name}: ${wrongs.join("; ")}`);
    console.log(`${path}  ${size} bytes`);
    await context.close();
  }
} finally {
  await browser.close();
  await demo.stop();
}
