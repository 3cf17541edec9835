// graphql-yoga on Node's own HTTP server; it keeps parsed and validated documents by itself.
import { createServer } from "node:http";
import { createSchema, createYoga } from "graphql-yoga";
import { context, resolvers } from "./loaders.mjs";
import { typeDefs } from "./schema.mjs";

const yoga = createYoga({
  schema: createSchema({ typeDefs, resolvers }),
  context,
  graphiql: false,
  landingPage: false,
  logging: false,
  maskedErrors: false,
});
const server = createServer(yoga).listen(0, "127.0.0.1", () => {
  console.log(JSON.stringify({ port: server.address().port }));
});
