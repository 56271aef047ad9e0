"""Discord: commands, buttons and forms by HTTP, without a library: cryptography checks the signatures.

- `part`: the parts of Discord, put together.
- `door`: takes Discord's requests, and checks who signed them; `listeners`: what each one is about.
- `calls`: calls Discord, no faster than it wants; `components`: what people see, in Discord's format;
  `texts`: reads and writes Discord's notation of messages.
- `connector`: how Discord lets the app into a server; `presence`: whether the app is still in it.
- `register`: the command that registers the app's commands.
"""
