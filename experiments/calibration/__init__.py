"""Tests the statistical guarantees of experiments on simulated experiments whose true effect is known.

- `between_users`: experiments between users, with their controls.
- `populations`: the users of each setting, and their outcomes in both arms.
- `report`: the figures with their Monte-Carlo intervals, and the targets that they miss.
- `__main__`: the command.
"""
