"""What Portico is measured beside under Node.js: three GraphQL servers over the same simulated sources."""
