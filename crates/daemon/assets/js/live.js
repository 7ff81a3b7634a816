// Live events. EventSource cannot carry a token, so the stream is read by hand,
// with the same rules: reconnect, say the last id, start anew on `reset`.

import { headers } from "./api.js";

const FIRST_DELAY_MS = 1000;
const LAST_DELAY_MS = 15000;

/** Calls `onEvent(kind, data)` and `onState(connected)` until the page goes away. */
export function listen(onEvent, onState) {
  let lastId = null;
  let delay = FIRST_DELAY_MS;
  let stopped = false;
  let controller = null;

  async function connect() {
    controller = new AbortController();
    try {
      const more = lastId === null ? {} : { "last-event-id": lastId };
      const response = await fetch("/api/v1/events", { headers: headers(more), signal: controller.signal });
      if (!response.ok) throw new Error(String(response.status));
      onState(true);
      delay = FIRST_DELAY_MS;
      await read(response.body, (event) => {
        if (event.id) lastId = event.id;
        onEvent(event.kind, event.data ? JSON.parse(event.data) : {});
      });
    } catch {
      // Falls through to the next attempt.
    }
    if (stopped) return;
    onState(false);
    setTimeout(connect, delay);
    delay = Math.min(delay * 2, LAST_DELAY_MS);
  }

  connect();
  return () => {
    stopped = true;
    controller?.abort();
  };
}

async function read(body, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while (0 <= (end = text.indexOf("\n\n"))) {
      const event = parse(text.slice(0, end));
      text = text.slice(end + 2);
      if (event) onEvent(event);
    }
  }
}

function parse(block) {
  const event = { kind: "message", data: "", id: null };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    const field = line.slice(0, colon);
    if (field === "event") event.kind = value;
    else if (field === "data") event.data += value;
    else if (field === "id") event.id = value;
  }
  return event.data || event.id ? event : null;
}
