"""Files coded by hand: one DICOM, PNG, TIFF or PGM file in, one coded file out, and back."""
