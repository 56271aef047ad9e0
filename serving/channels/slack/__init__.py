"""Slack: a shortcut on messages, a slash command, and buttons, by slack-bolt and slack-sdk.

- `part`: the parts of Slack, put together.
- `door`: takes Slack's requests, and checks who signed them; `listeners`: what each one is about.
- `calls`: calls Slack, no faster than it wants; `blocks`: what people see, in Slack's format; `texts`: reads
  Slack's notation of messages. `connector`: how Slack lets the app into a workspace.
"""
