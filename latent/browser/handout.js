/**
 * The page of a handout: what the components tell each other where there is no server between them.
 *
 * One code is chosen, and every part shows it: Live moves it, a click on the map or on an image brings another one, the
 * strip sweeps one dimension of it.
 *
 * @typedef {import("./stage.js").Stage} Stage
 * @typedef {{code: number[], name: string, asked: number, row: number}} Chosen `name` is what the code is called, `asked`
 *   the class that a conditional decoder draws, `row` that of its image among those of the stage, or -1
 * @typedef {{dimension: number, places: number[], decimals: number, sign: string, label: string, name: string}} Sweep
 *   as `Line` in `lines.py` has it
 * @typedef {{sheet: import("./sheet.js").Sheet, codes: number[][], asked: number[], rows: number[]}} Pictures a
 *   sheet, and of each of its pictures the code, the class, and the row of its image where it is of one
 * @typedef {{stage: string, map: any, mean: number[], sweeps: Sweep[], pictures: Record<string, Pictures>,
 *   shelf: {code: number[], name: string, asked: number}[], chosen: Chosen, isReal: boolean, knowsClasses: boolean}} Content
 */
import { decoder } from "./decoder.js"
import { nearest, paint, say, support } from "./stage.js"

const LONGEST_NAME = 60 // characters, on the shelf
const MAP_HEIGHT = [380, 440] // pixels, in a narrow window and in a wide one
const NARROW = 700 // pixels
const ENLARGED = 112 // pixels of the images beside the map, as near as whole pixels come to it

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id)

/** The bytes of a part of this file. @param {string} text */
function bytes(text) {
  const letters = atob(text)
  const found = new Uint8Array(letters.length)
  for (let i = 0; i < found.length; i++) found[i] = letters.charCodeAt(i) // a tenth of the time of Uint8Array.from
  return found
}

for (const { textContent } of document.querySelectorAll("script.parcel")) deliver({ data: bytes(textContent) })

/** @type {Content} */
const content = JSON.parse(element("content").textContent)
/** @type {Stage} */
const stage = /** @type {any} */ (window).latentInbox.get(content.stage)
const decode = stage.program && decoder(stage.program, stage.weights)
const [height, width] = stage.picture

/** @type {Chosen} */
let chosen = content.chosen
let shelf = content.shelf
let sweep = content.sweeps[0]
/** @type {Map<() => void, number>} what is shown soon */
const waiting = new Map()
/** @type {ImageBitmap | null} all real images */
let sprite = null

/**
 * Another code for all parts.
 * @param {Partial<Chosen> & {code: ArrayLike<number>, name: string}} next
 */
function choose({ code, name, asked = chosen.asked, row = -1 }) {
  chosen = { code: Array.from(Float32Array.from(code)), name, asked, row }
  showAll()
}

function showAll() {
  if (element("asked")) element("asked").value = String(chosen.asked)
  showLive()
  showMap()
  showChosen()
  later(showSweep)
}

/** Many images are decoded for it: the others come first. @param {() => void} show */
function later(show) {
  clearTimeout(waiting.get(show))
  waiting.set(show, setTimeout(show))
}

/** Does nothing: what a component tells that concerns nobody here. */
const nobody = () => {}

// The decoder.

let liveRoot = null

function showLive() {
  const host = element("live-host")
  if (!host || !decode) return
  if (!liveRoot) {
    liveRoot = host.attachShadow({ mode: "open" })
    liveRoot.append(element("live-parts").content.cloneNode(true))
  }
  live({
    data: {
      stage: content.stage, holds: [content.stage], base: chosen.code, asked: chosen.asked,
      shelf: shelf.map(({ code }) => code), refusal: "", alone: true,
    },
    parentElement: liveRoot,
    setStateValue: (name, value) => name === "code" && choose({ code: value, name: "the code of the decoder" }),
    setTriggerValue: (name, value) => name === "keep" && keep(value, "from the decoder", "Decoder"),
  })
}

