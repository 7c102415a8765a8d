/**
 * Runs a decoder: the program and the weights that `live.py` makes of a network.
 *
 * Feature maps lie in memory as rows, columns, channels, so that the innermost loops read numbers side by side.
 * Every array is taken once from the engine that computes in it (`products.js`); a picture allocates nothing.
 *
 * @typedef {{op: string, of?: number[], shape: number[], weight?: number[], bias?: number[], name?: string,
 *   kernel?: number[], stride?: number, padding?: number, mode?: string, groups?: number, eps?: number,
 *   widths?: number[], low?: number, high?: number}} Layer
 *   `of` says of which layers it takes what they put out, -1 being the code; it is missing where that is the one before.
 *   `shape` is that of what the layer puts out; `weight` and `bias` say where theirs begin and end among the weights.
 * @typedef {{layers: Layer[], latent_dim: number, picture: number[]}} Program `picture` is [height, width, channels].
 * @typedef {{data: Float32Array, shape: number[]}} Value
 * @typedef {{layer: Layer, input: Float32Array, from: number[], others: Value[], output: Float32Array,
 *   weight: Float32Array, bias: Float32Array, told: {label: number}, engine: Engine}} Place
 *   What a layer works on; `from` is the shape of its first input, `others` are what else it takes.
 * @typedef {import("./products.js").Engine} Engine
 */

import { ACTIVATIONS } from "./activations.js" // which `live.py` writes
import { addProducts, engine } from "./products.js"

/** @typedef {() => void} Step What runs one layer. */

/**
 * What turns a code into a picture: floats in [0, 1] as rows, columns, channels, overwritten by the next call.
 * @param {Program} program
 * @param {Float32Array} weights
 * @returns {(code: ArrayLike<number>, asked?: number) => Float32Array}
 */
export function decoder(program, weights) {
  /** @type {number[]} */
  const sizes = []
  assemble(program, weights, { take: (n) => { sizes.push(n); return NOTHING }, addProducts }) // only to learn them
  return assemble(program, weights, engine(sizes))
}

const NOTHING = new Float32Array(0)
const AT_ONCE = 32 // pixels

/** @param {Program} program @param {Float32Array} given @param {Engine} engine */
function assemble(program, given, engine) {
  const weights = engine.take(given.length)
  if (weights !== NOTHING) weights.set(given)
  const code = engine.take(program.latent_dim)
  const told = { label: 0 }
  const values = [{ data: code, shape: [program.latent_dim] }] // and behind it what each layer puts out
  const sources = program.layers.map(({ of }, index) => (of ?? [index - 1]).map((layer) => layer + 1))
  const taken = sources.flat()
  const steps = program.layers.map((layer, index) => {
    const [first, ...others] = sources[index].map((place) => values[place])
    const { data: input, shape: from } = first ?? { data: NOTHING, shape: [] }
    const overwrites = IN_PLACE.includes(layer.op)
    const shared = taken.filter((place) => place === sources[index][0]).length > 1 // another layer needs it as it is
    const output = overwrites && !shared ? input : engine.take(layer.shape.reduce((a, b) => a * b))
    values.push({ data: output, shape: layer.shape })
    const [weight, bias] = [layer.weight, layer.bias].map(([start, end] = [0, 0]) => weights.subarray(start, end))
    const step = LAYERS[layer.op]({ layer, input, from, others, output, weight, bias, told, engine })
    return overwrites && shared ? () => { output.set(input); step() } : step
  })
  const picture = values[values.length - 1].data
  return (/** @type {ArrayLike<number>} */ z, asked = 0) => {
    code.set(z)
    told.label = asked
    for (const step of steps) step()
    return picture
  }
}

/** What layers do to the numbers where they lie; they get a copy where these are still needed as they are. */
const IN_PLACE = ["reshape", "activation", "clamp", "affine", "prelu", "group_norm", "add", "mul"]

