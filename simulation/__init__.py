"""Simulated people use the real system: nothing here exists in production.

- `simulated_people`: their taste, their votes, and how they use the gateway over HTTP.
- `demo`: the whole loop once; `demo_report`: what it found.
- `month`: thirty days of experiments without a person; `month_report`: what they found.
- `fake_inference`: a service whose versions have a known quality, in place of the models.
- `simulated_votes`: votes for the comparison of learning methods; `methods_report`: that comparison.
"""
