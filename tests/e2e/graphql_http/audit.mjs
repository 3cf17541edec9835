// Audits the server at argv[2], with the headers given as JSON in argv[3], and prints one JSON line a finding.
import { auditServer } from "graphql-http";

const [url, headers] = process.argv.slice(2);

const findings = await auditServer({
  url,
  fetchFn: (input, init = {}) =>
    fetch(input, { ...init, headers: { ...JSON.parse(headers), ...init.headers } }),
});

for (const { id, name, status, reason } of findings) {
  console.log(JSON.stringify({ id, name, status, reason }));
}
