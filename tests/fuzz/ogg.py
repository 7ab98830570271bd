"""The checksums of Ogg pages, without which a changed page is passed over."""

from __future__ import annotations

import re

_CRC = [0] * 256
for _byte in range(256):
    _remainder = _byte << 24
    for _ in range(8):
        _remainder = (_remainder << 1 ^ (0x04C11DB7 if _remainder & 1 << 31 else 0)) & 0xFFFFFFFF
    _CRC[_byte] = _remainder


def checksum(data: bytearray) -> None:
    """Put the checksum of every page right (RFC 3533, section 6)."""
    for start in [found.start() for found in re.finditer(b"OggS", data)]:
        if start + 27 > len(data):
            return
        segments = data[start + 27 : start + 27 + data[start + 26]]
        page = data[start : start + 27 + len(segments) + sum(segments)]
        page[22:26] = bytes(4)
        crc = 0
        for byte in page:
            crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC[crc >> 24 ^ byte]
        data[start + 22 : start + 26] = crc.to_bytes(4, "little")
