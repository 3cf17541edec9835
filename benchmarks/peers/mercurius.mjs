// Mercurius on Fastify, with its own loaders (batched and cached by request) and JIT from the first execution on.
import Fastify from "fastify";
import mercurius from "mercurius";
import { page, typeDefs } from "./schema.mjs";
import { appointments, claims, encounters, patients } from "./sources.mjs";

const loader = (load) => async (queries) => {
  const rows = await load(queries.map(({ obj }) => obj.key));
  return rows.map((of, number) => page(of.slice(0, queries[number].params.first)));
};

const app = Fastify({ logger: false });
app.register(mercurius, {
  schema: typeDefs,
  jit: 1,
  graphiql: false,
  resolvers: { Query: { patients: async (_, { first }) => page(await patients(first)) } },
  loaders: {
    Patient: { encounters: loader(encounters), appointments: loader(appointments), claims: loader(claims) },
  },
});
await app.listen({ host: "127.0.0.1", port: 0 });
console.log(JSON.stringify({ port: app.server.address().port }));
