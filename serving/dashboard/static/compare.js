// The keys that the page Compare's buttons name in data-keys; they do nothing while somebody types.
"use strict";

{
  const form = document.querySelector("form[data-compare]");
  const said = document.getElementById("said");

  // A live region is read out when it changes, not for what it came with.
  const words = said.textContent;
  if (words !== "") {
    said.textContent = "";
    setTimeout(() => { said.textContent ||= words; }, 100);
  }

  if (form) {
    const OFF = "compare without shortcuts";
    const shortcuts = document.getElementById("shortcuts");
    const keyed = [...form.querySelectorAll("[data-keys]")];
    const byKey = new Map(keyed.flatMap((one) => one.dataset.keys.split(" ").map((key) => [key.toLowerCase(), one])));

    function offer() {
      for (const one of keyed) {
        if (shortcuts.checked) one.setAttribute("aria-keyshortcuts", one.dataset.keys);
        else one.removeAttribute("aria-keyshortcuts");
      }
      for (const one of form.querySelectorAll(".keys")) one.hidden = !shortcuts.checked;
    }

    // Whoever dictates, or leans on a key, can switch them off (WCAG 2.1.4).
    shortcuts.closest("label").hidden = false;
    shortcuts.checked = localStorage.getItem(OFF) === null;
    shortcuts.addEventListener("change", () => {
      shortcuts.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "");
      offer();
    });
    offer();

    let isSent = false;
    form.addEventListener("submit", (event) => {
      if (isSent) event.preventDefault();
      isSent = true;
      said.textContent = form.dataset.sending;
    });

    document.addEventListener("keydown", (event) => {
      const field = event.target.closest("textarea, select, input:not([type=checkbox])");
      if (event.key === "Escape" && field) return document.getElementById("message").focus();
      if (!shortcuts.checked || field || event.repeat || event.isComposing) return;
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const wanted = byKey.get(event.key.toLowerCase());
      if (!wanted) return;
      event.preventDefault(); // R would be typed into the field that it leads to
      wanted.matches("button") ? wanted.click() : wanted.focus();
    });

    // What the browser kept of a page that has been answered is not to be answered again.
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }
}
