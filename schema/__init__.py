"""The GraphQL face: builds the schema from one module per domain. `schema.graphql` beside this file is its snapshot."""
