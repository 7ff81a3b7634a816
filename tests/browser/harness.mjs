// Starts the program's own demo and a Chromium, and ends both.

import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
