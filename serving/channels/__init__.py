"""Chat platforms: people rewrite where they write, and vote by buttons. A process of its own, since the
libraries of platforms are heavy. It rewrites and votes through the gateway's API, as any client does.

A platform's request is verified, answered at once, and stored as a job; the same process does the jobs, and
shows the outcome by the platform's API. What is the same for all platforms is here, and each is a folder.

- `app`: the process; `parts`: what a platform brings into it.
- `connect`: the command that connects a workspace; `site`: the page for it; `connecting`: the part of both
  that differs by platform.
- `workspaces`: connected workspaces, with their tokens in clear; `vault`: encrypts these.
- `intake`: takes what a person wants, for the listeners of all platforms; `commands`: what a text to the bot
  is; `bodies`: reads a signed request; `orders`: what a person wants, as a job.
- `shown`: what people get to see, in no platform's format; `phrases`: what is said in both languages.
- `replies`: does the jobs; `gateway`: the client of the gateway's API.
- `terms`: shows and changes a person's own terms.
- `proposals`: what a rule proposes for what somebody has written in a channel.
- `pace`: how fast a platform may be called.
- `slack/`: Slack. `teams/`: Microsoft Teams. `discord/`: Discord. `inbound/`: any other tool that can send a
  request.
"""
