// An evaluation for people (tables) and for programs (JSON, CSV), and read back from those (mdeval compare).
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "data/bootstrap.h"
#include "tools/eval/evaluate.h"

namespace md {

struct Results {
  std::string method = {};  // what made the predictions: a checkpoint or a folder
  Protocol protocol = {};
  Evaluation evaluation = {};
  Intervals intervals = {};  // of the means, 95 %
  BootstrapSpec bootstrap = {};
};

/// Titles and values over two lines.
std::string metric_table(const Metrics&, const Protocol&);
/// The same with the intervals below.
std::string metric_table(const Results&);
std::string markdown_table(const Results&);

/// abs_rel sq_rel rmse rmse_log log10 silog d1 d2 d3 sq_err_rel irmse images missing pixels protocol protocol_hash
/// protocol_line.
nlohmann::ordered_json to_json(const Evaluation&, const Protocol&);
/// The same, method, zero_pixels, filled_pixels and filled_scored_pixels (tools/eval/unknown_pixels.h), interval_95,
/// bootstrap and per_image: every measure, log_bias and pixels, or the name alone.
nlohmann::ordered_json to_json(const Results&);

/// One row an image, in list order; the measures are empty where nothing was scored. The last column is the protocol's
/// line, the same in every row.
std::string to_csv(const Evaluation&, const Protocol&);

/// What files keep of an image: every measure, and what pooling needs.
struct SavedField {
  std::string key;
  double Metrics::*value;
};
const std::vector<SavedField>& saved_fields();

/// What is read back from a file of results.
struct SavedResults {
  Protocol protocol = {};
  std::vector<ImageScore> per_image = {};
};
/// A file of to_json(Results) or to_csv. Throws ErrorKind::missing, or ErrorKind::bad_data naming the file, and the row
/// or what is wrong with the protocol's line.
SavedResults read_results(const std::string& path);

}  // namespace md
