/**
 * Carries bytes from the page to a component beside it: a mount of its own, so that a large parcel is sent once and a
 * small one brings nothing else along. The layout is that of `parcel` in `live.py` beside this file.
 */

const MOST_KEPT = 4

/** @param {{data: Uint8Array}} mount */
export default function deliver({ data }) {
  /** @type {{latentParcels?: Map<string, any>}} */
  const page = /** @type {any} */ (window)
  const kept = (page.latentParcels ??= new Map())
  const parcel = unpack(data)
  kept.delete(parcel.name)
  kept.set(parcel.name, parcel)
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value)
  window.dispatchEvent(new CustomEvent("latent-parcel", { detail: parcel.name }))
}

/**
 * The values of a parcel by name; arrays as typed arrays.
 * @param {Uint8Array} bytes
 * @returns {Record<string, any>}
 */
export function unpack(bytes) {
  const { buffer } = new Uint8Array(bytes) // a copy begins at 0, so that numbers of four bytes can be read in place
  const length = new DataView(buffer).getUint32(0, true)
  const { arrays, ...values } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)))
  for (const [name, [type, start, size]] of Object.entries(arrays)) {
    const array = type === "float32" ? Float32Array : Uint8Array
    values[name] = new array(buffer, 4 + length + start, size)
  }
  return values
}
