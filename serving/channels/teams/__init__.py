"""Microsoft Teams: an action on messages, a chat with the bot, and buttons on cards, by microsoft-teams-apps.

- `part`: the parts of Teams, put together; only a process with Teams imports them. `connector`: how an
  operator connects a tenant, and where Microsoft's servers are.
- `door`: takes Teams' requests; `verifier`: checks who has sent them. `activities`: what is read of them;
  `listeners`: what each one is about; `texts`: reads the HTML of messages.
- `calls`: sends to people, no faster than Teams wants; `tokens`: shows that it is the app that sends;
  `cards`: what people see, as Adaptive Cards.
"""
