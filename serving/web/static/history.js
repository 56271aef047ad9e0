// The page History: days begin at midnight where the reader is.
"use strict";

document.querySelector("input[name=zone]").value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
