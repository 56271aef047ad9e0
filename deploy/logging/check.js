// Reads a JSON list of LogQL expressions from stdin, and prints a line for each that is not valid; exits 1 then.
import { readFileSync } from "node:fs";
import { parser } from "@grafana/lezer-logql";

let faults = 0;
for (const expression of JSON.parse(readFileSync(0, "utf8"))) {
  parser.parse(expression).iterate({
    enter: (node) => {
      if (node.type.isError) {
        faults += 1;
        console.log(`at ${node.from}: ${expression}`);
      }
    },
  });
}
process.exit(faults ? 1 : 0);
