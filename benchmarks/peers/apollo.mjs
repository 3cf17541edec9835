// Apollo Server in its standalone form; it keeps parsed and validated documents by itself.
import { ApolloServer } from "@apollo/server";
import { startStandaloneServer } from "@apollo/server/standalone";
import { context, resolvers } from "./loaders.mjs";
import { typeDefs } from "./schema.mjs";

const server = new ApolloServer({ typeDefs, resolvers, introspection: false });
const { url } = await startStandaloneServer(server, {
  context: async () => context(),
  listen: { host: "127.0.0.1", port: 0 },
});
console.log(JSON.stringify({ port: Number(new URL(url).port) }));
