// What the reader has in hand stays there while a part of the page is drawn anew.

const SCROLLED = ".scroll, pre";
const FOCUSABLE = `a[href], button, input, select, textarea, summary, [tabindex], ${SCROLLED}`;
/** A dialog is open, a button is held down, a list is being read on. */
const BUSY = "dialog[open], :active, main [aria-busy='true']";

/** Whether the reader is in the middle of something that must not be swept away. */
export function busy() {
  const typing = document.activeElement?.matches("input, textarea, select");
  return Boolean(typing || document.querySelector(BUSY));
}

/** Fills a part of the page anew; focus, typed text and how far it is scrolled stay. */
export function redraw(part, children) {
  const focused = place(part);
  const typed = [...part.querySelectorAll("input[name]")].filter((field) => field.value !== field.defaultValue);
  const scrolled = [...part.querySelectorAll(SCROLLED)].map((one) => [one.scrollLeft, one.scrollTop]);
  part.replaceChildren(...children);
  for (const { name, value } of typed) {
    const field = part.querySelector(`input[name="${CSS.escape(name)}"]`);
    if (field) field.value = value;
  }
  [...part.querySelectorAll(SCROLLED)].forEach((one, index) => one.scrollTo(...(scrolled[index] ?? [0, 0])));
  if (focused) (find(part, focused) ?? part).focus({ preventScroll: true });
}

/** The same, but what would look alike is not touched: for parts whose buttons hold nothing that cannot be seen. */
export function update(part, children) {
  const alike = part.children.length === children.length && children.every((child, index) => child.isEqualNode(part.children[index]));
  if (!alike) redraw(part, children);
}

/** Which element has the focus, in words that hold when the part is drawn anew. */
function place(part) {
  const active = document.activeElement;
  if (!part.contains(active) || active === part) return null;
  const { tagName: tag, textContent: text } = active;
  const href = active.getAttribute("href");
  const alike = alikes(part, { tag, href }).filter((one) => one.textContent === text);
  return { tag, text, href, index: alike.indexOf(active) };
}

function find(part, { tag, text, href, index }) {
  const alike = alikes(part, { tag, href });
  const same = alike.filter((one) => one.textContent === text);
  return same[index] ?? same[0] ?? (href ? alike[0] : null);
}

function alikes(part, { tag, href }) {
  return [...part.querySelectorAll(FOCUSABLE)].filter((one) => one.tagName === tag && one.getAttribute("href") === href);
}
