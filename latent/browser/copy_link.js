/** A button that copies the address of the page, which holds the whole view. */
export default function ({ parentElement }) {
  const button = parentElement.querySelector("button");
  button.onclick = async () => {
    const copied = await copy(window.location.href);
    button.textContent = copied ? "Copied" : "Copy it from the address bar";
    setTimeout(() => (button.textContent = "Copy link"), 2000);
  };
}

/** The clipboard of a page that came over plain http takes text only from a field. */
async function copy(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // not allowed: the field may be
    }
  }
  const field = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}
