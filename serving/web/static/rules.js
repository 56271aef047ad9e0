// The page Rules: hours are by the clock of where the reader is, unless they say otherwise.
"use strict";

for (const field of document.querySelectorAll("input[name=time_zone]")) {
  field.value ||= Intl.DateTimeFormat().resolvedOptions().timeZone ?? "UTC";
}
