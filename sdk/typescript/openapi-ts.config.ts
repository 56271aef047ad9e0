import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { defineConfig } from "@hey-api/openapi-ts";

const input = "../openapi.json";
const digest = createHash("sha256").update(readFileSync(input)).digest("hex");

// Only the types: requests are sent by hand, with retries, keys and signatures.
export default defineConfig({
  input,
  output: {
    path: "src/generated",
    clean: true,
    indexFile: false,
    header: `// The documents of the API. Made from openapi.json ${digest}\n// by \`make sdk\`. Do not change it here.`,
  },
  plugins: [{ name: "@hey-api/typescript", enums: false }],
});
