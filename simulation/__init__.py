"""Simulated people use the real system. Nothing here runs in production.

- `simulated_people`: their votes, and their use of the gateway over HTTP; `taste`: what they like.
- `demo`: runs the whole loop once; `demo_report`: its report.
- `month`: runs thirty days of automatic experiments; `month_report`: its report.
- `fake_inference`: an inference service without a model, whose versions have a known quality.
- `simulated_votes`: votes for the comparison of training methods; `methods_report`: that comparison.
"""
