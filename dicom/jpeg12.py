"""Decode 12-bit JPEG (T.81, DCT processes), which none of pydicom's decoders here does.

pydicom leaves it to pylibjpeg-libjpeg (GPL). GDCM decodes it well if it is told the codestream's
precision instead of Bits Stored, which pydicom's own plug-in for GDCM doesn't do.
"""

from __future__ import annotations

from typing import Any, Final

import gdcm as untyped_gdcm

from dicom.codestream import CodestreamHeader

PRECISION: Final = 12

gdcm: Any = untyped_gdcm
"""SWIG bindings, whose names aren't seen by type checkers."""


class Jpeg12Error(ValueError):
    """A 12-bit JPEG frame can't be decoded."""


def decode_jpeg12(frame: bytes, header: CodestreamHeader, transfer_syntax: str) -> bytes:
    """Decode one grayscale frame to 16-bit little endian words.

    Raises:
        Jpeg12Error: the frame is damaged.
    """
    image = _compressed_image(frame, header, transfer_syntax)
    # GDCM hands bytes over as text with surrogates.
    words = image.GetBuffer().encode("utf-8", "surrogateescape")
    if len(words) != 2 * header.rows * header.columns:
        raise Jpeg12Error("damaged 12-bit JPEG frame")
    return bytes(words)


def _compressed_image(frame: bytes, header: CodestreamHeader, transfer_syntax: str) -> Any:
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(frame)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((header.columns, header.rows, 1))
    image.SetDataElement(element)
    image.SetPhotometricInterpretation(
        gdcm.PhotometricInterpretation(gdcm.PhotometricInterpretation.MONOCHROME2)
    )
    syntax = gdcm.TransferSyntax.GetTSType(transfer_syntax)
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    image.SetPixelFormat(gdcm.PixelFormat(1, 16, PRECISION, PRECISION - 1, 0))
    return image