/** @type {Record<string, (place: Place) => Step>} For each kind of layer what makes its step. */
const LAYERS = {
  reshape: () => () => {},
  activation: ({ layer, output }) => () => ACTIVATIONS[layer.name](output),
  clamp: ({ layer: { low, high }, output }) => () => {
    for (let i = 0; i < output.length; i++) output[i] = Math.min(high, Math.max(low, output[i]))
  },
  affine: ({ output, weight, bias }) => () => {
    for (let i = 0; i < output.length; i++) output[i] = output[i] * weight[i % weight.length] + bias[i % bias.length]
  },
  prelu: ({ output, weight }) => () => {
    for (let i = 0; i < output.length; i++) if (output[i] < 0) output[i] *= weight[i % weight.length]
  },
  add: ({ output, others: [{ data }] }) => () => {
    for (let i = 0; i < output.length; i++) output[i] += data[i]
  },
  mul: ({ output, others: [{ data }] }) => () => {
    for (let i = 0; i < output.length; i++) output[i] *= data[i]
  },
  label: ({ output, weight, told }) => () => {
    const start = (told.label * output.length) % weight.length // there is a row for every label, or one for all
    output.set(weight.subarray(start, start + output.length))
  },
  concat,
  gather: ({ input, output, weight }) => {
    const places = Int32Array.from(weight, (place) => place - 1) // 0 stands for a zero
    return () => {
      for (let i = 0; i < output.length; i++) output[i] = places[i] < 0 ? 0 : input[places[i]]
    }
  },
  linear: ({ input, output, weight, bias, engine }) => () => {
    output.set(bias)
    engine.addProducts(input, 0, 0, 1, weight, 0, input.length, output.length, output, 0, 0, input.length)
  },
  group_norm: groupNorm,
  conv,
  conv_transpose: convTranspose,
  pool,
  upsample: (place) => (place.layer.mode === "nearest" ? repeat(place) : interpolate(place)),
  channels_last: ({ layer, input, output }) => () => turn(layer.shape, (first, last) => (output[last] = input[first])),
  channels_first: ({ from, input, output }) => () => turn(from, (first, last) => (output[first] = input[last])),
}

/**
 * Conv2d, `weight` (channels out, kernel height, kernel width, channels in). Under a kernel's row, pixels and their
 * channels lie side by side, as the weights do. `padding` is what stands before the map; behind it as much as needed.
 * @param {Place} place
 */
function conv({ layer, input, from: [rows, columns, n], output, weight, bias, engine: { take, addProducts } }) {
  const { shape: [height, width, m], kernel: [tall, wide], stride, padding } = layer
  const step = Math.max(columns + padding, (width - 1) * stride + wide) * n
  const padded = take(Math.max(rows + padding, (height - 1) * stride + tall) * step)
  const side = wide * n
  return () => {
    for (let y = 0; y < rows; y++) {
      copy(input, y * columns * n, padded, (y + padding) * step + padding * n, columns * n)
    }
    spread(bias, output)
    for (let y = 0; y < height; y++) {
      for (let ky = 0; ky < tall; ky++) {
        const under = (y * stride + ky) * step
        const to = y * width * m
        // The pixels of a row against the kernels; a single kernel goes first, since rows are taken two by four.
        if (m > 1) addProducts(padded, under, stride * n, width, weight, ky * side, tall * side, m, output, to, m, side)
        else addProducts(weight, ky * side, 0, 1, padded, under, stride * n, width, output, to, 0, side)
      }
    }
  }
}

/**
 * ConvTranspose2d, `weight` (kernel height, kernel width, channels out, channels in): every pixel's share of all that
 * it touches, then added up where it belongs. `AT_ONCE` pixels or more are taken at a time, for which WebAssembly reads
 * the weights once.
 * @param {Place} place
 */
function convTranspose({ layer, input, from: [rows, columns, n], output, weight, bias, engine: { take, addProducts } }) {
  const { shape: [height, width, m], kernel: [tall, wide], stride, padding } = layer
  const reach = tall * wide * m
  const together = Math.min(rows, Math.ceil(AT_ONCE / columns))
  const shares = take(together * columns * reach)
  return () => {
    spread(bias, output)
    for (let first = 0; first < rows; first += together) {
      const pixels = Math.min(together, rows - first) * columns
      shares.fill(0)
      addProducts(input, first * columns * n, n, pixels, weight, 0, n, reach, shares, 0, reach, n)
      for (let pixel = 0, share = 0; pixel < pixels; pixel++) {
        const top = (first + Math.floor(pixel / columns)) * stride - padding
        const left = (pixel % columns) * stride - padding
        const before = Math.max(0, -left) * m, end = Math.min(wide, width - left) * m
        for (let row = top; row < top + tall; row++) {
          if (row >= 0 && row < height) {
            const to = (row * width + left) * m - share
            for (let from = share + before; from < share + end; from++) output[to + from] += shares[from]
          }
          share += wide * m
        }
      }
    }
  }
}

/**
 * GroupNorm: the numbers of each group of channels to mean 0 and variance 1, then times `weight` plus `bias` by channel.
 * @param {Place} place
 */
