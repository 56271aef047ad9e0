// Writes the sentences of `_locales` into a page: `data-says` names that of an element's text.

export const say = (name, ...values) => chrome.i18n.getMessage(name, values);

document.documentElement.lang = chrome.i18n.getMessage("language");
for (const element of document.querySelectorAll("[data-says]")) element.textContent = say(element.dataset.says);

/** The kinds of rewrites, and how strong they are, as options of two fields. */
export function offerChoices(types, intensities) {
  for (const type of ["soften", "clarify", "structure", "summarize", "terminology", "requirements", "background"])
    types.add(new Option(say(`type_${type}`), type));
  for (const intensity of [1, 2, 3]) intensities.add(new Option(say(`intensity_${intensity}`), intensity));
}
