"""A guided tour with real parts: an archive of its own, real associations, every byte compared."""
