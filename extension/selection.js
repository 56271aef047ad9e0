// What runs in the page of the person, and only when they ask for a rewrite. Each function is sent there whole, so
// it may use nothing from outside of itself.

/** The selected text, and whether it can be replaced. Of a password nothing is read. */
export function readSelection() {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  const isField = active instanceof HTMLTextAreaElement || active instanceof HTMLInputElement;
  if (isField && active.type !== "password" && active.selectionStart !== null) {
    const text = active.value.slice(active.selectionStart, active.selectionEnd);
    if (text) return { text, isEditable: !active.readOnly && !active.disabled };
  }
  if (isField && active.type === "password") return { text: "", isEditable: false };
  return { text: String(getSelection()), isEditable: Boolean(active?.isContentEditable) };
}

/** Put a text in place of the selection, as if it were typed: so the browser can undo it, and the page notices.
 *  False when something else is selected by now, or the page does not let it be replaced. */
export function replaceSelection(before, after) {
  let active = document.activeElement;
  while (active?.shadowRoot?.activeElement) active = active.shadowRoot.activeElement;
  const isField = active instanceof HTMLTextAreaElement || active instanceof HTMLInputElement;
  const selected = isField
    ? active.value.slice(active.selectionStart, active.selectionEnd)
    : String(getSelection());
  if (selected !== before || !(isField || active?.isContentEditable)) return false;
  active.focus();
  const { selectionStart: start, selectionEnd: end } = active;
  if (document.execCommand("insertText", false, after)) return true;
  if (!isField || active.readOnly || active.disabled) return false;
  active.setRangeText(after, start, end, "end"); // some fields refuse the command; this cannot be undone
  active.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText", data: after }));
  return true;
}
