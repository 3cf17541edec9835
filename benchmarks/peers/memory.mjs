// Answers from rows in memory, without HTTP, policy or audit: graphql-js and graphql-jit, both with DataLoader.
// argv[2] is a JSON file: { rows, operations: { name: { query, variables } } }. Each line in is { kind, operation,
// answers }; each line out is { wall, cpu }, in milliseconds for one of them, or, where `answers` is 0, { data }.
// Documents are parsed, validated and (jit) compiled once; an answer is executed and written as JSON.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import DataLoader from "dataloader";
import { execute, parse, validate } from "graphql";
import { compileQuery } from "graphql-jit";
import { executable, page } from "./schema.mjs";

const { rows, operations } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const EDGES = ["encounters", "appointments", "claims"];
const held = new Map(EDGES.map((edge) => [edge, new Map(rows.map((row) => [row.key, row[edge] ?? []]))]));
const patients = rows.map(({ key, own }) => ({ key, ...own }));

const follow = (edge) => async (patient, { first }, loaders) =>
  page((await loaders[edge].load(patient.key)).slice(0, first));

const schema = executable({
  Query: {
    patients: (_, { first, after }) => page(patients.slice(Number(after ?? 0), Number(after ?? 0) + first)),
  },
  Patient: Object.fromEntries(EDGES.map((edge) => [edge, follow(edge)])),
});

const loaders = () =>
  Object.fromEntries(
    EDGES.map((edge) => [edge, new DataLoader(async (keys) => keys.map((key) => held.get(edge).get(key)))]),
  );

const prepared = {};
for (const [name, { query, variables }] of Object.entries(operations)) {
  const document = parse(query);
  const errors = validate(schema, document);
  if (errors.length) throw errors[0];
  // graphql-jit keeps its own checks of serialised leaves, as graphql-js does; nothing is turned off.
  const compiled = compileQuery(schema, document, "Load");
  if (!("query" in compiled)) throw compiled.errors[0];
  prepared[name] = {
    "graphql-js": () => execute({ schema, document, contextValue: loaders(), variableValues: variables }),
    "graphql-jit": () => compiled.query(undefined, loaders(), variables),
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { kind, operation, answers } = JSON.parse(line);
  const answer = prepared[operation][kind];
  if (!answers) {
    const { data, errors } = await answer();
    if (errors) throw errors[0];
    console.log(JSON.stringify({ data }));
    continue;
  }
  const began = performance.now();
  const used = process.cpuUsage();
  for (let number = 0; number < answers; number += 1) JSON.stringify(await answer());
  const wall = performance.now() - began;
  const { user, system } = process.cpuUsage(used);
  console.log(JSON.stringify({ wall: wall / answers, cpu: (user + system) / 1_000 / answers }));
}
