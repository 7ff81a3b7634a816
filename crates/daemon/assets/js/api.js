// Talking to the API. The token lives as long as the tab does.

const KEY = "rolekeeper.token";

export class Problem extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export function token() {
  return sessionStorage.getItem(KEY);
}

export function setToken(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
}

export function headers(more = {}) {
  const bearer = token();
  return bearer ? { authorization: `Bearer ${bearer}`, ...more } : more;
}

async function call(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Problem(0, "rolekeeper does not answer. It may be restarting, or the connection is gone.");
  }
  if (response.ok) return response;
  let detail = `${response.status} ${response.statusText}`;
  try {
    detail = (await response.json()).detail ?? detail;
  } catch {
    // Not a problem document: a proxy in between answered.
  }
  throw new Problem(response.status, detail);
}

export async function get(path, signal) {
  const response = await call(path, { headers: headers(), signal });
  try {
    return await response.json();
  } catch {
    throw new Problem(0, "rolekeeper's answer broke off.");
  }
}

export async function post(path, body) {
  const options = { method: "POST", headers: headers() };
  if (body !== undefined) {
    options.headers = headers({ "content-type": "application/json" });
    options.body = JSON.stringify(body);
  }
  const response = await call(path, options);
  return response.json();
}

/** Saves what the API answers as a file: a link could not carry the token. */
export async function download(path, filename) {
  const response = await call(path, { headers: headers() });
  const address = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = address;
  link.download = filename;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}
