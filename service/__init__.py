"""The archive: receive, store, index, keys, retrieve, audit and the command line."""
