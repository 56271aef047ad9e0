"""The BentoML service that rewrites.

- `service`: the routes; `pool`: versions in memory, requests in batches; `engines`: CTranslate2 and
  transformers; `edits_engine`: the edit writer; `llm_engine`: models that we did not train.
- `client`: what the gateway asks with; `release`: versions into the model store.
"""
