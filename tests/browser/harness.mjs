// Starts the program's own demo and a Chromium, and ends both.

import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { chromium } from "playwright-core";

const BINARY = process.env.ROLEKEEPER_TEST_BINARY ?? new URL("../../target/debug/rolekeeper", import.meta.url).pathname;
const CHROMIUM = process.env.ROLEKEEPER_TEST_CHROMIUM ?? "/usr/bin/chromium";
const START_MS = 120_000;

/** `rolekeeper demo`, up to the line that says where its page is. */
export async function startDemo(...args) {
  const folder = await mkdtemp(join(tmpdir(), "rolekeeper-demo-"));
  const child = spawn(BINARY, ["demo", ...args], { cwd: folder, env: { ...process.env, NO_COLOR: "1" } });
  let output = "";
  const ready = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no address within ${START_MS} ms:\n${output}`)), START_MS);
    const look = (chunk) => {
      output += chunk;
      const url = /http:\/\/127\.0\.0\.1:\d+/.exec(output.slice(output.search(/page/i)));
      const token = /token:?\s+([A-Za-z0-9_-]{16,})/i.exec(output);
      if (url && token) {
        clearTimeout(timer);
        resolve({ url: url[0], token: token[1] });
      }
    };
    child.stdout.on("data", look);
    child.stderr.on("data", look);
    child.on("exit", (code) => reject(new Error(`the demo ended with ${code}:\n${output}`)));
  });
  const { url, token } = await ready;
  const stop = async () => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  return { url, token, stop, output: () => output };
}

const KEYS = { AWS_ACCESS_KEY_ID: "AKIASIMULATORHUB0001", AWS_SECRET_ACCESS_KEY: "simulator" };
const TOKEN = "a-token-for-the-tests-of-the-page";

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function ended(child) {
  return child.exitCode !== null || child.signalCode !== null ? Promise.resolve() : new Promise((resolve) => child.once("exit", resolve));
}

async function answers(url, child, output) {
  const until = Date.now() + START_MS;
  while (Date.now() < until && child.exitCode === null) {
    try {
      await fetch(url);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`nothing answers at ${url}:\n${output()}`);
}

function start(binary, args, env = {}) {
  const child = spawn(binary, args, { env: { ...process.env, NO_COLOR: "1", ...env } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => { output = (output + chunk).slice(-20_000); });
  return { child, output: () => output };
}

/** `rolekeeper run` with this configuration added, against a simulator with these arguments. Nothing is swept before somebody asks. */
export async function startDaemon(simulatorArgs, config) {
  const folder = await mkdtemp(join(tmpdir(), "rolekeeper-run-"));
  const [simulatorPort, port] = [await freePort(), await freePort()];
  const simulator = start(join(dirname(BINARY), "rolekeeper-simulator"), ["--listen", `127.0.0.1:${simulatorPort}`, ...simulatorArgs]);
  await answers(`http://127.0.0.1:${simulatorPort}/_sim/summary`, simulator.child, simulator.output);
  const demo = await readFile(new URL("../../config/demo.toml", import.meta.url), "utf8");
  const ours = demo.slice(demo.indexOf("[aws]"), demo.indexOf("[schedule]")).replace("http://127.0.0.1:4599", `http://127.0.0.1:${simulatorPort}`);
  await writeFile(join(folder, "token"), TOKEN, { mode: 0o600 });
  await writeFile(join(folder, "rolekeeper.toml"), `${ours}
[http]
listen = "127.0.0.1:${port}"
token_file = "${join(folder, "token")}"
[store]
url = "sqlite:${join(folder, "test.db")}"
${config}`);
  const url = `http://127.0.0.1:${port}`;
  let daemon = null;
  const run = async () => {
    daemon = start(BINARY, ["--config", join(folder, "rolekeeper.toml"), "run"], KEYS);
    await answers(`${url}/healthz`, daemon.child, daemon.output);
  };
  const kill = async (signal) => {
    daemon.child.kill(signal);
    await ended(daemon.child);
  };
  await run();
  const stop = async () => {
    await kill("SIGTERM");
    simulator.child.kill("SIGTERM");
    await ended(simulator.child);
    await rm(folder, { recursive: true, force: true });
  };
  return { url, token: TOKEN, run, kill, stop, output: () => daemon.output() };
}

export async function startBrowser() {
  return chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
  });
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
