/** Functions of one number that activations are made of. @typedef {(x: number) => number} Activation */

/** @type {Activation} */
export const sigmoid = (x) => 1 / (1 + Math.exp(-x))

/** @type {Activation} */
export const softplus = (x) => (x > 20 ? x : Math.log1p(Math.exp(x)))

/** The error function to 1.5e-7: Abramowitz & Stegun 1964, formula 7.1.26. @type {Activation} */
export function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x))
  const series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
  return Math.sign(x) * (1 - series * Math.exp(-x * x))
}
