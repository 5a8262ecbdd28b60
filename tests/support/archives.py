"""Compressions that Python cannot write: LZW as compress(1) has it, and lzip."""

from __future__ import annotations

import lzma
import zlib

_CLEAR = 256
_RUN = 207  # literals between two resets: with the reset a multiple of 8, and too few for codes of 10 bits


def lzw(data: bytes) -> bytes:
    """A `.Z`: every byte as a code of 9 bits of its own."""
    bits, count, out = 0, 0, bytearray(b"\x1f\x9d\x90")
    for start in range(0, len(data), _RUN):
        for code in (*data[start : start + _RUN], _CLEAR):
            bits |= code << count
            count += 9
            while count >= 8:
                out.append(bits & 0xFF)
                bits >>= 8
                count -= 8
    return bytes(out) + (bytes([bits]) if count else b"")


def lzip(data: bytes) -> bytes:
    """One member of an lzip file (its manual, "File format")."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 16}]
    body = b"LZIP\x01\x10" + lzma.compress(data, lzma.FORMAT_RAW, filters=filters)
    end = zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(8, "little")
    return body + end + (len(body) + 20).to_bytes(8, "little")
