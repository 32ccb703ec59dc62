"""How long what is stopped may take to end."""

#: Seconds that a statement gets to end after it was told to.
GRACE = 0.7
