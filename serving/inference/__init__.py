"""The BentoML service that rewrites.

- `app`: starts the process; `service`: the routes; `pool`: versions in memory, requests in batches;
  `engines`: CTranslate2 and transformers; `edits_engine`: the edit writer; `llm_engine`: models that we did
  not train; `replacements`: terms of dictionaries that are replaced, around all of them.
- `client`: what the gateway asks with; `release`: versions into the model store.
"""
