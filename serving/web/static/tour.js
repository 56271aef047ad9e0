// The tour on the page Rewrite: one step at a time, in place. Where scripts are off, the style sheet shows all three.
"use strict";

{
  const tour = document.getElementById("tour");
  const form = document.getElementById("rewrite");
  const said = document.getElementById("tour-said");
  const back = document.getElementById("tour-back");
  const next = document.getElementById("tour-next");
  const steps = [...tour.querySelectorAll("li")];
  let place = 0;

  // The steps lie on each other, so that the message below never moves.
  function go(to) {
    place = to;
    steps.forEach((step, number) => step.classList.toggle("present", number === place));
    next.textContent = place === steps.length - 1 ? tour.dataset.done : tour.dataset.next;
    if (place === 0 && document.activeElement === back) next.focus();
    back.disabled = place === 0;
    const text = tour.dataset.place.replace("{step}", place + 1).replace("{steps}", steps.length);
    document.getElementById("tour-place").textContent = text;
    const [title, words] = [steps[place].querySelector("h3"), steps[place].querySelector("p")];
    said.textContent = `${text}. ${title.textContent}. ${words.textContent}`;
  }

  // Sends a button of the tour with what is in the form; the page that answers, or null.
  async function send(name, value) {
    const status = document.getElementById("status");
    const values = new URLSearchParams(new FormData(form));
    values.set(name, value);
    try {
      const answer = await fetch("/rewrite/tour", { method: "POST", body: values });
      if (answer.ok && !answer.redirected) {
        return new DOMParser().parseFromString(await answer.text(), "text/html");
      }
      status.textContent = answer.redirected ? form.dataset.ended : form.dataset.failed;
    } catch {
      status.textContent = form.dataset.failed;
    }
    return null;
  }

  async function close() {
    if (!(await send("tour", "close"))) return;
    const had = tour.contains(document.activeElement);
    tour.remove();
    form.action = "/rewrite";
    const address = new URL(location);
    address.searchParams.delete("tour");
    history.replaceState(null, "", address);
    document.getElementById("status").textContent = tour.dataset.closed;
    if (had) document.getElementById("text").focus();
  }

  async function decide(button) {
    const page = await send(button.name, button.value);
    const part = page?.getElementById("tour-consent");
    if (!part) return;
    document.getElementById("tour-consent").replaceWith(document.adoptNode(part));
    document.getElementById(button.id).focus();
    said.textContent = part.querySelector(".note").firstChild.textContent.trim();
  }

  tour.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    event.preventDefault();
    if (button === back) go(place - 1);
    else if (button === next && place < steps.length - 1) go(place + 1);
    else if (button.name === "training") decide(button);
    else close();
  });

  go(0);
  // Screen readers announce a live region when it changes, but not its first content.
  const first = said.textContent;
  said.textContent = "";
  setTimeout(() => { said.textContent = first; }, 100);
}
