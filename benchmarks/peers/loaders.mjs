// One DataLoader for each edge and request, and resolvers that use them: for servers that have no batching of their own.
import DataLoader from "dataloader";
import { page } from "./schema.mjs";
import { appointments, claims, encounters, patients } from "./sources.mjs";

const EDGES = { encounters, appointments, claims };

/** A request's context. A page of a hundred patients is one batch. */
export const context = () =>
  Object.fromEntries(Object.entries(EDGES).map(([edge, load]) => [edge, new DataLoader((keys) => load([...keys]))]));

export const resolvers = {
  Query: { patients: async (_, { first }) => page(await patients(first)) },
  Patient: Object.fromEntries(
    Object.keys(EDGES).map((edge) => [
      edge,
      async (patient, { first }, loaders) => page((await loaders[edge].load(patient.key)).slice(0, first)),
    ]),
  ),
};
