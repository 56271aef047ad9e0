// Keyboard shortcuts of the page Compare: a button has its keys in data-keys. They are off while a person types.
"use strict";

{
  const form = document.querySelector("form[data-compare]");
  const status = document.getElementById("status");

  // Screen readers announce a live region when it changes, but not its first content.
  const text = status.textContent;
  if (text !== "") {
    status.textContent = "";
    setTimeout(() => { status.textContent ||= text; }, 100);
  }

  if (form) {
    const OFF = "compare without shortcuts";
    const shortcuts = document.getElementById("shortcuts");
    const keyed = [...form.querySelectorAll("[data-keys]")];
    const byKey = new Map(
      keyed.flatMap((element) => element.dataset.keys.split(" ").map((key) => [key.toLowerCase(), element])),
    );

    function showKeys() {
      for (const element of keyed) {
        if (shortcuts.checked) element.setAttribute("aria-keyshortcuts", element.dataset.keys);
        else element.removeAttribute("aria-keyshortcuts");
      }
      for (const element of form.querySelectorAll(".keys")) element.hidden = !shortcuts.checked;
    }

    // People who dictate, or press keys by accident, can switch the shortcuts off (WCAG 2.1.4).
    shortcuts.closest("label").hidden = false;
    shortcuts.checked = localStorage.getItem(OFF) === null;
    shortcuts.addEventListener("change", () => {
      shortcuts.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "");
      showKeys();
    });
    showKeys();

    let isSent = false;
    form.addEventListener("submit", (event) => {
      if (isSent) event.preventDefault();
      isSent = true;
      status.textContent = form.dataset.sending;
    });

    document.addEventListener("keydown", (event) => {
      const field = event.target.closest("textarea, select, input:not([type=checkbox])");
      if (event.key === "Escape" && field) return document.getElementById("message").focus();
      if (!shortcuts.checked || field || event.repeat || event.isComposing) return;
      if (event.ctrlKey || event.altKey || event.metaKey) return;
      const target = byKey.get(event.key.toLowerCase());
      if (!target) return;
      event.preventDefault(); // otherwise the browser types R into the focused field
      target.matches("button") ? target.click() : target.focus();
    });

    // A page from the browser's cache may show a pair that already has a vote, so load the next pair.
    addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
  }
}
