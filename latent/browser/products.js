/**
 * Sums of products, where a decoder spends nearly all its time: in WebAssembly, four at a time, where the browser has
 * it, else in JavaScript.
 *
 * WebAssembly reads and writes a memory of its own. So who has them computed also asks for the arrays here.
 *
 * @typedef {(a: Float32Array, a0: number, aStep: number, m: number, b: Float32Array, b0: number, bStep: number,
 *   n: number, c: Float32Array, c0: number, cStep: number, k: number) => void} AddProducts
 *   c += a·bᵀ for `m` rows of `a` and `n` rows of `b` with `k` numbers each, all at least 1. Rows begin at `a0`, `b0`
 *   and `c0` and are `aStep`, `bStep` and `cStep` apart.
 * @typedef {{take: (n: number) => Float32Array, addProducts: AddProducts}} Engine `take` gives arrays of zeros.
 */

import { WASM } from "./products_wasm.js" // which `live.py` writes: `products.wasm` in base64

const PAGE = 65536 // bytes, of which memories are made
const APART = 4 // numbers: where arrays may begin
const NUMBER = Float32Array.BYTES_PER_ELEMENT

/**
 * What computes in arrays of these sizes, which are then taken in any order.
 * @param {number[]} sizes @returns {Engine}
 */
export function engine(sizes) {
  try {
    return inWebAssembly(sizes)
  } catch { // an old browser, one that is told to allow none, or not enough memory in one piece
    return { take: (n) => new Float32Array(n), addProducts }
  }
}

/** @param {number[]} sizes @returns {Engine} */
function inWebAssembly(sizes) {
  const bytes = sizes.reduce((total, n) => total + places(n) * NUMBER, 0)
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) + 1 })
  const code = Uint8Array.from(atob(WASM), (letter) => letter.charCodeAt(0))
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { js: { memory } })
  const compute = /** @type {(...numbers: number[]) => void} */ (exports.addProducts)
  let end = 0
  return {
    take: (n) => {
      const array = new Float32Array(memory.buffer, end * NUMBER, n)
      end += places(n)
      return array
    },
    addProducts: (a, a0, aStep, m, b, b0, bStep, n, c, c0, cStep, k) =>
      compute(
        a.byteOffset + a0 * NUMBER, aStep * NUMBER, m, b.byteOffset + b0 * NUMBER, bStep * NUMBER, n,
        c.byteOffset + c0 * NUMBER, cStep * NUMBER, k,
      ),
  }
}

/** How many numbers an array takes up. @param {number} n */
const places = (n) => Math.ceil(n / APART) * APART

/**
 * Two rows meet four at a time, so that six numbers read serve eight products. At the edges the last row stands in for
 * those that are missing: computed twice, it gives the same.
 * @type {AddProducts}
 */
export function addProducts(a, a0, aStep, m, b, b0, bStep, n, c, c0, cStep, k) {
  for (let i = 0; i < m; i += 2) {
    const i1 = Math.min(i + 1, m - 1)
    const p = a0 + i * aStep, q = a0 + i1 * aStep, pc = c0 + i * cStep, qc = c0 + i1 * cStep
    for (let j = 0; j < n; j += 4) {
      const j1 = Math.min(j + 1, n - 1), j2 = Math.min(j + 2, n - 1), j3 = Math.min(j + 3, n - 1)
      const r = b0 + j * bStep, s = b0 + j1 * bStep, t = b0 + j2 * bStep, u = b0 + j3 * bStep
      let pr = c[pc + j], ps = c[pc + j1], pt = c[pc + j2], pu = c[pc + j3]
      let qr = c[qc + j], qs = c[qc + j1], qt = c[qc + j2], qu = c[qc + j3]
      for (let x = 0; x < k; x++) {
        const ap = a[p + x], aq = a[q + x], br = b[r + x], bs = b[s + x], bt = b[t + x], bu = b[u + x]
        pr += ap * br; ps += ap * bs; pt += ap * bt; pu += ap * bu
        qr += aq * br; qs += aq * bs; qt += aq * bt; qu += aq * bu
      }
      c[pc + j] = pr; c[pc + j1] = ps; c[pc + j2] = pt; c[pc + j3] = pu
      c[qc + j] = qr; c[qc + j1] = qs; c[qc + j2] = qt; c[qc + j3] = qu
    }
  }
}