/** A code of the shelf, under a name that no other has. */
function keep(code, name, origin) {
  const taken = new Set(shelf.map((item) => item.name))
  let free = name
  for (let n = 2; taken.has(free); n++) free = `${name} (${n})`
  shelf = [{ code: [...code], name: free, asked: chosen.asked, origin }, ...shelf]
  showShelf()
}

function showShelf() {
  const items = shelf.map(({ code, name, asked, origin = "" }) => ({ picture: address(code, asked), name, origin }))
  shelfList({
    data: { items, longest: LONGEST_NAME },
    parentElement: element("shelf"),
    setTriggerValue: (what, value) => {
      if (what === "removed") shelf = shelf.filter(({ name }) => name !== value)
      else if (value.new.trim() && !shelf.some(({ name }) => name === value.new.trim())) {
        shelf = shelf.map((item) => (item.name === value.name ? { ...item, name: value.new.trim() } : item))
      }
      showShelf()
    },
  })
  element("shelf-empty").hidden = shelf.length > 0
  showLive()
}

/** A row of decoded images, as a data: address. @param {number[][]} codes @param {number} gap pixels between them */
function row(codes, asked, gap) {
  const canvas = Object.assign(document.createElement("canvas"), { height })
  canvas.width = codes.length * (width + gap) - gap
  const image = new ImageData(width, height)
  const tile = Object.assign(document.createElement("canvas"), { height, width })
  codes.forEach((code, index) => {
    paint(tile, image, decode(code, asked))
    canvas.getContext("2d").drawImage(tile, index * (width + gap), 0)
  })
  return canvas.toDataURL()
}

/** A decoded image as a data: address. */
function address(code, asked) {
  return row([code], asked, 0)
}

// The map.

function showMap() {
  const [narrow, wide] = MAP_HEIGHT
  const { axes } = stage
  const n = chosen.code.length
  const place = [0, n].map((start) => chosen.code.reduce((sum, z, i) => sum + (z - content.mean[i]) * axes[start + i], 0))
  const at = n === 1 ? null : place // of a line, the map shows the classes one above the other
  map({
    data: { ...content.map, at, height: innerWidth < NARROW ? narrow : wide },
    parentElement: element("map-host"),
    setTriggerValue: (what, value) => what === "clicked" && clicked(value),
  })
}

/** A dot of the map, or a place on it. */
function clicked({ at: [x, y], dot }) {
  const n = chosen.code.length
  if (dot === null) {
    if (!decode) return
    const { axes } = stage
    const code = content.mean.map((mean, i) => mean + x * axes[i] + y * axes[n + i])
    choose({ code, name: `the point ${x.toFixed(2)}, ${y.toFixed(2)} of the map` })
  } else {
    const code = stage.codes.subarray(dot * n, (dot + 1) * n)
    const asked = content.knowsClasses ? stage.labels[dot] : chosen.asked
    choose({ code, name: nameOf(dot), asked, row: content.isReal ? dot : -1 })
  }
}

/** What an image is called. @param {number} row */
function nameOf(row) {
  const { labels, classes, numbers } = stage
  if (!content.isReal) return `random code ${numbers[row]}`
  return `${classes.length ? `class ${classes[labels[row]]}, ` : ""}image ${numbers[row]}`
}

/** The chosen code beside the map: its image where it is one of those, the decoded image, how near to real codes. */
function showChosen() {
  const scale = Math.max(1, Math.round(ENLARGED / Math.max(width, height)))
  for (const canvas of [element("chosen-original"), element("chosen-decoded")]) {
    canvas.style.width = `${Math.min(scale * width, ENLARGED * 1.5)}px`
  }
  say(element("chosen-name"), chosen.name[0].toUpperCase() + chosen.name.slice(1))
  element("original-figure").hidden = chosen.row < 0
  element("decoded-figure").hidden = !decode
  if (decode) paint(sized("chosen-decoded", height, width), new ImageData(width, height), decode(chosen.code, chosen.asked))
  if (chosen.row >= 0 && sprite) {
    const [tall, wide] = stage.thumbnail
    const [left, top] = [(chosen.row % stage.columns) * wide, Math.floor(chosen.row / stage.columns) * tall]
    const pen = sized("chosen-original", tall, wide).getContext("2d")
    pen.drawImage(sprite, left, top, wide, tall, 0, 0, wide, tall)
  }
  const near = nearest(stage.codes, chosen.code, Math.min(stage.labels.length, stage.neighbours))
  const { share, words } = support(stage, near.distances)
  const real = content.isReal ? "real codes" : "random codes"
  say(element("chosen-support"), `Distance to data: ${words}; ${Math.round(100 * (1 - share))}% of ${real} lie closer.`)
}

