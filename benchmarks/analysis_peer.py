"""The peer of `benchmarks.analysis`: proselint, a linter of English prose, which matches with google-re2.

`benchmarks.analysis` starts this file with the interpreter of an environment that has proselint and nothing
of ours: `python -I analysis_peer.py`. It reads JSON, a list of lists of messages, and prints for each list
the CPU milliseconds a message, and how many findings there were. The first list is read once before.
"""

import json
import sys
import time

from proselint.checks import __register__
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

CheckRegistry().register_many(__register__)
lists = json.load(sys.stdin)
for message in lists[0]:
    LintFile("-", message).lint()
rows = []
for messages in lists:
    began = time.process_time()
    found = sum(len(LintFile("-", message).lint()) for message in messages)
    rows.append({"ms": 1000 * (time.process_time() - began) / len(messages), "findings": found})
print(json.dumps(rows))
