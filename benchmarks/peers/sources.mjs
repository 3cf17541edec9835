// The simulated source systems as a careful Node.js service would call them: pooled connections kept alive (undici,
// pg), one batched call for each source and level, only the elements that are shown, prepared statements by name.
// argv[2] is a JSON file: { ehr, scheduling, billing, organization, crosswalk }. Who is who in which source is given
// whole and held in memory; Portico asks its database for it at each request.
import { readFileSync } from "node:fs";
import pg from "pg";
import { Pool } from "undici";

const config = JSON.parse(readFileSync(process.argv[2], "utf8"));
const word = (text) => (text == null ? null : text.toUpperCase().replaceAll("-", "_"));

const client = (url) => {
  const { origin, pathname } = new URL(url);
  const pool = new Pool(origin, { connections: 16 });
  return async (path, headers, body) => {
    const at = path.startsWith("/") ? path : `${pathname}/${path}`;
    const answer = await pool.request({ method: body == null ? "GET" : "POST", path: at, headers, body });
    if (answer.statusCode !== 200) throw new Error(`a source answered ${answer.statusCode}`);
    return answer.body.json();
  };
};

// -- the EHR: FHIR with client credentials --------------------------------------------------------------------------

const ehr = client(config.ehr.url);
const FORM = { "content-type": "application/x-www-form-urlencoded" };
let granted;

async function authorization() {
  if (granted === undefined || granted.until < Date.now()) {
    const credentials = Buffer.from(`${config.ehr.client_id}:${config.ehr.client_secret}`).toString("base64");
    const headers = { ...FORM, authorization: `Basic ${credentials}` };
    const body = "grant_type=client_credentials";
    const token = client(config.ehr.token_url)(new URL(config.ehr.token_url).pathname, headers, body);
    granted = { until: Infinity, token };
    const { expires_in: seconds } = await token;
    granted.until = Date.now() + (seconds - 30) * 1_000;
  }
  return `Bearer ${(await granted.token).access_token}`;
}

async function search(type, parameters, limit = Infinity) {
  const headers = { authorization: await authorization(), accept: "application/fhir+json" };
  const body = new URLSearchParams(parameters).toString();
  let bundle = await ehr(`${type}/_search`, { ...headers, ...FORM }, body);
  const found = (bundle.entry ?? []).map(({ resource }) => resource);
  for (;;) {
    const next = bundle.link?.find(({ relation }) => relation === "next");
    if (next === undefined || found.length >= limit) return found;
    const { pathname, search: query } = new URL(next.url);
    bundle = await ehr(pathname + query, headers);
    found.push(...(bundle.entry ?? []).map(({ resource }) => resource));
  }
}

const MRN = "https://ehr.example/id/mrn";
const SSN = "urn:oid:2.16.840.1.113883.4.1";
const value = (patient, system) => patient.identifier?.find((one) => one.system === system)?.value ?? null;

export async function patients(first) {
  const found = await search(
    "Patient",
    {
      organization: config.organization,
      _sort: "family,_id",
      _elements: "birthDate,gender,id,identifier,name",
      _count: String(first),
    },
    first,
  );
  return found.map((patient) => ({
    key: patient.id,
    name: patient.name?.[0] ? { family: patient.name[0].family, given: patient.name[0].given ?? [] } : null,
    birthDate: patient.birthDate ?? null,
    gender: word(patient.gender),
    mrn: value(patient, MRN),
    ssn: value(patient, SSN),
  }));
}

/** For each patient their rows, in order, at most 20: what a page holds. */
function grouped(keys, rows) {
  const groups = new Map(keys.map((key) => [key, []]));
  rows.sort((one, other) => (one.order < other.order ? -1 : one.order > other.order ? 1 : 0));
  for (const row of rows) groups.get(row.of)?.push(row);
  return keys.map((key) => (key == null ? [] : groups.get(key).slice(0, 20)));
}

