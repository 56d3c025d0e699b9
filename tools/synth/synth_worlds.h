// Worlds: furnished rooms and streets drawn from (seed, number), and where a camera stands in them. Sizes are those of
// real rooms and streets and independent of the colours, so that depth has to be learnt from perspective and size.
#pragma once
#include "tools/synth/synth_scene.h"

namespace md::synth {

/// An indoor scene (NYU) or an outdoor one (KITTI).
enum class WorldKind : std::uint8_t { room, street };

/// How much there is in a room: the furniture alone, or what synth_detail.h adds to the same furniture.
enum class Detail : std::uint8_t { basic, high };

/// Frames that one world gives; a training and a test list never share a world.
inline constexpr std::uint64_t kFramesPerWorld = 4;

/// A camera's place and axes (unit, right-handed: right x down = forward).
struct Pose {
  Vec3 position, right, down, forward;
};
/// Looks along `yaw` (about the vertical, 0 = +z, towards +x) and `pitch` (up is positive), radians.
Pose look(const Vec3& position, double yaw, double pitch);

/// A scene of which frames are taken.
struct World {
  WorldKind kind;
  std::uint64_t seed, number;
  Vec3 size_m;  // of the room's or street's inside: x in +-size.x/2, y in [0, size.y], z in [0, size.z]
  Scene scene;
};

/// The world of a kind, a function of its numbers (and detail) alone.
World make_room(std::uint64_t seed, std::uint64_t number, Detail = Detail::basic);
World make_street(std::uint64_t seed, std::uint64_t number);
World make_world(WorldKind, std::uint64_t seed, std::uint64_t number, Detail = Detail::basic);

/// Where the camera stands in frame 0..kFramesPerWorld-1: anywhere free in a room, driving ahead in a street.
Pose pose_of(const World&, std::uint64_t frame);

}  // namespace md::synth
