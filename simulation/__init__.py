"""Simulated people use the real system. Nothing here runs in production.

- `simulated_people`: their votes, and their use of the gateway over HTTP.
- `taste`: what they like; `reading` and `faults`: how they compare a rewrite with their message;
  `corrections`: how they correct it; `taste_report`: whether they dislike what readers call wrong.
- `demo`: runs the whole loop once; `demo_report`: its report.
- `month`: runs thirty days of automatic experiments; `month_report`: its report.
- `fake_inference`: an inference service without a model, whose versions have a known quality.
- `labelled_votes`: their choices between labelled rewrites; `audited_reward`: the reward model that a
  notebook audits, which learns from these choices where an installation has none.
- `simulated_votes`: votes for the comparison of training methods; `methods_report`: that comparison.
- `sample`: the settings for notebooks, of the running installation or of a sample. `sample_fill` fills its
  database: `sample_traffic` plans what people do, `sample_answers` answers them and lets them vote.
"""
