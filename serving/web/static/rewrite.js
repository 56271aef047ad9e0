// The page Rewrite: shows a rewrite while it is written, and puts what the forms answer into the page in place.
"use strict";

{
  const form = document.getElementById("rewrite");
  const field = document.getElementById("text");
  const status = document.getElementById("status");
  const draft = document.getElementById("draft");
  const stopper = document.getElementById("stop");
  const back = document.getElementById("back");
  const asIType = document.getElementById("as-i-type");
  const TYPING = "rewrite while I type";
  const PAUSE_MS = 600; // without a key, before a rewrite begins by itself

  const steps = []; // before the present one: the message, and the element with its result
  let running = null; // the AbortController of the rewrite that is being written
  let rewritten = ""; // the message and choices of the last one
  let message = field.value; // that of the present result
  let view = "view-changes";

  const present = () => document.getElementById("result");

  // --- what the page shows ---

  function show(result) {
    const focused = document.activeElement?.id;
    present().replaceWith(result);
    offerCopies(result);
    const chosen = document.getElementById(view);
    if (chosen) chosen.checked = true;
    // Screen readers announce a live region when it changes, but not its first content.
    for (const region of result.querySelectorAll("[role=status], [role=alert]")) {
      const text = region.textContent;
      region.textContent = "";
      setTimeout(() => { region.textContent = text; }, 100);
    }
    if (focused && document.activeElement?.id !== focused) {
      (document.getElementById(focused) ?? result).focus();
    }
  }

  // The result in a page, or in its place what a page without one says.
  function resultOf(html) {
    const page = new DOMParser().parseFromString(html, "text/html");
    const result = page.getElementById("result") ?? page.querySelector("main") ?? page.body;
    if (result.id === "result") return document.adoptNode(result);
    const empty = emptyResult();
    empty.append(...[...result.childNodes].map((node) => document.adoptNode(node)));
    return empty;
  }

  function emptyResult() {
    const result = document.createElement("div");
    result.id = "result";
    result.tabIndex = -1;
    return result;
  }

  function remember(message) {
    steps.push({ message, result: present() });
    back.parentElement.hidden = false;
  }

  // --- sending ---

  // A sign-in in another tab has a secret of its own for forms.
  async function renewSecret() {
    const answer = await fetch(form.action);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const secret = page.querySelector("#rewrite [name=csrf]")?.value;
    for (const input of secret ? document.querySelectorAll("[name=csrf]") : []) input.value = secret;
    return secret;
  }

  // The answer to a form; null, and a sentence on the page, when the person has to sign in first.
  async function send(address, values, signal) {
    let answer = await fetch(address, { method: "POST", body: new URLSearchParams(values()), signal });
    if (answer.status === 403 && (await renewSecret())) {
      answer = await fetch(address, { method: "POST", body: new URLSearchParams(values()), signal });
    }
    if (!answer.redirected) return answer;
    status.textContent = form.dataset.ended;
    return null;
  }

  async function replace(address, values) {
    if (form.dataset.sending) return;
    form.dataset.sending = "yes";
    try {
      const answer = await send(address, values);
      if (answer) show(resultOf(await answer.text()));
    } catch {
      status.textContent = form.dataset.failed;
    } finally {
      delete form.dataset.sending;
    }
  }

  async function* eventsOf(answer) {
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const blocks = (rest + read.value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = /^event: (.*)\ndata: (.*)$/.exec(block);
        if (event) yield { kind: event[1], data: JSON.parse(event[2]) };
      }
    }
  }

  function stop() {
    running?.abort();
    running = null;
    stopper.hidden = draft.hidden = true;
    present().hidden = false;
  }

  function state() {
    return new URLSearchParams(new FormData(form)).toString();
  }

  async function rewrite(isTyping) {
    stop();
    const mine = (running = new AbortController());
    const words = draft.querySelector(".words");
    rewritten = state();
    const sent = field.value;
    words.textContent = "";
    stopper.hidden = false;
    status.textContent = form.dataset.writing;
    let sentence = form.dataset.failed;
    let target = null; // what to bring into view
    try {
      const answer = await send(form.dataset.streams, () => new FormData(form), mine.signal);
      if (!answer) {
        sentence = form.dataset.ended;
      } else if (!answer.headers.get("Content-Type")?.startsWith("text/event-stream")) {
        show(resultOf(await answer.text()));
        sentence = form.dataset.refused;
      } else {
        for await (const { kind, data } of eventsOf(answer)) {
          if (running !== mine) return;
          if (kind === "delta" || kind === "replace") {
            words.textContent = kind === "delta" ? words.textContent + data.text : data.text;
            present().hidden = true;
            if (draft.hidden) {
              draft.hidden = false;
              if (!isTyping) draft.scrollIntoView({ block: "nearest" });
            }
            continue;
          }
          if (kind === "answer") {
            if (!isTyping && !present().querySelector(".empty")) remember(message);
            message = sent;
          }
          show(resultOf(data.html));
          if (!isTyping) target = present();
          sentence = kind === "answer" ? form.dataset.ready : form.dataset.refused;
        }
      }
    } catch (error) {
      if (error.name === "AbortError") return;
    }
    if (running !== mine) return;
    stop();
    status.textContent = sentence;
    target?.scrollIntoView({ block: "nearest" });
  }

  // --- how the message will be read ---

  let readingAgain = null; // the AbortController of the reading that is on its way
  let readText = "";

  // Takes the reading out of the page that answers the form. While a person types, a failure is only silence:
  // they did not ask for it.
  async function read(isTyping) {
    writeDay();
    readingAgain?.abort();
    const mine = (readingAgain = new AbortController());
    readText = field.value;
    try {
      const answer = await send(form.dataset.reads, () => new FormData(form), mine.signal);
      const page = answer && new DOMParser().parseFromString(await answer.text(), "text/html");
      const part = page?.getElementById("reading");
      if (readingAgain !== mine || !part || (isTyping && !answer.ok)) return;
      showReading(document.adoptNode(part));
      if (!isTyping) part.scrollIntoView({ block: "nearest" });
    } catch (error) {
      if (error.name !== "AbortError" && !isTyping) status.textContent = form.dataset.failed;
    }
  }

  // "Tomorrow" is by the day where the reader is, also on a page that stays open over midnight.
  function writeDay() {
    const now = new Date();
    const asIfUtc = new Date(now.getTime() - now.getTimezoneOffset() * 60_000);
    form.elements.namedItem("sent_on").value = asIfUtc.toISOString().slice(0, 10);
  }

  function showReading(part) {
    const focused = document.activeElement?.id;
    document.getElementById("reading").replaceWith(part);
    for (const quoted of part.querySelectorAll(".quoted")) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "quoted";
      button.textContent = quoted.textContent;
      Object.assign(button.dataset, quoted.dataset);
      quoted.replaceWith(button);
    }
    if (focused && document.activeElement?.id !== focused) document.getElementById(focused)?.focus();
  }

  // Marks words in the field. The server counts characters of the trimmed text, the field UTF-16 units.
  function mark({ start, end }) {
    const before = field.value.length - field.value.trimStart().length;
    const characters = [...field.value.trim()];
    const units = (count) => before + characters.slice(0, count).join("").length;
    field.focus();
    field.setSelectionRange(units(Number(start)), units(Number(end)));
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button.quoted, [name=choose]");
    if (button?.name === "choose") {
      event.preventDefault();
      const [kind, level] = button.value.split("."); // a rule says how much, too
      for (const radio of form.elements.namedItem("transform_type")) radio.checked = radio.value === kind;
      for (const radio of level ? form.elements.namedItem("intensity") : []) radio.checked = radio.value === level;
      form.querySelector("[name=transform_type]:checked")?.focus();
    } else if (button) mark(button.dataset);
  });

  // --- what people do ---

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(pause);
    if (event.submitter?.id === "read") return void read(false);
    if (event.submitter?.id !== "two") return void rewrite(false);
    stop();
    remember(field.value);
    replace(event.submitter.formAction, () => new FormData(form));
  });

  document.addEventListener("submit", (event) => {
    const sent = event.target;
    const value = (name) => sent.elements.namedItem(name)?.value;
    if (sent.matches(".replaces")) {
      event.preventDefault();
      if (sent.action.endsWith("/two")) remember(field.value);
      replace(sent.action, () => new FormData(sent, event.submitter));
    } else if (sent.matches(".again-form")) {
      event.preventDefault();
      const { name } = event.submitter;
      for (const radio of form.elements.namedItem(name)) radio.checked = radio.value === event.submitter.value;
      if (field.value.trim() !== value("text")) remember(field.value); // what was typed since
      field.value = value("text");
      rewrite(false);
    } else if (sent.matches(".goes-on, .undoes")) {
      event.preventDefault();
      remember(field.value);
      field.value = value("text");
      show(emptyResult());
      field.focus();
    }
  });

  back.addEventListener("click", () => {
    stop();
    const step = steps.pop();
    field.value = message = step.message;
    show(step.result);
    status.textContent = "";
    back.parentElement.hidden = steps.length === 0;
    if (back.parentElement.hidden) field.focus();
  });

  document.addEventListener("change", (event) => {
    if (event.target.name === "view") view = event.target.id;
  });

  stopper.addEventListener("click", () => {
    stop();
    status.textContent = form.dataset.stopped;
    field.focus();
  });

  document.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "Escape" && running) stopper.click();
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    if (!form.contains(event.target) && event.target !== document.body) return;
    event.preventDefault();
    form.requestSubmit(document.getElementById("go"));
  });

  // --- rewriting while a person types ---

  let pause = 0;

  let pauseOfReading = 0;

  function soon(event) {
    clearTimeout(pauseOfReading);
    pauseOfReading = setTimeout(() => {
      if (field.value.trim() && field.value !== readText) read(true);
    }, PAUSE_MS);
    clearTimeout(pause);
    if (!asIType.checked || event.target === asIType) return;
    stop(); // what is being written is of an older message
    pause = setTimeout(() => {
      if (field.value.trim() && state() !== rewritten) rewrite(true);
    }, PAUSE_MS);
  }

  asIType.closest("label").hidden = false;
  asIType.checked = localStorage.getItem(TYPING) !== null;
  asIType.addEventListener("change", () => {
    asIType.checked ? localStorage.setItem(TYPING, "") : localStorage.removeItem(TYPING);
  });
  form.addEventListener("input", (event) => { if (!event.isComposing) soon(event); });
  form.addEventListener("compositionend", soon);
  writeDay();
  if (field.value.trim()) read(true);
}
