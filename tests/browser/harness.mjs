// Starts the program's own demo, or its daemon, and a Chromium, and ends them.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";

const BINARY = process.env.ROLEKEEPER_TEST_BINARY ?? new URL("../../target/debug/rolekeeper", import.meta.url).pathname;
const CHROMIUM = process.env.ROLEKEEPER_TEST_CHROMIUM ?? "/usr/bin/chromium";
const START_MS = 120_000;
/** How long a program that was told to end may take. */
const END_MS = 60_000;
/** How often the daemon is started again when another program has its port. */
const STARTS = 5;

function start(binary, args, options = {}) {
  const child = spawn(binary, args, { ...options, env: { ...process.env, NO_COLOR: "1", ...options.env } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { output = (output + chunk).slice(-20_000); });
  // A test that fails on the way leaves nothing behind.
  process.once("exit", () => child.kill("SIGKILL"));
  return { child, output: () => output };
}

function isOver(child) {
  return child.exitCode !== null || child.signalCode !== null;
}

/** Ends a program, and does not wait for one that will not. */
async function end({ child }, signal = "SIGTERM") {
  if (isOver(child)) return;
  const over = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await over;
  clearTimeout(timer);
}

/** What the program says that matches. */
async function says({ child, output }, pattern) {
  const until = Date.now() + START_MS;
  while (Date.now() < until && !isOver(child)) {
    const found = pattern.exec(output());
    if (found) return found[1];
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`nothing like ${pattern} was said:\n${output()}`);
}

async function answers(url, { child, output }) {
  const until = Date.now() + START_MS;
  while (Date.now() < until && !isOver(child)) {
    try {
      await fetch(url);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`nothing answers at ${url}:\n${output()}`);
}

/** `rolekeeper demo`, up to the lines that say where its page is. */
export async function startDemo(...args) {
  const folder = await mkdtemp(join(tmpdir(), "rolekeeper-demo-"));
  const demo = start(BINARY, ["demo", ...args], { cwd: folder });
  const stop = async () => {
    await end(demo);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const url = await says(demo, /page\s+(http:\/\/127\.0\.0\.1:\d+)\//);
    const token = await says(demo, /token\s+([A-Za-z0-9_-]{16,})\s/);
    return { url, token, stop, output: demo.output };
  } catch (problem) {
    await stop();
    throw problem;
  }
}

const KEYS = { AWS_ACCESS_KEY_ID: "AKIASIMULATORHUB0001", AWS_SECRET_ACCESS_KEY: "simulator" };
const TOKEN = "a-token-for-the-tests-of-the-page";

/** `rolekeeper run` with this configuration added, against a simulator with these arguments. Nothing is swept before somebody asks. */
export async function startDaemon(simulatorArgs, config) {
  const folder = await mkdtemp(join(tmpdir(), "rolekeeper-run-"));
  const simulator = start(join(dirname(BINARY), "rolekeeper-simulator"), ["--listen", "127.0.0.1:0", ...simulatorArgs]);
  let daemon = null;
  const stop = async () => {
    if (daemon) await end(daemon);
    await end(simulator);
    await rm(folder, { recursive: true, force: true });
  };
  const configure = async (aws, listen) => writeFile(join(folder, "rolekeeper.toml"), `${aws}
[http]
listen = "${listen}"
token_file = "${join(folder, "token")}"
[store]
url = "sqlite:${join(folder, "test.db")}"
${config}`);
  const once = async () => {
    daemon = start(BINARY, ["--config", join(folder, "rolekeeper.toml"), "run"], { env: KEYS });
    const url = await says(daemon, /page at (http:\/\/127\.0\.0\.1:\d+)(?=\D)/);
    await answers(`${url}/healthz`, daemon);
    return url;
  };
  /** The port that the first run was given may be another program's for a moment when the daemon comes back. */
  const run = async () => {
    for (let left = STARTS; ; left -= 1) {
      try {
        return await once();
      } catch (problem) {
        await end(daemon, "SIGKILL");
        if (left <= 1) throw problem;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  };
  try {
    const endpoint = await says(simulator, /accounts at (http:\/\/127\.0\.0\.1:\d+)\s/);
    const demo = await readFile(new URL("../../config/demo.toml", import.meta.url), "utf8");
    const aws = demo.slice(demo.indexOf("[aws]"), demo.indexOf("[schedule]")).replace("http://127.0.0.1:4599", endpoint);
    await writeFile(join(folder, "token"), TOKEN, { mode: 0o600 });
    await configure(aws, "127.0.0.1:0");
    const url = await once();
    // An open page finds it again where it was.
    await configure(aws, new URL(url).host);
    return { url, token: TOKEN, run, kill: (signal) => end(daemon, signal), stop, output: () => daemon.output() };
  } catch (problem) {
    await stop();
    throw problem;
  }
}

/** The API, as the operator asks it: with a body, or null for none, it is a POST. */
export function apiOf({ url, token }) {
  return async (path, body) => {
    const headers = { authorization: `Bearer ${token}`, ...(body ? { "content-type": "application/json" } : {}) };
    const options = body === undefined ? { headers } : { headers, method: "POST", body: body ? JSON.stringify(body) : undefined };
    const response = await fetch(url + path, options);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
}

/** Waits until the condition gives something, and gives it back. */
export async function eventually(condition, message, patience = 120_000) {
  const until = Date.now() + patience;
  while (Date.now() < until) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`not within ${patience} ms: ${message}`);
}

/** Asks for a sweep, waits for its end, and gives its record. */
export async function sweepEnds(daemon, order, patience) {
  const api = apiOf(daemon);
  const known = new Set((await api("/api/v1/sweeps")).items.map((one) => one.id));
  await api("/api/v1/sweeps", order);
  try {
    return await eventually(async () => (await api("/api/v1/sweeps")).items.find((one) => !known.has(one.id) && one.outcome), "the sweep ends", patience);
  } catch (problem) {
    throw new Error(daemon.output(), { cause: problem });
  }
}

export async function startBrowser() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
}

/** Holds the page against the rules of axe; it is not drawn anew meanwhile. */
export async function accessible(page, where) {
  const axe = await readFile(new URL("./node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
  // Playwright's own world: the page's content security policy stays in force.
  await page.evaluate(axe);
  const violations = await page.evaluate(async () => {
    const busy = document.createElement("i");
    busy.hidden = true;
    busy.setAttribute("aria-busy", "true");
    document.querySelector("main").append(busy);
    const found = await window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "best-practice"] });
    busy.remove();
    return found.violations.map((one) => `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`);
  });
  assert.deepEqual(violations, [], where);
}

/**
 * Opens an address of the page, runs the test, and insists on a clean console. `prepare` sets up what is between the
 * page and the daemon; `provoked` is what the browser itself logs of what the test provokes, such as a 404.
 */
export async function visit(browser, at, path, body, { prepare, provoked, shows = "main h1:visible, main h2:visible", ...options } = {}) {
  const { page, context, wrongs } = await openPage(browser, at, options);
  await prepare?.(page, wrongs);
  await page.goto(at.url + path);
  await page.locator(shows).first().waitFor();
  await body(page);
  assert.deepEqual(wrongs.filter((wrong) => !provoked?.test(wrong)), []);
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await context.close();
}

/** A page that has the token already, and remembers what went wrong on it. */
export async function openPage(browser, demo, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrongs = [];
  page.on("console", (message) => {
    if (message.type() === "error") wrongs.push(message.text());
  });
  page.on("pageerror", (error) => wrongs.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(demo.url) && !request.url().startsWith("blob:")) wrongs.push(`outside request: ${request.url()}`);
  });
  if (options.token !== null) {
    await page.addInitScript((token) => sessionStorage.setItem("rolekeeper.token", token), demo.token);
  }
  return { page, context, wrongs };
}
