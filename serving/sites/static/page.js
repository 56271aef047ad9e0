// Improvements for browsers with scripts, on all sites: times in the reader's time zone, forms that send themselves,
// and texts to copy.
"use strict";

const language = document.documentElement.lang;

function writeTimes(root) {
  const format = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    time.textContent = format.format(moment);
    time.title = moment.toISOString();
  }
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-submits]")) event.target.form.requestSubmit();
});

// A button with data-copies copies the text of a field, which may be hidden. Browsers allow it on secure pages only.
function offerCopies(root) {
  if (!navigator.clipboard) return;
  for (const button of root.querySelectorAll("[data-copies]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  if (!field.hidden) field.select();
  await navigator.clipboard.writeText(field.value);
  button.textContent = button.dataset.done;
});

offerCopies(document);
writeTimes(document);
