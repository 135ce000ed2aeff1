"""The DICOM standard: encoded datasets, transfer syntaxes, associations and DIMSE services."""
