"""Files in and out of an archive: import and export."""
