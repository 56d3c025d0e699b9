// Start-up: how long a program takes from its start to the first thing that it makes.
#pragma once

namespace md {

/// Of one process.
struct Startup {
  double seconds;  // from its start to the first result
  double peak_mb;  // largest resident set, to its end
};

/// mdtrain on LT, four frames of 416x544 from JPEGs, to the first loss in its metrics.
Startup time_first_loss();
/// mdeval predict with LT, a frame of 480x640, to the first file that stands whole.
Startup time_first_file();

}  // namespace md