export async function encounters(keys) {
  const found = await search("Encounter", {
    patient: keys.join(","),
    _elements: "class,id,period,status,subject",
    _count: "1000",
  });
  const rows = found.map((encounter) => ({
    of: encounter.subject.reference.slice("Patient/".length),
    order: `${encounter.period?.start ?? ""} ${encounter.id}`,
    status: word(encounter.status),
    class: encounter.class ? { code: encounter.class.code } : null,
    period: encounter.period && { start: encounter.period.start ?? null, end: encounter.period.end ?? null },
  }));
  return grouped(keys, rows);
}

// -- the scheduling vendor: REST, fifty clients a look-up, local times ----------------------------------------------

const vendor = client(config.scheduling.url);
const VENDOR_HEADERS = { "content-type": "application/json", "x-api-key": config.scheduling.api_key };
const LOOKUP_LIMIT = 50;
const { states: STATES, statuses: STATUSES, types: TYPES } = JSON.parse(
  readFileSync(new URL("vocabulary.json", import.meta.url), "utf8"),
);

const formats = new Map();
const HOUR = 3_600_000;

/** How far a zone is ahead of UTC at an instant, in milliseconds. */
function ahead(zone, at) {
  if (!formats.has(zone)) {
    const options = { timeZone: zone, hourCycle: "h23", dateStyle: "short", timeStyle: "medium" };
    formats.set(zone, new Intl.DateTimeFormat("sv-SE", options));
  }
  return Date.parse(`${formats.get(zone).format(at).replace(" ", "T")}Z`) - at;
}

const offsets = new Map();

/** A wall time's instant. What a zone is ahead is worked out once for each hour of its wall. */
function universal(wall, fold, zone) {
  const key = `${zone} ${wall.slice(0, 13)} ${fold}`;
  const local = Date.parse(`${wall}Z`);
  if (!offsets.has(key)) {
    const candidates = [ahead(zone, local - 24 * HOUR), ahead(zone, local + 24 * HOUR)];
    const good = candidates.filter((offset) => ahead(zone, local - offset) === offset);
    offsets.set(key, good.length ? (fold ? Math.min(...good) : Math.max(...good)) : candidates[0]);
  }
  return `${new Date(local - offsets.get(key)).toISOString().slice(0, 19)}Z`;
}

async function looked(clients) {
  const items = [];
  let cursor;
  do {
    const page = cursor == null ? { size: 100 } : { size: 100, cursor };
    const fields = ["apptId", "clientId", "ends", "endsFold", "starts", "startsFold", "state", "tz"];
    const body = JSON.stringify({ clientIds: clients, fields, page });
    const answer = await vendor("appointments/lookup", VENDOR_HEADERS, body);
    items.push(...answer.items);
    cursor = answer.page.next;
  } while (cursor != null);
  return items;
}

export async function appointments(keys) {
  const clients = keys.map((key) => config.crosswalk[key]?.scheduling ?? null);
  const wanted = clients.filter((one) => one !== null);
  const chunks = [];
  for (let at = 0; at < wanted.length; at += LOOKUP_LIMIT) chunks.push(wanted.slice(at, at + LOOKUP_LIMIT));
  const rows = (await Promise.all(chunks.map(looked))).flat().map((item) => {
    const start = universal(item.starts, item.startsFold, item.tz);
    const end = universal(item.ends, item.endsFold, item.tz);
    return { of: item.clientId, order: `${start} ${item.apptId}`, start, end, status: STATES[item.state] };
  });
  return grouped(clients, rows);
}

// -- the billing database -------------------------------------------------------------------------------------------

const billing = new pg.Pool({ ...config.billing, max: 10 });
const CLAIMS = readFileSync(new URL("claims.sql", import.meta.url), "utf8");
const money = (amount) => (amount == null ? null : { amount, currency: "USD" });

export async function claims(keys) {
  const subscribers = keys.map((key) => config.crosswalk[key]?.billing ?? null);
  const values = [subscribers.filter((one) => one !== null)];
  const { rows } = await billing.query({ name: "claims", text: CLAIMS, values });
  const read = rows.map((row) => ({
    of: row.sbscr_no,
    order: `${row.ent_dt} ${row.clm_no}`,
    status: STATUSES[row.stat_cd],
    type: TYPES[row.clm_typ],
    created: row.ent_dt,
    billed: money(row.billed),
    paid: money(row.paid),
  }));
  return grouped(subscribers, read);
}
