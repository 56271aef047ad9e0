"""Rules that propose a rewrite of a message: conditions of an organisation or of one of its people, all of
which must hold, and a transform type with an intensity.

- `conditions`: what a rule may ask of a message.
- `patterns`: regular expressions in linear time, and what is wrong with one that RE2 refuses.
- `matching`: which rule matches a message first, and by which of its words.
- `stored`: the rules in Postgres, and who changed what.
"""
