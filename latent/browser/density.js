/**
 * How densely dots lie, as opacity that grows with the logarithm of their number.
 *
 * @typedef {Object} Window What lies in a part of a plane on which there are too many codes to draw each.
 * @property {Float32Array} counts of even cells, row by row, the lowest first
 * @property {number} columns of cells
 * @property {[number, number, number, number]} box left, bottom, right, top
 * @property {Float32Array} places x, y of every code in it, where there are few enough, or nothing
 * @property {Uint32Array} numbers of these codes
 */

const FADE = 0.6; // of the opacity: so much less has a single dot where others are piled up …
const PILED = 16; // … this high
const FADE_OF_CELLS = 0.9; // and a cell with a single code
const OPAQUE = 0.97; // what a dot has at most, so that two are more than one
const ROUNDED = 1e-4; // of a box: how far off the server's may be, whose numbers are float32

/** The opacity of `n` dots on one place, where at most `most` lie on one, from 1 - `fade` to 1. */
export function opacityOf(n, most, fade = FADE) {
  return 1 - (fade * Math.log(most / n)) / Math.log(Math.max(most, PILED));
}

/**
 * The opacity of each dot, so that those on one place have together what `opacityOf` says of their number.
 * @param {Int32Array} cells the place of every dot, below 0 where it is not drawn
 * @param {number} n places
 */
export function opacities(cells, n) {
  const counts = new Uint32Array(n);
  let most = 1;
  for (const cell of cells) if (cell >= 0) most = Math.max(most, ++counts[cell]);
  const shares = Float32Array.from({ length: most }, (_, i) => 1 - (1 - opacityOf(i + 1, most)) ** (1 / (i + 1)));
  return Float32Array.from(cells, (cell) => (cell < 0 ? 0 : Math.min(shares[counts[cell] - 1], OPAQUE)));
}

/** The picture of a window, a pixel for a cell, in a colour ([red, green, blue]). @param {Window} window */
export function densityPicture({ counts, columns }, [red, green, blue]) {
  const rows = counts.length / columns;
  const image = new ImageData(columns, rows);
  const most = mostOf(counts);
  counts.forEach((count, cell) => {
    const [row, column] = [rows - 1 - Math.floor(cell / columns), cell % columns];
    if (count) image.data.set([red, green, blue, 255 * opacityOf(count, most, FADE_OF_CELLS)], 4 * (row * columns + column));
  });
  const canvas = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

/** The largest of many numbers. @param {Float32Array} counts */
export function mostOf(counts) {
  return counts.reduce((most, count) => Math.max(most, count), 0);
}

/** Whether a box holds another. @param {number[]} outer left, bottom, right, top @param {number[]} inner */
export function holds([left, bottom, right, top], inner) {
  const [x, y] = [(right - left) * ROUNDED, (top - bottom) * ROUNDED];
  return inner[0] >= left - x && inner[1] >= bottom - y && inner[2] <= right + x && inner[3] <= top + y;
}
