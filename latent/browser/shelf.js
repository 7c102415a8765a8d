/**
 * The shelf: one row a kept vector, with its picture, its name to write over, where it came from, and a cross.
 *
 * @typedef {Object} ShelfData
 * @property {{picture: string, name: string, origin: string}[]} items newest first; the picture as a data: address
 * @property {number} longest characters of a name
 */

/** @param {{data: ShelfData, parentElement: HTMLElement, setTriggerValue: (name: string, value: unknown) => void}} component */
export default function ({ data, parentElement, setTriggerValue }) {
  const list = parentElement.querySelector(".latent-shelf");
  list.replaceChildren(...data.items.map((item) => row(item, data.longest, setTriggerValue)));
}

function row({ picture, name, origin }, longest, tell) {
  const entry = document.createElement("li");
  const image = Object.assign(new Image(), { src: picture, alt: `Shelf item: ${name}` });
  const field = Object.assign(document.createElement("input"), { value: name, maxLength: longest, title: "Rename" });
  field.setAttribute("aria-label", `Name of ${name}`);
  field.onchange = () => tell("renamed", { name, new: field.value });
  field.onkeydown = (event) => {
    if (event.key === "Escape") field.value = name;
    if (event.key === "Enter" || event.key === "Escape") field.blur();
  };
  const from = Object.assign(document.createElement("small"), { textContent: origin, title: origin });
  const cross = Object.assign(document.createElement("button"), { type: "button", textContent: "×", title: "Remove" });
  cross.setAttribute("aria-label", `Remove ${name}`);
  cross.onclick = () => tell("removed", name);
  const words = document.createElement("div");
  words.append(field, from);
  entry.append(image, words, cross);
  return entry;
}
