/**
 * Brings a part of the page into sight that somebody asked for, where its beginning is not seen already: on a phone it
 * lies below what they pressed, on a laptop above it.
 */
const brought = new WeakMap();

/** @param {{data: {part: string, count: number}, parentElement: HTMLElement}} component of a part, its key */
export default function ({ data, parentElement }) {
  if (brought.get(parentElement) === data.count) return;
  brought.set(parentElement, data.count);
  const part = document.querySelector(`.st-key-${data.part}`);
  if (!part) return;
  const { top } = part.getBoundingClientRect();
  if (top < 0 || top > 0.75 * window.innerHeight) part.scrollIntoView({ block: "start" });
}