function groupNorm({ layer: { shape, groups, eps }, output, weight, bias }) {
  const n = shape[shape.length - 1], each = n / groups
  const size = output.length / groups
  return () => {
    for (let start = 0; start < n; start += each) {
      let sum = 0, squares = 0
      for (let pixel = start; pixel < output.length; pixel += n) {
        for (let c = 0; c < each; c++) sum += output[pixel + c]
      }
      const mean = sum / size
      for (let pixel = start; pixel < output.length; pixel += n) {
        for (let c = 0; c < each; c++) squares += (output[pixel + c] - mean) ** 2
      }
      const scale = 1 / Math.sqrt(squares / size + eps)
      for (let pixel = start; pixel < output.length; pixel += n) {
        for (let c = 0; c < each; c++) {
          output[pixel + c] = (output[pixel + c] - mean) * scale * weight[start + c] + bias[start + c]
        }
      }
    }
  }
}

/**
 * What lies behind one another in each of the inputs, so many numbers at a time as `widths` says.
 * @param {Place} place
 */
function concat({ layer: { widths }, input, others, output }) {
  const parts = [input, ...others.map(({ data }) => data)]
  const whole = widths.reduce((a, b) => a + b)
  return () => {
    let start = 0
    parts.forEach((part, index) => {
      const width = widths[index]
      for (let from = 0, to = start; from < part.length; from += width, to += whole) copy(part, from, output, to, width)
      start += width
    })
  }
}

/** The largest number under each window, or the mean of them, channel by channel. @param {Place} place */
function pool({ layer: { shape: [height, width, n], kernel: [tall, wide], stride, name }, from: [, columns], input, output }) {
  const largest = name === "max"
  return () => {
    for (let y = 0, to = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let c = 0; c < n; c++, to++) {
          let found = largest ? -Infinity : 0
          for (let ky = 0; ky < tall; ky++) {
            for (let kx = 0; kx < wide; kx++) {
              const number = input[((y * stride + ky) * columns + x * stride + kx) * n + c]
              found = largest ? Math.max(found, number) : found + number
            }
          }
          output[to] = largest ? found : found / (tall * wide)
        }
      }
    }
  }
}

/** Upsample, nearest: each pixel again and again. @param {Place} place */
function repeat({ layer: { shape: [height, width, n] }, from: [rows, columns], input, output }) {
  const [tall, wide] = [height / rows, width / columns]
  return () => {
    for (let y = 0, to = 0; y < height; y++) {
      for (let x = 0; x < width; x++, to += n) {
        copy(input, (Math.floor(y / tall) * columns + Math.floor(x / wide)) * n, output, to, n)
      }
    }
  }
}

/** Resized, bilinear, corners not aligned. @param {Place} place */
function interpolate({ layer: { shape: [height, width, n] }, from: [rows, columns], input, output }) {
  /** For every place the two that it lies between, and how far it is from the first to the second. */
  const between = (/** @type {number} */ length, /** @type {number} */ before) =>
    Array.from({ length }, (_, place) => {
      const exact = Math.max(0, (place + 0.5) * (before / length) - 0.5)
      return [Math.floor(exact), Math.min(Math.floor(exact) + 1, before - 1), exact % 1]
    })
  const [down, across] = [between(height, rows), between(width, columns)]
  return () => {
    let to = 0
    for (const [top, bottom, v] of down) {
      for (const [left, right, u] of across) {
        const a = (top * columns + left) * n, b = (top * columns + right) * n
        const c = (bottom * columns + left) * n, d = (bottom * columns + right) * n
        for (let i = 0; i < n; i++, to++) {
          const upper = input[a + i] * (1 - u) + input[b + i] * u
          output[to] = upper * (1 - v) + (input[c + i] * (1 - u) + input[d + i] * u) * v
        }
      }
    }
  }
}

/**
 * Calls `move` with the place of every number where channels come first, and where they come last.
 * @param {number[]} shape @param {(first: number, last: number) => void} move
 */
function turn([height, width, n], move) {
  const area = height * width
  for (let pixel = 0; pixel < area; pixel++) for (let c = 0; c < n; c++) move(c * area + pixel, pixel * n + c)
}

/** @param {Float32Array} source @param {number} start @param {Float32Array} target @param {number} to @param {number} n */
function copy(source, start, target, to, n) {
  for (let i = 0; i < n; i++) target[to + i] = source[start + i]
}

/** The bias of its channel in every place. @param {Float32Array} bias @param {Float32Array} output */
function spread(bias, output) {
  for (let start = 0; start < output.length; start += bias.length) output.set(bias, start)
}
