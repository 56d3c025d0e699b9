// How the camera moves: while a frame is exposed, and from frame to frame of a video.
#pragma once
#include "engine/rng.h"
#include "tools/synth/synth_worlds.h"

namespace md::synth {

/// Velocities of a camera; angles as look() has them.
struct Motion {
  Vec3 velocity_m_s;
  double yaw_rad_s = 0, pitch_rad_s = 0;
};
/// Of frame 0..kFramesPerWorld-1 of a world: somebody who walks and turns, or a car that drives ahead.
Motion motion_of(const World&, std::uint64_t frame);
/// Where such a camera is that much later.
Pose moved(const Pose&, const Motion&, double seconds);

/// A walk around the middle of a room at half a metre a second, with the eyes on the other side. It ends where it
/// began, without a jump, and keeps away from what stands in the room as well as it can.
class Walk {
 public:
  explicit Walk(const World& room);  // which must outlive it
  /// Where the camera is, seconds after the beginning.
  Pose at(double seconds) const;

 private:
  struct Course {
    Vec3 middle;
    double across_m = 0, along_m = 0, bulge = 0;  // half axes; part of them that a third harmonic has
    double begin = 0, direction = 1;              // radians; 1 or -1
  };
  Vec3 position(const Course&, double turn) const;
  Course draw(Rng&) const;
  double clearance_m(const Course&) const;

  const World& room_;
  Course course_;
  double lap_s_;
};

}  // namespace md::synth
