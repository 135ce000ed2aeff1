"""The command `radiolith`: one file a verb, each parsing its options and printing what came back.

The work itself is done by typed functions of ``service``; modules here import them inside the
verbs, so that `radiolith --help` does not pay for them.
"""
