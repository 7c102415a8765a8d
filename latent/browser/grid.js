/** A sheet of pictures: a click on one tells the page which one to keep. */
import { showSheet } from "./sheet.js"

/**
 * @param {{data: import("./sheet.js").Sheet, parentElement: HTMLElement,
 *   setTriggerValue: (name: string, value: unknown) => void}} component
 */
export default function ({ data, parentElement, setTriggerValue }) {
  showSheet(parentElement.querySelector(".latent-sheet"), data, (index) => setTriggerValue("clicked", index))
}
