// A user's own frames: a list, and 16-bit depth files whose units the user says.
#include "data/datasets.h"

namespace md {

DatasetTraits plain_dataset() {
  return {.name = "plain",
          .help = "units of one's own",
          .usual_focal_px = 715.0873,  // BTS's scaling leaves depth as it is with it
          .user_units = true,
          .cap_of_network = true};
}

}  // namespace md
