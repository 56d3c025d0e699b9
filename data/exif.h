// What EXIF says of a picture: how it is held, and its focal length. Blocks that are damaged or make no sense say
// nothing and are no error. Sources: Exif 2.32 (CIPA DC-008), TIFF 6.0. Internal to data/.
#pragma once
#include "data/byte_source.h"

namespace md {

/// What is taken of an EXIF block.
struct Exif {
  int orientation = 1;    // 1 to 8: which corner the first stored pixel is (tag 0x0112); 1: as it is seen
  double focal_35mm = 0;  // FocalLengthIn35mmFilm (tag 0xA405), mm; 0: none
};

/// Of a TIFF structure that begins at `at`, of which `bytes` may be looked at: a TIFF file, or an EXIF block, which may
/// begin with "Exif\0\0".
Exif parse_exif(const ByteSource&, std::uint64_t at, std::uint64_t bytes);

/// Of the file: a PNG's first eXIf chunk, a WebP's first EXIF chunk.
Exif png_exif(const ByteSource&);
Exif webp_exif(const ByteSource&);

}  // namespace md