/** A canvas of this size. */
function sized(id, height, width) {
  return Object.assign(element(id), { height, width })
}

// The strip.

function showSweep() {
  if (!decode) return
  const { dimension, places, decimals, sign, label, name } = sweep
  const codes = places.map((at) => chosen.code.map((value, i) => (i === dimension ? at : value)))
  const gap = Math.max(1, Math.round(width / 14))
  const boxes = places.map((_, i) => [i * (width + gap), 0, i * (width + gap) + width, height])
  const names = places.map((at) => `${name}${at.toFixed(2)}`)
  const size = [places.length * (width + gap) - gap, height]
  const line = { kind: "sweep", base: chosen.code, dimension }
  const alt = `Images as ${label.toLowerCase()} goes from ${places[0].toFixed(2)} to ${places.at(-1).toFixed(2)}`
  const sheet = {
    src: row(codes, chosen.asked, gap), alt, size, boxes, names, verb: "Add to shelf:", chosen: null, stretch: true,
  }
  say(element("sweep-others"), `Other dimensions as in ${chosen.name}.`)
  strip({
    data: {
      rows: [{ ...sheet, line, label, heading: "" }], places, at: within(chosen.code[dimension], places), decimals,
      sign, note: "", asked: chosen.asked, picture: [height, width], stage: content.stage, holds: [content.stage],
    },
    parentElement: element("strip-host"),
    setStateValue: nobody,
    setTriggerValue: (what, value) => {
      if (what === "clicked") keep(codes[value], names[value], "Traversal")
      if (what !== "added") return
      const code = chosen.code.map((old, i) => (i === dimension ? value.at : old))
      keep(code, `${name}${value.at.toFixed(2)}`, "Traversal")
    },
  })
}

/** The place on a line that is nearest to a value. */
function within(value, places) {
  return Math.min(places.at(-1), Math.max(places[0], value))
}

// Everything at first, and what is heard.

for (const [id, { sheet, codes, asked, rows }] of Object.entries(content.pictures)) {
  grid({
    data: sheet,
    parentElement: element(id),
    setTriggerValue: (_, index) => {
      choose({ code: codes[index], name: sheet.names[index], asked: asked[index], row: rows[index] })
      const part = element("live") ?? element("sweep") // a decoder-only file has no codes for the first
      part.scrollIntoView({ behavior: "smooth" })
    },
  })
}
if (element("asked")) element("asked").onchange = ({ target }) => choose({ ...chosen, asked: Number(target.value) })
if (element("sweep-dimension")) {
  element("sweep-dimension").onchange = ({ target }) => {
    sweep = content.sweeps[target.selectedIndex]
    showSweep()
  }
}
showAll()
if (decode) later(showShelf)
createImageBitmap(new Blob([/** @type {BlobPart} */ (stage.images)])).then((bitmap) => {
  sprite = bitmap
  showChosen()
})
for (const query of ["(prefers-color-scheme: dark)", `(max-width: ${NARROW}px)`]) matchMedia(query).onchange = showMap

/** For the console: the decoder as a function of a code and, for a conditional one, a class; the chosen code. */
const inConsole = { decode: (code, asked = 0) => Float32Array.from(decode(code, asked)), chosen: () => ({ ...chosen }) }
Object.assign(window, { latent: inConsole })
document.documentElement.dataset.ready = "true"
