// For tests of what reads images and depth: a folder of the test's own (DataFolder), and small frames to fill it with.
#pragma once
#include "tests/data/test_images.h"
#include "tests/kit/test_folder.h"

namespace md::test {

using DataFolder = TestFolder;

}  // namespace md::test
