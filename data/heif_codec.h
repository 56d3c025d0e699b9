// What libheif can do depends on the decoders that are installed beside it. Internal to data/.
#pragma once

namespace md {

#ifdef MD_WITH_HEIF
/// Whether there is a decoder for AVIF (av1), or for HEIC.
bool heif_can_decode(bool av1);
#endif

}  // namespace md
