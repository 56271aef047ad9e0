"""The web app for the person at work: they rewrite a message, see what changed, and vote on it. It writes
only through the gateway's API, and has no database.

- `app`: the process and its pages. `pages/`: one file a page.
- `visit`: who visits, and the navigation.
- `shell`: what makes it installable: manifest, service worker, and the page for when it is offline.
- `choices`: what people may choose of a rewrite, with examples; `results`: a rewrite as the page shows it;
  `reading`: how a message will be read; `streams`: rewrites as the gateway streams them.
- `rule_forms`: the form of a rule; `rule_trials`: a dry run as the page shows it.
- `exports`: a person's own answers as a file. `health`: what works now.
"""
