"""Sealed files, byte for byte as docs/format.md says: objects, and journal entries before them.

Import from the modules: receivers need :mod:`service.sealing.journal` only, and must not load the
codec that :mod:`service.sealing.reader` decodes with.
"""
