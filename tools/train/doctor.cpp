// What the machine and the program offer.
#include "tools/train/doctor.h"

#include <omp.h>

#include <iostream>

#include "data/image_io.h"
#include "data/picture.h"
#include "engine/gpu_code.h"
#include "nets/registry.h"
#include "tools/cli/device_option.h"
#include "tools/train/first_run.h"

namespace md {

Exit doctor(const TrainOptions* recipe) {
  const std::string needs = recipe ? needs_text(measure_needs(*recipe), *recipe)
                                   : "first run     mdtrain doctor --config RECIPE --data DIR says what it will need\n";
  const Device device = choose_device(recipe ? recipe->device : DeviceOptions{});
  const std::string kernels = cpu_kernels();
  std::cout << "mdtrain       " << MD_VERSION << "\n"
            << "device        " << (device.kind == Device::cuda ? "cuda" : "cpu") << ", " << backend(device).name()
            << "\n"
            << "kernels       " << kernels << "\n"
            << "GPU code      " << gpu_code() << "\n"
            << "threads       " << omp_get_max_threads() << " of " << omp_get_num_procs() << " processors\n"
            << "JPEG decoder  " << jpeg_decoder_name() << "\n"
            << "photos       ";
  for (const PictureFormat& format : picture_formats()) {
    if (format.is_read) std::cout << " " << format.name;
  }
  std::cout << "\nnetworks     ";
  for (const std::string& name : net_names()) std::cout << " " << name;
  std::cout << "\n" << needs << std::flush;
  return Exit::ok;
}

}  // namespace md
