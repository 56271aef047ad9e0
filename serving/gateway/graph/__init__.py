"""GraphQL at `/graphql`: what the REST routes read, rewrites and votes, by the same functions.

request    trusted -> limits -> admission -> schema -> faults      `endpoint` has the route
schema     objects, queries, mutations, with a `context` for each request
"""
