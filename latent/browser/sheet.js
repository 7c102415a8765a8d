/**
 * A sheet of pictures in which every picture is a button; part of the components that show one.
 *
 * @typedef {Object} Sheet
 * @property {string} src the sheet, as a data: address
 * @property {string} alt what it shows
 * @property {[number, number]} size its width and height in pixels
 * @property {number[][]} boxes left, top, right, bottom of every picture, in the same pixels
 * @property {string[]} names what each picture is
 * @property {string} verb what a click does
 * @property {boolean} stretch whether it is as wide as there is room
 * @property {number | null} chosen the picture that stands out
 */

/**
 * @param {HTMLElement} figure with an img, and a div for the buttons
 * @param {Sheet} data
 * @param {(index: number) => void} clicked called with the place of the picture that is clicked
 */
export function showSheet(figure, data, clicked) {
  const image = figure.querySelector("img");
  const cells = figure.querySelector("div");
  image.src = data.src;
  image.alt = data.alt;
  figure.style.width = data.stretch ? "100%" : `${data.size[0]}px`;
  image.width = data.size[0];
  image.height = data.size[1];
  fill(cells, data);

  cells.onclick = (event) => {
    const index = [...cells.children].indexOf(event.target.closest("button"));
    if (index < 0) return;
    event.target.animate([{ backgroundColor: "var(--st-primary-color)" }, {}], 400);
    clicked(index);
  };
  cells.onkeydown = (event) => {
    const from = [...cells.children].indexOf(document.activeElement);
    const to = neighbour(data.boxes, from, event.key);
    if (to < 0) return;
    event.preventDefault();
    focusOn(cells, to);
    cells.children[to].focus();
  };
}

/** One button over every picture; the tab key reaches the first, the arrow keys the others. */
function fill(cells, { size, boxes, names, verb, chosen }) {
  while (cells.children.length > boxes.length) cells.lastChild.remove();
  while (cells.children.length < boxes.length) cells.append(document.createElement("button"));
  boxes.forEach(([left, top, right, bottom], index) => {
    const button = cells.children[index];
    button.type = "button";
    button.title = `${verb} ${names[index]}`;
    button.setAttribute("aria-label", button.title);
    button.toggleAttribute("data-chosen", index === chosen);
    const percent = (part, whole) => `${(100 * part) / whole}%`;
    Object.assign(button.style, {
      left: percent(left, size[0]),
      top: percent(top, size[1]),
      width: percent(right - left, size[0]),
      height: percent(bottom - top, size[1]),
    });
  });
  focusOn(cells, 0);
}

/** Make one button the one that the tab key stops at. */
function focusOn(cells, index) {
  [...cells.children].forEach((button, at) => (button.tabIndex = at === index ? 0 : -1));
}

/** The picture nearest to picture `from` in the direction of an arrow key, or -1. */
function neighbour(boxes, from, key) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
  if (!step || from < 0) return -1;
  let best = -1;
  let nearest = Infinity;
  boxes.forEach(([left, top], index) => {
    const x = left - boxes[from][0];
    const y = top - boxes[from][1];
    const ahead = x * step[0] + y * step[1];
    const aside = Math.abs(x * step[1]) + Math.abs(y * step[0]);
    if (ahead > 0 && ahead + 4 * aside < nearest) [best, nearest] = [index, ahead + 4 * aside];
  });
  return best;
}
